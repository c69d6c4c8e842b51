"""Networks as folders that run without calibrate: for NEST, PyNN, SONATA, NIR and NESTML."""
