"""Data: where it comes from, one prepared file per data set, and batches of it."""
