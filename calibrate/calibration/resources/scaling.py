"""Growth of simulation time and memory with the size of the network, on this machine."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from calibrate import simulators
from calibrate.calibration.resources.measurement import Measurement, Omitted, measure, synapses
from calibrate.errors import SimulatorError, StudyError
from calibrate.network import Network
from calibrate.network.sizes import sizes_for
from calibrate.study import Study

SIZES = (1_500, 3_000, 6_000, 12_500, 25_000)
"""Numbers of neurons that are measured by default."""

# An extrapolation to more neurons than this is meaningless.
LARGEST = 1e9


@dataclass(frozen=True, kw_only=True)
class PowerLaw:
    """A power law y = coefficient n^exponent, for n neurons.

    As a string it is "n^1.87 ± 0.03".

    Attributes
    ----------
    coefficient : float
        Value for one neuron.
    exponent : float
        Exponent.
    error : float or None
        Standard error of the exponent, from the scatter about the fit; None for two points.
    """

    coefficient: float
    exponent: float
    error: float | None

    def at(self, neurons: NDArray[np.float64]) -> NDArray[np.float64]:
        """Evaluate the power law.

        Parameters
        ----------
        neurons : ndarray of float
            Numbers of neurons.

        Returns
        -------
        ndarray of float
            Values of y.
        """
        return self.coefficient * neurons**self.exponent

    def __str__(self) -> str:
        error = "(two sizes: no error)" if self.error is None else f"± {self.error:.2f}"
        return f"n^{self.exponent:.2f} {error}"


def power_law(neurons: Sequence[float], y: Sequence[float]) -> PowerLaw | None:
    """The power law through the points by least squares of logarithms; None for fewer than two."""
    if len(neurons) < 2:
        return None
    from scipy.stats import linregress  # slow to import, and seldom needed

    line = linregress([math.log(n) for n in neurons], [math.log(value) for value in y])
    error = float(line.stderr) if len(neurons) > 2 else None
    return PowerLaw(coefficient=math.exp(line.intercept), exponent=float(line.slope), error=error)


@dataclass(frozen=True, kw_only=True)
class Growth:
    """How time and memory of one simulator grow with the number of neurons, in batches of one size.

    Attributes
    ----------
    backend : str
        Name of the simulator in studies.
    batch_size : int
        Networks simulated at once.
    time : PowerLaw
        Growth of the real-time factor.
    memory : PowerLaw
        Growth of the memory of the process, in bytes.
    real_time_neurons : float or None
        Size of the largest network that runs in real time, by the fit; None if the fit sets no limit.
    extrapolated : bool
        Whether that size lies outside of the sizes that were measured.
    """

    backend: str
    batch_size: int
    time: PowerLaw
    memory: PowerLaw
    real_time_neurons: float | None
    extrapolated: bool


def growth_of(measurements: Sequence[Measurement]) -> tuple[Growth, ...]:
    """The growth of each simulator and batch size that was measured with at least two sizes."""
    growth = []
    for backend, batch_size in dict.fromkeys((m.backend, m.batch_size) for m in measurements):
        points = [m for m in measurements if (m.backend, m.batch_size) == (backend, batch_size)]
        neurons = [point.neurons for point in points]
        time = power_law(neurons, [point.real_time_factor for point in points])
        memory = power_law(neurons, [point.memory_bytes for point in points])
        if time is None or memory is None:
            continue
        limit = None
        if time.exponent > 0:
            log_limit = -math.log(time.coefficient) / time.exponent
            limit = math.exp(log_limit) if log_limit < math.log(LARGEST) else None
        growth.append(
            Growth(
                backend=backend,
                batch_size=batch_size,
                time=time,
                memory=memory,
                real_time_neurons=limit,
                extrapolated=limit is not None and not min(neurons) <= limit <= max(neurons),
            )
        )
    return tuple(growth)


@dataclass(frozen=True, kw_only=True)
class Scaling:
    """Measurements of the networks of a study in several sizes.

    Attributes
    ----------
    study : str
        Name of the study.
    measurements : tuple of Measurement
        Sizes that were measured.
    omitted : tuple of Omitted
        Sizes that were not measured.
    growth : tuple of Growth
        Fits, for each simulator and batch size with at least two sizes.
    notes : tuple of str
        Sizes that were rounded.
    interrupted : bool
        Whether it was stopped before all sizes were measured.
    """

    study: str
    measurements: tuple[Measurement, ...]
    omitted: tuple[Omitted, ...]
    growth: tuple[Growth, ...]
    notes: tuple[str, ...]
    interrupted: bool


def scale(
    study: Study,
    sizes: Sequence[int] = SIZES,
    *,
    backends: Sequence[str] = (),
    batch_sizes: Sequence[int] = (1,),
    parameters: Mapping[str, Any] | None = None,
    duration_ms: float | None = None,
    repeats: int = 1,
    say: Callable[[str], None] = lambda _: None,
) -> Scaling:
    """Simulate the network of a study in several sizes, and fit how time and memory grow.

    Each size has its own process. All populations are scaled together, stimuli of the protocol are left out,
    and the simulators record what the statistics of the study need. A size that does not fit into the free
    memory, or fails, is omitted. Ctrl-C stops at once and keeps what was measured.

    Parameters
    ----------
    study : Study
        The study.
    sizes : sequence of int
        Total numbers of neurons.
    backends : sequence of {"genn", "nest", "poisson"}
        Simulators; by default GeNN and NEST, if they are installed.
    batch_sizes : sequence of int
        Networks simulated at once; more than one is possible on a GPU only.
    parameters : dict of str to object, optional
        Values of parameters, free or fixed; other free ones are in the middle of their ranges.
    duration_ms : float, ms, optional
        Simulated time, rounded to the bins of the recording; by default what takes some seconds.
    repeats : int
        Number of times that each measurement is made.
    say : callable
        Receives a line before each measurement.

    Returns
    -------
    Scaling
        The measurements and fits.

    Raises
    ------
    StudyError
        If a size cannot be made, if a number is not above 0, or if a simulator cannot run batches.
    ModelError
        If the model refuses the parameters.
    SimulatorError
        If a simulator is not installed.

    Examples
    --------
    >>> from calibrate import read_study, scale
    >>> found = scale(read_study("study.toml"), [500, 1000], backends=["poisson"], duration_ms=10_000.0)
    >>> [one.neurons for one in found.measurements]
    [500, 1000]
    """
    if min((*sizes, *batch_sizes, repeats)) < 1 or (duration_ms is not None and not duration_ms > 0):
        raise StudyError("sizes, batch sizes, repeats and the duration must be positive")
    if study.model.simulation is not None:
        raise StudyError(
            f"{study.path}: scale needs a model that describes its network: {study.model.simulation.name} "
            "only returns spikes"
        )
    chosen = dict.fromkeys(simulators.choose(name, study.network) for name in backends)
    chosen = chosen or _find_installed(study.network)
    for backend in chosen:
        if max(batch_sizes) > 1 and backend != "poisson" and not simulators.on_gpu(backend):
            raise StudyError(
                f"{backend} simulates one network at a time here, not {max(batch_sizes)}: "
                "only GeNN on a GPU simulates batches"
            )
    networks, notes = _networks(study, sizes, parameters or {})
    results: list[Measurement | Omitted] = []
    interrupted = False
    try:
        for backend in chosen:
            for batch_size in sorted(set(batch_sizes)):
                for complete, network in networks:
                    batch = f" in batches of {batch_size}" if batch_size > 1 else ""
                    say(f"{backend}: {network.n_neurons:,} neurons{batch}, {synapses(network):,} synapses")
                    result = measure(
                        study.on(backend),
                        complete,
                        batch_size=batch_size,
                        duration_ms=duration_ms,
                        repeats=repeats,
                    )
                    results.append(result)
    except KeyboardInterrupt:
        interrupted = True
    measurements = tuple(result for result in results if isinstance(result, Measurement))
    return Scaling(
        study=study.name,
        measurements=measurements,
        omitted=tuple(result for result in results if isinstance(result, Omitted)),
        growth=growth_of(measurements),
        notes=notes,
        interrupted=interrupted,
    )


def _find_installed(network: Network) -> dict[str, None]:
    installed = []
    for name in ("genn", "nest"):
        try:
            installed.append(simulators.choose(name, network))
        except SimulatorError:
            continue
    # The error of "auto" says what to install.
    return dict.fromkeys(installed or [simulators.choose("auto", network)])


def _networks(
    study: Study, sizes: Sequence[int], parameters: Mapping[str, Any]
) -> tuple[list[tuple[dict[str, Any], Network]], tuple[str, ...]]:
    """Complete parameters and network of each size, the smallest first, and notes on rounded sizes."""
    networks: dict[int, tuple[dict[str, Any], Network]] = {}
    notes = []
    for neurons in sorted(set(sizes)):
        resized = {**parameters, **sizes_for(study.model, study.parameters(parameters), neurons)}
        complete = study.parameters(resized)
        network = study.model.network(complete)
        study.model.values(network, complete)
        networks[network.n_neurons] = complete, network
        if network.n_neurons != neurons:
            notes.append(
                f"{neurons:,} neurons cannot be divided among these populations and clusters: "
                f"{network.n_neurons:,} instead"
            )
    return list(networks.values()), tuple(notes)


def as_json(scaling: Scaling) -> dict[str, Any]:
    """The measurements and fits as JSON."""
    measured = [{**asdict(one), "real_time_factor": one.real_time_factor} for one in scaling.measurements]
    return {**asdict(scaling), "measurements": measured}
