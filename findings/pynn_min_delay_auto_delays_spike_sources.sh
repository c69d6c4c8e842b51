#!/usr/bin/env bash
# PyNN 0.13.0 with NEST 3.10.0: with min_delay "auto", the default, spikes of a SpikeSourceArray arrive late.
#
# A source that fires at 5 ms reaches a neuron through a synapse with a delay of 1.5 ms at 6.5 ms; the potential is
# first above rest at the end of the next step. This is so if min_delay is the time step. With "auto", the same
# spike arrives later by the delay minus a time step. Nothing is reported, and delays between neurons are right.
#
# Observed, first time above rest with steps of 0.1 ms, spike_precision "on_grid": min_delay 0.1: 6.6 ms;
# min_delay "auto": 8.0 ms.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet PyNN==0.13.0 nest-simulator==3.10.0 neo==0.14.6 numpy==2.3.5
PYNEST_QUIET=1 "$folder/venv/bin/python" - 2> /dev/null <<'PYTHON'
import sys

import pyNN.nest as sim


def first_above_rest_ms(min_delay):
    sim.setup(timestep=0.1, min_delay=min_delay, max_delay=2.0, spike_precision="on_grid")
    source = sim.Population(1, sim.SpikeSourceArray(spike_times=[5.0]))
    cell = sim.Population(1, sim.IF_curr_exp(v_rest=-70.0, v_reset=-70.0, v_thresh=-55.0))
    cell.initialize(v=-70.0)
    synapse = sim.StaticSynapse(weight=0.1, delay=1.5)
    sim.Projection(source, cell, sim.FromListConnector([(0, 0)]), synapse, receptor_type="excitatory")
    cell.record("v")
    sim.run(20.0)
    potential = cell.get_data().segments[0].analogsignals[0].magnitude[:, 0]
    sim.end()
    return 0.1 * int((potential > -70.0 + 1e-9).argmax())


found = {min_delay: first_above_rest_ms(min_delay) for min_delay in (0.1, "auto")}
for min_delay, time_ms in found.items():
    print(f"min_delay {min_delay}: {time_ms:.1f} ms")
if not (abs(found[0.1] - 6.6) < 1e-6 and abs(found["auto"] - 8.0) < 1e-6):
    print("changed: the spike no longer arrives later with min_delay \"auto\"")
    sys.exit(1)
PYTHON
