"""GeNN: a network as generated code, on a CUDA device or a core."""
