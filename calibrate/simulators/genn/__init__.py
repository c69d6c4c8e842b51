"""The GeNN back end: networks as generated code, on a CUDA device or a CPU core."""
