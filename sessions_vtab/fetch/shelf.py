"""Pages that arrived before their turn."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

from sessions_vtab.fetch.call import Response
from sessions_vtab.fetch.spool import Spool, SpoolPlace

__all__ = ["Shelf", "Shelved"]

_PARSED: Final = 1 << 20
"""Bytes of pages that keep their parsed form, which takes several times as much memory."""

_IN_MEMORY: Final = 4 << 20
"""Bytes of pages that stay in memory; the rest goes to a temporary file."""

_ROOM: Final = 256 << 20
"""Bytes of pages after which no more should be read ahead of their turn."""


@dataclass(frozen=True, slots=True)
class Shelved:
    """One page that waits.

    Attributes:
        reply: the page; without its body if that is in the file.
        size: bytes of the body.
        place: where in the file the body is; None if it is in memory.
    """

    reply: Response
    size: int
    place: SpoolPlace | None = None


class Shelf:
    """Holds pages until their turn: first in memory, then in a temporary file.

    Args:
        parsed: bytes of pages that keep their parsed form.
        in_memory: bytes of pages that stay in memory.
        room: bytes of pages that should wait at most.
    """

    def __init__(
        self, parsed: int = _PARSED, in_memory: int = _IN_MEMORY, room: int = _ROOM
    ) -> None:
        self._parsed = parsed
        self._in_memory = in_memory
        self._room = room
        self._size = 0
        self._in_file = 0
        self._spool = Spool()

    @property
    def full(self) -> bool:
        """Whether reading ahead should pause. A page that is put in all the same is kept."""
        return self._size >= self._room

    def put(self, reply: Response) -> Shelved:
        """Keeps a page; in memory if the disk has no room, since no page may be lost."""
        size = len(reply.content)
        self._size += size
        if self._size <= self._parsed:
            return Shelved(reply, size)
        place = None if self._size <= self._in_memory else self._spool.put(reply.content)
        if place is None:
            return Shelved(replace(reply), size)
        self._in_file += 1
        return Shelved(replace(reply, content=b""), size, place)

    def take(self, page: Shelved) -> Response:
        """Gives a page back, once."""
        self._size -= page.size
        if page.place is None:
            return page.reply
        reply = replace(page.reply, content=self._spool.get(page.place))
        self._in_file -= 1
        if not self._in_file:
            self._spool.clear()
        return reply

    def close(self) -> None:
        """Drops what still waits."""
        self._size = self._in_file = 0
        self._spool.clear()
