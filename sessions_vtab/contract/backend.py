"""The classes a backend implements: ``Backend``, its ``Resource`` tables and its functions.

A backend is found by name through ``registry``; it is made from validated settings, declares what
it can do, and answers scans and writes. It never sees SQLite.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import (
    Callable,
    Iterable,
    Iterator,
    Mapping,
    MutableMapping,
    Sequence,
)
from types import MappingProxyType
from typing import ClassVar, Protocol, Self, TypeAlias

from sessions_vtab.contract.capability import Capability
from sessions_vtab.contract.functions import FUNCTIONS
from sessions_vtab.contract.model import Function, Table
from sessions_vtab.contract.predicate import Value
from sessions_vtab.contract.scan import Page, Row, Scan
from sessions_vtab.contract.source import Source
from sessions_vtab.contract.values import dump_json
from sessions_vtab.contract.write import Outcome, Request, Write
from sessions_vtab.errors import UnsupportedError

Arguments: TypeAlias = Mapping[str, Value]
"""Arguments of a function by parameter name: canonical, without the NULL ones."""


class Context(Protocol):
    """What a backend may ask of the statement that is running.

    ``spend`` and ``record`` may be called from other threads, one call at a time; the rest only
    from the statement's own.
    """

    @property
    def statement(self) -> int:
        """Number of the statement within its connection, from 1."""

    @property
    def table(self) -> str:
        """The table or function that asks, for errors and logs."""

    @property
    def memory(self) -> MutableMapping[object, object]:
        """What backends keep for the rest of the statement, the same for all of its scans.

        The engine drops it when the statement ends; what is under way then is given up.
        """

    @property
    def writes(self) -> bool:
        """Whether what is read decides what is written.

        Then every read asks the service: an answer kept from an earlier statement will not do.
        """

    def interrupted(self) -> bool:
        """Whether the user wants the statement to stop. Waits look at it every 50 ms."""

    def when_more(self, start: Callable[[], None]) -> None:
        """Calls back as soon as the statement takes a second row of what this scan gives.

        Until then nothing is requested ahead: ``min()``, EXISTS and LIMIT 1 take one row. Called at
        once where that cannot be seen.
        """

    def spend(self, requests: int = 1) -> None:
        """Takes requests from the statement's budget; raises BudgetError when it is used up."""

    def record(self, request: Mapping[str, Value]) -> None:
        """Adds a row to ``http_requests``: column name to value, secrets already cut."""


Routine: TypeAlias = Callable[[Arguments, Context], Iterable[Row]]
"""Implementation of a function: rows in the order of ``Function.results``."""


class Resource(ABC):
    """One table of one backend."""

    table: Table
    capability: Capability

    @abstractmethod
    def scan(self, scan: Scan, context: Context) -> Iterator[Page]:
        """The pages of a read; the iterator is closed when no more rows are wanted.

        The rows of an unchanged table come in the same order in every run, whatever ``limit`` and
        the network do: tools page with LIMIT and OFFSET. ``fetch.Reader`` sees to that.

        Raises:
            SessionsError: naming source, table, call and hint.
        """

    def preview(self, scan: Scan) -> Sequence[Request]:
        """The requests a read begins with, without sending any; none where reading costs none.

        A key of the path that ``scan.where`` has no value for is shown as ``{key}``: a join will
        give it.
        """
        method, _, where = scan.path.call.partition(" ")
        return (Request(method, where),) if self.capability.remote else ()

    def prefetch(self, scans: Sequence[Scan], context: Context) -> None:  # noqa: B027
        """Starts reads that will probably be asked for soon, without waiting for them.

        The same ``Scan`` given to ``scan`` later picks the answer up. What is not picked up is
        dropped when the statement ends. Doing nothing is right, and slower.
        """


class Transaction(Protocol):
    """The transaction of a transactional backend's own store.

    Numbers of savepoints only grow. ``rollback_to`` keeps its savepoint; numbers that no longer
    exist are ignored.
    """

    def begin(self) -> None:
        """Starts a write transaction unless one is open; one that reads becomes it.

        Raises:
            BusyError: another connection has written since ``hold``, or holds the lock.
        """

    def hold(self) -> None:
        """From here until ``let_go``, ``commit`` or ``rollback``, reads see one state."""

    def let_go(self) -> None:
        """Ends what ``hold`` began; nothing happens where a write transaction is open."""

    def savepoint(self, number: int) -> None:
        """Marks the present state."""

    def rollback_to(self, number: int) -> None:
        """Returns to a mark and forgets later ones."""

    def release(self, number: int) -> None:
        """Forgets a mark and later ones; their changes stay."""

    def commit(self) -> None:
        """Makes the changes durable."""

    def rollback(self) -> None:
        """Undoes the changes since ``begin``."""


class Backend(ABC):
    """One API or store, for one configured source.

    Attributes:
        resources: the tables it has, by name.
        routines: the functions it has, by name.
        functions: their parameters, results and docs, by name; those that several backends share
            are in ``contract.functions.FUNCTIONS``.
        transaction: its store's transaction; None if writes are queued and sent at COMMIT.
        scope: what its scope columns are where a statement does not say, by column.
        endpoints: method and path that the setting ``routes`` can correct, by name.
        files: paths of files on this machine that hold its data.
    """

    name: ClassVar[str]
    """The backend's name in source URLs."""

    urls: ClassVar[tuple[str, ...]] = ()
    """The forms of a source's URL, for errors and the help; the first is the usual one."""

    about: ClassVar[str] = ""
    """What a user should know of the service before the first statement, for the help."""

    secret_ids: ClassVar[bool] = False
    """Whoever knows a session's id may use it: ids are kept out of the audit file."""

    reads_per_minute: ClassVar[int | None] = None
    """Read requests per minute that the service documents, for estimates; None if it does not."""

    resources: Mapping[str, Resource]
    routines: Mapping[str, Routine]
    functions: Mapping[str, Function] = FUNCTIONS
    transaction: Transaction | None = None
    scope: Mapping[str, str] = MappingProxyType({})
    endpoints: Mapping[str, str] = MappingProxyType({})
    files: Sequence[str] = ()

    @classmethod
    @abstractmethod
    def open(cls, source: Source) -> Self:
        """The backend for a configured source. Cheap: no request is made, no file is created.

        Raises:
            ConfigurationError: naming the setting that is wrong.
        """

    @abstractmethod
    def describe(self) -> str:
        """Where the data lives and whether a credential goes out, for the shell's banner."""

    def notices(self) -> Sequence[str]:
        """What makes the data look wrong, with a hint for each. Cheap: no request is made."""
        return ()

    def apply(self, write: Write, context: Context) -> Outcome:  # noqa: ARG002  # For overriding.
        """Writes one row at once, inside ``transaction``. Only transactional backends.

        Raises:
            SessionsError: nothing was written.
        """
        msg = f"{self.name}.{write.table} cannot be written."
        raise UnsupportedError(msg)

    def send(self, writes: Sequence[Write], context: Context) -> Iterable[Outcome]:  # noqa: ARG002
        """Sends queued writes, concurrently, in order within one session, parents first.

        Nothing is sent before the first outcome is asked for.

        Returns:
            An outcome for each write, in any order; errors are outcomes, not exceptions. The
            engine asks on after an exception of its own, such as a KeyboardInterrupt: an iterator
            that can go on then (``fetch.deliver``) sends nothing more and says what became of the
            rest; where it cannot, as a generator, the rest counts as unknown.

        Raises:
            SessionsError: by the call itself: nothing will be sent.
        """
        msg = f"{self.name} does not support writes."
        raise UnsupportedError(msg)

    def preview(self, write: Write) -> Sequence[Request]:
        """The requests a write would send, without sending any."""
        where = write.key or f"{write.table} (name assigned when it is written)"
        body = dump_json(dict(write.values)) if write.values else None
        return (Request(write.action.value, where, body),)

    def close(self) -> None:
        """Releases what is held: files, sockets, threads. May be called twice."""
        return
