"""Jacobian images by every method, and finite differences to hold them against."""
