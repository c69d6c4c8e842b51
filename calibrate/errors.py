"""The exceptions that calibrate raises; all of them derive from `CalibrateError`."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence


class CalibrateError(Exception):
    """Something a user can understand and act on; the message is one clear line."""


class ModelError(CalibrateError):
    """A network model was given parameters that it cannot have."""


class ObservationError(CalibrateError):
    """An observation is malformed, or does not hold what a statistic needs."""


class RecordingError(CalibrateError):
    """A file of recorded spikes cannot be read, or holds none."""


class ObjectiveError(CalibrateError):
    """A statistic, target or objective is unknown or was given options it cannot have."""


class PluginError(CalibrateError):
    """A name, `package.module:Name` or `file.py:Name` does not lead to a usable object."""


class StudyError(CalibrateError):
    """A study file breaks a rule: names file, line, place, rule, value and remedy."""


class SimulatorError(CalibrateError):
    """A simulator is not installed, cannot run this network, or broke."""


class StoreError(CalibrateError):
    """The database cannot be reached, is not ours, or refuses what was asked."""


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Suggest the known name that is nearest to a misspelled one.

    Parameters
    ----------
    name : str
        The name that was given.
    known : iterable of str
        Names that exist.

    Returns
    -------
    str
        " (did you mean 'x'?)", or "" if no name is near or `name` is longer than 100 characters.

    Examples
    --------
    >>> from calibrate.errors import did_you_mean
    >>> did_you_mean("balancd", ["balanced", "larva"])
    " (did you mean 'balanced'?)"
    """
    if len(name) > 100:  # too long for a typo, and slow to compare
        return ""
    known = list(known)
    near = [other for other in known if other.casefold() == name.casefold()]
    near = near or _related(name, known) or difflib.get_close_matches(name, known, n=1, cutoff=0.65)
    return f" (did you mean '{near[0]}'?)" if near else ""


def _related(name: str, known: Sequence[str]) -> list[str]:
    """Known names with which `name` begins or ends, in whole words; else the only one that begins with it."""
    within = [k for k in known if k and (name.startswith(f"{k}_") or name.endswith(f"_{k}"))]
    longer = [k for k in known if len(name) > 1 and k.casefold().startswith(name.casefold())]
    return sorted(within, key=len, reverse=True) or (longer if len(longer) == 1 else [])


def one_line(error: BaseException) -> str:
    """Return the type and the message of an error in one line.

    Parameters
    ----------
    error : BaseException
        Any error.

    Returns
    -------
    str
        Its type and its message.

    Examples
    --------
    >>> from calibrate.errors import one_line
    >>> one_line(ValueError("no number"))
    'ValueError: no number'
    """
    return " ".join(f"{type(error).__name__}: {error}".split())


def reason_of(error: BaseException) -> str:
    """Return why something failed.

    Parameters
    ----------
    error : BaseException
        Any error.

    Returns
    -------
    str
        The message of an error of calibrate; the type and the message of any other error.

    Examples
    --------
    >>> from calibrate.errors import StudyError, reason_of
    >>> reason_of(StudyError("no parameter is free")), reason_of(KeyError("I_E"))
    ('no parameter is free', "KeyError: 'I_E'")
    """
    return str(error) if isinstance(error, CalibrateError) else one_line(error)
