"""The tasks behind the commands and the Python interface, one module each."""
