"""Plain data that runs leave behind."""
