"""What to type to run this program again, for hints that name a command."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import Final

__all__ = ["help_command", "program"]

_NAME: Final = "sessions-vtab"


def program() -> str:
    """The name if it is on the path, else what was typed: a script's path, or ``python -m``."""
    from shutil import which  # noqa: PLC0415  # Only hints need it.

    typed = Path(sys.argv[0])
    if typed.parts[-2:] == ("sessions_vtab", "__main__.py"):
        return f"{shlex.quote(sys.executable)} -m sessions_vtab"
    if typed.stem != _NAME:
        return _NAME  # Called from other code.
    found = which(_NAME)
    same = found is not None and typed.exists() and Path(found).samefile(typed)
    return _NAME if same else shlex.quote(str(typed))


def help_command() -> str:
    """How help is asked for outside the shell."""
    return f"{program()} help"
