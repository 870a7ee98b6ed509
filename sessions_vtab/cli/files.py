"""Where output goes: a stream, or a file that appears complete or not at all."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

__all__ = ["output", "read_sql"]


@contextmanager
def output(path: str | None) -> Iterator[IO[str]]:
    """The stream to write to.

    A file is written beside its place, readable by its owner only, and takes its place when the
    block ends without an exception; otherwise what was there before stays.

    Args:
        path: the file; None for standard output.

    Raises:
        OSError: the file cannot be written.
    """
    if path is None:
        yield sys.stdout
    elif (target := Path(path).resolve()).exists() and not target.is_file():
        with target.open("w", encoding="utf-8", newline="") as device:  # A pipe or /dev/stdout.
            yield device
    else:
        with _replacing(target) as file:
            yield file


@contextmanager
def _replacing(target: Path) -> Iterator[IO[str]]:
    import tempfile  # noqa: PLC0415  # Slow to import, and only files need it.

    handle, temporary = tempfile.mkstemp(prefix=f".{target.name}.", dir=target.parent)
    try:
        with os.fdopen(handle, "w", encoding="utf-8", newline="") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        Path(temporary).replace(target)
    except BaseException:
        with suppress(OSError):
            Path(temporary).unlink()
        raise


def read_sql(path: str) -> str:
    """The text of a file, or of standard input for ``-``; a byte order mark is dropped.

    Raises:
        OSError: it cannot be read.
        UnicodeDecodeError: it is not UTF-8.
    """
    if path == "-":
        return sys.stdin.read().removeprefix("\ufeff")
    return Path(path).read_text("utf-8-sig")
