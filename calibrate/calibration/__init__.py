"""Running a study: the loop, the search, trials and scores, validation, and the cost of simulations."""
