"""What is known of platforms from their released software and publications. Nothing here is an estimate.

docs/hardware.md cites the source of every number.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, replace
from typing import Any

from calibrate.errors import ModelError, did_you_mean
from calibrate.hardware.limits import Hardware

PLATFORMS: Mapping[str, Hardware] = {
    "spinnaker": Hardware(
        target="spinnaker",
        weight_bits=16,
        signed=False,
        scale="receptor",
        scaling="ring_buffer",
        neurons_per_core=256,
        dt_ms=1.0,
        min_delay_steps=1,
        max_delay_steps=288,
        state_fraction_bits=15,
        decay_bits=15,
        synapse_decay_bits=32,
    ),
    "loihi": Hardware(
        target="loihi",
        weight_bits=8,
        signed=False,
        scale="projection",
        scaling="power_of_two",
        weight_exponents=8,
        neurons_per_core=1024,
        dt_ms=1.0,
        min_delay_steps=1,
        max_delay_steps=63,
        max_refractory_steps=63,
        decay_bits=12,
        synapse_decay_bits=12,
        threshold_bits=17,
        bias_bits=12,
        stimuli=False,
    ),
    "brainscales2": Hardware(
        target="brainscales2",
        weight_bits=6,
        signed=False,
        scale="receptor",
        fan_in=256,
        neurons_per_core=512,
        stimuli=False,
    ),
    "dynapse": Hardware(
        target="dynapse",
        weight_bits=4,
        signed=False,
        scale="receptor",
        fan_in=64,
        neurons_per_core=256,
        stimuli=False,
    ),
    "custom": Hardware(target="custom"),
}

SOURCES: Mapping[str, str] = {
    "spinnaker": "sPyNNaker 1!7.4.1",
    "loihi": "brian2-loihi 0.5.2 and nengo-loihi 1.1.0",
    "brainscales2": "pynn-brainscales (commit fd4f926), hxtorch (commit 3bfc7aa) and Pehle et al. 2022",
    "dynapse": "rockpool 3.0.3.dev (commit 42cee1c)",
    "custom": "",
}
"""Software and publications that the limits of a platform are from."""


def hardware(target: str, **limits: Any) -> Hardware:
    """Return the limits of a platform, with some of them changed.

    Parameters
    ----------
    target : {"spinnaker", "loihi", "brainscales2", "dynapse", "custom"}
        The platform.
    **limits : object
        Limits in place of those of the platform, by their names in `Hardware`.

    Returns
    -------
    Hardware
        The limits.

    Raises
    ------
    ModelError
        If there is no such platform or limit, or a limit is out of its range.

    Examples
    --------
    >>> from calibrate.hardware import hardware
    >>> hardware("spinnaker").weight_bits, hardware("loihi", rounding="random").rounding
    (16, 'random')
    """
    if target not in PLATFORMS:
        hint = did_you_mean(target, PLATFORMS)
        raise ModelError(f"there is no platform '{target}'{hint}: there are {', '.join(PLATFORMS)}")
    names = [field.name for field in fields(Hardware) if field.name != "target"]
    for name in limits:
        if name not in names:
            raise ModelError(
                f"there is no limit '{name}'{did_you_mean(name, names)}: there are {', '.join(names)}"
            )
    return replace(PLATFORMS[target], **limits)
