"""Recordings of hours and hundreds of units: seconds and memory to read and to measure them, beside elephant.

    python -m benchmarks.recordings [--hours 1 4] [--units 500] [--rate 5] [--formats nwb npz] [--elephant]

Poisson units with log-normal rates of this mean (Hz; SD of the logarithm 1), with times in samples at 30 kHz.
Every contender runs in a process of its own, on one core; seconds are those of its CPU, memory is its highest
resident size.

read         read_recording
values       the statistics of `calibrate stats` alone, one by one, without standard errors
measure      measure_recording of a file of NWB: all statistics of `calibrate stats`, with standard errors
pieces       the same in pieces of 2 s, as for targets of a study
elephant     with --elephant: pynwb reads the units; elephant and numpy compute the same statistics but
             synchrony and locking, without standard errors
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

STATISTICS = ("rate", "rate_sd", "cv", "cv2", "lv", "lvr", "fano", "correlation")


def write(folder: Path, hours: float, units: int, rate_hz: float, formats: list[str]) -> int:
    """Write the same recording in several formats; returns the number of spikes."""
    import pandas as pd

    random = np.random.default_rng(0)
    rates = random.lognormal(0.0, 1.0, units)
    samples = round(hours * 3600 * 30_000)
    trains = []
    for rate in rates * rate_hz / rates.mean():
        train = np.unique(random.integers(1, samples, random.poisson(rate * samples / 30_000)))
        trains.append(train[train % 6000 != 0])  # which window of 200 ms such a spike is in, is a convention
    _write_nwb(folder / "units.nwb", trains, hours * 3600)
    sample, unit = (
        np.concatenate(trains),
        np.repeat(np.arange(units, dtype=np.int32), [train.size for train in trains]),
    )
    order = np.argsort(sample, kind="stable")
    sample, unit = sample[order], unit[order]
    if "npz" in formats:
        np.savez(folder / "units.npz", time_ms=sample / 30, unit=unit)
    if "csv" in formats:
        frame = pd.DataFrame({"time_ms": np.round(sample / 30, 3), "unit": unit})
        frame.to_csv(folder / "units.csv", index=False)
    if "phy" in formats:
        phy = folder / "units.phy"
        phy.mkdir()
        np.save(phy / "spike_times.npy", sample)
        np.save(phy / "spike_clusters.npy", unit)
        (phy / "params.py").write_text("dat_path = 'none.dat'\nn_channels_dat = 384\nsample_rate = 30000.0\n")
    return int(sample.size)


def _write_nwb(path: Path, trains: list[NDArray[np.int64]], stop_s: float) -> None:
    import pynwb
    from hdmf.common import VectorData, VectorIndex
    from pynwb.misc import Units

    times = VectorData(name="spike_times", description="s", data=np.concatenate(trains) / 30_000)
    ends = np.cumsum([train.size for train in trains])
    observed = VectorData(
        name="obs_intervals", description="s", data=np.tile([[0.0, stop_s]], (len(trains), 1))
    )
    columns = [
        times,
        VectorIndex(name="spike_times_index", target=times, data=ends),
        observed,
        VectorIndex(name="obs_intervals_index", target=observed, data=np.arange(1, len(trains) + 1)),
    ]
    units = Units(name="units", description="units", id=np.arange(len(trains)), columns=columns)
    file = pynwb.NWBFile("a recording", "recording", datetime(2026, 1, 1, tzinfo=UTC), units=units)
    with pynwb.NWBHDF5IO(path, "w") as io:
        io.write(file)


def read(path: Path) -> dict[str, float]:
    from calibrate import read_recording

    return {"units": read_recording(path).units}


def measure(path: Path, piece_ms: float | None = None) -> dict[str, float]:
    from calibrate import measure_recording, read_recording

    rows = measure_recording(read_recording(path), piece_ms=piece_ms)
    return {row.statistic.name.removesuffix("_E"): row.estimate.value for row in rows}


def values(path: Path) -> dict[str, float]:
    from calibrate import read_recording
    from calibrate.objective.panel import panel
    from calibrate.objective.resampling import estimate_recording

    recording = read_recording(path)
    wanted = panel(recording.layout)
    return {one.name.removesuffix("_E"): estimate_recording(recording, one).value for one in wanted}


def pieces(path: Path) -> dict[str, float]:
    return measure(path, 2000.0)


def elephant(path: Path) -> dict[str, float]:
    """The same statistics as their documentation computes them."""
    import neo
    import pynwb
    import quantities as pq
    from elephant import statistics
    from elephant.conversion import BinnedSpikeTrain
    from elephant.spike_train_correlation import correlation_coefficient

    with pynwb.NWBHDF5IO(path, "r") as io:
        frame = io.read().units.to_dataframe()
    stop = frame["obs_intervals"].iloc[0][0, 1]
    trains = [neo.SpikeTrain(times * pq.s, t_stop=stop * pq.s) for times in frame["spike_times"]]
    rates = np.array([float(statistics.mean_firing_rate(train).rescale("Hz")) for train in trains])
    intervals = [np.diff(train.rescale("ms").magnitude) for train in trains]
    kept = [one for one in intervals if one.size >= 2]
    found = {
        "rate": rates.mean(),
        "rate_sd": rates.std(ddof=1),
        "cv": np.mean([statistics.cv(one) for one in intervals if one.size >= 10]),
        "cv2": np.mean([statistics.cv2(one) for one in kept]),
        "lv": np.mean([statistics.lv(one) for one in kept]),
        "lvr": np.mean([statistics.lvr(one, R=5.0 * pq.ms) for one in (one * pq.ms for one in kept)]),
    }
    counts = BinnedSpikeTrain(trains, bin_size=400 * pq.ms, tolerance=None).to_array()
    counts = counts[counts.mean(axis=1) >= 1]
    found["fano"] = (counts.var(axis=1, ddof=1) / counts.mean(axis=1)).mean()
    r = correlation_coefficient(BinnedSpikeTrain(trains, bin_size=200 * pq.ms, tolerance=None))
    found["correlation"] = np.nanmean(r[np.triu_indices(len(r), 1)])
    return {name: float(value) for name, value in found.items()}


CONTENDERS = {"read": read, "values": values, "measure": measure, "pieces": pieces, "elephant": elephant}


def run(contender: str, path: Path) -> dict[str, Any]:
    """What a contender finds in a process of its own, with its seconds and its memory."""
    threads = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
    command = [sys.executable, "-m", "benchmarks.recordings", "--one", contender, str(path)]
    done = subprocess.run(command, env=os.environ | threads, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{contender} of {path.name} failed: {done.stderr.strip().splitlines()[-1]}")
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def _one(contender: str, path: Path) -> None:
    began = time.process_time()
    values = CONTENDERS[contender](path)
    cpu_s = time.process_time() - began
    # Not ru_maxrss, which begins with that of the process that started this one.
    highest = next(line for line in Path("/proc/self/status").read_text().splitlines() if "VmHWM" in line)
    memory_gb = int(highest.split()[1]) * 1024 / 1e9
    print(json.dumps({"values": values, "cpu_s": cpu_s, "memory_gb": memory_gb}))


def compare(folder: Path, formats: list[str], *, beside_elephant: bool) -> dict[str, dict[str, Any]]:
    """The results of all contenders on the files of a folder; SystemExit if values differ."""
    nwb = folder / "units.nwb"
    found = {f"read {name}": run("read", folder / f"units.{name}") for name in formats}
    found |= {name: run(name, nwb) for name in ("values", "measure", "pieces")}
    if beside_elephant:
        found["elephant"] = run("elephant", nwb)
        for name in STATISTICS:
            ours, theirs = (found[one]["values"][name] for one in ("measure", "elephant"))
            if not np.isclose(ours, theirs, rtol=1e-3, atol=1e-5):
                raise SystemExit(f"{name} is {ours} here, but {theirs} with elephant")
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--hours", type=float, nargs="+", default=[1.0])
    parser.add_argument("--units", type=int, nargs="+", default=[500])
    parser.add_argument("--rate", type=float, nargs="+", default=[5.0])
    parser.add_argument("--formats", nargs="+", default=["nwb", "npz"], choices=["nwb", "npz", "csv", "phy"])
    parser.add_argument("--elephant", action="store_true")
    parser.add_argument("--one", nargs=2, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.one:
        _one(arguments.one[0], Path(arguments.one[1]))
        return
    print("| hours | units | spikes | contender | CPU s | memory GB | CPU of it / of measure |")
    print("|---|---|---|---|---|---|---|")
    sizes = [(h, u, r) for h in arguments.hours for u in arguments.units for r in arguments.rate]
    for hours, units, rate_hz in sizes:
        with tempfile.TemporaryDirectory() as name:
            spikes = write(Path(name), hours, units, rate_hz, arguments.formats)
            found = compare(Path(name), arguments.formats, beside_elephant=arguments.elephant)
        for contender, one in found.items():
            ratio = one["cpu_s"] / found["measure"]["cpu_s"]
            print(
                f"| {hours:g} | {units} | {spikes:.3g} | {contender} | {one['cpu_s']:.3g} | "
                f"{one['memory_gb']:.2f} | {ratio:.2g} |",
                flush=True,
            )


if __name__ == "__main__":
    main()
