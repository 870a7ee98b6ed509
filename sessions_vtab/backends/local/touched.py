"""Pending changes to the rows of sessions that events were appended to.

Each event updates its session's ``update_time`` and ``last_event``. Instead of one UPDATE an event,
the newest values wait here until something reads or changes sessions, or the transaction ends.
Savepoints cover what waits as they cover what is written.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final, NamedTuple

__all__ = ["Touched", "TouchedSessions"]

_UPDATE: Final = "UPDATE sessions SET update_time = ?, last_event = ? WHERE session_id = ?"

# More sessions than this are not remembered between two events.
_MOST: Final = 10_000


class Touched(NamedTuple):
    """A session as the transaction left it.

    Attributes:
        name: its name.
        expire_time: when it expires; None for never.
        last_event: the largest number an event of it was given as its id.
        update_time: when it was changed last.
        written: its row has all of that.
    """

    name: str
    expire_time: str | None
    last_event: int
    update_time: str
    written: bool = True


class TouchedSessions:
    """What is known of the sessions of one transaction."""

    def __init__(self) -> None:
        self._known: dict[str, Touched] = {}
        self._undo: list[dict[str, Touched | None]] = []

    def get(self, session_id: str) -> Touched | None:
        """What is known of a session; None if nothing is."""
        return self._known.get(session_id)

    def put(self, session_id: str, session: Touched) -> None:
        """Remembers a session."""
        if self._undo:
            self._undo[-1].setdefault(session_id, self._known.get(session_id))
        self._known[session_id] = session

    def flush(self, run: Callable[[str, Sequence[Any]], object]) -> None:
        """Writes the pending changes.

        Args:
            run: executes a statement with its bindings.
        """
        for session_id, one in list(self._known.items()):
            if not one.written:
                run(_UPDATE, (one.update_time, one.last_event, session_id))
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

    # Savepoints, counted from the outermost: 0, 1, ...

    def mark(self) -> None:
        """Marks the present state, inside the earlier marks."""
        self._undo.append({})

    def rollback_to(self, depth: int) -> None:
        """Returns to a mark, which stays."""
        while len(self._undo) > depth:
            for session_id, session in self._undo.pop().items():
                if session is None:
                    self._known.pop(session_id, None)
                else:
                    self._known[session_id] = session
        self.mark()

    def release(self, depth: int) -> None:
        """Forgets a mark and those inside it."""
        released = self._undo[depth:]
        del self._undo[depth:]
        if self._undo:
            outer = self._undo[-1]
            for changes in released:
                for session_id, session in changes.items():
                    outer.setdefault(session_id, session)
