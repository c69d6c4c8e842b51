#!/usr/bin/env bash
# Neo 0.14.6 and NEST 3.10.0: Neo does not read the spikes that NEST records into a file.
#
# Neo has a reader for the output of NEST, NestIO. A spike recorder of NEST 3 with record_to = "ascii"
# writes two comment lines and then the names of the columns, without a comment sign.
#
# Observed: neo.io.get_io takes the file for one of Elphy, whose suffix is .dat as well; NestIO raises
# "ValueError: could not convert string 'sender' to float64". Without the line of names, NestIO reads the spikes.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet nest-simulator==3.10.0 neo==0.14.6 numpy==2.3.5
cd "$folder"
PYNEST_QUIET=1 "$folder/venv/bin/python" - <<'PYTHON'
from pathlib import Path

import neo
import nest
import quantities as pq

nest.verbosity = nest.VerbosityLevel.ERROR
neurons = nest.Create("iaf_psc_exp", 3, {"I_e": 400.0})
recorder = nest.Create("spike_recorder", params={"record_to": "ascii"})
nest.Connect(neurons, recorder)
nest.Simulate(200.0)
(file,) = Path().glob("*.dat")
lines = file.read_text().splitlines()
recorded = len(lines) - 3
print("\n".join(lines[:4]))


def read(name: str) -> int:
    reader = neo.io.NestIO(filenames=name)
    ends = {"t_start": 0.0 * pq.ms, "t_stop": 200.0 * pq.ms}
    segment = reader.read_segment(gid_list=[1, 2, 3], id_column_gdf=0, time_column_gdf=1, **ends)
    return sum(len(train) for train in segment.spiketrains)


guessed = type(neo.io.get_io(str(file))).__name__
print("get_io:", guessed)
try:
    read(str(file))
    error = ""
except ValueError as raised:
    error = str(raised)
print("NestIO:", error)
Path("without_names.gdf").write_text("\n".join(line for line in lines if line[:1].isdigit()) + "\n")
found = read("without_names.gdf")
print(f"NestIO, without the names of the columns: {found} of {recorded} spikes")
as_described = guessed == "ElphyIO" and "'sender'" in error and found == recorded > 0
raise SystemExit(0 if as_described else "this has changed")
PYTHON
