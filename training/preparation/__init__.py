"""Makes data sets: from what, how, and the writer of their format."""
