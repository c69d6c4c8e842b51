"""The study file: its sections, and what is wrong with one."""
