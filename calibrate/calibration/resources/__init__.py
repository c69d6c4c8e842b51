"""What simulating a study takes on this machine: memory, time, batch sizes, growth."""
