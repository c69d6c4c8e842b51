"""A sampler finds its way back from a silent network: every loss of the panel falls towards the target."""

from __future__ import annotations

import numpy as np
import pytest

from calibrate import Estimate, Observation, make_study
from calibrate.calibration.study_pool import setup_of
from calibrate.objective import Objective, Value
from calibrate.objective.panel import measure
from calibrate.simulation.jobs import Job
from calibrate.simulation.local_pool import Pool
from tests.helpers.networks import SMALL

# Of the drive at the target; below 0.47 no neuron reaches its threshold.
SHARES = (0.0, 0.2, 0.35, 0.42, 0.46, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0)
GRAPHS = 3


@pytest.mark.slow
def test_from_silence_to_the_target_no_loss_rises_on_average(tmp_path):
    study = make_study(
        "walk",
        model="ei_clustered",
        parameters=SMALL,
        simulation={"backend": "nest", "warmup_ms": 200.0, "duration_ms": 2000.0},
        objectives=[{"statistic": "rate_E", "target": 5.0, "tolerance": 5.0}],
        budget={"trials": 1},
        folder=tmp_path,
    )
    walk = [
        Job(
            uuid=str(share),
            parameters={**SMALL, "I_th_E": share * SMALL["I_th_E"], "I_th_I": share * SMALL["I_th_I"]},
            seed=graph,
            realisation=graph,
        )
        for share in SHARES
        for graph in range(GRAPHS)
    ]
    found: dict[str, list[dict[str, Estimate]]] = {}
    with Pool(setup_of(study), study.stages[-1], slots=2) as pool:
        for outcome in pool.run(walk):
            assert isinstance(outcome.result, Observation)
            found.setdefault(outcome.uuid, []).append(measure(outcome.result, study.statistics))
    at_target = found[str(SHARES[-1])]
    walked = 0
    for statistic in study.statistics:
        values = [estimates[statistic.name].value for estimates in at_target]
        if not np.isfinite(values).all() or np.mean(values) == 0:
            continue
        target = float(np.mean(values))
        tolerance = max(0.2 * abs(target), float(np.std(values, ddof=1)))
        objective = Objective(statistic=statistic, target=Value(target, tolerance))
        losses = [np.mean([objective.loss(e[statistic.name]) for e in found[str(share)]]) for share in SHARES]
        assert np.isfinite(losses).all()
        assert losses[-1] < 5.0 <= losses[0], statistic.name
        rises = np.diff(losses)
        assert (rises[:4] <= 0).all(), (statistic.name, losses)  # without a spike there is no noise
        silent, firing = np.mean(losses[:5]), np.mean(losses[5:10])
        assert silent >= firing >= losses[-1] - 1.0, (statistic.name, losses)  # within the tolerance is there
        walked += 1
    assert walked >= 18
