"""Answers that are kept: for ``cache_ttl`` seconds across statements, or their bodies in a file.

A statement keeps its own (``scope``). Beyond a limit they wait in a temporary file, so that keeping
them does not grow the process.
"""

from __future__ import annotations

import hashlib
import tempfile
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from typing import IO, TypeAlias

from sessions_vtab.fetch.call import Response
from sessions_vtab.fetch.limits import Clock


@dataclass(frozen=True, slots=True)
class SpoolPlace:
    """Where in the temporary file a body is."""

    offset: int
    length: int


_BUFFER = 256 * 1024
"""Bytes that are written at once, since the bodies of a join are small."""


class Spool:
    """Bodies in a temporary file, created when there is enough to write."""

    def __init__(self) -> None:
        self._file: IO[bytes] | None = None
        self._written = 0
        self._unwritten = bytearray()

    def put(self, content: bytes) -> SpoolPlace | None:
        """Adds a body at the end; None if the disk has no room for it."""
        place = SpoolPlace(self._written + len(self._unwritten), len(content))
        self._unwritten += content
        try:
            if len(self._unwritten) >= _BUFFER:
                self._write()
        except OSError:
            del self._unwritten[len(self._unwritten) - len(content) :]
            return None
        return place

    def get(self, place: SpoolPlace) -> bytes:
        """Reads a body; b'' after ``clear``."""
        start = place.offset - self._written
        if start >= 0:
            return bytes(self._unwritten[start : start + place.length])
        if self._file is None:
            return b""
        self._file.seek(place.offset)
        return self._file.read(place.length)

    def clear(self) -> None:
        """Removes the file and all bodies."""
        if self._file is not None:
            self._file.close()
            self._file = None
        self._written = 0
        self._unwritten.clear()

    def _write(self) -> None:
        if self._file is None:
            # Without a buffer of its own, which would try to write in ``get`` what failed here.
            self._file = tempfile.TemporaryFile(  # noqa: SIM115
                prefix="sessions-vtab-", buffering=0
            )
        self._file.seek(self._written)
        left = memoryview(bytes(self._unwritten))
        while left:
            left = left[self._file.write(left) :]
        self._written += len(self._unwritten)
        self._unwritten.clear()


Key: TypeAlias = tuple[str, str]
"""URL, and fingerprint of the credential ('' within a statement, which has one)."""

CAP = 64 << 20
"""Bytes of answers that are kept; what comes beyond that is asked for again."""


class TimedCache:
    """Answers across statements, for a limited time. Thread-safe.

    Args:
        ttl: seconds an answer is good for; 0 keeps nothing.
        clock: the time.

    Attributes:
        epoch: how often everything was forgotten: an answer that was asked for in an earlier one
            may be older than a write.
    """

    def __init__(self, ttl: float, clock: Clock) -> None:
        self.ttl = ttl
        self._clock = clock
        self._lock = threading.Lock()
        self._kept: dict[Key, tuple[float, Response]] = {}
        self._size = 0
        self.epoch = 0

    def get(self, key: Key) -> Response | None:
        """An answer that is still good, or None."""
        with self._lock:
            until, response = self._kept.get(key, (0.0, None))
            return response if until > self._clock.now() else None

    def put(self, key: Key, response: Response, epoch: int) -> None:
        """Keeps an answer from now on, if nothing was written since it was asked for."""
        now, size = self._clock.now(), len(response.content)
        with self._lock:
            if epoch != self.epoch:
                return
            # A statement that writes asks again: what it was told replaces what was kept.
            for old in [one for one, kept in self._kept.items() if kept[0] <= now or one == key]:
                _, dropped = self._kept.pop(old)
                self._size -= len(dropped.content)
            if self._size + size <= CAP:
                self._kept[key] = now + self.ttl, response.unread()
                self._size += size

    def clear(self) -> None:
        """Forgets everything: something was written."""
        with self._lock:
            self.epoch += 1
            self._kept.clear()
            self._size = 0


def fingerprint(headers: Mapping[str, str]) -> str:
    """Tells credentials apart without holding them."""
    text = "\n".join(f"{name}:{value}" for name, value in sorted(headers.items()))
    return hashlib.sha256(text.encode()).hexdigest()
