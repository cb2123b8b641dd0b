"""What a trained image classifier looks at."""
