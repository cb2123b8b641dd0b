"""What a run needs and whether it is there: the machine, the project, its data."""
