"""The `dla` command."""
