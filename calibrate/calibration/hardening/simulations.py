"""The simulations of a hardening: one trial in several variants, on the same graphs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from calibrate.calibration.hardening.variants import NUMBER, Variant, with_variants
from calibrate.calibration.study_pool import pool_for
from calibrate.calibration.trials.candidate import Candidate
from calibrate.calibration.trials.merged import merged
from calibrate.calibration.trials.simulation import Simulation
from calibrate.calibration.validation.progress import Replicated
from calibrate.network import Network
from calibrate.simulation.jobs import Job, Outcome
from calibrate.simulation.running_time import running_s
from calibrate.simulators.backends import BACKENDS
from calibrate.study import Study

# Batches that each process of a pool gets at once: few, since Ctrl-C waits for them.
_BATCHES = 4


class KeepsVariants(Protocol):
    """What a hardening needs from a store."""

    def variants_of(self, uuid: str) -> list[tuple[str, Simulation]]:
        """The simulations of a candidate in variants, each with the digest of its variant."""

    def keep_variant(self, digest: str, simulation: Simulation) -> None:
        """Store a simulation of a candidate in a variant, unless it is stored already."""


@dataclass
class _Member:
    """A variant of the candidate, as a candidate of its own whose UUID is the digest of the variant.

    study  in which the variant has a number
    """

    study: Study
    graphs: Sequence[int]
    candidate: Candidate

    @property
    def network(self) -> Network:
        """Its network, of several conditions in the first."""
        given = self.study.parameters_in(self.study.conditions[0], self.candidate.proposal.parameters)
        return self.study.model.network(given)


class VariedTrial:
    """The candidate of a trial in several variants.

    study   names a simulator, and has no limits itself
    wanted  the numbers of the graphs on which each variant is wanted
    """

    def __init__(self, study: Study, candidate: Candidate, wanted: Mapping[Variant, Sequence[int]]) -> None:
        self._study, self._candidate = study, candidate
        self._stage = len(study.stages)
        self._members: dict[Variant, _Member] = {}
        # A pool has one time step.
        for dt_ms in dict.fromkeys(variant.dt_ms for variant in wanted):
            alike = [variant for variant in wanted if variant.dt_ms == dt_ms]
            varied = with_variants(study, alike)
            for number, variant in enumerate(alike):
                numbered = {**candidate.proposal.parameters, NUMBER: number}
                proposal = replace(candidate.proposal, parameters=numbered)
                own = Candidate(variant.digest(study), proposal)
                self._members[variant] = _Member(varied, wanted[variant], own)

    def simulate(
        self,
        store: KeepsVariants,
        *,
        slots: int | None,
        progress: Callable[[Replicated], None],
        interrupted: Callable[[], bool],
    ) -> None:
        """Run the missing simulations, and store each as soon as its outcome is known."""
        members = {member.candidate.uuid: member for member in self._members.values()}
        for digest, simulation in store.variants_of(self._candidate.uuid):
            if digest in members and not simulation.failed:
                members[digest].candidate.simulations.append(replace(simulation, stage=self._stage))
        jobs = self._missing()
        missing = sum(map(len, jobs.values()))
        total = sum(len(member.graphs) for member in members.values()) * len(self._study.conditions)
        new, began = 0, running_s()

        def report() -> None:
            progress(
                Replicated(
                    doing="hardening",
                    simulator=BACKENDS[self._study.simulation.backend].title,
                    done=total - missing + new,
                    new=new,
                    total=total,
                    elapsed_s=running_s() - began,
                )
            )

        def keep(outcome: Outcome) -> None:
            nonlocal new
            self._keep(members[outcome.uuid], outcome, store)
            new += 1
            report()

        report()
        for remaining in jobs.values():
            study = members[remaining[0].uuid].study
            of_graph = Counter(job.realisation for job in remaining)
            with pool_for(study, slots=slots, at_once=max(of_graph.values()), evaluated=True) as pool:
                while remaining and not interrupted():
                    n = _BATCHES * pool.capacity  # this changes with the workers of a cluster
                    pool.run(remaining[:n], progress=keep)
                    remaining = remaining[n:]

    def _missing(self) -> dict[float, list[Job]]:
        """The missing simulations by time step: those of one network together, which is built once."""
        networks = {variant: member.network for variant, member in self._members.items()}
        jobs: dict[float, list[Job]] = {}
        for dt_ms, network in dict.fromkeys((one.dt_ms, networks[one]) for one in networks):
            alike = [
                member
                for variant, member in self._members.items()
                if (variant.dt_ms, networks[variant]) == (dt_ms, network)
            ]
            for graph in sorted({graph for member in alike for graph in member.graphs}):
                for member in alike:
                    if graph in member.graphs:
                        found = member.candidate.jobs(
                            member.study, self._stage, [graph], self._study.conditions
                        )
                        jobs.setdefault(dt_ms, []).extend(found)
        return {dt_ms: remaining for dt_ms, remaining in jobs.items() if remaining}

    def _keep(self, member: _Member, outcome: Outcome, store: KeepsVariants) -> None:
        simulation = member.candidate.simulation(member.study, outcome, self._stage)
        own = replace(
            simulation,
            uuid=self._candidate.uuid,
            parameters=self._candidate.proposal.parameters,
            observation=None,
        )
        store.keep_variant(member.candidate.uuid, own)
        member.candidate.simulations.append(own)

    def of(self, variant: Variant, graphs: Sequence[int]) -> list[Simulation]:
        """The simulations of a variant on these graphs, by graph, merged from all conditions."""
        candidate = self._members[variant].candidate
        own = [one for one in candidate.simulations_of(self._stage) if one.realisation in graphs]
        simulations = merged(self._study, own, self._study.conditions)
        return sorted(simulations, key=lambda simulation: simulation.realisation)
