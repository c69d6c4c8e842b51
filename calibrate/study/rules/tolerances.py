"""Tolerances against noise: a target cannot be met more closely than a trial can measure it."""

from __future__ import annotations

from collections.abc import Sequence

from calibrate.objective import Objective
from calibrate.study.file.problems import Problems
from calibrate.study.file.sections import StudyFile


def check(problems: Problems, file: StudyFile, objectives: Sequence[Objective]) -> None:
    """Reject tolerances below the standard error that the study itself gives for the statistic."""
    for number, (objective, section) in enumerate(zip(objectives, file.objectives, strict=True)):
        error = section.standard_error
        if error is not None and objective.target.reach < error:
            rule = f"is below the standard error that is given for {objective.name}, {error:g}"
            remedy = "raise it, or correct standard_error"
            problems.add(("objectives", number, "tolerance"), rule, objective.target.tolerance, remedy)
