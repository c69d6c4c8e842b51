"""Strategies: how each sampler proposes parameter sets."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from optuna.samplers import BaseSampler, GPSampler, NSGAIISampler

from calibrate.calibration.emulator.cube import Cube
from calibrate.calibration.search.bayesian import Thompson
from calibrate.calibration.search.evolution import replay
from calibrate.calibration.search.optuna_internals import BatchTpe, generation_notes
from calibrate.calibration.search.optuna_trials import Told
from calibrate.calibration.search.question import Question
from calibrate.study import Bo, Cmaes, Gp, Grid, Nsga2, Qmc, Random, Sampler, Tpe
from calibrate.study.space import Space, grid_point, grid_size

# Branches of the study's seed; branch 0 is for candidates.
SAMPLER_BRANCH, _POINTS_BRANCH = 1, 2


def branch_seed(study_seed: int, *key: int) -> int:
    """The seed of `key` in the study, below 2^32."""
    return int(np.random.SeedSequence(study_seed, spawn_key=key).generate_state(1)[0])


Points = Callable[[int], dict[str, Any]]
Propose = Callable[[Sequence[Told], Sequence[Mapping[str, Any]], int], Callable[[], dict[str, Any]]]

Expect = Callable[[Sequence[Told], Sequence[Mapping[str, Any]], int], Sequence[float]]


@dataclass(frozen=True, kw_only=True)
class Strategy:
    """How a sampler proposes.

    points   the point of each candidate index, independent of results
    size     number of points; None: unlimited
    startup  number of candidates that get their point although there is a sampler
    sampler  makes Optuna's sampler from a seed; None if the strategy has only `points`
    propose  alternative to a sampler: from the told trials by index, the parameter sets that are not told
             yet, and a seed, makes a function that proposes
    expect   the losses of parameter sets over a number of graphs that the told trials let expect
    history  number of trials that the sampler uses
    least    number of complete trials before the sampler is used
    notes    system attributes that the sampler expects in every told trial; they are not stored
    """

    points: Points
    size: int | None = None
    startup: int = 0
    sampler: Callable[[int], BaseSampler] | None = None
    propose: Propose | None = None
    expect: Expect | None = None
    history: int = 1000
    least: int = 1
    notes: Mapping[str, Any] = field(default_factory=dict)


def _tpe(options: Sampler, question: Question) -> Strategy:
    assert isinstance(options, Tpe)

    def sampler(batch_seed: int) -> BaseSampler:
        return BatchTpe(
            n_startup_trials=0,
            n_ei_candidates=options.candidates,
            multivariate=options.multivariate,
            constant_liar=True,
            seed=batch_seed,
        )

    return Strategy(
        points=_sobol(question.space, question.seed),
        startup=options.startup,
        sampler=sampler,
        history=options.history,
    )


def _random(options: Sampler, question: Question) -> Strategy:  # noqa: ARG001
    def points(index: int) -> dict[str, Any]:
        random = np.random.default_rng(branch_seed(question.seed, _POINTS_BRANCH, index))
        return {name: domain.at(random.random()) for name, domain in question.space.items()}

    return Strategy(points=points)


def _grid(options: Sampler, question: Question) -> Strategy:  # noqa: ARG001
    return Strategy(points=lambda index: grid_point(question.space, index), size=grid_size(question.space))


def _qmc(options: Sampler, question: Question) -> Strategy:  # noqa: ARG001
    return Strategy(points=_sobol(question.space, question.seed))


def _nsga2(options: Sampler, question: Question) -> Strategy:
    assert isinstance(options, Nsga2)

    def sampler(batch_seed: int) -> BaseSampler:
        return NSGAIISampler(population_size=options.population, seed=batch_seed)

    # Optuna stores each trial's generation, and selects the best trials of earlier generations as parents. As
    # the best survive, these are the best of all told trials. With all told trials in generation 0, the next
    # generation has the same parents, whatever generations were stored.
    return Strategy(
        points=_sobol(question.space, question.seed),
        startup=options.population,
        sampler=sampler,
        history=max(1000, 2 * options.population),
        least=options.population,
        notes=generation_notes(0),
    )


def _gp(options: Sampler, question: Question) -> Strategy:
    assert isinstance(options, Gp)

    def sampler(batch_seed: int) -> BaseSampler:
        return GPSampler(n_startup_trials=0, seed=batch_seed)

    return Strategy(
        points=_sobol(question.space, question.seed),
        startup=options.startup,
        sampler=sampler,
        history=options.history,
    )


def _cmaes(options: Sampler, question: Question) -> Strategy:
    assert isinstance(options, Cmaes)
    cube = Cube(question.space)
    population = options.population or 4 + math.floor(3 * math.log(max(cube.dimensions, 1)))
    sobol = _sobol(question.space, question.seed)

    def propose(
        told: Sequence[Told],
        waiting: Sequence[Mapping[str, Any]],  # noqa: ARG001
        batch_seed: int,
    ) -> Callable[[], dict[str, Any]]:
        points = [trial for trial in told if trial.index < options.startup]
        rest = [trial for trial in told if trial.index >= options.startup]
        while rest and all(trial.loss is None for trial in points):
            points.append(rest.pop(0))  # space-filling as well: no loss was known yet
        best = min((trial for trial in points if trial.loss is not None), key=_loss)

        def means(number: int) -> np.ndarray:
            return cube.point(sobol(options.startup + number - 1) if number else best.parameters)

        evolution = replay(rest, cube.point, means, population=population, seed=batch_seed)
        return lambda: cube.parameters(evolution.ask())

    return Strategy(points=sobol, startup=options.startup, propose=propose)


def _bo(options: Sampler, question: Question) -> Strategy:
    assert isinstance(options, Bo)
    startup = options.startup or max(8, 2 * len(question.space))
    thompson = Thompson(question, history=options.history)
    return Strategy(
        points=_sobol(question.space, question.seed),
        startup=startup,
        propose=thompson.propose,
        expect=thompson.expect,
    )


def _loss(trial: Told) -> float:
    return math.inf if trial.loss is None else trial.loss


def _sobol(space: Space, seed: int) -> Points:
    from scipy.stats import qmc  # takes a second to import

    def points(index: int) -> dict[str, Any]:
        sequence = qmc.Sobol(len(space), scramble=True, rng=branch_seed(seed, _POINTS_BRANCH))
        cube = sequence.fast_forward(index).random(1)[0] if index else sequence.random(1)[0]
        # Scrambling can round up to 1.
        return {
            name: domain.at(min(float(u), 1 - 1e-9))
            for (name, domain), u in zip(space.items(), cube, strict=True)
        }

    return points


# Every sampler has one entry here, and its options in `calibrate.study.file.samplers`.
STRATEGIES: Mapping[type[Sampler], Callable[[Sampler, Question], Strategy]] = {
    Tpe: _tpe,
    Random: _random,
    Grid: _grid,
    Qmc: _qmc,
    Nsga2: _nsga2,
    Cmaes: _cmaes,
    Gp: _gp,
    Bo: _bo,
}
