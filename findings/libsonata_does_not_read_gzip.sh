#!/usr/bin/env bash
# libsonata 0.2.2: files of SONATA with compressed datasets cannot be read.
#
# SONATA is HDF5, whose datasets are often compressed with gzip, the filter that every HDF5 library has by default.
# The one in the wheels of libsonata was built without it. The same file without compression is read.
#
# Observed for the sources of ten edges: read from the plain file; from the compressed one "RuntimeError: Unable to
# read the dataset".
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet libsonata==0.2.2 h5py==3.16.0 numpy==2.3.5
cd "$folder"
"$folder/venv/bin/python" - 2> /dev/null <<'PYTHON'
import sys

import h5py
import libsonata
import numpy as np


def write(path, **packed):
    with h5py.File(path, "w") as file:
        file.attrs["magic"], file.attrs["version"] = np.uint32(0x0A7A), np.array([0, 1], dtype=np.uint32)
        edges = file.create_group("edges/E_to_E")
        for end in ("source", "target"):
            ids = edges.create_dataset(f"{end}_node_id", data=np.arange(10, dtype=np.uint64), **packed)
            ids.attrs["node_population"] = "E"
        edges["edge_type_id"] = np.zeros(10, dtype=np.uint64)
        edges["edge_group_id"] = np.zeros(10, dtype=np.uint32)
        edges["edge_group_index"] = np.arange(10, dtype=np.uint64)
        edges.create_group("0")


def sources(path):
    edges = libsonata.EdgeStorage(path).open_population("E_to_E")
    try:
        return edges.source_nodes(edges.select_all()).tolist()
    except RuntimeError as error:
        return f"RuntimeError: {error}"


write("plain.h5")
write("packed.h5", compression="gzip")
found = {path: sources(path) for path in ("plain.h5", "packed.h5")}
for path, read in found.items():
    print(f"{path}: {read}")
if found["plain.h5"] != list(range(10)) or "Unable to read" not in str(found["packed.h5"]):
    print("changed: compressed datasets are read, or plain ones are not")
    sys.exit(1)
PYTHON
