"""[loop]: the rules of a closed loop."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from calibrate.errors import did_you_mean
from calibrate.network import Network
from calibrate.observation import Needs, steps
from calibrate.simulators.closed_loop import find_environment
from calibrate.simulators.closed_loop.environment import make_environment
from calibrate.study.file.problems import Problems, listed
from calibrate.study.file.sections import StudyFile
from calibrate.study.rules.common import attempt


def check_loop(problems: Problems, file: StudyFile, network: Network, folder: Path, needs: Needs) -> None:
    """The environment and its populations must exist, and durations must be multiples of the interval."""
    loop = file.loop
    if loop is None:
        if needs.episodes:
            asked = [section.statistic for section in (*file.objectives, *file.constraints)]
            remedy = "add [loop] with an environment"
            problems.add(("objectives",), "need a closed loop", asked, remedy)
        return
    for key in ("output_population", "input_population"):
        name = getattr(loop, key)
        if name not in network.layout.populations:
            rule = f"is not a population{did_you_mean(name, network.layout.populations)}"
            problems.add(("loop", key), rule, name, f"populations are {listed(network.layout.populations)}")
        elif key == "input_population" and loop.input == "rate" and not network.population(name).noise:
            rule = f"is rate, but population {name} has no Poisson input"
            problems.add(
                ("loop", "input"), rule, None, 'switch it on in the model, or write input = "current"'
            )
    if file.stimuli:
        problems.add(("stimuli",), "cannot be used in a closed loop", None, "let the environment stimulate")
    attempt(problems, ("loop", "interval_ms"), steps, loop.interval_ms, file.simulation.dt_ms, "the interval")
    for place, duration in (
        (("simulation", "duration_ms"), file.simulation.duration_ms),
        *((("stages", k, "duration_ms"), stage.duration_ms) for k, stage in enumerate(file.stages)),
    ):
        attempt(problems, place, steps, duration, loop.interval_ms, "in the loop, a measurement")
    maker = attempt(
        problems, ("loop", "environment"), partial(find_environment, loop.environment, folder=folder)
    )
    if maker is not None:
        make = partial(make_environment, maker, loop.environment, loop.options)
        attempt(problems, ("loop", "options"), make)
