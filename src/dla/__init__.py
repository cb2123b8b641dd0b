"""The laboratories of a Deep Learning Applications course as one reproducible DVC workflow."""
