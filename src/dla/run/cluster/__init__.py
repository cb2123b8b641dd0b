"""The stages of a DVC project on the workers of a Dask cluster."""
