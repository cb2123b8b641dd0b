"""From prepared pictures to a trained image classifier."""
