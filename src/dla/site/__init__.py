"""What the documentation, a pull request and `dvc plots show` show beside the report, and what installs it all."""
