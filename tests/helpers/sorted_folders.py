"""Folders of spike sorters, in the layout that each documents."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import h5py
import numpy as np

Spikes = Mapping[int, Sequence[int]]  # samples by unit


def in_order(spikes: Spikes) -> tuple[np.ndarray, np.ndarray]:
    """The samples of all spikes in order, and the units that they are of."""
    samples = np.concatenate([np.asarray(one, dtype=np.int64) for one in spikes.values()])
    units = np.repeat(list(spikes), [len(one) for one in spikes.values()])
    order = np.argsort(samples, kind="stable")
    return samples[order], units[order]


def write_phy(folder: Path, spikes: Spikes, params: str = "sample_rate = 10000.\n") -> Path:
    """A folder as Kilosort 2 writes it, whose arrays have columns of their own."""
    folder.mkdir(parents=True, exist_ok=True)
    samples, units = in_order(spikes)
    np.save(folder / "spike_times.npy", samples[:, None].astype(np.uint64))
    np.save(folder / "spike_templates.npy", units[:, None].astype(np.uint32))
    np.save(folder / "spike_clusters.npy", units.astype(np.int32))
    (folder / "params.py").write_text(params)
    return folder


def write_table(folder: Path, name: str, values: Mapping[int, object]) -> None:
    """A table of clusters of a Phy folder, with one column."""
    lines = [f"cluster_id\t{name}", *(f"{cluster}\t{value}" for cluster, value in values.items())]
    (folder / f"cluster_{name}.tsv").write_text("\n".join(lines) + "\n")


def write_alf(folder: Path, spikes: Spikes, part: str = "") -> Path:
    """The spikes in ALF, at 10 kHz."""
    folder.mkdir(parents=True, exist_ok=True)
    samples, units = in_order(spikes)
    np.save(folder / f"spikes.times{part}.npy", samples / 10_000)
    np.save(folder / f"spikes.clusters{part}.npy", units.astype(np.uint16))
    return folder


def write_kwik(path: Path, recordings: Sequence[Spikes], groups: Mapping[int, int], length: int) -> Path:
    """A Kwik file of recordings of that many samples at 10 kHz.

    groups  the number of the group of each cluster: 0 noise, 1 mua, 2 good, 3 unsorted
    """
    parts = [(*in_order(spikes), number) for number, spikes in enumerate(recordings)]
    with h5py.File(path, "w") as file:
        shank = file.create_group("channel_groups/0")
        shank["spikes/time_samples"] = np.concatenate([samples for samples, *_ in parts]).astype(np.uint64)
        shank["spikes/clusters/main"] = np.concatenate([units for _, units, _ in parts]).astype(np.uint32)
        shank["spikes/recording"] = np.concatenate([np.full(one.size, k) for one, _, k in parts])
        for number, name in enumerate([b"Noise", b"MUA", b"Good", b"Unsorted"]):
            shank.create_group(f"cluster_groups/main/{number}").attrs["name"] = name
        for cluster, number in groups.items():
            shank.create_group(f"clusters/main/{cluster}").attrs["cluster_group"] = number
        for number in range(len(recordings)):
            one = file.create_group(f"recordings/{number}")
            one.attrs.update(sample_rate=10_000.0, start_sample=number * length)
    return path


def write_sorting(folder: Path, segments: Sequence[Spikes], units: Sequence[int | str]) -> Path:
    """A folder of SpikeInterface at 10 kHz; spikes are by the place of the unit."""
    folder.mkdir(parents=True)
    fields = [("sample_index", "<i8"), ("unit_index", "<i8"), ("segment_index", "<i8")]
    rows = [
        (sample, place, number)
        for number, spikes in enumerate(segments)
        for sample, place in zip(*in_order(spikes), strict=True)
    ]
    np.save(folder / "spikes.npy", np.array(rows, dtype=fields))
    names = ", ".join(f'"{one}"' if isinstance(one, str) else str(one) for one in units)
    (folder / "numpysorting_info.json").write_text(
        f'{{"sampling_frequency": 10000.0, "unit_ids": [{names}], "num_segments": {len(segments)}}}'
    )
    return folder


def write_shank(folder: Path, number: int, spikes: Spikes) -> None:
    """The texts of a shank for NeuroScope."""
    folder.mkdir(parents=True, exist_ok=True)
    samples, units = in_order(spikes)
    np.savetxt(folder / f"day1.res.{number}", samples, fmt="%d")
    np.savetxt(folder / f"day1.clu.{number}", [len(spikes), *units], fmt="%d")
    system = "<nBits>16</nBits><nChannels>4</nChannels><samplingRate>10000</samplingRate>"
    (folder / "day1.xml").write_text(
        f"<parameters><acquisitionSystem>{system}</acquisitionSystem></parameters>"
    )
