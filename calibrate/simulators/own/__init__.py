"""Simulations of one's own: a function simulates the network, and returns its spikes."""
