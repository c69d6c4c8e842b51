"""How simulation time and memory grow with the network: sizes, fit and measurement."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any, ClassVar

import numpy as np
import pytest

from calibrate import scale, simulators
from calibrate.calibration.resources import measurement
from calibrate.calibration.resources.measurement import Measurement, Omitted
from calibrate.calibration.resources.scaling import growth_of, power_law
from calibrate.errors import StudyError
from calibrate.models.ei_clustered import ei_clustered
from calibrate.network.sizes import size_steps, sizes_for
from calibrate.simulation import probe
from calibrate.simulation.jobs import Job, Outcome, Timing
from calibrate.study import read_study
from tests.helpers.networks import METASTABLE
from tests.helpers.scaling import MODEL, STUDY, measured
from tests.helpers.simulators import both


@pytest.fixture
def study(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "sized.py").write_text(MODEL)
    (tmp_path / "sized.toml").write_text(STUDY)
    return "sized.toml"


def test_an_exact_power_law_is_found_without_error():
    neurons = [1000, 2000, 5000, 20_000]
    law = power_law(neurons, [3e-6 * n**1.7 for n in neurons])
    assert law.coefficient == pytest.approx(3e-6)
    assert law.exponent == pytest.approx(1.7)
    assert law.error == pytest.approx(0, abs=1e-9)
    assert law.at(np.array([100.0])) == pytest.approx(3e-6 * 100**1.7)
    assert str(law) == "n^1.70 ± 0.00"


def test_the_error_of_the_exponent_is_that_of_linear_regression():
    # By hand, in decades: points (0, 0), (1, 1), (2, 3) have slope 3/2 and residuals 1/6, -1/3, 1/6.
    law = power_law([1, 10, 100], [1, 10, 1000])
    assert law.exponent == pytest.approx(1.5)
    assert law.error == pytest.approx(math.sqrt(1 / 6 / 2))


def test_the_error_is_as_large_as_the_exponent_scatters():
    random = np.random.default_rng(1)
    neurons = np.array([1500, 3000, 6000, 12_500, 25_000])
    laws = [power_law(neurons, neurons**1.5 * np.exp(random.normal(0, 0.1, 5))) for _ in range(2000)]
    exponents, errors = [law.exponent for law in laws], [law.error for law in laws]
    assert np.mean(exponents) == pytest.approx(1.5, abs=0.01)
    assert np.sqrt(np.mean(np.square(errors))) == pytest.approx(np.std(exponents), rel=0.05)


def test_two_points_have_no_error_and_one_has_no_fit():
    law = power_law([100, 1000], [1, 100])
    assert (law.exponent, law.error) == (pytest.approx(2), None)
    assert str(law) == "n^2.00 (two sizes: no error)"
    assert power_law([100], [1]) is None
    assert growth_of([measured(100, 0.1)]) == ()


def test_the_largest_network_in_real_time_is_where_the_fit_crosses_one():
    within, beyond = (
        growth_of([measured(n, factor * n**2) for n in (1000, 2000, 4000)])[0]
        for factor in (1 / 3e3**2, 1e-8)
    )
    assert (within.real_time_neurons, within.extrapolated) == (pytest.approx(3000), False)
    assert (beyond.real_time_neurons, beyond.extrapolated) == (pytest.approx(10_000), True)
    (never,) = growth_of([measured(1000, 0.2), measured(2000, 0.1)])
    assert (never.real_time_neurons, never.extrapolated) == (None, False)


def test_simulators_and_batch_sizes_are_fitted_apart():
    rows = [measured(n, n**b, backend=name, batch_size=size)
            for name, size, b in (("genn", 1, 1.0), ("genn", 40, 2.0), ("nest", 1, 1.5))
            for n in (100, 200, 400)]  # fmt: skip
    found = {(one.backend, one.batch_size): one.time.exponent for one in growth_of(rows)}
    assert found == pytest.approx({("genn", 1): 1.0, ("genn", 40): 2.0, ("nest", 1): 1.5})


def test_the_median_of_the_repeats_counts():
    assert measured(100, 1.0, walls_s=(9.0, 2.0, 3.0)).real_time_factor == 1.5


def test_the_clustered_network_keeps_its_proportions_and_clusters():
    assert size_steps(ei_clustered, {}) == {"N_E": 6, "N_I": 6}
    assert sizes_for(ei_clustered, {}, 3000) == {"N_E": 2400, "N_I": 600}
    assert sizes_for(ei_clustered, {}, 12_500) == {"N_E": 10_002, "N_I": 2502}


def test_a_total_that_several_populations_share_changes_in_steps_that_keep_them_whole(study):
    model = read_study(study).model
    assert size_steps(model, {}) == {"N": 5, "N_X": 1}  # 4/5 of 5 are 4 clusters of 1 neuron
    assert sizes_for(model, {}, 1200) == {"N": 1000, "N_X": 200}
    assert sizes_for(model, {}, 1000) == {"N": 835, "N_X": 167}


def test_sizes_that_distort_the_network_are_refused():
    message = r"20 neurons is not possible: population E would have 18 neurons in 6 clusters, not 16"
    with pytest.raises(StudyError, match=message):
        sizes_for(ei_clustered, {}, 20)
    with pytest.raises(StudyError, match=r"30 neurons is not possible: .* a fixed in-degree"):
        sizes_for(ei_clustered, {"connectivity": "fixed_indegree", "p_EE": 0.05}, 30)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (('size=p["N_X"]', "size=20"), "the size of population X is set by no whole-number parameter"),
        (('size=p["N_X"]', 'size=p["N_X"] * p["N"]'), "population X is set by several parameters: N, N_X"),
    ],
)
def test_a_model_whose_sizes_are_not_parameters_is_refused(study, tmp_path, change, message):
    (tmp_path / "sized.py").write_text(MODEL.replace(*change))
    with pytest.raises(StudyError, match=message):
        scale(read_study(study), backends=["poisson"])


def test_a_network_is_measured_in_every_size(study):
    found = scale(
        read_study(study), [1200, 600], backends=["poisson"], duration_ms=5000.4, repeats=2,
        parameters={"drive": 2.0},
    )  # fmt: skip
    assert [one.neurons for one in found.measurements] == [600, 1200]
    for one in found.measurements:
        assert one.duration_ms == 5000.0
        assert len(one.walls_s) == 2
        assert one.rate_hz == pytest.approx(10, rel=0.1)
        assert 30e6 < one.memory_bytes < 1e9
        assert one.build_s >= 0
    assert found.omitted == found.notes == ()
    assert not found.interrupted


class Clock:
    """A pool that says how long it took: 2 s to build, 10 s to wire once, 1 s to load, and `factor`."""

    factor = 2.0
    processes: ClassVar = [os.getpid()]

    def __init__(self, _setup: Any, _timing: Timing, *, slots: int, timeout_s: float | None) -> None:  # noqa: ARG002
        assert slots == 1
        self.wired = False

    def __enter__(self) -> Clock:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def run(self, candidates: Sequence[Job]) -> list[Outcome]:
        timing = candidates[0].timing
        assert timing is not None
        once = 0.0 if self.wired else 10.0
        build_s = 0.0 if self.wired else 2.0
        self.wired = True
        wall_s = once + 1.0 + self.factor * timing.whole_ms / 1000
        shown = SimpleNamespace(neuron_totals=np.full(120, 6), duration_ms=timing.duration_ms)
        return [
            Outcome(uuid=c.uuid, result=shown, wall_s=wall_s, build_s=build_s, backend={"name": "clock"})  # type: ignore[arg-type]
            for c in candidates
        ]


@pytest.mark.parametrize(
    ("factor", "given_ms", "duration_ms"),
    [(2.0, 300.0, 300.0), (2.0, None, 5000 / 7), (0.0001, None, 1000.0), (100.0, None, 500.0)],
)
def test_neither_loading_nor_onset_count_as_time_of_the_simulation(
    study, monkeypatch, factor, given_ms, duration_ms
):
    monkeypatch.setattr(probe, "Pool", Clock)
    monkeypatch.setattr(Clock, "factor", factor)
    ready = read_study(study)
    found = measurement.measure(ready, ready.parameters({}), duration_ms=given_ms, repeats=2)
    assert isinstance(found, Measurement)
    assert found.duration_ms == round(duration_ms)
    assert found.factors == pytest.approx((factor, factor))
    assert found.build_s == pytest.approx(12)
    assert found.rate_hz == pytest.approx(6000 / found.duration_ms)


def test_a_time_that_is_lost_in_the_noise_is_no_measurement(study, monkeypatch):
    monkeypatch.setattr(probe, "Pool", Clock)
    monkeypatch.setattr(Clock, "factor", 0.0)
    ready = read_study(study)
    found = measurement.measure(ready, ready.parameters({}), duration_ms=300)
    assert isinstance(found, Omitted)
    assert found.reason == "300 ms is too short to be timed"


@pytest.mark.slow
@pytest.mark.parametrize("backend", both("nest", "genn"))
def test_time_and_memory_grow_with_the_size(backend, tmp_path):
    lines = [f'"{name}" = {json.dumps(value)}' for name, value in METASTABLE.items()]
    path = tmp_path / "ei.toml"
    path.write_text(
        '[model]\nname = "ei_clustered"\n[parameters]\n' + "\n".join(lines) + "\n"
        '[[objectives]]\nstatistic = "rate_E"\ntarget = 6.5\ntolerance = 1.0\n'
        "[simulation]\nduration_ms = 4000\n[budget]\ntrials = 1\n"
    )
    found = scale(read_study(path, searched=False), [600, 3000], backends=[backend], duration_ms=2000)
    small, large = found.measurements
    assert (small.neurons, small.synapses) == (600, 110_880)
    assert (large.neurons, large.synapses) == (3000, 2_772_000)
    assert large.real_time_factor > 2 * small.real_time_factor
    assert large.memory_bytes > small.memory_bytes + 1.5 * (large.synapses - small.synapses)
    assert small.rate_hz > 1
    (growth,) = found.growth
    assert growth.time.exponent > 0
    assert small.simulator["name"] == backend


def test_what_does_not_fit_into_the_memory_or_fails_is_left_out_and_the_rest_measured(study, monkeypatch):
    def slots_for(_: str, network: Any) -> int:
        if network.n_neurons > 1000:
            raise simulators.SimulatorError("one network needs more memory than is free")
        return 1

    monkeypatch.setattr(measurement, "slots_for", slots_for)
    found = scale(read_study(study), [600, 1200], backends=["poisson"], duration_ms=5000)
    assert [one.neurons for one in found.measurements] == [600]
    (left_out,) = found.omitted
    assert (left_out.neurons, left_out.reason) == (1200, "one network needs more memory than is free")


def test_a_simulation_that_fails_is_left_out_with_its_reason(study, tmp_path):
    before = "def make_values(network, p):"
    elsewhere = "\n    import sys\n    if 'calibrate.simulation.local_pool' not in sys.modules:"
    raising = before, f"{before}{elsewhere}\n        raise RuntimeError('it broke')"
    (tmp_path / "sized.py").write_text(MODEL.replace(*raising))
    found = scale(read_study(study), [600], backends=["poisson"])
    assert found.measurements == ()
    assert found.omitted == (
        Omitted(
            backend="poisson",
            batch_size=1,
            neurons=600,
            reason="model sized.py:sized raised RuntimeError: it broke",
        ),
    )
