"""Rows waiting to be sent, in statement order; large queues spill to a temporary file."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import IO, Final

from sessions_vtab.contract.write import Write
from sessions_vtab.vtab.waiting import Identity

__all__ = ["QueuedWrite", "WriteQueue"]

_ROWS_IN_MEMORY: Final = 50_000
_BYTES_IN_MEMORY: Final = 64 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class QueuedWrite:
    """A queued row without its values, which may be on disk.

    Attributes:
        number: place in the order of all writes of the connection.
        statement: number of its statement.
        source: name of the source it is for.
        table: name of its table.
        participant: the virtual table it came through (``id``).
        identity: what tells its row from others.
        place: the write, or where in the file it is.
    """

    number: int
    statement: int
    source: str
    table: str
    participant: int
    identity: Identity
    place: Write | int


class WriteQueue:
    """Writes in order; any of them can be dropped again.

    Args:
        rows: rows kept in memory.
        size: bytes kept in memory, as far as text and blobs tell.
    """

    def __init__(self, rows: int = _ROWS_IN_MEMORY, size: int = _BYTES_IN_MEMORY) -> None:
        self._entries: list[QueuedWrite] = []
        self._rows = rows
        self._room = self._size = size
        self._file: IO[bytes] | None = None

    def __len__(self) -> int:
        return len(self._entries)

    def __iter__(self) -> Iterator[QueuedWrite]:
        return iter(self._entries)

    def append(
        self, write: Write, source: str, participant: int, identity: Identity = None
    ) -> None:
        """Queues a row."""
        self._room -= sum(len(v) for v in write.values.values() if isinstance(v, str | bytes))
        keep = len(self._entries) < self._rows and self._room > 0
        place = write if keep else self._spill(write)
        entry = QueuedWrite(
            write.number, write.statement, source, write.table, participant, identity, place
        )
        self._entries.append(entry)

    def drop(self, void: Callable[[QueuedWrite], bool]) -> None:
        """Forgets the rows for which ``void`` is true."""
        self._entries = [entry for entry in self._entries if not void(entry)]
        if not self._entries:
            self._forget_file()

    def take(self) -> list[tuple[QueuedWrite, Write]]:
        """Empties the queue and returns its rows in order."""
        entries, self._entries = self._entries, []
        rows = [(entry, self._load(entry.place)) for entry in entries]
        self._forget_file()
        return rows

    def _spill(self, write: Write) -> int:
        import pickle  # noqa: PLC0415  # As the next, only for large queues.
        import tempfile  # noqa: PLC0415

        if self._file is None:
            self._file = tempfile.TemporaryFile()  # noqa: SIM115  # Lives as long as its rows.
        place = self._file.seek(0, 2)
        pickle.dump(write, self._file)
        return place

    def _load(self, place: Write | int) -> Write:
        if isinstance(place, Write):
            return place
        if self._file is None:
            msg = f"no spill file holds the write at {place}"
            raise LookupError(msg)
        import pickle  # noqa: PLC0415  # As above.

        self._file.seek(place)
        loaded: Write = pickle.load(self._file)  # noqa: S301  # Our own, unnamed file.
        return loaded

    def _forget_file(self) -> None:
        self._room = self._size
        if self._file is not None:
            self._file.close()
            self._file = None
