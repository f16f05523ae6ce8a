"""Many jobs: planned, launched, followed and kept."""
