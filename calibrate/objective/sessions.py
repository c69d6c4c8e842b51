"""Statistics of several recordings: each measured by itself, and their values pooled."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial

import numpy as np
from numpy.typing import NDArray

from calibrate.errors import RecordingError
from calibrate.objective.estimates import Estimate
from calibrate.objective.panel import panel
from calibrate.objective.random_effects import random_effects
from calibrate.objective.resampling import REPEATS, Measured, estimate_recording, measure_recording
from calibrate.objective.statistics import Statistic
from calibrate.observation.recording import Recording, division

FloatArray = NDArray[np.float64]

# Several tests of one question: their chance of any false answer.
LEVEL = 0.05


@dataclass(frozen=True, kw_only=True)
class Pooled(Measured):
    """A statistic of several sessions; of a single one, all is as the session has it.

    Attributes
    ----------
    statistic : Statistic
        The statistic.
    estimate : Estimate
        Its value: the mean over sessions. The sample is that of all sessions.
    error : float
        Standard error of the mean over sessions, which contains that they differ; nan if it is unknown.
    defined : float
        Share of the sessions in which it is defined.
    note : str
        Remark on sessions that are left out or count equally, or "".
    sessions : dict of str to Measured
        What each session with the population of the statistic has, by name.
    between : float
        Standard deviation between sessions, in the unit of the statistic; 0 for one session.
    q : float
        Cochran's Q; nan if a standard error is unknown.
    p_value : float
        How likely so large a Q is if sessions only differ by their errors; nan for one session.
    i_squared : float
        Share of the variance of the sessions that their errors do not explain.
    """

    sessions: Mapping[str, Measured] = field(default_factory=dict)
    between: float = 0.0
    q: float = math.nan
    p_value: float = math.nan
    i_squared: float = math.nan

    @property
    def prediction_error(self) -> float:
        """Standard error with which the mean predicts the value of one more session."""
        return math.hypot(self.error, self.between)


def measure_recordings(
    recordings: Mapping[str, Recording],
    statistics: Sequence[Statistic] | None = None,
    *,
    repeats: int = REPEATS,
    piece_ms: float | None = None,
    block_ms: float | None = None,
    seed: int = 0,
) -> list[Pooled]:
    """Compute statistics of several recordings, such as sessions or animals, and pool their values.

    Parameters
    ----------
    recordings : dict of str to Recording
        The recordings, by name.
    statistics : sequence of Statistic, optional
        Statistics; by default the panel of all populations.
    repeats : int
        How often the units of each are divided into halves, see `measure_recording`.
    piece_ms : float, ms, optional
        Length of the pieces in which each is measured, such as that of the simulations to compare with.
    block_ms : float, ms, optional
        Length of a block of time, see `measure_recording`.
    seed : int
        Seed of the division into halves.

    Returns
    -------
    list of Pooled
        The statistics, in order.

    Raises
    ------
    RecordingError
        If there is no recording, or as `measure_recording` does.

    See Also
    --------
    measure_recording : A single recording.

    Notes
    -----
    Every recording is measured by itself, so that units are only ever compared with units of their own
    session. The mean over sessions and its error are those of random effects: a session has the weight
    1 / (error^2 + between^2), with the variance between sessions of Paule and Mandel [1]_ [2]_, and the error
    of Hartung and Knapp [3]_. Durations are pooled as logarithms. Where an error is unknown or 0, sessions
    count equally.

    A session without units of the statistic's population is left out. So is one in which the statistic is
    undefined; if it is so in more than half of them, the pooled one is, too.

    The sample holds the values of all sessions. A session counts as if it had one piece: a neuron has the
    same weight in it, however long it was recorded.

    References
    ----------
    .. [1] Paule and Mandel 1982; DerSimonian and Kacker 2007.
    .. [2] Veroniki et al. 2016.
    .. [3] IntHout, Ioannidis and Borm 2014.

    Examples
    --------
    `recording.csv` has the columns `time_ms` and `unit`:

    >>> from calibrate import find_statistic, measure_recordings, read_recording
    >>> sessions = {
    ...     "first": read_recording("recording.csv", duration_ms=2500.0),
    ...     "second": read_recording("recording.csv", start_ms=2500.0),
    ... }
    >>> (rate,) = measure_recordings(sessions, [find_statistic("rate_E")])
    >>> list(rate.sessions), rate.error > 0
    (['first', 'second'], True)
    """
    if not recordings:
        raise RecordingError("there is no recording to measure")
    chosen = _panel_of(recordings) if statistics is None else statistics
    measured = partial(measure_recording, repeats=repeats, piece_ms=piece_ms, block_ms=block_ms, seed=seed)
    found: dict[str, dict[int, Measured]] = {}
    for name, recording in recordings.items():
        numbers = [k for k, one in enumerate(chosen) if has_population(recording, one)]
        rows = measured(recording, [chosen[k] for k in numbers]) if numbers else []
        found[name] = dict(zip(numbers, rows, strict=True))
    pieces = {name: len(division(recording, piece_ms)) for name, recording in recordings.items()}
    return [
        pool(statistic, {name: rows[k] for name, rows in found.items() if k in rows}, pieces)
        for k, statistic in enumerate(chosen)
    ]


def has_population(recording: Recording, statistic: Statistic) -> bool:
    """Whether a recording has units of the population of a statistic, if it is one of a population."""
    population = statistic.options.get("population")
    return population is None or bool(recording.trains.get(str(population)))


def _panel_of(recordings: Mapping[str, Recording]) -> list[Statistic]:
    every = (one for recording in recordings.values() for one in panel(recording.layout))
    return list({one.name: one for one in every}.values())


def pool(statistic: Statistic, sessions: Mapping[str, Measured], pieces: Mapping[str, int]) -> Pooled:
    """Pool the values that sessions have of a statistic.

    pieces  the number of pieces of each session, by name
    """
    if len(sessions) == 1:
        (one,) = sessions.values()
        return Pooled(
            statistic=statistic,
            estimate=one.estimate,
            error=one.error,
            defined=one.defined,
            note=one.note,
            sessions=sessions,
        )
    defined = {name: one for name, one in sessions.items() if one.estimate.defined}
    share = len(defined) / len(sessions) if sessions else math.nan
    if not sessions or 2 * len(defined) < len(sessions):
        estimate = _undefined(statistic, sessions)
        return Pooled(
            statistic=statistic, estimate=estimate, error=math.nan, defined=share, sessions=sessions
        )
    rows = list(defined.values())
    effects = random_effects(
        [one.estimate.value for one in rows], [one.error for one in rows], scale=statistic.scale
    )
    bounds = sum(one.estimate.lower_bound for one in rows)
    return Pooled(
        statistic=statistic,
        estimate=Estimate(
            effects.value,
            support=float(np.sum([one.estimate.support for one in rows])),
            lower_bound=2 * bounds > len(rows),
            note=_remark({name: one.estimate.note for name, one in sessions.items()}),
            sample=_sample_of({name: one.estimate for name, one in defined.items()}, pieces),
            by_chance=float(np.mean([one.estimate.by_chance for one in rows])),
        ),
        error=effects.error,
        defined=share,
        note=_note(defined, sessions, weighted=effects.weighted),
        sessions=sessions,
        between=effects.between,
        q=effects.q,
        p_value=effects.p_value,
        i_squared=effects.i_squared,
    )


def difference(
    statistic: Statistic, first: Pooled, second: Pooled, pairs: Sequence[tuple[str, str]]
) -> Pooled:
    """Pool what a statistic is in one condition minus what it is in another, paired by session.

    pairs  the names in both conditions of each session that has both; without any, the pooled values of
           different sessions are compared

    The errors of both conditions of a session are independent, as far as they are of other times: what
    units have in common makes the true error of a difference smaller.
    """
    linear = replace(statistic, scale="linear")
    if not pairs:
        return Pooled(
            statistic=linear,
            estimate=_minus(first.estimate, second.estimate),
            error=math.hypot(first.error, second.error),
            defined=min(first.defined, second.defined),
            note="no session has both conditions: the means of different sessions are compared",
            sessions={**first.sessions, **second.sessions},
            between=math.hypot(first.between, second.between),
        )
    both = {}
    for one, other in pairs:
        a, b = first.sessions[one], second.sessions[other]
        both[one if one == other else f"{one} - {other}"] = Measured(
            statistic=linear,
            estimate=_minus(a.estimate, b.estimate),
            error=math.hypot(a.error, b.error),
            defined=min(a.defined, b.defined),
            note=a.note or b.note,
        )
    return pool(linear, both, dict.fromkeys(both, 1))


def _minus(one: Estimate, other: Estimate) -> Estimate:
    return Estimate(
        one.value - other.value,
        support=min(one.support, other.support),
        lower_bound=one.lower_bound or other.lower_bound,
        note=one.note or other.note,
    )


def _undefined(statistic: Statistic, sessions: Mapping[str, Measured]) -> Estimate:
    undefined = {name: "" if one.estimate.defined else one.estimate.note for name, one in sessions.items()}
    first = next((one.estimate for one in sessions.values() if not one.estimate.defined), None)
    if first is None:
        population = statistic.options.get("population")
        return Estimate(math.nan, note=f"no recording has units of population {population}")
    return replace(first, note=_remark(undefined) or "it is undefined", sample=None)


def _remark(notes: Mapping[str, str]) -> str:
    """The first note, and which sessions have one, unless all do."""
    noted = [name for name, note in notes.items() if note]
    where = f" (in {', '.join(noted)})" if len(noted) < len(notes) else ""
    return f"{notes[noted[0]]}{where}" if noted else ""


def _note(defined: Mapping[str, Measured], sessions: Mapping[str, Measured], *, weighted: bool) -> str:
    """What to know of the pooled value: sessions that are left out, and why they may count equally."""
    notes = []
    if missing := [name for name in sessions if name not in defined]:
        notes.append(f"undefined in {', '.join(missing)}, which {_is_or_are(missing)} left out")
    if len(defined) > 1 and not weighted:
        unknown = [name for name, one in defined.items() if not one.error > 0]
        whose = f" of {', '.join(unknown)}" if unknown else ""
        notes.append(f"sessions count equally, since the standard error{whose} is unknown or 0")
    return "; ".join(notes)


def _is_or_are(names: Sequence[str]) -> str:
    return "is" if len(names) == 1 else "are"


def _sample_of(estimates: Mapping[str, Estimate], pieces: Mapping[str, int]) -> FloatArray | None:
    samples = {name: one.sample for name, one in estimates.items() if one.sample is not None}
    if len(samples) < len(estimates):
        return None
    return pooled_sample(list(samples.values()), [pieces[name] for name in samples])


def pooled_sample(samples: Sequence[FloatArray], pieces: Sequence[int]) -> FloatArray:
    """The values of all sessions, as many as there are, in which every session counts as one of its pieces.

    If the numbers of pieces differ, these are quantiles of the weighted values.
    """
    values = np.concatenate(samples)
    if len(set(pieces)) == 1 or not values.size:
        return values
    weight = np.repeat(1 / np.array(pieces), [sample.size for sample in samples])
    order = np.argsort(values, kind="stable")
    reached = np.cumsum(weight[order])
    middles = (np.arange(values.size) + 0.5) / values.size * reached[-1]
    quantiles: FloatArray = values[order][np.searchsorted(reached, middles)]
    return quantiles


def distribution(
    recordings: Mapping[str, Recording], statistic: Statistic, piece_ms: float | None
) -> FloatArray | None:
    """The values of all sessions whose mean is a statistic, as `measure_recordings` pools them."""
    have = {name: one for name, one in recordings.items() if has_population(one, statistic)}
    found = {name: estimate_recording(one, statistic, piece_ms) for name, one in have.items()}
    defined = {name: one for name, one in found.items() if one.sample is not None and one.sample.size}
    if not defined:
        return None
    return _sample_of(defined, {name: len(division(have[name], piece_ms)) for name in defined})


def differing(rows: Sequence[Pooled], level: float = LEVEL) -> list[Pooled]:
    """The statistics in which sessions differ by more than their errors, by Holm's correction for all rows.

    One network cannot have the values of all sessions in these.
    """
    tested = sorted((row for row in rows if math.isfinite(row.p_value)), key=lambda row: row.p_value)
    found = []
    for k, row in enumerate(tested):
        if row.p_value * (len(tested) - k) > level:
            break
        found.append(row.statistic.name)
    return [row for row in rows if row.statistic.name in found]
