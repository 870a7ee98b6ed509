"""The host as the tables ask for it: the socket of a connection, the connection, its statements.

The host has a SQLite of its own in another process. What APSW would be asked is answered here with
what the extension has told, in frames on the socket, which ``bridge.h`` describes.
"""

from __future__ import annotations

import marshal
import select
import socket
import struct
from collections.abc import Callable, Container, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Final, TypeAlias

import apsw

from sessions_vtab.contract.predicate import Value
from sessions_vtab.errors import SessionsError, StoppedError, UnsupportedError, notes_of
from sessions_vtab.vtab.statements import RunningStatement

PROTOCOL: Final = 1
"""Of requests and answers; the C side has the same number."""

RESULT: Final = b"R"
ERROR: Final = b"E"
RUN_FIRST: Final = b"J"

_VERSION: Final = 2  # Of marshal: with binary floats, without references.
_HEAD: Final = struct.Struct("<IB3x")


def encoded(kind: bytes, value: Any) -> bytes:
    """A frame.

    Args:
        kind: one letter.
        value: None, bools, 64-bit integers, floats, texts, blobs, and tuples and lists of them.
    """
    payload = marshal.dumps(value, _VERSION)
    return _HEAD.pack(len(payload), kind[0]) + payload


def decoded(payload: bytes) -> Any:
    """The value of a frame from the process that started this one."""
    return marshal.loads(payload)  # noqa: S302  # Both ends of the socket are this package's.


class SocketLink:
    """The end of a socket whose other end is in the host.

    Args:
        end: the socket; closed with this.
    """

    def __init__(self, end: socket.socket) -> None:
        self._socket = end
        self._poll = select.poll()
        self._poll.register(end, select.POLLIN)

    def read(self) -> tuple[bytes, bytes]:
        """Kind and payload of the next frame.

        Raises:
            EOFError: the host has closed its end.
            OSError: the socket is broken.
        """
        size, kind = _HEAD.unpack(self._exactly(_HEAD.size))
        return bytes((kind,)), self._exactly(size)

    def write(self, kind: bytes, value: Any) -> None:
        """Sends a frame.

        Raises:
            OSError: the host has gone.
        """
        self._socket.sendall(encoded(kind, value))

    def waiting(self) -> bool:
        """Whether something came while a request is being answered: a cancel, or the end."""
        return bool(self._poll.poll(0))

    def close(self) -> None:
        """Closes the socket."""
        self._socket.close()

    def _exactly(self, size: int) -> bytes:
        data = bytearray()
        while len(data) < size:
            part = self._socket.recv(size - len(data))
            if not part:
                raise EOFError
            data += part
        return bytes(data)


def reported(error: BaseException) -> tuple[int, str]:
    """What SQLite reports of an error: its code and its text."""
    if isinstance(error, StoppedError | apsw.InterruptError):
        return int(apsw.SQLITE_INTERRUPT), "interrupted"
    said = str(error) if isinstance(error, SessionsError) else f"{type(error).__name__}: {error}"
    return int(apsw.SQLITE_ERROR), " ".join((said, *notes_of(error)))


_KEPT: Final = 64
"""Statements that are remembered after they were told last: one that writes may come back."""


class RunFirstError(Exception):
    """The host has to run a statement before the present request can be answered.

    Attributes:
        sql: the statement.
    """

    def __init__(self, sql: str) -> None:
        super().__init__(sql)
        self.sql = sql


class HostedConnection:
    """``vtab.statements.HostConnection`` of a host.

    Args:
        stopped: whether the host has sent something while a request is being answered.

    Attributes:
        in_transaction: as the extension told last.
        conflict: of the row that is being written.
        direct_only: the table that is being connected is not for views and triggers.
    """

    def __init__(self, stopped: Callable[[], bool]) -> None:
        self._stopped = stopped
        self.in_transaction = False
        self.conflict = 0
        self.direct_only = False

    @property
    def is_interrupted(self) -> bool:
        """Whether the running statement is to stop."""
        return self._stopped()

    def vtab_config(self, op: int, _val: int = 0, /) -> None:
        """Notes a property of the table that is being connected."""
        self.direct_only = self.direct_only or op == apsw.SQLITE_VTAB_DIRECTONLY

    def vtab_on_conflict(self) -> int:
        """The conflict clause of the row that is being written."""
        return self.conflict

    def last_insert_rowid(self) -> int:
        """Not asked for: the extension leaves it as it was."""
        return 0


class HostedStatements:
    """``vtab.statements.Statements`` of a host.

    The extension delivers every ``xRollbackTo``, so nothing has to be undone when one fails.

    Attributes:
        current: the statement of the present request.
        count: how many have been told.
    """

    def __init__(self) -> None:
        self._known: dict[int, RunningStatement] = {}
        self.on_idle: Callable[[], None] | None = None
        self.current = RunningStatement(0)
        self.count = 0

    @property
    def writer(self) -> RunningStatement:
        """The statement that writes a row: told with each."""
        return self.current

    def follow(
        self,
        on_begin: Callable[[RunningStatement], None],  # RETURNING is refused.
        on_end: Callable[[RunningStatement, bool], None],  # See above.
    ) -> None:
        """Says nothing: neither is wanted for statements of the host."""

    def preparing(self) -> None:
        """Says nothing: a run has a number of its own."""

    @contextmanager
    def unnumbered(self) -> Iterator[None]:
        """Says nothing: no statements run here."""
        yield

    def run(self, sql: str, values: Sequence[Value] = ()) -> list[tuple[Any, ...]]:
        """Has the host run a statement, and the present request be asked again.

        Raises:
            RunFirstError: always, unless there are values.
            UnsupportedError: the extension is told a statement's text only, so values cannot be
                bound. Only a forecast binds any (``Host.rows_that_pass``), and does without.
        """
        if values:
            raise UnsupportedError(f"The host cannot bind values to a statement of ours: {sql}")
        raise RunFirstError(sql)

    def tell(
        self, serial: int, running: Container[RunningStatement], *, reads: bool, text: str | None
    ) -> RunningStatement:
        """The statement that the host is running now.

        Args:
            serial: number of the run.
            running: statements with open scans: what they remember is kept.
            reads: it changes no table by itself.
            text: where it was sent.
        """
        found = self._known.get(serial)
        if found is None:
            for old in self._known.values():
                if old not in running:
                    old.forget()
            for gone in [one for one in self._known if one < serial - _KEPT]:
                del self._known[gone]
            found = self._known[serial] = RunningStatement(serial, readonly=reads)
            self.count += 1
        found.text = text or found.text
        self.current = found
        return found

    def transaction_ended(self, running: Container[RunningStatement]) -> None:
        """A transaction is over: its statements write no more."""
        for number, one in list(self._known.items()):
            if one not in running:
                one.forget()
                del self._known[number]

    def ended(self, statement: RunningStatement, *, idle: bool) -> None:
        """A statement has no scan open any more.

        Args:
            statement: the statement.
            idle: nor has any other.
        """
        if statement.readonly:
            self._known.pop(statement.number, None)
            statement.forget()
        if idle and self.on_idle is not None:
            self.on_idle()


Constraint: TypeAlias = tuple[int, int, int, int, str | None, Any]
"""Column, operator, usable, is an IN, collation and right-hand side."""

_MISPLACES_BEFORE: Final = 3_051_000
_MISPLACED: Final = range(
    apsw.SQLITE_INDEX_CONSTRAINT_MATCH, apsw.SQLITE_INDEX_CONSTRAINT_ISNOTNULL + 1
)
"""MATCH, LIKE, GLOB, REGEXP, <>, IS NOT, NOT NULL. Before 3.51 SQLite offers them to the left table
of a LEFT JOIN, too, when they stand in its ON, and rows that do not meet them would be lost."""


class Offered:
    """``vtab.best_index.IndexInfo`` over what the extension said.

    Args:
        constraints: in SQLite's order.
        order: column and whether it descends, for each term.
        distinct: ``sqlite3_vtab_distinct()``; 0 where SQLite is older than 3.38.
        used: a bit for each column; the 64th stands for all that follow.
        version: ``sqlite3_libversion_number()`` of the host.
    """

    idxStr: str | None = ""  # noqa: N815  # SQLite's names.
    idxFlags = 0  # noqa: N815
    orderByConsumed = False  # noqa: N815
    estimatedCost = 1e6  # noqa: N815
    estimatedRows = 25  # noqa: N815

    def __init__(
        self,
        constraints: Sequence[Constraint],
        order: Sequence[tuple[int, int]],
        distinct: int,
        used: int,
        version: int,
    ) -> None:
        self._constraints = constraints
        self._misplaced = _MISPLACED if version < _MISPLACES_BEFORE else range(0)
        self._order = order
        self.nConstraint, self.nOrderBy = len(constraints), len(order)
        self.distinct = distinct
        self.colUsed = {bit for bit in range(64) if used >> bit & 1}
        self._uses = [[0, 0, 0] for _ in constraints]

    def get_aConstraint_iColumn(self, which: int, /) -> int:  # noqa: D102, N802
        return self._constraints[which][0]

    def get_aConstraint_op(self, which: int, /) -> int:  # noqa: D102, N802
        return self._constraints[which][1]

    def get_aConstraint_usable(self, which: int, /) -> bool:  # noqa: D102, N802
        _, op, usable, *_ = self._constraints[which]
        return bool(usable) and op not in self._misplaced

    def get_aConstraintUsage_in(self, which: int, /) -> bool:  # noqa: D102, N802
        return bool(self._constraints[which][3])

    def get_aConstraint_collation(self, which: int, /) -> str:  # noqa: D102, N802
        return self._constraints[which][4] or "BINARY"

    def get_aConstraint_rhs(self, which: int, /) -> Any:  # noqa: D102, N802
        return self._constraints[which][5]

    def get_aOrderBy_iColumn(self, which: int, /) -> int:  # noqa: D102, N802
        return self._order[which][0]

    def get_aOrderBy_desc(self, which: int, /) -> bool:  # noqa: D102, N802
        return bool(self._order[which][1])

    def set_aConstraintUsage_argvIndex(self, which: int, argument: int, /) -> None:  # noqa: D102, N802
        self._uses[which][0] = argument

    def set_aConstraintUsage_omit(self, which: int, omit: bool, /) -> None:  # noqa: D102, N802
        self._uses[which][1] = int(omit)

    def set_aConstraintUsage_in(self, which: int, together: bool, /) -> None:  # noqa: D102, N802
        self._uses[which][2] = int(together)

    def answer(self) -> tuple[Any, ...]:
        """The answer to the extension: see ``bridge.h``."""
        return (
            tuple(map(tuple, self._uses)),
            self.idxStr or "",
            int(self.orderByConsumed),
            float(self.estimatedCost),
            int(self.estimatedRows),
            int(bool(self.idxFlags & apsw.SQLITE_INDEX_SCAN_UNIQUE)),
        )
