"""The scans that a host has open, and those that wait for another run of their subquery."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress

from sessions_vtab.extension.scan import About, HostScan
from sessions_vtab.vtab.look_ahead import Outer
from sessions_vtab.vtab.statements import RunningStatement

__all__ = ["Scans"]


class Scans:
    """The scans of one connection.

    Args:
        outers: the cursors that look-ahead finds keys in (``Host.cursors``): there a scan stands
            in the place of its cursor.
    """

    def __init__(self, outers: list[Outer]) -> None:
        self._outers = outers
        self._open: dict[int, HostScan] = {}
        self._parked: dict[About, list[HostScan]] = {}

    @property
    def statements(self) -> list[RunningStatement]:
        """The statements whose scans are open."""
        return [one.statement for one in self._open.values()]

    def __getitem__(self, number: int) -> HostScan:
        """The open scan of this number.

        Raises:
            KeyError: there is none.
        """
        return self._open[number]

    def stand(self, positions: Iterable[tuple[int, int]]) -> None:
        """Notes how many rows SQLite has taken of each scan."""
        for number, position in positions:
            if number in self._open:
                self._open[number].stands_at(position)

    def opened(self, number: int, about: About, make: Callable[[], HostScan]) -> HostScan:
        """The scan of a number: an open one begins anew, another goes on with a parked one's memo.

        Args:
            number: of the cursor.
            about: what its scans have in common with others.
            make: opens one.
        """
        found = self._open.get(number)
        if found is None:
            parked = self._parked.get(about)
            found = parked.pop() if parked else make()
            self._open[number] = found
            if found.costly is not None and parked is not None:
                self._outers.append(found)
        return found

    @contextmanager
    def asking(self, scan: HostScan) -> Iterator[None]:
        """Within the block a scan's own cursor stands for it, not for an outer side of it."""
        cursor = scan.costly
        if cursor is not None:
            self._replace(scan, cursor)
        try:
            yield
        finally:
            if cursor is not None:
                self._replace(cursor, scan)

    def close(self, number: int, *, heir: bool) -> RunningStatement | None:
        """Closes a scan.

        SQLite before 3.45 opens a cursor for each run of a correlated subquery, and closes the one
        of the run before after that: such a scan is parked.

        Args:
            number: of the cursor; that of none if it was opened and never asked.
            heir: whether a cursor that takes over is open.

        Returns:
            Its statement, if that has no scan open any more.
        """
        scan = self._open.pop(number, None)
        if scan is None:
            return None
        statement = scan.statement
        if heir:
            self._parked.setdefault(scan.about, []).append(scan)
            self._outers[:] = [one for one in self._outers if one is not scan]
            return None
        self._end(scan)
        if any(one is statement for one in self.statements):
            return None
        for about in [one for one in self._parked if one.statement == statement.number]:
            for parked in self._parked.pop(about):
                self._end(parked)
        return statement

    @property
    def idle(self) -> bool:
        """Whether none is open."""
        return not self._open

    def close_all(self) -> None:
        """Closes every scan: the connection has gone."""
        for scan in (*self._open.values(), *(two for one in self._parked.values() for two in one)):
            with suppress(Exception):
                self._end(scan)
        self._open.clear()
        self._parked.clear()

    def _end(self, scan: HostScan) -> None:
        if scan.costly is not None:
            self._replace(scan, scan.costly)
        scan.cursor.Close()

    def _replace(self, old: Outer, new: Outer) -> None:
        self._outers[:] = [new if one is old else one for one in self._outers]
