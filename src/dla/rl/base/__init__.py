"""What algorithms have in common: their contract, policies as nets, the optimizer, normalization."""
