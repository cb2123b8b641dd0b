"""params.yaml: read and checked whole; what each setting means and which values it takes."""
