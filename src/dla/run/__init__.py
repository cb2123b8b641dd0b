"""The stages of a DVC project side by side, with the results of `dvc repro`."""
