"""Processes that tests start and that would not end by themselves."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from typing import Final

_SECONDS: Final = 300
_PR_SET_PDEATHSIG: Final = 1

_LAST_WORDS: Final = f"""
import os, signal, sys
if hasattr(signal, "alarm"):
    signal.alarm({_SECONDS})
if sys.platform == "linux":
    import ctypes
    ctypes.CDLL(None).prctl({_PR_SET_PDEATHSIG}, signal.SIGKILL)
    if os.getppid() != int(sys.argv[1]):
        sys.exit("The tests have ended.")
os.execv(sys.argv[2], sys.argv[2:])
"""


def mortal(command: Sequence[str]) -> list[str]:
    """The same command, whose process ends with the tests, or some minutes later.

    A test run that is killed cannot end its children. Both an alarm and the signal that Linux sends
    when the parent dies outlast ``exec``. Start it from the main thread: "parent" is the thread.

    Args:
        command: whose first word is the path of a program.
    """
    return [sys.executable, "-I", "-S", "-c", _LAST_WORDS, str(os.getpid()), *command]
