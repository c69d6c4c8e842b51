"""A checked study and its cost."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import Any

from rich.console import Console

from calibrate.calibration.resources.estimate import Cost
from calibrate.calibration.resources.noise import Noise
from calibrate.objective.rounding import counted, rounded
from calibrate.study import Study
from calibrate.study.conditions import timing_in
from calibrate.tasks.display import duration
from calibrate.tasks.lines import print_line


def check_json(study: Study, cost: Cost | None, *, warnings: Sequence[str]) -> dict[str, Any]:
    """A study and its cost, as `calibrate check --json` prints them; None for what is unknown."""
    return {
        "study": study.name,
        "model": study.file.model.name,
        "neurons": cost and cost.neurons,
        "synapses": cost and cost.synapses,
        "free": list(study.space),
        "objectives": [objective.name for objective in study.objectives],
        "constraints": [constraint.name for constraint in study.constraints],
        **_conditions_json(study),
        "sampler": study.sampler.name,
        "trials": study.trials,
        "backend": study.simulation.backend,
        **({"hardware": study.limits.as_dict()} if study.limits else {}),
        "memory_bytes": cost and cost.memory_bytes,
        "slots": cost and cost.slots,
        "batch_size": cost and cost.batch_size,
        "trial_s": cost and cost.trial_s,
        "total_s": cost and cost.total_s,
        "confirm_s": cost and cost.confirm_s,
        "noise": cost and {one.name: _noise_json(one) for one in cost.noise},
        "warnings": [*study.warnings, *warnings],
    }


def _conditions_json(study: Study) -> dict[str, Any]:
    if not study.file.conditions:
        return {}
    conditions = [
        {"name": one.name, "held_out": one.held_out, **asdict(timing_in(study, one))}
        for one in study.conditions
    ]
    return {"conditions": conditions, "predicted": [objective.name for objective in study.predicted]}


def _noise_json(noise: Noise) -> dict[str, float]:
    return {"mean": noise.mean, "sd": noise.sd, "graphs": noise.graphs, "undefined": noise.undefined}


def print_check(console: Console, study: Study, cost: Cost | None, *, database: str) -> None:
    """Print a study and its cost, one line for each property."""
    lines = {
        "study": study.name,
        "model": study.file.model.name,
        "free": ", ".join(study.space) or "nothing",
        "objectives": ", ".join(objective.name for objective in study.objectives),
        "predicted": ", ".join(objective.name for objective in study.predicted),
        "conditions": "; ".join(_conditions(study)),
        "targets": "; ".join(_recorded(study)),
        "constraints": ", ".join(constraint.name for constraint in study.constraints),
        "recordings" if study.file.recordings else "recording": "; ".join(_recordings(study)),
        "stages": ", then ".join(f"{stage.warmup_ms + stage.duration_ms:g} ms" for stage in study.stages),
        "sampler": study.sampler.name,
        "trials": "no limit" if study.trials is None else str(study.trials),
        "backend": study.simulation.backend,
        "hardware": _hardware(study),
        "database": database,
    }
    if cost is not None:
        lines |= _describe_cost(cost)
    for name, value in lines.items():
        if value:
            print_line(console, f"  {name:<12}{value}", hang=12)


def print_limits(console: Console, study: Study) -> None:
    """Print under which limits the networks of a study are simulated, if under any."""
    if study.limits is not None:
        print_line(console, f"Simulated under the limits of {study.limits}.")


def _hardware(study: Study) -> str:
    """The limits that networks are simulated under, or that only `calibrate harden` uses."""
    if study.limits is not None:
        return f"every network is under the limits of {study.limits}"
    return "" if study.hardware is None else f"{study.hardware}, for calibrate harden only"


def _conditions(study: Study) -> Iterator[str]:
    """The conditions, with what differs in them."""
    for section, condition in zip(study.file.conditions, study.conditions, strict=False):
        timing = timing_in(study, condition)
        parts = [f"{timing.duration_ms / 1000:g} s after {timing.warmup_ms / 1000:g} s"]
        if condition.stimuli:
            parts.append(counted(len(condition.stimuli), "presentation"))
        for name, change in section.parameters.items():
            parts.append(
                f"{name} × {change.scale:g}" if change.scale is not None else f"{name} = {change.set}"
            )
        yield f"{condition.name}{' (held out)' if condition.held_out else ''}: {', '.join(parts)}"


def _recorded(study: Study) -> Iterator[str]:
    """The targets that come from the recording, with where their default tolerances come from."""
    for objective in study.targeted:
        target = study.taken.targets.get(objective.name)
        if target is not None:
            note = f" ({target.note})" if target.note else ""
            origin = f" from {target.source}" if len(study.taken.recordings) > 1 else ""
            yield f"{objective.name} {f'{target} {objective.statistic.unit}'.strip()}{origin}{note}"


def _recordings(study: Study) -> Iterator[str]:
    """From when to when each recording is compared with, and in which pieces."""
    file = study.file.recording.file if study.file.recording else ""
    for name, recording in study.recordings.items():
        span = f"from {recording.start_ms / 1000:.10g} to {recording.stop_ms / 1000:.10g} s"
        yield f"{name or file} {span}, in {study.taken.recordings[name].pieces}"


def _short(seconds: float) -> str:
    return f"{seconds:.2g} s" if seconds < 10 else duration(seconds)


def _describe_cost(cost: Cost) -> dict[str, str]:
    each = "one process" if cost.slots == 1 else f"each of {cost.slots} processes"
    lines = {
        "network": f"{cost.neurons:,} neurons{f', {cost.synapses:,} synapses' if cost.synapses else ''}",
        "memory": f"{rounded(cost.memory_bytes / 2**30, 2)} GiB for {each}",
        "batch": f"{counted(cost.slots * cost.batch_size, 'network')} at a time",
    }
    if cost.trial_s is not None:
        lines["time"] = f"about {_short(cost.trial_s)} per trial"
    if cost.total_s is not None:
        lines["time"] += f", {_short(cost.total_s)} in total"
    if cost.confirm_s is not None:
        least, most = map(_short, cost.confirm_s)
        more = least if least == most else f"{least} to {most}"
        lines["time"] += f"; confirming one that may be the best takes {more} more"
    if cost.note:
        lines["time"] = cost.note
    measured = ", ".join(map(str, cost.noise))
    graphs = max((one.graphs + one.undefined for one in cost.noise), default=0)
    between = f" (mean and SD over {graphs} graphs)" if cost.noise else ""
    lines["noise"] = "; ".join(text for text in (measured + between, cost.noise_note) if text)
    return lines
