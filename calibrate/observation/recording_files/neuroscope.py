"""Spikes of Klusters, NeuroScope and KlustaKwik: texts NAME.res.N and NAME.clu.N of shank N, and NAME.xml.

A line of a .res file is the sample of a spike. The first line of a .clu file counts its clusters; the others
are the cluster of each spike. Cluster 0 is noise, and cluster 1 what could not be sorted.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from calibrate.errors import RecordingError
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

_RES = re.compile(r"(?P<name>.+)\.res(\.(?P<shank>\d+))?")
_QUALITY = {0: "noise", 1: "mua"}


def is_neuroscope(path: Path) -> bool:
    """Whether a folder holds such files."""
    return any(clusters.is_file() for _, clusters in _pairs(path).values())


def files_of(path: Path) -> Iterator[Path]:
    """The files that are read of a folder."""
    for spikes, clusters in _pairs(path).values():
        yield from (spikes, clusters, path / f"{_name(spikes)}.xml")


def read_neuroscope(path: Path, wanted: Wanted) -> Table:
    """Read all shanks in a folder."""
    wanted.refuse_time_unit("samples")
    pairs = _pairs(path)
    names = sorted({_name(spikes) for spikes, _ in pairs.values()})
    if len(names) > 1:
        raise RecordingError(
            f"contains several sessions ({', '.join(names)}): move each to a folder of its own"
        )
    xml = path / f"{names[0]}.xml"
    if not xml.is_file():
        raise RecordingError(f"has no {xml.name}, which says its sampling rate: put it beside the .res files")
    text = xml.read_text(encoding="utf-8", errors="replace")
    rate = check_rate(_number(text, "samplingRate"), f"samplingRate of the acquisitionSystem in {xml.name}")
    spikes = {shank: _read(*pair) for shank, pair in pairs.items()}
    last = max(int(samples.max(initial=0)) for samples, _ in spikes.values())
    traces = path / f"{names[0]}.dat"
    length = _length(traces, text)
    time_from, observed = "", None
    if length is not None and length > last:
        time_from, observed = traces.name, np.array([[0.0, length * 1000.0 / rate]])
    units = [unit for shank, pair in spikes.items() for unit in _units(shank, *pair, rate, observed)]
    said = f"{len(pairs)} shanks" if len(pairs) > 1 else "one shank"
    understood = f"files of NeuroScope ({said}), {say_rate(rate)}"
    return make_table_of_neurons(units, wanted, understood=understood, time_from=time_from)


def _pairs(path: Path) -> dict[str, tuple[Path, Path]]:
    """The files of spikes and of their clusters, by session and shank."""
    found = {}
    for one in sorted(path.glob("*.res*")):
        match = _RES.fullmatch(one.name)
        if match and one.is_file():
            end = f".{match['shank']}" if match["shank"] else ""
            found[one.name.replace(".res", "", 1)] = one, path / f"{match['name']}.clu{end}"
    return found


def _name(spikes: Path) -> str:
    match = _RES.fullmatch(spikes.name)
    return match["name"] if match else spikes.name


def _number(text: str, name: str) -> float | None:
    """A number of the acquisition system."""
    found = re.search(rf"<acquisitionSystem>.*?<{name}>\s*([\d.]+)\s*</{name}>", text, re.DOTALL)
    return float(found[1]) if found else None


def _length(traces: Path, text: str) -> int | None:
    channels, bits = _number(text, "nChannels"), _number(text, "nBits")
    if not (traces.is_file() and channels and bits):
        return None
    samples, rest = divmod(traces.stat().st_size, int(channels * bits / 8))
    return None if rest else samples


def _read(spikes: Path, clusters: Path) -> tuple[NDArray[Any], NDArray[Any]]:
    if not clusters.is_file():
        raise RecordingError(f"has {spikes.name}, but no {clusters.name}")
    samples, numbers = _lines(spikes), _lines(clusters)[1:]
    check_lengths({spikes.name: samples, clusters.name: numbers})
    return samples, numbers


def _lines(path: Path) -> NDArray[np.int64]:
    import pandas as pd

    if not path.stat().st_size:  # a shank without spikes
        return np.zeros(0, np.int64)
    try:
        return np.asarray(pd.read_csv(path, header=None, names=["number"], dtype=np.int64)["number"])
    except (ValueError, TypeError):
        raise RecordingError(f"{path.name} does not contain one whole number per line") from None


def _units(
    key: str, samples: NDArray[Any], numbers: NDArray[Any], rate: float, observed: NDArray[np.float64] | None
) -> Iterator[Unit]:
    shank = key.rpartition(".")[2]
    found = SpikesByUnit.of(numbers)
    for number, train in zip(found.labels.tolist(), found.split(samples), strict=True):
        yield Unit(
            label=f"{shank}.{number}" if shank.isdigit() else number,
            times_ms=to_ms(train, rate),
            observed=observed,
            columns={
                QUALITY: _QUALITY.get(number, "sorted"),
                "n_spikes": train.size,
                **({"shank": int(shank)} if shank.isdigit() else {}),
            },
        )
