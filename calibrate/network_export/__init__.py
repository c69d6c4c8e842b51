"""Networks as folders that run without calibrate: scripts for NEST and PyNN, files of SONATA, NIR and NESTML."""
