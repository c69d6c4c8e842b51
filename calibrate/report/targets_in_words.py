"""Where the targets of a study come from, in sentences for a paper."""

from __future__ import annotations

from collections.abc import Iterator

from calibrate.objective import Objective, Value
from calibrate.objective.rounding import rounded
from calibrate.report.prose import count, enumerated
from calibrate.study import Study
from calibrate.study.file.targets import RECORDING, ObjectiveSection
from calibrate.study.rules.recorded_targets import ERRORS

DISTANCES = {"wasserstein": "Wasserstein", "ks": "Kolmogorov-Smirnov"}


def origins(study: Study) -> Iterator[str]:
    """Sentences on the targets: from a recording, as numbers with their sources, as distributions."""
    pairs = list(zip(study.targeted, study.file.objectives, strict=True))
    recorded = [objective for objective, section in pairs if section.target == RECORDING]
    if recorded:
        yield f"{_targets_of(recorded)} computed from {_recording(study)}{_tolerances(study, pairs)}."
    for objective, section in pairs:
        if section.target == RECORDING and not section.source:
            names = objective.target.source.partition(" ")[2].split(", ")
            if len(names) < len(study.taken.recordings):
                yield f"Of these, {objective.name} was measured in {enumerated(names)} only."
    by_source: dict[str, list[Objective]] = {}
    for objective, section in pairs:
        if section.target != RECORDING and section.distribution is None:
            by_source.setdefault(section.source, []).append(objective)
    for source, objectives in by_source.items():
        origin = f"taken from {source.rstrip('. ')}" if source else "given without a source"
        yield f"{_targets_of(objectives)} {origin}."
    for objective, section in pairs:
        if section.distribution is not None:
            yield _distribution(study, objective, section, described=bool(recorded))
    for objective, section in pairs:
        if section.neurons is not None:
            yield (
                f"{objective.name} was computed from {section.neurons} random neurons of each population, "
                f"averaged over {count(section.samples, 'draw').lower()}."
            )


def _targets_of(objectives: list[Objective]) -> str:
    one = len(objectives) == 1
    named = enumerated([_with_value(objective) for objective in objectives])
    return f"The target{'' if one else 's'} of {named} {'was' if one else 'were'}"


def _with_value(objective: Objective) -> str:
    """The name of an objective with its target, such as rate_E (5 ± 1 Hz)."""
    target = objective.target
    value = (
        f"{rounded(target.value, 4)} ± {rounded(target.tolerance, 2)}"
        if isinstance(target, Value)
        else f"{rounded(target.low, 4)} to {rounded(target.high, 4)}"
    )
    return f"{objective.name} ({f'{value} {objective.statistic.unit}'.strip()})"


def _tolerances(study: Study, pairs: list[tuple[Objective, ObjectiveSection]]) -> str:
    """Say which tolerances come from the recording, too."""
    recorded = [(objective.name, section) for objective, section in pairs if section.target == RECORDING]
    by_error = [name for name, section in recorded if section.tolerance is None]
    if not by_error:
        return ""
    of = "" if len(by_error) == len(recorded) else f" of {enumerated(by_error)}"
    plural = "" if len(by_error) == 1 else "s"
    notes = {objective.target.note for objective, section in pairs if objective.name in by_error}
    or_trial = ", or of a trial where these are larger" if any("trial" in note for note in notes) else ""
    errors = f"{ERRORS:g} standard errors (jackknife over time, and random halves of the units)"
    if len(study.taken.recordings) > 1:
        errors = (
            f"{ERRORS:g} standard errors of one more recording (their random-effects mean, with the variance "
            "between recordings of Paule and Mandel)"
        )
    return f", and the tolerance{plural}{of} from {errors}{or_trial}"


def _recording(study: Study) -> str:
    files = {"": study.file.recording.file} if study.file.recording else {}
    files |= {one.called: one.file for one in study.file.recordings}
    described = [
        f"{' from '.join(dict.fromkeys(filter(None, (name, files.get(name, '')))))} "
        f"({count(facts.units, 'unit').lower()}, {facts.duration_ms / 1000:g} s; measured in {facts.pieces})"
        for name, facts in study.taken.recordings.items()
    ]
    which = "recording" if len(described) == 1 else count(len(described), "recording").lower()
    return f"the {which} {enumerated(described)}"


def _distribution(study: Study, objective: Objective, section: ObjectiveSection, *, described: bool) -> str:
    given = section.distribution
    if isinstance(given, list):
        reference = count(len(given), "given value").lower()
    elif given != RECORDING:
        reference = f"the file {given}"
    else:
        several = len(study.taken.recordings) > 1
        reference = "these recordings" if described and several else _recording(study)
    source = f" ({section.source.rstrip('.')})" if section.source else ""
    return (
        f"{objective.name} is the {DISTANCES[section.distance]} distance of its distribution in the network "
        f"from that in {reference}{source}; its target was 0."
    )
