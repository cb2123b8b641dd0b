"""The report: a page about everything that was found."""
