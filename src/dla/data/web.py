"""One text file from any place that fsspec opens: the web, a bucket, this machine."""

from __future__ import annotations

import hashlib
from pathlib import Path

import fsspec

from dla.core.artifacts import atomic
from dla.core.errors import UserError
from dla.data.raw import TEXT
from dla.settings.data import TextSource


def download(source: TextSource, folder: Path) -> None:
    """Put the file into `folder` as text.txt, if its bytes are those that `source` says.

    Raises
    ------
    UserError
        If the file cannot be had, is another one, or is not UTF-8.
    """
    try:
        with fsspec.open(source.url, "rb") as stream:
            content: bytes = stream.read()
    except (OSError, ValueError, ImportError) as error:  # of aiohttp, botocore, ...: all of them are of these kinds
        cause = error.__cause__ or error  # fsspec says "not found" whatever the web said
        reason = (str(cause).strip() or type(cause).__name__).splitlines()[0]
        raise UserError(
            f"{source.url}: cannot be fetched ({reason}): connect to the internet, put the path of a copy in "
            f"params.yaml as `url`, or take `budget: demo`"
        ) from None
    if (found := hashlib.sha256(content).hexdigest()) != source.sha256:
        raise UserError(f"{source.url}: has the sha256 {found}, not {source.sha256}, as params.yaml says")
    try:
        content.decode("utf-8")
    except UnicodeDecodeError as error:
        raise UserError(f"{source.url}: is not UTF-8 ({error})") from None
    with atomic(folder) as temporary:
        temporary.mkdir()
        (temporary / TEXT).write_bytes(content)
