"""Texts, and how tests of what is learned from texts compute: the same bits everywhere, and without logs."""

from __future__ import annotations

from dla.training.settings import Runtime, Tracking

RUNTIME = Runtime(device="cpu", precision="float32", compile="never", threads=1)
SILENT = Tracking(tensorboard=False, wandb=False)
TEXTS = [
    "Draw a line.",
    "Return the rolling mean of a window, one value per row, where the window has as many rows as it says.",
    "Fit the classifier.",
    "Shortest path between two nodes of a weighted graph, found with the algorithm of Dijkstra.",
    "Plot.",
    "Fit the classifier.",
]
