"""Scorers of a question's options on frozen features, trained ones and rules: each has its settings and fits them."""
