"""The study file: its sections, and the problems found in it."""
