"""What can be aimed at or bounded, one row each."""
