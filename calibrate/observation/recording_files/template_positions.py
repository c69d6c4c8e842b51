"""Where units are on the probe, from the templates that Kilosort matched.

As in Phy, a unit is where the template of most of its spikes has its largest peak-to-peak amplitude, after
the templates are freed of the whitening of the traces.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from calibrate.observation.recording_files.sorting import SpikesByUnit, load_array, open_array

_NEEDED = ("templates.npy", "channel_positions.npy", "spike_templates.npy")


def positions_of(folder: Path, spikes: SpikesByUnit) -> dict[str, dict[int, object]]:
    """Return depth, channel and shank of each unit, as far as the folder says where they are."""
    if not all((folder / name).is_file() for name in _NEEDED):
        return {}
    templates = open_array(folder / "templates.npy")
    positions = np.atleast_2d(open_array(folder / "channel_positions.npy"))
    numbers = load_array(folder / "spike_templates.npy", whole=True)
    if templates.ndim != 3 or numbers.size != spikes.code.size:
        return {}
    unwhiten = _matrix(folder, templates.shape[2])
    sparse = _sparse_channels(folder, templates)
    channel: dict[int, object] = {}
    for unit, of_spikes in zip(spikes.labels.tolist(), spikes.split(numbers), strict=True):
        number = int(np.bincount(of_spikes).argmax())
        if number < len(templates):
            peak = _peak(templates[number], unwhiten if sparse is None else None)
            channel[unit] = peak if sparse is None else int(sparse[number, peak])
    shanks = _per_channel(folder / "channel_shanks.npy", len(positions))
    inside = {
        unit: one for unit, one in channel.items() if isinstance(one, int) and 0 <= one < len(positions)
    }
    return {
        "depth": {unit: float(positions[one, 1]) for unit, one in inside.items()},
        "channel": dict(inside),
        **({} if shanks is None else {"shank": {unit: int(shanks[one]) for unit, one in inside.items()}}),
    }


def _peak(template: NDArray[Any], unwhiten: NDArray[Any] | None) -> int:
    wave = np.asarray(template) if unwhiten is None else template @ unwhiten
    return int(np.ptp(wave, axis=0).argmax())


def _matrix(folder: Path, channels: int) -> NDArray[Any] | None:
    path = folder / "whitening_mat_inv.npy"
    matrix = open_array(path) if path.is_file() else None
    return matrix if matrix is not None and matrix.shape == (channels, channels) else None


def _sparse_channels(folder: Path, templates: NDArray[Any]) -> NDArray[Any] | None:
    """The channels of each template, if these are not all; templates_ind.npy of Kilosort says nothing."""
    path = folder / "template_ind.npy"
    found = open_array(path) if path.is_file() else None
    return found if found is not None and found.shape == templates.shape[::2] else None


def _per_channel(path: Path, channels: int) -> NDArray[Any] | None:
    found = open_array(path).ravel() if path.is_file() else None
    return found if found is not None and found.size == channels else None
