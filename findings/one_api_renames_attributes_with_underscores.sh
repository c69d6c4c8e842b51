#!/usr/bin/env bash
# ONE-api 3.6.1: an ALF object that is saved and loaded has another attribute.
#
# The brain regions of recording sites are in channels.brainLocationIds_ccf_2017.npy in the data that the
# International Brain Laboratory has released. is_valid of ONE-api accepts the name, and load_object reads the
# file. save_object_npy writes the same attribute under another name, without underscores and capitals.
#
# Observed: channels.brainlocationidsCcf2017.npy, and load_object returns "brainlocationidsCcf2017". An attribute
# without underscores, localCoordinates, keeps its name.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet ONE-api==3.6.1 numpy==2.3.5
cd "$folder"
"$folder/venv/bin/python" - <<'PYTHON'
from pathlib import Path

import numpy as np
from one.alf import spec
from one.alf.io import load_object, save_object_npy

name = "brainLocationIds_ccf_2017"
print("valid:", valid := spec.is_valid(f"channels.{name}.npy"))
for folder in ("by_numpy", "by_one"):
    Path(folder).mkdir()
np.save(f"by_numpy/channels.{name}.npy", np.arange(3))
np.save("by_numpy/channels.localCoordinates.npy", np.zeros((3, 2)))
loaded = load_object("by_numpy", "channels")
print("loaded:", sorted(loaded))
save_object_npy("by_one", dict(loaded), "channels")
print("saved:", sorted(path.name for path in Path("by_one").iterdir()))
again = sorted(load_object("by_one", "channels"))
print("loaded again:", again)
as_described = (
    valid
    and sorted(loaded) == [name, "localCoordinates"]
    and again == ["brainlocationidsCcf2017", "localCoordinates"]
)
raise SystemExit(0 if as_described else "this has changed")
PYTHON
