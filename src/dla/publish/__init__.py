"""Results on real data: run in a clone, kept below results/ with what proves where they come from, told on a page."""
