"""Rules across the sections of a study file."""
