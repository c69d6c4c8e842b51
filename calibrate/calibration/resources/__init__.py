"""Resources that a study needs on this machine: memory, time, batch sizes, and their growth with size."""
