"""A sweep as something to look at."""
