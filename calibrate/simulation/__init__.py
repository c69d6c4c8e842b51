"""Many simulations: jobs, the processes that run them, and pools of these processes."""
