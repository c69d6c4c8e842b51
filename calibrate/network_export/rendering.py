"""Scripts and pages from templates."""

from __future__ import annotations

import json
import textwrap
from pathlib import Path
from typing import Any

import jinja2
import numpy as np

from calibrate.network import (
    Bernoulli,
    Distributed,
    FixedIndegree,
    Initial,
    Population,
    Projection,
    UniformDelay,
    UniformIndegree,
    UniformPotential,
)
from calibrate.network_export.realisation import Realisation, lognormal, rule_in_words
from calibrate.network_export.target import Order
from calibrate.neurons import neuron_model


def render(template: str, path: Path, **known: Any) -> None:
    """Write a template of this package, with what is known, to a file."""
    environment = jinja2.Environment(
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        undefined=jinja2.StrictUndefined,
        loader=jinja2.PackageLoader("calibrate.network_export"),
    )
    environment.filters |= {"python": _literal, "thousands": lambda number: f"{number:,.0f}"}
    path.write_text(environment.get_template(f"{template}.jinja").render(known), encoding="utf-8")


def _literal(text: str) -> str:
    """A string as Python reads it, in double quotes."""
    return json.dumps(text, ensure_ascii=False)


def script(template: str, order: Order, folder: Path, **more: Any) -> None:
    """Write network.py from a template that reads `populations`, `projections` and the numbers of a run."""
    realisation = order.realisation
    network = realisation.network
    render(
        template,
        folder / "network.py",
        order=order,
        rules=order.connectivity == "rules",
        about=[line for text in order.about for line in textwrap.wrap(text, 100)],
        network=network,
        synapses=realisation.expected_synapses,
        dt_ms=realisation.dt_ms,
        duration_ms=float(order.duration_ms),
        shortest_delay_ms=realisation.shortest_delay_ms,
        longest_delay_ms=realisation.longest_delay_ms,
        populations=[_population(realisation, each) for each in network.populations],
        projections=[
            _projection(realisation, each) for each in network.projections if network.expected_synapses(each)
        ],
        distributed=any(realisation.distributed.values()),
        weights_differ=any(each.weight_cv for each in network.projections),
        delays_differ=any(isinstance(each.delay_ms, UniformDelay) for each in network.projections),
        random_indegree=any(isinstance(each.rule, UniformIndegree) for each in network.projections),
        **more,
    )


def _population(realisation: Realisation, population: Population) -> dict[str, Any]:
    """A population as templates have it."""
    model, given = neuron_model(population.neuron), realisation.given(population)
    numbers = realisation.parameters[population.name]
    return {
        "name": population.name,
        "size": population.size,
        "clusters": population.clusters,
        "model": model.nest.model,
        "initial": _limits(realisation.values.initial[population.name]),
        "parameters": [
            {"name": p.name, "unit": p.unit, "doc": p.doc, "value": float(numbers[p.name])}
            for p in model.parameters
            if not np.ndim(numbers[p.name])
        ],
        "distributed": [
            {"name": p.name, "unit": p.unit, "doc": p.doc, "draw": _draw(given[p.name])}
            for p in model.parameters
            if np.ndim(numbers[p.name])
        ],
    }


def _limits(initial: Initial) -> tuple[float, float] | None:
    """Between which potentials neurons start; None for a uniform phase."""
    return (float(initial.low), float(initial.high)) if isinstance(initial, UniformPotential) else None


def _draw(value: object) -> str:
    """A call of NumPy's generator that draws a distributed parameter."""
    if isinstance(value, Distributed):
        return f"normal({float(value.mean)!r}, {float(value.sd)!r}"
    low, high = (float(getattr(value, end)) for end in ("low", "high"))
    return f"uniform({low!r}, {high!r}"


def _projection(realisation: Realisation, projection: Projection) -> dict[str, Any]:
    rule, delays = projection.rule, realisation.delays_ms(projection)
    source = realisation.network.population(projection.source)
    if isinstance(rule, Bernoulli):
        said: dict[str, Any] = {"probability": float(rule.probability)}
    elif isinstance(rule, FixedIndegree):
        said = {"indegree": rule.indegree(source.cluster_size)}
    else:
        said = {"indegree": (rule.low, rule.high)}
    return {
        "name": projection.name,
        "source": projection.source,
        "target": projection.target,
        "part": projection.part,
        "receptor": projection.receptor,
        "rule": said,
        "words": rule_in_words(projection),
        "weight": float(realisation.values.weights[projection.name]),
        "lognormal": lognormal(projection.weight_cv) if projection.weight_cv else None,
        "weight_cv": float(projection.weight_cv),
        "delay": delays,
        "delays_differ": isinstance(delays, tuple),
    }
