"""Pictures and words about a run, for people."""
