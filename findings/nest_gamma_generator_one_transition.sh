#!/usr/bin/env bash
# NEST 3.10.0, gamma_sup_generator: a train has at most one transition of a stage in a step.
#
# A gamma process of shape k is every k-th event of a Poisson process of k times the rate. The generator lets
# each of its processes make at most one such transition in a simulation step. With p = k rate dt the intervals
# then have a coefficient of variation of sqrt((1 - p) / k) instead of 1 / sqrt(k), and counts are far too
# regular once p is not small. Nothing is reported.
#
# Observed for shape 3, resolution 0.1 ms, 60 trains of 20 s: CV of intervals at 100 Hz 0.57 (1 / sqrt(3) is
# 0.577; the formula gives 0.569), at 3065 Hz 0.16 (the formula gives 0.164).
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet nest-simulator==3.10.0 numpy==2.3.5
PYNEST_QUIET=1 "$folder/venv/bin/python" - <<'PYTHON'
import sys

import nest
import numpy as np

nest.verbosity = nest.VerbosityLevel.ERROR
found = {}
for rate_hz in (100.0, 3065.0):
    nest.ResetKernel()
    nest.resolution = 0.1
    nest.rng_seed = 7
    generator = nest.Create("gamma_sup_generator", params={"rate": rate_hz, "gamma_shape": 3, "n_proc": 1})
    relays = nest.Create("parrot_neuron", 60)
    recorder = nest.Create("spike_recorder")
    nest.Connect(generator, relays)
    nest.Connect(relays, recorder)
    nest.Simulate(20_000.0)
    times, senders = (np.asarray(recorder.events[name]) for name in ("times", "senders"))
    intervals = np.concatenate([np.diff(np.sort(times[senders == each])) for each in np.unique(senders)])
    found[rate_hz] = float(intervals.std() / intervals.mean())
    p = 3 * rate_hz * 0.1e-3
    print(f"{rate_hz:g} Hz: CV {found[rate_hz]:.3f}, sqrt((1 - p) / 3) = {np.sqrt((1 - p) / 3):.3f}, "
          f"1 / sqrt(3) = {1 / np.sqrt(3):.3f}")
if not (abs(found[100.0] - 0.569) < 0.01 and found[3065.0] < 0.2):
    sys.exit("changed: the CV at 3065 Hz is no longer that of one transition in a step")
PYTHON
