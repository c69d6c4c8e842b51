"""Candidates, their simulations, and their scores and summaries."""
