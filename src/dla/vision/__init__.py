"""Image classification: training runs and what is measured on them."""
