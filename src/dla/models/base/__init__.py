"""What the families of models share, and how they are found."""
