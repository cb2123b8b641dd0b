"""The one room that knows the whole of params.yaml: checks between blocks, and what every stage runs with."""
