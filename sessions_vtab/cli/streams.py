"""Text that comes in and goes out: UTF-8 wherever no terminal says otherwise."""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Sequence

from sessions_vtab.errors import ConfigurationError

__all__ = ["require_text", "use_utf8", "write_whole"]


def write_whole() -> None:
    """Makes standard output keep what a signal cuts off a write.

    With PYTHONUNBUFFERED, Python's text layer stands on the bare file, whose ``write`` may take
    less than it is given; a window that is resized while a slow terminal is full is enough
    (https://docs.python.org/3/library/io.html#io.RawIOBase.write).
    """
    stream = sys.stdout
    if isinstance(stream, io.TextIOWrapper) and isinstance(stream.buffer, io.RawIOBase):
        encoding, errors = stream.encoding, stream.errors
        sys.stdout = io.TextIOWrapper(
            io.BufferedWriter(stream.detach()), encoding, errors, line_buffering=True
        )


def use_utf8() -> None:
    """Makes the standard streams able to carry any text.

    A terminal keeps its encoding, and characters it does not have are written as escapes.
    Everything else is UTF-8 whatever the locale says (on Windows a redirected stream would be in
    the code page of the computer), unless PYTHONIOENCODING asks for something else.
    """
    asked = bool(os.environ.get("PYTHONIOENCODING"))
    for stream, errors in (
        (sys.stdin, "strict"),  # In a C locale Python lets every byte pass.
        (sys.stdout, "strict"),
        (sys.stderr, "backslashreplace"),
    ):
        if not isinstance(stream, io.TextIOWrapper):
            continue
        if stream.isatty():
            if stream is not sys.stdin:
                stream.reconfigure(errors="backslashreplace")
        elif not asked:
            stream.reconfigure(encoding="utf-8", errors=errors)


def require_text(argv: Sequence[str]) -> None:
    """Checks that arguments are text.

    Raises:
        ConfigurationError: the bytes of one are not valid in the encoding of the system.
    """
    for number, argument in enumerate(argv, 1):
        try:
            argument.encode()
        except UnicodeEncodeError:  # Such bytes arrive as lone surrogates (PEP 383).
            shown = os.fsencode(argument).decode("utf-8", "backslashreplace")
            raise ConfigurationError(
                f"Argument {number} ({shown[:80]}) is not valid {sys.getfilesystemencoding()} text."
            ) from None
