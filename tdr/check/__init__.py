"""The verdict: Jacobian images beside finite differences, what may be compared, and what is wrong where they differ."""
