"""Files of recorded units, as other programs write them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pandas as pd
from neo.rawio import plexonrawio


def write_nwb(path: Path, columns: Mapping[str, Sequence[Any]]) -> Path:
    """A table of units in the layout of the NWB 2 schema; a list of arrays is a ragged column."""
    with h5py.File(path, "w") as file:
        file.attrs["nwb_version"] = "2.8.0"
        write_units(file.create_group("units"), columns)
    return path


def write_units(table: h5py.Group, columns: Mapping[str, Sequence[Any]]) -> None:
    table.attrs["neurodata_type"] = "Units"
    table.attrs["colnames"] = list(columns)
    n = len(next(iter(columns.values())))
    table["id"] = np.arange(n)
    for name, values in columns.items():
        if isinstance(values[0], str):
            table.create_dataset(name, data=list(values), dtype=h5py.string_dtype())
        elif np.ndim(values[0]):
            arrays = [np.asarray(one, dtype=float) for one in values]
            table[name] = np.concatenate(arrays)
            ends = np.cumsum([len(one) for one in arrays])
            table[f"{name}_index"] = ends.astype(np.min_scalar_type(int(ends[-1])))
        else:
            table[name] = np.asarray(values)


def write_plexon(path: Path, spikes: Mapping[tuple[int, int], np.ndarray]) -> Path:
    """A .plx file without waveforms; `spikes` are the times in ms of (channel, class of waveform)."""
    rate = 40_000
    head = np.zeros(1, plexonrawio.GlobalHeader)[0]
    numbers = {"Version": 106, "ADFrequency": rate, "WaveformFreq": rate, "Year": 2026, "Month": 1, "Day": 1}
    gains = {"SpikePreAmpGain": 1000, "SpikeMaxMagnitudeMV": 3000, "BitsPerSpikeSample": 12}
    channels = sorted({channel for channel, _ in spikes})
    for name, value in {**numbers, **gains, "NumDSPChannels": len(channels)}.items():
        head[name] = value
    electrodes = np.zeros(len(channels), plexonrawio.DspChannelHeader)
    electrodes["Channel"], electrodes["Gain"] = channels, 1
    rows = sorted(
        (round(time * rate / 1000), channel, unit)
        for (channel, unit), times in spikes.items()
        for time in times
    )
    blocks = np.zeros(len(rows), plexonrawio.DataBlockHeader)
    blocks["Type"] = 1
    blocks["TimeStamp"], blocks["Channel"], blocks["Unit"] = np.transpose(rows)
    path.write_bytes(head.tobytes() + electrodes.tobytes() + blocks.tobytes())
    return path


def table_of(times: list[np.ndarray], **columns: list[Any]) -> pd.DataFrame:
    """A table of spikes, with columns that each have a value for a unit."""
    rows = [
        (t, k, *(values[k] for values in columns.values())) for k, train in enumerate(times) for t in train
    ]
    return pd.DataFrame(rows, columns=["time_ms", "unit", *columns])
