"""What each setting of params.yaml means and which values it takes."""
