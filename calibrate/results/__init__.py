"""The results of a stored study: trials, importance, looseness, maps."""
