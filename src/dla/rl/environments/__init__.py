"""Where agents act: Gymnasium's environments side by side, and a robot's way through rooms."""
