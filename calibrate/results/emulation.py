"""What the trials of a study say about points that were not simulated: models of its statistics."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any

import numpy as np
from optuna.trial import FrozenTrial, TrialState

from calibrate.calibration.emulator.cube import Cube
from calibrate.calibration.emulator.models import Model, Trial
from calibrate.calibration.emulator.process import one_thread
from calibrate.calibration.emulator.scales import Scale
from calibrate.calibration.search.optuna_trials import UUID, loss_of
from calibrate.calibration.trials.averages import combine, scored
from calibrate.calibration.trials.simulation import Simulation
from calibrate.errors import StudyError, did_you_mean
from calibrate.objective import Estimate
from calibrate.study import Study

# With fewer trials than this, or than two per parameter, a model says nothing.
FEWEST_TRIALS = 10
# To more trials than this, models are not fitted: the best half, and others evenly from the rest.
MOST_TRIALS = 500


class Emulation:
    """Models of the statistics of a study, each fitted to its trials when it is first asked for.

    simulations  of the trials, by candidate
    trials       those that the models are fitted to

    Raises StudyError if there are too few complete trials.
    """

    def __init__(
        self, study: Study, trials: Sequence[FrozenTrial], simulations: Mapping[str, Sequence[Simulation]]
    ) -> None:
        self.study, self.cube = study, Cube(study.space)
        self._repeated: list[tuple[Trial, list[Mapping[str, Estimate]]]] = []
        found = {
            trial.number: measured
            for trial in trials
            if (measured := self._measured(trial, simulations.get(str(trial.user_attrs[UUID]), ())))
        }
        least = max(FEWEST_TRIALS, 2 * len(study.space))
        if len(found) < least:
            raise StudyError(
                f"study '{study.name}' has {len(found)} complete trials; predictions need at least {least}"
            )
        self._numbers = list(found)
        self._points = np.array([trial.point for trial in found.values()])
        self.trials = _thinned(list(found.values()))
        self._models: dict[str, Model] = {}

    def _measured(self, trial: FrozenTrial, simulations: Sequence[Simulation]) -> Trial | None:
        """What a trial measured in the last stage; None if it did not get there."""
        completed = [simulation for simulation in simulations if not simulation.failed]
        last = scored(self.study, completed, len(self.study.stages))
        if trial.state != TrialState.COMPLETE or not last:
            return None
        of_graphs = [simulation.estimates for simulation in last]
        measured = Trial(
            point=self.cube.point(trial.params),
            estimates=combine(of_graphs),
            graphs=len(last),
            loss=loss_of(trial),
        )
        if len(last) > 1:
            self._repeated.append((measured, of_graphs))
        return measured

    @property
    def names(self) -> list[str]:
        """The names of all statistics that were measured."""
        return list(dict.fromkeys(name for trial in self.trials for name in trial.estimates))

    def model(self, name: str) -> Model:
        """The model of a statistic. Raises StudyError if it was never measured."""
        if name not in self._models:
            with one_thread():
                self._models[name] = Model.of(name, self.scale(name), self.trials)
        return self._models[name]

    def scale(self, name: str) -> Scale:
        """The scale on which a statistic is modelled. Raises StudyError if it was never measured."""
        judged = next((one for one in self.study.judged if one.name == name), None)
        if judged is not None:
            return Scale.of(judged)
        if name not in self.names:
            raise StudyError(f"the trials have no statistic '{name}'{did_you_mean(name, self.names)}")
        statistic = next((one for one in self.study.statistics if one.name == name), None)
        found = [trial.estimates[name] for trial in self.trials if name in trial.estimates]
        values = np.array([estimate.value for estimate in found if estimate.defined], dtype=float)
        if not values.size:
            return Scale(centre=0.0, unit=1.0)
        return Scale.of_values(values, log=statistic is not None and statistic.scale == "log")

    @property
    def complete(self) -> int:
        """Number of complete trials, of which the models may use fewer."""
        return len(self._numbers)

    @cached_property
    def between_graphs(self) -> dict[str, float]:
        """By judged statistic, how much more one graph differs from others than the model knows, as an SD.

        Most trials are simulated on the same graph. The model then describes this one, and its errors are
        those of trials on it. The SD is on the scale of the model, from trials that were repeated on other
        graphs; empty if there are none.
        """
        found = {}
        for judged in self.study.judged if self._repeated else ():
            model = self.model(judged.name)
            between, known = [], []
            for trial, of_graphs in self._repeated:
                values = [float(one[judged.name].value) for one in of_graphs if one[judged.name].defined]
                if len(values) > 1 and model.values is not None:
                    between.append(float(np.var(model.scale.forward(np.array(values)), ddof=1)))
                    known.append(float(model.predict(trial.point[None, :]).error[0]) ** 2)
            excess = float(np.mean(between) - np.mean(known)) if between else 0.0
            found[judged.name] = max(excess, 0.0) ** 0.5
        return found

    def nearest(self, parameters: Mapping[str, Any]) -> tuple[int, float]:
        """The number of the nearest trial, and how far it is: the largest difference, in parts of a range."""
        distances = np.abs(self._points - self.cube.point(parameters)).max(axis=1)
        k = int(distances.argmin())
        return self._numbers[k], float(distances[k])


def _thinned(trials: Sequence[Trial]) -> list[Trial]:
    if len(trials) <= MOST_TRIALS:
        return list(trials)
    order = np.argsort([trial.loss for trial in trials], kind="stable")
    best, rest = order[: MOST_TRIALS // 2], np.sort(order[MOST_TRIALS // 2 :])
    others = rest[np.linspace(0, len(rest) - 1, MOST_TRIALS - len(best)).astype(int)]
    return [trials[k] for k in sorted({*best.tolist(), *others.tolist()})]
