"""Answers that are kept: for the rest of a statement, and for ``cache_ttl`` seconds across them."""

from __future__ import annotations

import hashlib
import threading
import zlib
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import replace
from typing import TypeAlias

from sessions_vtab.fetch.call import Reply
from sessions_vtab.fetch.clock import Clock

__all__ = ["Key", "ReplyCache", "TimedCache", "fingerprint"]

Key: TypeAlias = tuple[str, str]
"""URL, and fingerprint of the credential ('' within a statement, which has one)."""

CAP = 64 << 20
"""Bytes of answers a statement keeps; the oldest beyond that are asked for again."""

_RAW = 4 << 20
"""Bytes kept as they came; the rest is compressed, so that a long stream stays small."""


class ReplyCache:
    """Answers by URL, the least recently used dropped beyond a cap on their size.

    Args:
        cap: bytes of answers, as they came.
    """

    def __init__(self, cap: int = CAP) -> None:
        self._cap = cap
        self._size = 0
        self._kept: OrderedDict[Key, tuple[Reply, int]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._kept)

    def get(self, key: Key) -> Reply | None:
        """The answer, or None."""
        found = self._kept.get(key)
        if found is None:
            return None
        self._kept.move_to_end(key)
        reply, size = found
        packed = len(reply.content) != size
        return replace(reply, content=zlib.decompress(reply.content)) if packed else reply

    def put(self, key: Key, reply: Reply) -> None:
        """Keeps an answer, without its parsed form."""
        size = len(reply.content)
        if size > self._cap:
            return
        self.drop(key)
        content = reply.content if self._size + size <= _RAW else zlib.compress(reply.content, 1)
        if len(content) >= size:
            content = reply.content
        self._kept[key] = (replace(reply, content=content), size)
        self._size += size
        while self._size > self._cap:
            _, (_, dropped) = self._kept.popitem(last=False)
            self._size -= dropped

    def drop(self, key: Key) -> None:
        """Forgets one answer."""
        found = self._kept.pop(key, None)
        if found is not None:
            self._size -= found[1]

    def clear(self) -> None:
        """Forgets everything."""
        self._kept.clear()
        self._size = 0


class TimedCache:
    """Answers across statements, for a limited time. Thread-safe.

    Args:
        ttl: seconds an answer is good for; 0 keeps nothing.
        clock: the time.
    """

    def __init__(self, ttl: float, clock: Clock) -> None:
        self.ttl = ttl
        self._clock = clock
        self._lock = threading.Lock()
        self._replies = ReplyCache()
        self._until: dict[Key, float] = {}

    def get(self, key: Key) -> Reply | None:
        """An answer that is still good, or None."""
        with self._lock:
            until = self._until.get(key, 0.0)
            if until > self._clock.now():
                return self._replies.get(key)
            self._until.pop(key, None)
            self._replies.drop(key)
            return None

    def put(self, key: Key, reply: Reply) -> None:
        """Keeps an answer from now on."""
        now = self._clock.now()
        with self._lock:
            for old in [one for one, until in self._until.items() if until <= now]:
                del self._until[old]
                self._replies.drop(old)
            self._until[key] = now + self.ttl
            self._replies.put(key, reply)

    def clear(self) -> None:
        """Forgets everything: something was written."""
        with self._lock:
            self._until.clear()
            self._replies.clear()


def fingerprint(headers: Mapping[str, str]) -> str:
    """Tells credentials apart without holding them."""
    text = "\n".join(f"{name}:{value}" for name, value in sorted(headers.items()))
    return hashlib.sha256(text.encode()).hexdigest()
