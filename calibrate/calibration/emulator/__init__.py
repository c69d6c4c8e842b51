"""The emulator: every statistic as a function of the parameters, learned from trials, with its error."""
