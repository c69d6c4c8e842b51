"""The posterior: which parameters are compatible with the targets of a study, from its trials."""
