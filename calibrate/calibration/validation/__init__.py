"""Validation of results: fresh graphs, a second simulator, and verdicts."""
