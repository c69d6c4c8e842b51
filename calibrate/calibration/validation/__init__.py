"""Whether a result holds: fresh graphs, a second simulator, and verdicts."""
