"""Language models of characters, and what language models write."""
