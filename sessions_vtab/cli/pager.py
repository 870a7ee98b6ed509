"""Results that are longer than the terminal, shown by ``$PAGER``."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import IO, Final

from sessions_vtab.cli.display import moves_cursor, terminal_size, width

__all__ = ["default_pager", "show"]

_ROOM_BELOW: Final = 3
"""Lines that the prompt, the footer and a note take."""

_NOT_RUN: Final = 127
"""How a shell ends that did not find its command."""


def default_pager(stream: IO[str]) -> str | None:
    """The command that shows long results on a terminal; None for none.

    ``$PAGER``, where an empty one stands for none, else ``less`` if it is installed.
    """
    if not moves_cursor(stream):
        return None
    named = os.environ.get("PAGER")
    if named is not None:
        return named or None
    from shutil import which  # noqa: PLC0415  # Slow to import.

    return "less -FRSX" if which("less") else None


def show(pieces: Iterable[str], pager: str, write: Callable[[str], object]) -> float:
    """Writes text, by a pager if it has more lines than the terminal.

    Args:
        pieces: the text; read no further once the user has left the pager.
        pager: a command of the system's shell.
        write: writes to the terminal.

    Returns:
        Seconds that the user went on reading when all was there.

    Raises:
        KeyboardInterrupt: after Ctrl-C, when the pager has ended.
        OSError: the pager is not there.
    """
    columns, lines = terminal_size()
    remaining, first, taken = iter(pieces), [], 0
    for piece in remaining:
        first.append(piece)
        taken += sum(-(-max(width(line), 1) // columns) for line in piece.splitlines())
        if taken > lines - _ROOM_BELOW:
            return _pipe(first, remaining, pager)
    for piece in first:
        write(piece)
    return 0.0


def _pipe(first: Iterable[str], remaining: Iterable[str], pager: str) -> float:
    # The user's own command, as in every program that obeys $PAGER.
    with subprocess.Popen(  # noqa: S602
        pager, shell=True, stdin=subprocess.PIPE, encoding="utf-8"
    ) as process:
        stream = process.stdin
        assert stream is not None  # noqa: S101  # By stdin=PIPE.
        try:
            for pieces in (first, remaining):
                for piece in pieces:
                    stream.write(piece)
        except BrokenPipeError:
            pass  # The user has seen enough.
        finally:
            with suppress(BrokenPipeError):
                stream.close()
        written = time.perf_counter()
    if process.returncode == _NOT_RUN:
        raise OSError(f"The pager {pager!r} cannot be run. Set PAGER, or use .pager off.")
    return time.perf_counter() - written
