"""Tables of curves: a row per run, epoch and split, whatever was trained."""

COLUMNS = ("run", "epoch", "split", "loss", "accuracy", "learning_rate")
