"""Answers that are kept: for the rest of a statement, and for ``cache_ttl`` seconds across them.

Beyond a limit they wait in a temporary file, so that keeping them does not grow the process.
"""

from __future__ import annotations

import hashlib
import tempfile
import threading
from collections.abc import Mapping
from dataclasses import dataclass, replace
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

_IN_MEMORY = 4 << 20
"""Bytes a statement keeps in memory; the rest goes to a temporary file, so that a long stream does
not grow the process."""


class ResponseCache:
    """Answers by URL, the first ones up to a cap: what is read again is read from the start.

    Args:
        cap: bytes of answers.
        in_memory: how many of them stay in memory.
    """

    def __init__(self, cap: int = CAP, in_memory: int = _IN_MEMORY) -> None:
        self._cap = cap
        self._in_memory = in_memory
        self._size = 0
        self._kept: dict[Key, tuple[Response, SpoolPlace | None]] = {}
        self._spool = Spool()

    def __len__(self) -> int:
        return len(self._kept)

    def get(self, key: Key) -> Response | None:
        """The answer, or None."""
        response, spilled = self._kept.get(key, (None, None))
        if response is None or spilled is None:
            return response
        return replace(response, content=self._spool.get(spilled))

    def put(self, key: Key, response: Response) -> None:
        """Keeps an answer, without its parsed form, if there is room."""
        size = len(response.content)
        if key in self._kept or self._size + size > self._cap:
            return
        if self._size + size <= self._in_memory:
            self._kept[key] = (_unread(response), None)
        else:
            spilled = self._spool.put(response.content)
            if spilled is None:
                return  # The disk has no room: it is asked for again.
            self._kept[key] = (replace(response, content=b""), spilled)
        self._size += size

    def drop(self, key: Key) -> None:
        """Forgets one answer that is in memory."""
        response, spilled = self._kept.get(key, (None, None))
        if response is not None and spilled is None:
            del self._kept[key]
            self._size -= len(response.content)

    def clear(self) -> None:
        """Forgets everything."""
        self._kept.clear()
        self._size = 0
        self._spool.clear()


def _unread(response: Response) -> Response:
    """A copy without the parsed body, at a tenth of the cost of ``dataclasses.replace``."""
    copy = object.__new__(Response)
    copy.__dict__.update(response.__dict__)
    copy.__dict__.pop("json", None)
    return copy


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
        self._responses = ResponseCache(in_memory=CAP)
        self._until: dict[Key, float] = {}
        self.epoch = 0

    def get(self, key: Key) -> Response | None:
        """An answer that is still good, or None."""
        with self._lock:
            until = self._until.get(key, 0.0)
            if until > self._clock.now():
                return self._responses.get(key)
            self._until.pop(key, None)
            self._responses.drop(key)
            return None

    def put(self, key: Key, response: Response, epoch: int) -> None:
        """Keeps an answer from now on, if nothing was written since it was asked for."""
        now = self._clock.now()
        with self._lock:
            if epoch != self.epoch:
                return
            for old in [one for one, until in self._until.items() if until <= now]:
                del self._until[old]
                self._responses.drop(old)
            # A statement that writes asks again: what it was told replaces what was kept.
            self._responses.drop(key)
            self._until[key] = now + self.ttl
            self._responses.put(key, response)

    def clear(self) -> None:
        """Forgets everything: something was written."""
        with self._lock:
            self.epoch += 1
            self._until.clear()
            self._responses.clear()


def fingerprint(headers: Mapping[str, str]) -> str:
    """Tells credentials apart without holding them."""
    text = "\n".join(f"{name}:{value}" for name, value in sorted(headers.items()))
    return hashlib.sha256(text.encode()).hexdigest()
