"""Built-in statistics, one file per family, written with `calibrate.objective` like those of users."""
