"""Looks at rows and split before training: leaks, ties, give-aways, labels, size."""
