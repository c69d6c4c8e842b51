"""Many simulations: what a process is asked, processes, and pools of them."""
