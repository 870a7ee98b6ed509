"""What only a terminal gets: broken lines, a pager for what is long, progress, and questions."""

from __future__ import annotations

import os
import re
import sys
import textwrap
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from typing import IO, Final

from sessions_vtab.cli.display import escaped, moves_cursor, terminal_size, width

_WORD: Final = re.compile(r" *(?:[a-z]+(?: order)? {2,})?")
"""What a line of an explanation begins with: ``  by order  ``."""

_DOTTED: Final = re.compile(r"(?<=\s)(\.\w+) (\S+)(?: (\.\.))?")
_HELD: Final = "\xa0"
"""What holds the words of a dot command together."""


def fitted(text: str) -> str:
    """Lines of a text, broken between words where the terminal ends, never in a dot command.

    What a line goes on with stands below its value, where it begins with a word for it.
    """
    columns = terminal_size().columns
    return "\n".join(_broken(line, columns) for line in text.splitlines()).replace(_HELD, " ")


def _broken(line: str, columns: int) -> str:
    word = _WORD.match(line)
    return textwrap.fill(
        _DOTTED.sub(lambda command: _HELD.join(filter(None, command.groups())), line),
        columns,
        subsequent_indent=" " * (word.end() if word and word[0].strip() else 4),
        break_long_words=False,
        break_on_hyphens=False,
    )


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

    # Without -S, which hides the end of a long value: tables fit the terminal already.
    return "less -FRX" if which("less") else None


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
    import subprocess  # noqa: PLC0415  # Slow to import, and a pager is rare.

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


CLEAR: Final = "\r\x1b[K"
"""What takes a line away on a terminal."""


class ProgressLine:
    """The line on standard error that says how far a statement is, if that is a terminal.

    It is told by the connection, from the statement's own thread. A timer signal would cut the
    writes of rows that are printed on a slow terminal (``PYTHONUNBUFFERED=1`` loses the rest of a
    row without an error), and exists neither on Windows nor outside the main thread.
    """

    def __init__(self) -> None:
        self._wanted = self._shown = False

    def __call__(self, progress: object) -> None:
        """Shows how far it is."""
        if self._wanted:
            self._shown = True
            print(f"{CLEAR}{progress} ..", end="", file=sys.stderr, flush=True)

    @contextmanager
    def of_statement(self) -> Iterator[Callable[[], None]]:
        """A block in which a statement runs; elsewhere nothing is shown.

        Yields:
            A function that ends the line early: before rows are printed on the same terminal.
        """
        self._wanted = moves_cursor(sys.stderr)
        try:
            yield self._end
        finally:
            self._end()

    def _end(self) -> None:
        self.clear()
        self._wanted = False

    def clear(self) -> None:
        """Takes it away until there is more to say."""
        if self._shown:
            self._shown = False
            print(CLEAR, end="", file=sys.stderr, flush=True)


PROGRESS: Final = ProgressLine()
"""The line of what is executed."""


def ask(question: str, *, usual: bool = False) -> bool:
    """Asks on the terminal: true for y or yes, and as ``usual`` for nothing or the end of input.

    Ctrl-C ends the statement.
    """
    PROGRESS.clear()
    sys.stderr.write(f"{escaped(question)} [{'Y/n' if usual else 'y/N'}] ")
    sys.stderr.flush()
    answer = sys.stdin.readline().strip().lower()
    return answer in {"y", "yes"} if answer else usual
