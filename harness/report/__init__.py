"""What is made of a run to be looked at."""
