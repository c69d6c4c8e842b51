"""Built-in statistics, one file per family, written against `calibrate.objective` like a user's own."""
