"""The file of `--data`: the whole state as JSON, written atomically and for its owner only."""

from __future__ import annotations

import json
import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sessions_vtab.emulator.state import Emulator


def load(emulator: Emulator, path: Path) -> bool:
    """Load the state from a file; say whether there was one.

    Raises:
        ValueError: The file has no such state; the text names the file.
        OSError: It cannot be read, or its folder is not there to write to at the end.
    """
    if not path.resolve().parent.is_dir():
        raise FileNotFoundError(f"{path}: the folder does not exist")
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return False
    try:
        emulator.load(json.loads(text))
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error
    return True


def save(emulator: Emulator, path: Path) -> None:
    """Write the state to a file; the old content stays until the new one is complete."""
    # mkstemp makes files of mode 0600: conversations are personal data.
    handle, name = tempfile.mkstemp(dir=path.resolve().parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as stream:
            json.dump(emulator.dump(), stream, ensure_ascii=False)
            stream.flush()
            os.fsync(stream.fileno())
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
