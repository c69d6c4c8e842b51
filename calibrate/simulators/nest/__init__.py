"""NEST: a network in its kernel."""
