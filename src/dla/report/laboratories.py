"""What the laboratories' own reports state, beside which ours are put."""

from __future__ import annotations

# By stage; the settings of these runs are the laboratories', under the budget `full`.
ACCURACY = {
    "train@mnist-mlp-64": "97.33 %",
    "train@mnist-skip-mlp": "97.56 %",
    "train@cifar10-skip-mlp": "about 50 %",
    "train@cifar10-cnn": "76.1 %",
    "classify@logreg-lab": "91.43 %",
    "classify@mlp-lab": "about 87 %",
    "rank@margin-lab": "38 % at most",
    "rank@ratio-lab": "26 %",
}
TOKENS = (186_001, 78_825, 0.42)  # characters of Dante's Inferno, tokens of GPT-2, their ratio
LABORATORY = "laboratory, on its own data"
NONE = "not stated"
