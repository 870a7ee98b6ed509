"""Text that comes in and goes out: UTF-8 wherever no terminal says otherwise."""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Sequence

from sessions_vtab.errors import ConfigurationError

__all__ = ["require_text", "unwritable", "use_utf8", "write_whole"]


def write_whole() -> None:
    """Makes standard output keep what a signal cuts off a write.

    With PYTHONUNBUFFERED, Python's text layer stands on the bare file, whose ``write`` may take
    less than it is given; a window that is resized while a slow terminal is full is enough
    (https://docs.python.org/3/library/io.html#io.RawIOBase.write).
    """
    stream = _own("stdout")
    if stream is not None and isinstance(stream.buffer, io.RawIOBase):
        sys.stdout = open(  # noqa: SIM115  # The descriptor stays open, as the old one does.
            stream.fileno(), "w", 1, encoding=stream.encoding, errors=stream.errors, closefd=False
        )


def use_utf8() -> None:
    """Makes the standard streams able to carry any text.

    A terminal keeps its encoding, and characters it does not have are written as escapes.
    Everything else is UTF-8 whatever the locale says (on Windows a redirected stream would be in
    the code page of the computer), unless PYTHONIOENCODING asks for something else.
    """
    asked = bool(os.environ.get("PYTHONIOENCODING"))
    for name, errors in (
        ("stdin", "strict"),  # In a C locale Python lets every byte pass.
        ("stdout", "strict"),
        ("stderr", "backslashreplace"),
    ):
        stream = _own(name)
        if stream is None:
            continue
        if stream.isatty():
            if name != "stdin":
                stream.reconfigure(errors="backslashreplace")
        elif not asked:
            stream.reconfigure(encoding="utf-8", errors=errors)


def _own(name: str) -> io.TextIOWrapper | None:
    """A standard stream of the process; None for one that another program has put there."""
    stream = getattr(sys, name)
    own = stream is getattr(sys, f"__{name}__")
    return stream if own and isinstance(stream, io.TextIOWrapper) else None


def unwritable(error: UnicodeEncodeError) -> str:
    """Why output could not be written, and what to do."""
    return (
        f"The output contains characters that {error.encoding} does not have. Unset"
        " PYTHONIOENCODING, or set it to utf-8."
    )


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
