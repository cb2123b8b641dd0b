"""Model families, found by name through `dla.models.base.registry`."""
