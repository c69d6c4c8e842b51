"""What a user can do: one module for each thing, behind the commands and the Python interface."""
