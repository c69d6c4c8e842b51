"""What a stored study says: its trials, importance, looseness, maps, regimes."""
