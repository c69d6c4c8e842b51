"""Calibrate spiking neural networks: Optuna proposes, GeNN simulates in batches, NEST checks."""
