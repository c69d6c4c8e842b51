"""Public docstrings: numpydoc's sections, complete, with examples that run.

Public is what `calibrate` offers, and what the rooms offer that users' own files import.
"""

from __future__ import annotations

import ast
import doctest
import importlib
import inspect
import textwrap
from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import pytest
from numpydoc.docscrape import get_doc_object
from numpydoc.validate import ERROR_MSGS, Validator
from numpydoc.validate import validate as validated

import calibrate
from calibrate import Study, errors, read_results, read_study, run_study, testing, validate
from calibrate.calibration.search.optuna_trials import UUID
from calibrate.calibration.validation.verdict import judge
from calibrate.store import Store, storage_url

ROOMS = ("observation", "objective", "neurons", "network", "figures")

LEFT_OUT = {
    "GL01",  # the summary begins at the quotes, which numpydoc allows since 1.11
    "ES01",  # a summary may say all there is to say
    "SA01",  # what belongs together is on one page of the documentation
    "SS05",  # a noun says what comes back, and nouns end in s
}
EXAMPLE = "EX01"  # of functions, and of these classes
WITH_EXAMPLES = {
    "Estimate", "Layout", "Model", "Needs", "Network", "Observation", "Parameter", "Population", "Projection",
    "Recording", "Results", "Spread", "Statistic", "Study", "UpStates", "Values", "Verdict",
    "Accumulator", "NeuronModel", "Objective", "StatisticContract",
}  # fmt: skip


def offered() -> Iterator[tuple[str, Any]]:
    """Every public name with what it stands for; the same thing may have two."""
    for name in calibrate.__all__:
        yield f"calibrate.{name}", getattr(calibrate, name)
    for room in ROOMS:
        module = importlib.import_module(f"calibrate.{room}")
        for name in module.__all__:
            yield f"{module.__name__}.{name}", getattr(module, name)
    for module in (errors, testing):
        for name, value in vars(module).items():
            if not name.startswith("_") and getattr(value, "__module__", "") == module.__name__:
                yield f"{module.__name__}.{name}", value


def members(value: type) -> Iterator[tuple[str, Any]]:
    for name, member in vars(value).items():
        if name in getattr(value, "__dataclass_fields__", ()):
            continue
        described = isinstance(member, property | cached_property | classmethod | staticmethod)
        if not name.startswith(("_", "test_")) and (described or inspect.isfunction(member)):
            yield name, member if isinstance(member, property | cached_property) else getattr(value, name)


def public() -> dict[str, Any]:
    """Functions and classes, and methods and properties of classes, each once."""
    names = {id(value): name for name, value in reversed(list(offered()))}
    kept = {
        name: value
        for name, value in offered()
        if names[id(value)] == name and (inspect.isclass(value) or inspect.isroutine(value))
    }
    inner = {
        f"{name}.{member}": inside
        for name, value in kept.items()
        if inspect.isclass(value)
        for member, inside in members(value)
    }
    return {**kept, **inner}


PUBLIC = public()
every_name = pytest.mark.parametrize("name", PUBLIC)


class Public(Validator):
    """A docstring, as numpydoc sees it; the parameters of a dataclass are its fields, under Attributes."""

    def __init__(self, obj_name: Any) -> None:
        super().__init__(get_doc_object(obj_name))

    @property
    def signature_parameters(self) -> tuple[str, ...]:
        if inspect.isclass(self.obj) and issubclass(self.obj, Exception):
            return ()
        if is_dataclass(self.obj):
            return tuple(one.name for one in fields(self.obj) if not one.name.startswith("_"))
        found: tuple[str, ...] = super().signature_parameters
        return found

    @property
    def doc_all_parameters(self) -> dict[str, Any]:
        sections = ["Attributes"] if is_dataclass(self.obj) else ["Parameters", "Other Parameters"]
        found: dict[str, Any] = self._doc_parameters(sections)
        return found

    @property
    def raised(self) -> set[str]:
        """Errors that are raised in so many words."""
        value = inspect.unwrap(getattr(self.obj, "__func__", self.obj))
        if inspect.isclass(value):
            value = vars(value).get("__post_init__")
        if not inspect.isfunction(value):
            return set()
        tree = ast.parse(textwrap.dedent(inspect.getsource(value)))
        calls = (node.exc for node in ast.walk(tree) if isinstance(node, ast.Raise))
        return {ast.unparse(call.func) for call in calls if isinstance(call, ast.Call)}


@every_name
def test_a_docstring_has_all_sections_and_every_parameter_its_word(name):
    value = PUBLIC[name]
    function = inspect.isfunction(value) and "." not in value.__qualname__
    wanted = function or name.rpartition(".")[2] in WITH_EXAMPLES
    left_out = LEFT_OUT if wanted else {*LEFT_OUT, EXAMPLE}
    found = validated(value, validator_cls=Public)["errors"]
    assert not [(code, text) for code, text in found if code in {*ERROR_MSGS} - left_out]


@every_name
def test_a_docstring_names_the_errors_that_are_raised(name):
    one = Public(PUBLIC[name])
    assert one.raised <= {kind for _, kind, _ in one.doc["Raises"]}


STUDY = (Path(__file__).parent.parent / "docs" / "examples" / "study.toml").read_text()
PARETO = f"[study]\npareto = true\n\n{STUDY}".replace("trials = 40", "trials = 8")
LOOP = STUDY.replace("N_E = 80", "N_E = 80\nN_Q = 2").replace("balanced", "ei_clustered")
LOOP = f'{LOOP}\n[loop]\nenvironment = "delayed_response"\n'


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the examples read: study.toml, pareto.toml and loop.toml, a recording, and two finished studies.

    The best trial of study.toml was validated, in Poisson neurons that stand for both simulators.
    """
    made = tmp_path_factory.mktemp("examples")
    for name, text in {"study": STUDY, "pareto": PARETO, "loop": LOOP}.items():
        (made / f"{name}.toml").write_text(text)
    rows = [f"{25 * k + unit},{unit}" for unit in range(40) for k in range(1 + unit % 3, 400, 7)]
    (made / "recording.csv").write_text("\n".join(["time_ms,unit", *rows]) + "\n")
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("OPTUNA_STORAGE", raising=False)
        for name in ("study", "pareto"):
            run_study(read_study(made / f"{name}.toml"), slots=1, progress=False)
        _validate(read_study(made / "study.toml"))
    return made


def _validate(study: Study) -> None:
    best = validate(study, slots=1, progress=False).verdicts[0].trial
    results = read_results(study)
    with Store(results.study, storage_url(study)) as store:
        (uuid,) = (trial.user_attrs[UUID] for trial in store.trials() if trial.number == best)
        found = [one for one in store.simulations(uuid) if one.realisation in study.graphs.validation(100)]
        half = len(found) // 2
        names = ("NEST", "GeNN")
        verdict = judge(
            study, results.trial(best), found[:half], found[half:], simulators=names, finished="2026-01-01"
        )
        store.keep_verdict(verdict)


def example(name: str) -> doctest.DocTest | None:
    value = PUBLIC[name]
    text = inspect.getdoc(value) or ""
    found = doctest.DocTestParser().get_doctest(text, {}, name, None, None)
    return found if found.examples else None


@pytest.mark.parametrize("name", [name for name in PUBLIC if example(name)])
def test_an_example_runs(name, folder, monkeypatch):
    monkeypatch.delenv("OPTUNA_STORAGE", raising=False)
    monkeypatch.chdir(folder)
    runner = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE)
    printed: list[str] = []
    found = example(name)
    assert found is not None
    runner.run(found, out=printed.append)
    assert not runner.failures, "".join(printed)
