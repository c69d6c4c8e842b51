"""Kwik files of Klusta and the first Phy, straight from their HDF5 arrays.

Spikes are samples from the start of the recording that each belongs to. Clusters that are not in the list of
spikes are left over from merging.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from calibrate.errors import RecordingError
from calibrate.observation.recording_files.labels import as_text
from calibrate.observation.recording_files.segments import Segments
from calibrate.observation.recording_files.sorted_units import Unit
from calibrate.observation.recording_files.sorting import (
    QUALITY,
    SpikesByUnit,
    check_lengths,
    check_rate,
    make_table_of_neurons,
    say_rate,
    to_ms,
)
from calibrate.observation.recording_files.table import Table, Wanted

# Names of the groups where the file does not name them.
_GROUPS = {0: "noise", 1: "mua", 2: "good", 3: "unsorted"}


def is_kwik(path: Path) -> bool:
    """Whether a folder holds one Kwik file."""
    return len(list(path.glob("*.kwik"))) == 1


def files_of(path: Path) -> Iterator[Path]:
    """The file that is read of such a folder."""
    return path.glob("*.kwik")


def read_kwik(path: Path, wanted: Wanted) -> Table:
    """Read a Kwik file, or the only one in a folder."""
    wanted.refuse_time_unit("samples")
    try:
        import h5py
    except ImportError:
        raise RecordingError("needs the package h5py: pip install 'calibrate-snn[recordings]'") from None
    with h5py.File(next(files_of(path)) if path.is_dir() else path, "r") as file:
        groups = [one for one in _numbered(file, "channel_groups") if "spikes/time_samples" in one[1]]
        if not groups:
            raise RecordingError("contains no spikes")
        rate = _rate(file)
        spikes = {name: _spikes(group) for name, group in groups}
        segments, names = _segments(file, rate, spikes)
        units = [
            unit
            for name, group in groups
            for unit in _units(group, name if len(groups) > 1 else None, spikes[name], rate, segments, names)
        ]
    understood = f"Kwik, {say_rate(rate)}{segments.say()}"
    return make_table_of_neurons(
        units, wanted, understood=understood, time_from=segments.time_from, periods=segments.periods
    )


def _numbered(file: Any, name: str) -> list[tuple[int, Any]]:
    """The numbered groups in a group of the file, in order."""
    inside = file.get(name, {})
    return sorted(((int(key), inside[key]) for key in inside if key.isdigit()), key=lambda one: one[0])


def _rate(file: Any) -> float:
    rates = {
        float(one.attrs["sample_rate"])
        for _, one in _numbered(file, "recordings")
        if "sample_rate" in one.attrs
    }
    settings = file.get("application_data/spikedetekt")
    if not rates and settings is not None and "sample_rate" in settings.attrs:
        rates = {float(settings.attrs["sample_rate"])}
    if len(rates) != 1:
        found = "different sampling rates" if rates else "no sampling rate"
        raise RecordingError(f"gives its recordings {found}: sample_rate in /recordings")
    return check_rate(rates.pop(), "sample_rate in /recordings")


def _spikes(group: Any) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
    """The sample, the cluster and the recording of each spike of a group of channels."""
    samples = group["spikes/time_samples"][:].ravel()
    if "spikes/clusters/main" not in group:
        raise RecordingError("has spikes that were not clustered: there is no spikes/clusters/main")
    numbers = group["spikes/clusters/main"][:].ravel()
    recording = (
        group["spikes/recording"][:].ravel() if "spikes/recording" in group else np.zeros_like(numbers)
    )
    check_lengths({"time_samples": samples, "clusters/main": numbers, "recording": recording})
    return samples, numbers, recording


def _segments(
    file: Any, rate: float, spikes: dict[int, tuple[NDArray[Any], NDArray[Any], NDArray[Any]]]
) -> tuple[Segments, list[int]]:
    """The recordings in the file, each up to where the next one starts, and their numbers."""
    starts = {number: one.attrs.get("start_sample") for number, one in _numbered(file, "recordings")}
    fired = {int(one) for _, _, recording in spikes.values() for one in np.unique(recording)}
    names = sorted(starts.keys() | fired)
    lengths = []
    for place, number in enumerate(names):
        of_it = [samples[recording == number] for samples, _, recording in spikes.values()]
        last = max(int(one.max(initial=0)) for one in of_it)
        after = starts.get(names[place + 1]) if place + 1 < len(names) else None
        start = starts.get(number)
        length = int(after) - int(start) if after is not None and start is not None else 0
        lengths.append(max(length, last))
    said = [f"recording_{number}" for number in names]
    return Segments.of([one * 1000.0 / rate for one in lengths], said), names


def _units(
    group: Any,
    shank: int | None,
    spikes: tuple[NDArray[Any], NDArray[Any], NDArray[Any]],
    rate: float,
    segments: Segments,
    names: list[int],
) -> Iterator[Unit]:
    """The units of a group of channels, whose numbers are its own."""
    samples, numbers, recording = spikes
    times = to_ms(samples, rate)
    if segments.several:
        times += segments.intervals[np.searchsorted(names, recording), 0]
    found = SpikesByUnit.of(numbers)
    for number, train in zip(found.labels.tolist(), found.split(times), strict=True):
        yield Unit(
            label=number if shank is None else f"{shank}.{number}",
            times_ms=train,
            observed=segments.observed,
            columns={
                QUALITY: _quality(group, number),
                "n_spikes": train.size,
                **({} if shank is None else {"shank": shank}),
            },
        )


def _quality(group: Any, cluster: int) -> str:
    listed = group.get(f"clusters/main/{cluster}")
    number = int(listed.attrs.get("cluster_group", 3)) if listed is not None else 3
    named = group.get(f"cluster_groups/main/{number}")
    name = named.attrs.get("name") if named is not None else None
    words = [as_text(one) for one in np.ravel([] if name is None else name)]  # some write a list of one
    return (words or [_GROUPS.get(number, "unsorted")])[0].lower()
