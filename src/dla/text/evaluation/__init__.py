"""What was predicted of texts and answers, held against what is right."""
