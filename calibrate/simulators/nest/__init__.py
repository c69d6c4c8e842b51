"""The NEST back end: a network in NEST's kernel."""
