"""How a study is answered: the loop, the search, trials and scores, validation, and what it costs."""
