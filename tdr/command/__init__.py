"""From a command line to a job, and from an error to a line on the terminal."""
