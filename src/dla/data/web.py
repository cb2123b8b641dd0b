"""One text file from any place that fsspec opens: the web, a bucket, this machine."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import fsspec
from fsspec.utils import get_protocol

from dla.core.artifacts import atomic
from dla.core.errors import UserError
from dla.data.raw import TEXT
from dla.data.settings import TextSource

PATIENCE = 20.0


def _options(url: str, patience: float) -> dict[str, Any]:
    """What fsspec's client of the web is told; other places have clients of their own."""
    if get_protocol(url) not in ("http", "https"):
        return {}
    from aiohttp import ClientTimeout

    limits = ClientTimeout(total=None, sock_connect=patience, sock_read=patience)
    return {"client_kwargs": {"timeout": limits}, "block_size": 0}  # one answer, read from its beginning to its end


def download(source: TextSource, folder: Path, patience: float = PATIENCE) -> None:
    """Put the file into `folder` as text.txt, if its bytes are those that `source` says.

    Parameters
    ----------
    patience : seconds that a server may say nothing

    Raises
    ------
    UserError
        If the file cannot be had, is another one, or is not UTF-8.
    """
    try:
        with fsspec.open(source.url, "rb", **_options(source.url, patience)) as stream:
            content: bytes = stream.read()
    except Exception as error:  # of aiohttp, botocore, ...: each has errors of its own, of no common kind
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
