"""The search: proposals by index, and the strategies of the samplers."""
