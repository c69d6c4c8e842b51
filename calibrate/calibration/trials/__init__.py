"""Candidates, their simulations, and what they come to."""
