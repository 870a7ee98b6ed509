"""Values, times and counts as text for people; text that is safe to show on a terminal."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Collection, Sequence
from contextlib import suppress
from typing import IO, Any, Final

from sessions_vtab.contract.predicate import Op

__all__ = [
    "can_show",
    "counted",
    "escaped",
    "escaped_row",
    "footer",
    "is_terminal",
    "literal",
    "moves_cursor",
    "operators",
    "seconds",
    "terminal_size",
    "width",
]

# What a terminal acts upon: control characters but newline and tab, and the characters that turn
# the direction of text (Unicode Standard Annex 9), with which a value can look like another.
_ACTIVE: Final = re.compile(
    r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]"
)
_TENTH: Final = 0.1
_TWO_BYTES: Final = 0xFF


def escaped(text: str) -> str:
    r"""Text with what a terminal would act upon written out: ``\x1b``, ``\u202e``."""
    return _ACTIVE.sub(_written_out, text)


def _written_out(match: re.Match[str]) -> str:
    code = ord(match[0])
    return f"\\u{code:04x}" if code > _TWO_BYTES else f"\\x{code:02x}"


def escaped_row(row: Sequence[Any]) -> tuple[Any, ...]:
    """A row whose texts are safe to show on a terminal."""
    return tuple(escaped(value) if isinstance(value, str) else value for value in row)


def literal(value: Any) -> str:
    """A value as text: NULL, ``x'00ff'`` for a blob, a text as it is."""
    if value is None:
        return "NULL"
    if isinstance(value, bytes):
        return f"x'{value.hex()}'"
    return value if isinstance(value, str) else repr(value)


def width(text: str) -> int:
    """Columns that a text takes on a terminal."""
    if text.isascii():
        return len(text)
    import apsw.unicode  # noqa: PLC0415  # Slow to import, and only needed for such text.

    return max(apsw.unicode.text_width(text), 0)


def seconds(elapsed: float) -> str:
    """A duration: ``0.001 s``, ``0.9 s``, ``41.2 s``."""
    return f"{elapsed:.1f} s" if elapsed >= _TENTH else f"{max(elapsed, 0.001):.3f} s"


def counted(number: int, noun: str) -> str:
    """``1 row``, ``3 rows``."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def footer(rows: int | None, changed: int, requests: int, elapsed: float) -> str:
    """What a statement did: ``3 rows, 404 requests, 0.9 s``.

    Args:
        rows: rows it answered with; None for a statement that answers with rows.
        changed: rows it changed.
        requests: HTTP requests it made.
        elapsed: seconds it took.
    """
    parts = [] if rows is None else [counted(rows, "row")]
    if rows is None and changed:
        parts.append(f"{counted(changed, 'row')} changed")
    if requests:
        parts.append(counted(requests, "request"))
    return ", ".join([*parts, seconds(elapsed)])


def operators(ops: Collection[Op]) -> str:
    """Comparison operators as text, in the order of their declaration; ``any`` for all of them."""
    if len(ops) == len(Op):
        return "any"
    return " ".join(op.value for op in Op if op in ops)


def is_terminal(stream: IO[str]) -> bool:
    """Whether a stream is read by a person at a terminal."""
    return stream.isatty()


def moves_cursor(stream: IO[str]) -> bool:
    """Whether a stream is a terminal that obeys escape sequences: none does with TERM=dumb."""
    return is_terminal(stream) and os.environ.get("TERM") != "dumb"


def can_show(stream: IO[str], characters: str) -> bool:
    """Whether the encoding of a stream has these characters."""
    try:
        characters.encode(getattr(stream, "encoding", None) or "utf-8")
    except UnicodeEncodeError:
        return False
    return True


def terminal_size() -> os.terminal_size:
    """Columns and lines of the terminal; 80 and 24 where it does not say.

    The terminal is asked first: ``COLUMNS`` stays what it was when a window is resized.
    """
    for stream in (sys.stdout, sys.stderr):
        with suppress(AttributeError, ValueError, OSError):  # No stream, closed, not a terminal.
            size = os.get_terminal_size(stream.fileno())
            if size.columns:
                return size
    from shutil import get_terminal_size  # noqa: PLC0415  # Slow to import.

    return get_terminal_size()
