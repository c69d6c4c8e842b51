"""The engine "npe": the likelihood of data from neural networks of sbi (neural likelihood estimation).

Trials of a search do not come from the prior. A posterior that is learned directly (plain NPE) would take
their density for the prior. The likelihood does not depend on where the trials lie.
"""

from __future__ import annotations

import io
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from calibrate.calibration.emulator.cube import Cube
from calibrate.calibration.emulator.models import Model, Trial, values_of, where_all_defined
from calibrate.calibration.emulator.process import Process
from calibrate.errors import StudyError
from calibrate.results.posterior.engine import Datum
from calibrate.results.posterior.explorer import Explorer, LogLikelihood
from calibrate.results.posterior.gaussians import Gaussians

FloatArray = NDArray[np.float64]

# With fewer trials where all statistics are defined, networks say nothing.
_FEWEST = 20
# Networks that start from other weights and leave out other trials: where they differ, they do not know.
_NETWORKS, _HIDDEN = 5, 24
_TRAINING = {
    "training_batch_size": 32,
    "learning_rate": 5e-3,
    "validation_fraction": 0.15,
    "stop_after_epochs": 25,
    "max_num_epochs": 500,
}


class Neural:
    """The engine. Raises StudyError if sbi is not installed."""

    name = "npe"
    temperatures = (1.0, 1.4, 2.0, 2.8, 4.0)

    def __init__(self, cube: Cube, models: Mapping[str, Model]) -> None:
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                import sbi.inference  # noqa: F401
        except ImportError:
            raise StudyError(
                "engine 'npe' needs sbi: pip install 'calibrate-snn[posterior]', or use engine 'gp'"
            ) from None
        self._cube, self._models = cube, models

    def fit(self, trials: Sequence[Trial], *, seed: int) -> Explorer:
        """Train the networks. Raises StudyError if in too few trials all statistics are defined."""
        names = list(self._models)
        trials = [trial for trial in trials if all(name in trial.estimates for name in names)]
        complete = [trial for trial in trials if all(trial.estimates[name].defined for name in names)]
        if len(complete) < _FEWEST:
            raise StudyError(
                f"all statistics are defined in {len(complete)} trials; engine 'npe' needs at least "
                f"{_FEWEST}: run more trials, or use engine 'gp'"
            )
        found = [values_of(name, model.scale, complete) for name, model in self._models.items()]
        values = np.array([data.values for data in found if data is not None]).T
        # Trials that are means over graphs have smaller errors than one on a single graph, as the data are.
        graphs = float(np.median([trial.graphs for trial in complete]))
        if not np.ptp(values, axis=0).any():
            raise StudyError("all trials have the same statistics: they tell nothing of the parameters")
        networks = Networks.trained(np.array([trial.point for trial in complete]), values, seed=seed)
        labels = where_all_defined(names, trials)
        defined = None if labels is None else Defined(labels)
        likelihood = NetworkLikelihood(self._cube, names, networks, defined, graphs)
        return Explorer(len(self._cube), likelihood.at, seed=seed)


class NetworkLikelihood:
    """The likelihood that networks have learned from trials.

    names    of the statistics
    defined  where all of them are defined; None: everywhere
    graphs   number of graphs of a trial
    """

    def __init__(
        self,
        cube: Cube,
        names: Sequence[str],
        networks: Networks,
        defined: Defined | None,
        graphs: float,
    ) -> None:
        self._cube, self._names, self._networks, self._defined = cube, names, networks, defined
        self._graphs = graphs

    def at(self, quantiles: FloatArray) -> LogLikelihood:
        """The logarithm of the likelihood of data at these quantiles: values, and that all are defined."""
        points = self._cube.at(quantiles)
        values = self._networks.at(points, self._graphs)
        names = [name for name, varies in zip(self._names, self._networks.varies, strict=True) if varies]
        log_defined = np.zeros(len(points)) if self._defined is None else self._defined.log(points)

        def log(data: Sequence[Datum]) -> FloatArray:
            known = [one for one in data if one.name in names]
            return log_defined + values.log(known, [names.index(one.name) for one in known])

        return log


class Defined:
    """The probability that all statistics are defined, from the process of their labels.

    What the process says of trials that are left out shows how sure it may be (Platt 1999).
    """

    def __init__(self, labels: Process) -> None:
        from sklearn.linear_model import LogisticRegression

        _, errors, sd = labels.left_out()
        found = labels.data.values
        # As if each outcome had been seen once more, where nothing is known: no probability is 0 or 1.
        seen = np.concatenate([(found - errors) / sd, [0.0, 0.0]])[:, None]
        self._labels = labels
        self._curve = LogisticRegression(C=10.0).fit(seen, np.concatenate([found > 0, [False, True]]))

    def log(self, points: FloatArray) -> FloatArray:
        """Its logarithm at points of shape (m, d)."""
        label, spread = self._labels.predict(points)
        seen = label / np.sqrt(spread**2 + self._labels.error**2)
        return np.asarray(self._curve.predict_log_proba(seen[:, None])[:, 1])


@dataclass(frozen=True, kw_only=True)
class Networks:
    """Density estimators of the values of a trial, given its point.

    values are standardised by mean and sd, shape (statistics,); those that never vary are left out (`varies`)
    """

    estimators: Sequence[Any]
    mean: FloatArray
    sd: FloatArray
    varies: NDArray[np.bool_]

    @classmethod
    def trained(cls, points: FloatArray, values: FloatArray, *, seed: int) -> Networks:
        """Train networks on points of shape (n, d) and values of shape (n, statistics)."""
        import torch

        mean, sd = values.mean(axis=0), values.std(axis=0)
        varies = sd > 1e-9 * (1 + np.abs(mean))
        scaled = ((values - mean) / np.where(varies, sd, 1.0))[:, varies]
        theta, x = (torch.as_tensor(a, dtype=torch.float32) for a in (2 * points - 1, scaled))
        estimators = []
        for k in range(_NETWORKS):
            with _quiet(seed * _NETWORKS + k):
                estimators.append(_train(theta, x))
        return cls(estimators=estimators, mean=mean, sd=sd, varies=varies)

    def at(self, points: FloatArray, graphs: float) -> Gaussians:
        """The distribution of what a trial on one graph measures at points of shape (m, d)."""
        import torch

        theta = torch.as_tensor(2 * points - 1, dtype=torch.float32)
        with _quiet(0):
            mixtures = [estimator.get_uncorrected_mog(theta) for estimator in self.estimators]
        weights, means, precisions = (
            np.concatenate([getattr(one, part).detach().double().numpy() for one in mixtures], axis=1)
            for part in ("log_weights", "means", "precisions")
        )
        sd = self.sd[self.varies]
        return Gaussians(
            log_weights=weights - np.log(len(mixtures)),
            means=self.mean[self.varies] + sd * means,
            covariances=graphs * np.linalg.inv(precisions) * sd[:, None] * sd,
        )


def _train(theta: Any, x: Any) -> Any:
    from sbi.inference import NLE
    from sbi.neural_nets import likelihood_nn

    builder = likelihood_nn(
        model="mdn", num_components=1, hidden_features=_HIDDEN, z_score_theta="none", z_score_x="none"
    )
    inference = NLE(density_estimator=builder, show_progress_bars=False, tracker=_Untracked())
    return inference.append_simulations(theta, x).train(**_TRAINING).eval()


class _Untracked:
    """Keeps nothing: otherwise sbi writes a folder of logs where the user is."""

    log_dir = None

    def log_metric(self, name: str, value: float, step: int | None = None) -> None:
        pass

    def log_metrics(self, metrics: dict[str, float], step: int | None = None) -> None:
        pass

    def log_params(self, params: dict[str, Any]) -> None:
        pass

    def add_figure(self, name: str, figure: Any, step: int | None = None) -> None:
        pass

    def flush(self) -> None:
        pass


@contextmanager
def _quiet(seed: int) -> Iterator[None]:
    """On one core, with these random numbers, without a word; PyTorch is afterwards as it was."""
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with torch.random.fork_rng(devices=[]), warnings.catch_warnings(), redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            torch.manual_seed(seed)
            yield
    finally:
        torch.set_num_threads(threads)
