"""Bytes that wait in a temporary file, so that keeping them does not grow the process."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from typing import IO

__all__ = ["Spool", "SpoolPlace"]


@dataclass(frozen=True, slots=True)
class SpoolPlace:
    """Where in the temporary file a body is."""

    offset: int
    length: int


class Spool:
    """A temporary file, created when it is first written to."""

    def __init__(self) -> None:
        self._file: IO[bytes] | None = None

    def put(self, content: bytes) -> SpoolPlace | None:
        """Writes a body at the end; None if the disk has no room for it."""
        try:
            if self._file is None:
                self._file = tempfile.TemporaryFile(prefix="sessions-vtab-")  # noqa: SIM115
            offset = self._file.seek(0, 2)
            self._file.write(content)
        except OSError:
            return None
        return SpoolPlace(offset, len(content))

    def get(self, place: SpoolPlace) -> bytes:
        """Reads a body; b'' after ``clear``."""
        if self._file is None:
            return b""
        self._file.seek(place.offset)
        return self._file.read(place.length)

    def clear(self) -> None:
        """Removes the file and all bodies."""
        if self._file is not None:
            self._file.close()
            self._file = None
