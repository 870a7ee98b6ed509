"""Compiles the loadable extension, with the C compiler that is there and nothing else.

The build hook does it for each wheel, and the tests for themselves. It needs the standard library
only, since the hook loads this file by its path, where the package is not installed yet.
"""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

REQUIRED: Final = "SESSIONS_VTAB_EXTENSION"
"""Environment variable: ``required`` makes a build without the extension an error."""

FILE_NAME: Final = f"libsessions_vtab{'.dylib' if sys.platform == 'darwin' else '.so'}"
"""Name of the library: with the suffix that SQLite adds to a path without one.

Without ``lib``, which SQLite does not mind, a Python in its folder would take it for the package.
"""

_COMPILERS: Final = ("cc", "gcc", "clang")
_SOURCES: Final = ("bridge.c", "sessions_vtab.c")
_FLAGS: Final = ("-std=gnu11", "-O2", "-fPIC", "-shared", "-fvisibility=hidden", "-Wall", "-Wextra")


def compile_library(library: Path, flags: Sequence[str] = ()) -> str:
    """Writes the library.

    Args:
        library: the file to write.
        flags: further ones for the compiler, after ours and ``$CFLAGS``.

    Returns:
        What stood in the way, for a message; empty if nothing did.
    """
    if sys.platform == "win32":
        return "it does not exist for Windows yet"
    compiler = _compiler()
    if not compiler:
        return f"there was no C compiler ({', '.join(_COMPILERS)}, or the one in $CC)"
    folder = Path(__file__).parent
    sources = [str(folder / name) for name in _SOURCES]
    # Beside it first: who reads the file while it is written gets the whole one of before.
    draft = library.with_name(f".{library.name}.{os.getpid()}")
    command = [*compiler, *_FLAGS, *shlex.split(os.environ.get("CFLAGS", "")), *flags]
    command += [*sources, "-o", str(draft), "-lpthread"]
    # ``dlopen`` is in a library of its own before glibc 2.34.
    command += [] if sys.platform == "darwin" else ["-ldl"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603
    except OSError as error:
        return f"{compiler[0]} cannot be run: {error.strerror}"
    if done.returncode:
        draft.unlink(missing_ok=True)
        return f"{compiler[0]} failed: {done.stderr.strip()[-500:]}"
    draft.replace(library)
    return ""


def _compiler() -> list[str]:
    given = os.environ.get("CC")
    return shlex.split(given) if given else [one for one in _COMPILERS if shutil.which(one)][:1]
