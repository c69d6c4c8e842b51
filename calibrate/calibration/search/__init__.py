"""The search: proposals by index, and how each sampler makes them."""
