"""The only reader and writer of what stages hand to each other: tensors, tables, metrics, pictures.

Every writer is atomic: a file is whole or it is not there. Tensors pass as NumPy arrays, so that a stage which trains
nothing need not import torch (`torch.from_numpy` and `Tensor.numpy` copy nothing).
"""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from dla.core.atomic import atomic as atomic
from dla.core.contents import REMEDY, Contents, parse_object
from dla.core.errors import UserError

if TYPE_CHECKING:  # most stages draw nothing and read no text
    import pyarrow
    from matplotlib.figure import Figure
    from PIL.Image import Image as Picture

Metadata = dict[str, Any]


# --- tensors --------------------------------------------------------------------------------------------------


def write_tensors(path: Path, tensors: Mapping[str, np.ndarray[Any, Any]], metadata: Metadata | None = None) -> None:
    """Write named arrays and a JSON-able `metadata` as one safetensors file."""
    # One metadata entry: safetensors writes several in an order that changes from run to run.
    text = {"dla": json.dumps(metadata or {}, sort_keys=True)}
    with atomic(path) as temporary:
        temporary.write_bytes(save({k: np.ascontiguousarray(v) for k, v in tensors.items()}, text))


def read_tensors(path: Path, prefix: str = "") -> tuple[dict[str, np.ndarray[Any, Any]], Metadata]:
    """Arrays whose names begin with `prefix`, under the rest of their names, and the metadata.

    Raises
    ------
    UserError
        If the file is missing, truncated or not of ours; later, if it is asked for an array or a fact that it has not.
    """
    try:
        with safe_open(path, framework="numpy") as file:
            names = [name for name in file.keys() if name.startswith(prefix)]  # noqa: SIM118 (not a mapping)
            tensors = {name.removeprefix(prefix): file.get_tensor(name) for name in names}
            metadata = parse_object((file.metadata() or {}).get("dla", "{}"))
    except FileNotFoundError:
        raise UserError(f"{path}: is missing; `dvc repro` makes it") from None
    except (SafetensorError, OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        # The last three: of kinds of number that NumPy does not have.
        raise UserError(f"{path}: is not a whole safetensors file ({error}); {REMEDY}") from None
    return Contents(tensors, path), Contents(metadata, path)


# --- metrics and tables ---------------------------------------------------------------------------------------


def write_metrics(path: Path, metrics: Mapping[str, Any]) -> None:
    """Write metrics as JSON that `dvc metrics` reads; numbers as they are, none of them NaN."""
    with atomic(path) as temporary:
        temporary.write_text(json.dumps(metrics, indent=2, allow_nan=False) + "\n", encoding="utf-8")


def read_metrics(path: Path) -> dict[str, Any]:
    """Metrics as `write_metrics` wrote them.

    Raises
    ------
    UserError
        If the file is missing or holds none; later, if it is asked for one that it has not.
    """
    try:
        return Contents(parse_object(path.read_bytes()), path)
    except FileNotFoundError:
        raise UserError(f"{path}: is missing; `dvc repro` makes it") from None
    except (OSError, ValueError) as error:
        raise UserError(f"{path}: is not valid JSON ({error}); `dvc checkout` or `dvc repro` restores it") from None


def write_table(path: Path, columns: Sequence[str], rows: Iterable[Mapping[str, Any]]) -> None:
    """Write rows as CSV; floats with all their digits, so that the file says exactly what was computed."""
    with atomic(path) as temporary, temporary.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.DictWriter(stream, columns, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def read_table(path: Path) -> list[dict[str, Any]]:
    """Rows as `write_table` wrote them, numbers as numbers.

    Raises
    ------
    UserError
        If the file is missing or no table; later, if it is asked for a column that it has not.
    """
    try:
        with path.open(newline="", encoding="utf-8") as stream:
            rows = parse_rows(stream)
    except FileNotFoundError:
        raise UserError(f"{path}: is missing; `dvc repro` makes it") from None
    except (OSError, ValueError) as error:
        raise UserError(f"{path}: is not a table ({error}); `dvc checkout` or `dvc repro` restores it") from None
    return [Contents({name: parse_cell(cell) for name, cell in row.items()}, path) for row in rows]


def parse_rows(lines: Iterable[str]) -> list[dict[str, str]]:
    """The rows of a table of comma-separated values whose first line names the columns.

    Raises
    ------
    ValueError
        If it is no such table, or a row has more or fewer cells than the first.
    """
    reader = csv.DictReader(lines, strict=True)
    try:
        rows = list(reader)
    except csv.Error as error:
        raise ValueError(f"line {reader.line_num}: {error}") from None
    for number, row in enumerate(rows, start=1):
        if None in row or None in row.values():
            raise ValueError(f"row {number} has not {len(reader.fieldnames or ())} cells")
    return rows


def parse_cell(cell: str) -> int | float | str:
    """The number that a cell of a table holds, or else its text."""
    for number in (int, float):
        try:
            return number(cell)
        except ValueError:
            pass
    return cell


# --- texts ----------------------------------------------------------------------------------------------------


def write_text(path: Path, text: str) -> None:
    """Write a text for readers."""
    with atomic(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_texts(path: Path, columns: Mapping[str, Any], metadata: Metadata) -> None:
    """Write columns of texts and numbers, all of one length, and a JSON-able `metadata` as one parquet file."""
    import pyarrow
    import pyarrow.parquet

    table = pyarrow.table(dict(columns))
    text = json.dumps({"table": _outline(table), **metadata}, sort_keys=True)
    with atomic(path) as temporary:
        pyarrow.parquet.write_table(
            table.replace_schema_metadata({"dla": text}), temporary, compression="zstd", write_page_checksum=True
        )


def _outline(table: pyarrow.Table) -> dict[str, Any]:
    """What a file of a table says twice: there and in its own words, which no checksum covers."""
    kinds = [[field.name, str(field.type).partition("<")[0]] for field in table.schema]  # parquet renames what is in <>
    return {"columns": kinds, "rows": table.num_rows}


def read_texts(path: Path) -> tuple[pyarrow.Table, Metadata]:
    """The table and the metadata that `write_texts` wrote.

    Raises
    ------
    UserError
        If the file is missing, truncated or not of ours.
    """
    try:
        table = read_parquet(path)
        metadata = parse_object((table.schema.metadata or {})[b"dla"])
        if metadata.pop("table") != _outline(table):
            raise ValueError("columns and rows are not those that were written")
    except FileNotFoundError:
        raise UserError(f"{path}: is missing; `dvc repro` makes it") from None
    except (OSError, ValueError, KeyError) as error:
        raise UserError(f"{path}: is not a whole parquet file of ours ({error}); {REMEDY}") from None
    return table, Contents(metadata, path)


def read_parquet(path: Path | str) -> pyarrow.Table:
    """The table of a parquet file, with checksums compared where it has any, and every value looked at.

    Raises
    ------
    OSError, ValueError
        If the file is missing, truncated or broken.
    """
    import pyarrow.parquet

    try:
        table = pyarrow.parquet.read_table(path, page_checksum_verification=True)
        table.validate(full=True)
    except (pyarrow.ArrowException, KeyError, TypeError, MemoryError, OverflowError, RuntimeError) as error:
        raise ValueError(str(error) or type(error).__name__) from None
    return table


# --- pictures -------------------------------------------------------------------------------------------------


def write_figure(path: Path, figure: Figure) -> None:
    """Write a matplotlib figure as PNG, the same bytes for the same figure."""
    with atomic(path) as temporary:
        figure.savefig(temporary, format="png", metadata={"Software": None})


def write_picture(path: Path, picture: Picture) -> None:
    """Write a Pillow picture in the format that the name of `path` ends in.

    Raises
    ------
    UserError
        If the place cannot be written, or Pillow cannot write such a picture.
    """
    ending = picture_format(path)
    with atomic(path) as temporary:
        try:
            picture.save(temporary, format=ending)
        except (ValueError, OSError) as error:
            if getattr(error, "errno", None):  # of the disk, not of the format
                raise
            raise UserError(f"{path}: cannot be written as {ending} ({error}); take .png") from error


def picture_format(path: Path) -> str:
    """The format of pictures that the name of `path` ends in, as Pillow calls it.

    Raises
    ------
    UserError
        If Pillow writes no such format.
    """
    from PIL import Image

    Image.init()
    ending = Image.EXTENSION.get(path.suffix.lower())
    if ending not in Image.SAVE:
        named = repr(path.suffix) if path.suffix else "no ending"
        raise UserError(f"{path}: {named} is not a format for pictures; take .png")
    return ending
