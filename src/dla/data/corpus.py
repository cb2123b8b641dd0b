"""One long text for a language model: cleaned, and cut once into what is learned from and what is held out."""

from __future__ import annotations

import re
from pathlib import Path

from dla.core.artifacts import write_texts
from dla.core.errors import UserError
from dla.data.raw import TEXT
from dla.settings.data import Corpus


def prepare(raw: Path, settings: Corpus, prepared: Path, source: str) -> None:
    """Write the text as two rows, `split` train and validation, the second following the first in the `text`.

    The metadata has the source (`embedded` or `hub`) and the `form`. Parts and headings are those of the real text, so
    of an embedded one everything is kept, and it is prose.

    Raises
    ------
    UserError
        If the file is missing, or a part that is to be kept does not occur in it.
    """
    try:
        text = (raw / TEXT).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{raw / TEXT}: cannot be read ({error}); dvc repro -f -s download@{raw.name}") from None
    form = "prose"
    if source != "embedded":
        text, form = clean("".join(choose_parts(text, settings, raw)), settings.dropped), settings.form
    cut = text.rfind("\n", 0, round(len(text) * (1 - settings.validation_fraction))) + 1  # between two lines
    write_texts(
        prepared, {"split": ["train", "validation"], "text": [text[:cut], text[cut:]]}, {"source": source, "form": form}
    )


def choose_parts(text: str, settings: Corpus, raw: Path) -> list[str]:
    """The parts that are kept, in the order of the text, without the lines that begin them."""
    if not settings.parts:
        return [text]
    pieces = re.split(rf"^({'|'.join(map(re.escape, settings.parts))})$", text, flags=re.MULTILINE)
    found = dict(zip(pieces[1::2], pieces[2::2], strict=True))
    for part in settings.kept:
        if part not in found:
            raise UserError(f"{raw / TEXT}: has no line {part!r}, which begins a part; see `data` in params.yaml")
    return [body for part, body in found.items() if part in settings.kept]


def clean(text: str, dropped: tuple[str, ...]) -> str:
    """The text without what matches `dropped`, spaces at ends of lines, and more than one empty line at a time."""
    for pattern in dropped:
        text = re.sub(pattern, "", text, flags=re.MULTILINE)
    text = re.sub(r"[ \t]+$", "", text, flags=re.MULTILINE)
    return re.sub(r"\n{3,}", "\n\n", text).strip("\n") + "\n"
