"""A question to the person at the terminal."""

from __future__ import annotations

import sys
from collections.abc import Callable

from sessions_vtab.cli.display import escaped, is_terminal
from sessions_vtab.cli.progress import paused

__all__ = ["terminal_question"]


def terminal_question() -> Callable[[str], bool] | None:
    """Asks yes or no on the terminal; None where nobody sits there to answer."""
    return _ask if is_terminal(sys.stdin) and is_terminal(sys.stderr) else None


def _ask(question: str) -> bool:
    """True for y or yes; the end of input is a no. Ctrl-C ends the statement."""
    with paused():
        sys.stderr.write(f"{escaped(question)} [y/N] ")
        sys.stderr.flush()
        return sys.stdin.readline().strip().lower() in {"y", "yes"}
