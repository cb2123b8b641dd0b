"""Classifiers of frozen features: each module has its settings, fits them, and restores what was fitted."""
