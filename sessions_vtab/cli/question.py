"""A question to the person at the terminal."""

from __future__ import annotations

import sys
from collections.abc import Callable

from sessions_vtab.cli.display import is_terminal

__all__ = ["terminal_question"]


def terminal_question() -> Callable[[str], bool] | None:
    """Asks yes or no on the terminal; None where nobody sits there to answer."""
    return _ask if is_terminal(sys.stdin) and is_terminal(sys.stderr) else None


def _ask(question: str) -> bool:
    sys.stderr.write(f"{question} [y/N] ")
    sys.stderr.flush()
    return sys.stdin.readline().strip().lower() in {"y", "yes"}
