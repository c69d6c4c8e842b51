#!/usr/bin/env bash
# sPyNNaker 1!7.4.1: the rate of Poisson sources does not count where the range of synaptic input is chosen.
#
# The weights of a population are scaled so that the input that is expected in a time step fits into a ring
# buffer of 16 bits (`get_ring_buffer_shifts`); more saturates. Sources are expected to fire 30 times a second,
# or at their own rate if they are an `AbstractMaxSpikes`. `SpikeSourcePoissonVertex` computes
# `max_spikes_per_ts`, but only its machine vertex is one, and the machine vertex is not asked. So a source of
# 4000 Hz, which sends 4 spikes in a step of 1 ms on average, has the range of one that sends a single spike.
#
# Observed for one source per neuron, weight 2 nA, step 1 ms: a shift of 2 (less than 4 nA in a step) for 40 Hz
# and for 4000 Hz, where the mean input is 8 nA and `max_spikes_per_ts` is 12.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet "sPyNNaker==1!7.4.1"
printf '[Machine]\nversion = 5\n' > "$folder/.spynnaker.cfg"
cd "$folder"
HOME="$folder" "$folder/venv/bin/python" - <<'PYTHON'
import logging
import sys

from spynnaker.pyNN.config_setup import unittest_setup

unittest_setup()

import spynnaker.pyNN as sim
from spinn_utilities.config_holder import set_config

logging.disable(logging.CRITICAL)
found = {}
for rate_hz in (40.0, 4000.0):
    unittest_setup()
    set_config("Machine", "version", "5")
    sim.setup(timestep=1.0)
    source = sim.Population(10, sim.SpikeSourcePoisson(rate=rate_hz))
    target = sim.Population(10, sim.IF_curr_exp())
    sim.Projection(source, target, sim.OneToOneConnector(), sim.StaticSynapse(weight=2.0, delay=1.0))
    found[rate_hz] = int(target._vertex.get_ring_buffer_shifts()[0])
    print(f"{rate_hz:g} Hz: less than {2 ** found[rate_hz]} nA in a step; mean input {2e-3 * rate_hz:g} nA, "
          f"max_spikes_per_ts {source._vertex.max_spikes_per_ts():g}")
if found[40.0] != 2 or found[4000.0] != 2:
    sys.exit("changed: the range of the ring buffers is no longer the same for both rates")
PYTHON
