"""Results beside the committed ones: as they lie here, or made anew in a scratch clone."""
