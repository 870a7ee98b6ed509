"""Rows waiting to be sent, how many there may be, and what becomes of them when they are sent.

Large queues spill to a temporary file. The rows of an open transaction are at the client until
COMMIT: what reads their table would miss them. A row that is looked up by its key is an exception
unless it is one of them: so ``executemany`` and an ORM's flush can change one row after another in
one unit of work.

``Excess`` says what is asked and said where a statement wants to write more than ``max_writes``.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Container, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from math import ceil
from typing import IO, Final, NamedTuple, TypeAlias

from sessions_vtab.contract.backend import Action, Backend, Context, Outcome, OutcomeState, Write
from sessions_vtab.contract.capability import Capability
from sessions_vtab.contract.predicate import Value
from sessions_vtab.contract.scan import Row, Scan
from sessions_vtab.errors import (
    BudgetError,
    QueuedWritesError,
    SessionsError,
    UnknownOutcomeError,
    WriteError,
)
from sessions_vtab.vtab.statements import RunningStatement

_ROWS_IN_MEMORY: Final = 50_000
_BYTES_IN_MEMORY: Final = 64 * 1024 * 1024


class QueuedWrite(NamedTuple):
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

    Attributes:
        entries: what is queued, in order.
    """

    def __init__(self, rows: int = _ROWS_IN_MEMORY, size: int = _BYTES_IN_MEMORY) -> None:
        self.entries: list[QueuedWrite] = []
        self._rows = rows
        self._room = self._size = size
        self._file: IO[bytes] | None = None

    def __len__(self) -> int:
        return len(self.entries)

    def __iter__(self) -> Iterator[QueuedWrite]:
        return iter(self.entries)

    def append(
        self, write: Write, source: str, participant: int, identity: Identity = None
    ) -> None:
        """Queues a row."""
        self._room -= sum(len(v) for v in write.values.values() if isinstance(v, str | bytes))
        keep = len(self.entries) < self._rows and self._room > 0
        place = write if keep else self._spill(write)
        entry = QueuedWrite(
            write.number, write.statement, source, write.table, participant, identity, place
        )
        self.entries.append(entry)

    def drop(self, void: Callable[[QueuedWrite], bool]) -> None:
        """Forgets the rows for which ``void`` is true."""
        self.entries = [entry for entry in self.entries if not void(entry)]
        if not self.entries:
            self._forget_file()

    def take(self) -> list[tuple[QueuedWrite, Write]]:
        """Empties the queue and returns its rows in order."""
        entries, self.entries = self.entries, []
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
            raise LookupError(f"no spill file holds the write at {place}")
        import pickle  # noqa: PLC0415  # As above.

        self._file.seek(place)
        loaded: Write = pickle.load(self._file)  # noqa: S301  # Our own, unnamed file.
        return loaded

    def _forget_file(self) -> None:
        self._room = self._size
        if self._file is not None:
            self._file.close()
            self._file = None


Identity: TypeAlias = tuple[Value, ...] | None
"""Values of ``identity_columns``; None for a value that the service sets, and None as a whole for
a row that changes its identity."""


def missed(what: str, entry: QueuedWrite, statement: int) -> QueuedWritesError:
    """The error of a read that would miss a row.

    Args:
        what: is read.
        entry: the row.
        statement: number of the statement that reads.
    """
    if entry.statement == statement:
        return QueuedWritesError(
            f"{what} cannot be used in this trigger: the statement has already written to"
            f" {entry.source}.{entry.table}, and its rows have not been sent. Write each row only"
            " once, and read in a statement of its own."
        )
    return QueuedWritesError(
        f"{what} cannot be used: this transaction has writes to {entry.source}.{entry.table}"
        " that have not been sent. COMMIT first, or use RETURNING."
    )


def identity_columns(capability: Capability, key: str) -> tuple[str, ...]:
    """The columns that each name one row: the key, and what leads the paths to a single row."""
    leading = (path.keys[0] for path in capability.paths if path.unique)
    return tuple(dict.fromkeys((key, *leading)))


def created(columns: Sequence[str], values: Mapping[str, Value]) -> Identity:
    """The identity of a row that an INSERT creates.

    Args:
        columns: of ``identity_columns``.
        values: what the INSERT gives.
    """
    return tuple(values.get(name) for name in columns)


def changed(
    columns: Sequence[str], values: Mapping[str, Value], known: Sequence[Value]
) -> Identity:
    """The identity of a row that an UPDATE or DELETE changes.

    Args:
        columns: of ``identity_columns``.
        values: what the UPDATE sets.
        known: what the columns had before, None where that is not known.
    """
    return None if any(name in values for name in columns) else tuple(known)


class Waiting(NamedTuple):
    """The rows of a table that wait to be sent.

    Attributes:
        columns: of ``identity_columns``.
        places: of those columns in a row.
        rows: the rows; at least one.
    """

    columns: tuple[str, ...]
    places: tuple[int, ...]
    rows: tuple[QueuedWrite, ...]

    def spares(self, scan: Scan) -> bool:
        """Whether a read looks up rows by key, and none of them is queued."""
        name = scan.path.keys[0] if scan.path.unique else None
        asked = scan.given(name) if name is not None else None
        if name is None or asked is None:
            return False
        place, wanted = self.columns.index(name), {str(value) for value in asked}
        return not any(_may_be(entry.identity, place, wanted) for entry in self.rows)

    def met(self, row: Row) -> bool:
        """Whether a row that was read is one of the queued rows."""
        values = [row[place] for place in self.places]
        return any(
            a is not None and a == b
            for entry in self.rows
            if entry.identity is not None
            for a, b in zip(entry.identity, values, strict=True)
        )


def _may_be(identity: Identity, place: int, wanted: Container[str]) -> bool:
    if identity is None:
        return True
    if identity[place] is not None:
        return str(identity[place]) in wanted
    # Identified by another column. A row whose name the service assigns cannot be looked up yet.
    return any(value is not None for value in identity)


_EXCEPTIONS: Final = 2
"""Exceptions after which a backend is asked on: the first stops what is not sent, the second also
ends the waiting for what is in flight."""


@dataclass(slots=True)
class Sending:
    """The writes of one transaction on their way to one source.

    Attributes:
        total: how many there are.
        answered: of how many it is known what became of them.
        started: when the first was sent, on the clock of ``time.perf_counter``.
    """

    total: int
    answered: int = 0
    started: float = field(default_factory=time.perf_counter)

    def estimate(self) -> float | None:
        """Seconds that all of them will take at the pace so far; None before the first answer."""
        if not self.answered:
            return None
        return (time.perf_counter() - self.started) / self.answered * self.total

    def left(self) -> float:
        """Seconds until the end, by the same estimate; 0 before the first answer."""
        elapsed = time.perf_counter() - self.started
        return max((self.estimate() or 0.0) - elapsed, 0.0)


def drain(
    backend: Backend,
    writes: Sequence[Write],
    context: Context,
    settle: Callable[[Outcome], None],
) -> BaseException | None:
    """Sends writes and settles their outcomes as they come.

    An exception, such as a KeyboardInterrupt, ends the sending, not the looking: asked on, the
    iterator of a backend tells what became of the rows that were not sent or were in flight.

    Returns:
        The first exception.
    """
    outcomes, first = _begun(backend, writes, context)
    for _ in range(_EXCEPTIONS + 1):
        try:
            for outcome in outcomes:
                settle(outcome)
        except BaseException as error:  # noqa: BLE001  # The caller raises it.
            first = first or error
        else:
            break
    return first


def _begun(
    backend: Backend, writes: Sequence[Write], context: Context
) -> tuple[Iterator[Outcome], BaseException | None]:
    """The outcomes to come, and what ``Backend.send`` raised if it is not a refusal."""
    try:
        return iter(backend.send(writes, context)), None
    except SessionsError as error:
        return iter([Outcome(one, OutcomeState.NOT_SENT, error=error) for one in writes]), None
    except BaseException as error:  # noqa: BLE001  # The caller raises it.
        return iter(()), error


def counts(failed: Sequence[Outcome], total: int) -> str:
    """What became of the writes of a flush, for whoever interrupted it."""
    states = Counter(outcome.state.value for outcome in failed)
    rest = "".join(f", {count} {state}" for state, count in sorted(states.items()))
    return (
        f"Of {total} writes {total - len(failed)} were sent{rest}. The table writes has one row"
        " for each."
    )


def failure(failed: Sequence[Outcome], total: int) -> SessionsError:
    """The error of a flush: the only row's own error, or one that counts."""
    first = next((one for one in failed if one.error is not None), failed[0])
    lost = first.state is OutcomeState.UNKNOWN and not isinstance(first.error, UnknownOutcomeError)
    if total == 1 and first.error is not None and not lost:
        return first.error
    unknown = sum(one.state is OutcomeState.UNKNOWN for one in failed)
    sent = total - len(failed)
    message = f"{sent} {'was' if sent == 1 else 'were'} sent"
    if unknown:
        message += f", {unknown} {'has' if unknown == 1 else 'have'} an unknown outcome"
    msg = (
        f"{len(failed)} of {total} writes did not succeed ({message})."
        f" The first: {str(first.error).rstrip('.')}. The table writes has one row for each."
    )
    return UnknownOutcomeError(msg) if unknown else WriteError(msg)


# How many

DEFAULT: Final = 1_000
"""Rows a statement may write where nobody has set ``max_writes``."""

_VERBS: Final = {Action.INSERT: "insert", Action.UPDATE: "change", Action.DELETE: "remove"}


def limit_of(connection: int | None, source: int | None, *, stored: bool) -> int | None:
    """The limit in force; None for none.

    Args:
        connection: what the connection's user set.
        source: what the source's settings say.
        stored: rows go into a store on this machine, for which bulk imports are usual.
    """
    for given in (connection, source):
        if given is not None:
            return given
    return None if stored else DEFAULT


class Excess(NamedTuple):
    """A statement that wants to write more rows than it may.

    Attributes:
        statement: which.
        source: name of the source.
        table: name of its table.
        action: what would happen to the rows.
        limit: rows it may write.
        per_minute: rows that the service's quota lets it write in a minute; 0 if none is known.
    """

    statement: RunningStatement
    source: str
    table: str
    action: Action
    limit: int
    per_minute: int = 0

    def question(self, *, ended: bool) -> str:
        """The question that asks the user to allow the statement.

        Args:
            ended: the statement has told all of its rows, so their number is known.
        """
        limit = _spaced(self.limit)
        if ended:
            rows = f"{_spaced(self.statement.written)} rows to {self.source} (max_writes {limit})"
        else:
            rows = f"more than {limit} rows to {self.source}.{self.table} (max_writes)"
        return f"This statement would write {rows}.{self._time(ended=ended)} Send them?"

    def _time(self, *, ended: bool) -> str:
        """How long that takes at least, where the service limits it."""
        if not self.per_minute:
            return ""
        least = ceil((self.statement.written if ended else self.limit) / self.per_minute)
        about = "about" if ended else "more than"
        unit = "minute" if least == 1 else "minutes"
        quota = f"At the service's quota of {self.per_minute} per minute"
        return f" {quota}, it takes {about} {least} {unit}."

    def refusal(self) -> BudgetError:
        """The error when nobody allows it."""
        return BudgetError(
            f"The statement would {_VERBS[self.action]} more than {self.limit} rows of"
            f" {self.source}.{self.table} (max_writes). Nothing was written. Narrow the"
            " statement with WHERE, or raise max_writes."
        )


def _spaced(number: int) -> str:
    return f"{number:,}".replace(",", " ")
