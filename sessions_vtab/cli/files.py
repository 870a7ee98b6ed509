"""Where output goes: a stream, or a file that appears complete or not at all."""

from __future__ import annotations

import os
import stat
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
    block ends without an exception; otherwise what was there before stays. A pipe or a device, such
    as /dev/stdout, is written to and never replaced.

    Args:
        path: the file; None for standard output.

    Raises:
        OSError: the file cannot be written.
    """
    if path is None:
        yield sys.stdout
    elif _is_regular(path):
        with _replacing(Path(path).resolve()) as file:
            yield file
    else:
        # Not by its resolved name: /dev/stdout is a link to "pipe:[4711]", which is no path.
        with Path(path).open("w", encoding="utf-8", newline="") as device:
            yield device


def _is_regular(path: str) -> bool:
    """Whether a path leads to a regular file or to nothing."""
    try:
        return stat.S_ISREG(Path(path).stat().st_mode)
    except FileNotFoundError:
        return True


@contextmanager
def _replacing(target: Path) -> Iterator[IO[str]]:
    import tempfile  # noqa: PLC0415  # Slow to import, and only files need it.

    try:
        handle, temporary = tempfile.mkstemp(prefix=f".{target.name}.", dir=target.parent)
    except OSError as error:  # It names a file that nobody has asked for.
        raise OSError(error.errno, error.strerror, str(target)) from None
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
