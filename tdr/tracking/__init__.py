"""MLflow: what it gets to know of runs, and where its pages are."""
