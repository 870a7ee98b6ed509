"""What waits within a transaction: open scans' rows, and changes of the rows of sessions.

If a connection writes while it reads a SELECT, the SELECT may return the new rows, or a row twice
(https://sqlite.org/isolation.html). So before a write, every open scan is *settled*: its remaining
rows are fetched, and those that do not fit in memory go to a temporary file.

Each event updates its session's ``update_time``, ``last_event`` and ``last_sequence``. Instead of
one UPDATE per event, the newest values are kept here until something reads or changes sessions, or
the transaction ends. Savepoints apply to these values as they do to written rows.
"""

from __future__ import annotations

import marshal
from collections.abc import Callable, Iterator, Sequence
from itertools import chain, islice
from typing import IO, Any, Final, NamedTuple

from sessions_vtab.contract.scan import Row

_IN_MEMORY: Final = 10_000
_CHUNK: Final = 1_000


class OpenScan:
    """The rows of one SELECT that have not been read yet."""

    def __init__(self, rows: Iterator[Row]) -> None:
        self._rows = rows
        self._settled = False

    def page(self, size: int) -> list[Row]:
        """Returns the next rows, at most ``size``; an empty list at the end."""
        return list(islice(self._rows, size))

    def settle(self) -> None:
        """Fetches all remaining rows, so that writes cannot change them."""
        if self._settled:  # Else each row of a long transaction would copy what is left.
            return
        self._settled = True
        head = self.page(_IN_MEMORY)
        rest = _spooled(self._rows) if len(head) == _IN_MEMORY else iter(())
        self._rows = chain(head, rest)


def _spooled(rows: Iterator[Row]) -> Iterator[Row]:
    from tempfile import TemporaryFile  # noqa: PLC0415  # Slow to import, and hardly ever used.

    file = TemporaryFile()  # noqa: SIM115  # Closed by the iterator that reads it.
    while chunk := list(islice(rows, _CHUNK)):
        marshal.dump(chunk, file)
    file.seek(0)
    return _read_back(file)


def _read_back(file: IO[bytes]) -> Iterator[Row]:
    with file:
        while True:
            try:
                # The file has no name, so only this process can write to it.
                chunk = marshal.load(file)  # noqa: S302
            except EOFError:
                return
            yield from chunk


_UPDATE: Final = """UPDATE sessions SET update_time = ?, last_event = ?, last_sequence = ?
    WHERE session_id = ?"""

# No more sessions than this are kept between two events.
_MOST: Final = 10_000


class Touched(NamedTuple):
    """A session as the transaction left it.

    Attributes:
        name: name of the session.
        expire_time: when the session expires; None for never.
        last_event: the largest number that one of its events was given as its id.
        last_sequence: the largest ``sequence`` that one of its events was given; 0 for none.
        update_time: when the session was last changed.
        written: whether its row has all of this.
    """

    name: str
    expire_time: str | None
    last_event: int
    last_sequence: int
    update_time: str
    written: bool = True


class TouchedSessions:
    """The known sessions of one transaction."""

    def __init__(self) -> None:
        self._known: dict[str, Touched] = {}
        self._undo: list[dict[str, Touched | None]] = []

    def get(self, session_id: str) -> Touched | None:
        """Returns a session; None if it is not known."""
        return self._known.get(session_id)

    def put(self, session_id: str, session: Touched) -> None:
        """Remembers a session."""
        if self._undo:
            self._undo[-1].setdefault(session_id, self._known.get(session_id))
        self._known[session_id] = session

    def flush(self, run: Callable[[str, Sequence[Any]], object]) -> None:
        """Writes the pending changes.

        Args:
            run: function that executes a statement with its bindings.
        """
        for session_id, one in list(self._known.items()):
            if not one.written:
                run(_UPDATE, (one.update_time, one.last_event, one.last_sequence, session_id))
                self.put(session_id, one._replace(written=True))
        if self.full():
            self.forget()

    def forget(self) -> None:
        """Forgets all sessions, before they change by other means; call ``flush`` first."""
        self._known.clear()

    def full(self) -> bool:
        """Whether it is time to flush."""
        return len(self._known) > _MOST

    def clear(self) -> None:
        """Forgets everything: the transaction is over."""
        self._known.clear()
        self._undo.clear()

    # Savepoints, numbered from the outermost: 0, 1, ...

    def mark(self) -> None:
        """Sets a savepoint for the current state, inside the earlier ones."""
        self._undo.append({})

    def rollback_to(self, depth: int) -> None:
        """Rolls back to a savepoint, which stays."""
        while len(self._undo) > depth:
            for session_id, session in self._undo.pop().items():
                if session is None:
                    self._known.pop(session_id, None)
                else:
                    self._known[session_id] = session
        self.mark()

    def release(self, depth: int) -> None:
        """Releases a savepoint and those inside it."""
        released = self._undo[depth:]
        del self._undo[depth:]
        if self._undo:
            outer = self._undo[-1]
            for changes in released:
                for session_id, session in changes.items():
                    outer.setdefault(session_id, session)
