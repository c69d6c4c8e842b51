"""What is asked next: proposals by index, and the strategies of the samplers."""
