"""What every stage stands on: its script's frame, artifacts read and written whole, and errors as sentences."""
