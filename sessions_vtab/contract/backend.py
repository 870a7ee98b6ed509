"""The classes a backend implements, and what they are given: a ``Source``, rows to write.

A ``Backend`` has ``Resource`` tables and functions. It is found by name through ``registry``; it is
made from the settings of a source, declares what it can do, and answers scans and writes. It never
sees SQLite.
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
from dataclasses import dataclass, field, fields
from enum import StrEnum
from types import MappingProxyType
from typing import Any, ClassVar, Protocol, Self, TypeAlias

from sessions_vtab.contract.capability import Capability
from sessions_vtab.contract.functions import FUNCTIONS
from sessions_vtab.contract.model import Function, Table
from sessions_vtab.contract.predicate import Value
from sessions_vtab.contract.scan import Page, Row, Scan
from sessions_vtab.contract.values import dump_json
from sessions_vtab.errors import SessionsError, UnsupportedError


class Action(StrEnum):
    """What happens to the row."""

    INSERT = "insert"
    UPDATE = "update"
    DELETE = "delete"


class OutcomeState(StrEnum):
    """What is known about a write; the words of the column ``writes.outcome``."""

    SENT = "sent"
    FAILED = "failed"
    UNKNOWN = "unknown"
    SKIPPED = "skipped"
    NOT_SENT = "not sent"
    SENT_THEN_ROLLED_BACK = "sent although rolled back"


@dataclass(frozen=True, slots=True)
class Write:
    """One row to insert, update or delete.

    Attributes:
        number: place in the order of all writes of the connection.
        statement: number of the statement it came from.
        table: the table's name.
        action: what happens.
        key: the row's name; None for an INSERT whose name the server makes.
        values: INSERT: the columns that are not NULL; UPDATE: the columns that change; canonical
            texts of times, minified JSON.
        ignore: INSERT OR IGNORE: a row that exists already is skipped.
        returning: the outcome has to carry the row (RETURNING). Where the service does not answer
            with it, that costs a request; false saves it.
        row: which of the statement's rows it is, from 1.
    """

    number: int
    statement: int
    table: str
    action: Action
    key: str | None
    values: Mapping[str, Value]
    ignore: bool = False
    returning: bool = True
    row: int = 1


@dataclass(frozen=True, slots=True)
class Request:
    """A request that a write would send, for people.

    Attributes:
        method: HTTP method, or what a store would do.
        url: where, without secrets; a store names the row.
        body: JSON text; None for no body.
    """

    method: str
    url: str
    body: str | None = None


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a write.

    Attributes:
        write: the write.
        state: what is known.
        row: the row as the server has it now (INSERT, UPDATE), where it said so.
        key: the row's name as the server has it.
        error: why it failed, or why nothing is known.
        http_status: status of the answer, where there was one.
        elapsed_ms: milliseconds from sending to the answer.
        response: the answer's body as JSON, where it is more than the row.
    """

    write: Write
    state: OutcomeState
    row: Row | None = None
    key: str | None = None
    error: SessionsError | None = None
    http_status: int | None = None
    elapsed_ms: float | None = None
    response: str | None = None


@dataclass(frozen=True, slots=True)
class Source:
    """Settings of one source, from ``config``.

    It holds no secret: those are named by ``api_key_env`` and the like.

    Attributes:
        name: what SQL calls it: the schema its tables are in.
        backend: the backend's name.
        location: what a URL has between ``backend://`` and ``?``, percent-decoded: a project path,
            a workspace, a file. Empty where there is none.
        options: the backend's own settings by name, not validated yet.
        read_only: writes and functions with side effects are refused.
        max_writes: most rows one statement may write; None if nobody has set it: then as many as
            the engine allows (1 000 for a service, any number for a store on this machine).
        max_requests: most HTTP requests one statement may make.
        scopes: values that scope columns may take in WHERE, by column; absent columns are free.
        cache_ttl: seconds an answer may be reused across statements; 0 for never.
        rate_limit: requests a minute, by class of request (``read``, ``write``, ``append``).
        timeout: seconds to wait for an answer, from the first byte sent to the last one received.
        concurrency: requests in flight at once.
        max_response_mb: most megabytes (of 1 000 000 bytes) of one answer, decompressed.
        from_file: it was read from the user's own configuration file. Only then may a credential
            it names go to a ``base_url`` that is neither the provider's own host nor loopback.
        implementation: the backend's class, where a program gave that instead of a name.
        transport: where requests go instead of the network, in tests; an ``httpx.BaseTransport``.
    """

    name: str
    backend: str
    location: str = ""
    options: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))
    read_only: bool = False
    max_writes: int | None = None
    max_requests: int = 10_000
    scopes: Mapping[str, tuple[str, ...]] = field(default_factory=lambda: MappingProxyType({}))
    cache_ttl: float = 0.0
    rate_limit: Mapping[str, int] = field(default_factory=lambda: MappingProxyType({}))
    timeout: float = 30.0
    concurrency: int = 16
    max_response_mb: int = 64
    from_file: bool = False
    implementation: Any = field(default=None, repr=False, compare=False)
    transport: Any = field(default=None, repr=False, compare=False)

    def __reduce__(self) -> tuple[Callable[[dict[str, Any]], Source], tuple[dict[str, Any]]]:
        """Read-only mappings cannot be pickled; a source has to be, to be read elsewhere."""
        return _restored, ({one.name: _plain(getattr(self, one.name)) for one in fields(self)},)


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _plain(held) for key, held in value.items()}
    return value


def _restored(settings: dict[str, Any]) -> Source:
    return Source(**{key: _sealed(value) for key, value in settings.items()})


def _sealed(value: Any) -> Any:
    """Read-only again, as ``config`` hands settings over."""
    return MappingProxyType(value) if isinstance(value, dict) else value


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

    def prefetch(self, scans: Sequence[Scan], context: Context) -> int | None:  # noqa: ARG002
        """Starts reads that will probably be asked for soon, without waiting for them.

        The same ``Scan`` given to ``scan`` later picks the answer up. What is not picked up is
        dropped when the statement ends. Doing nothing is right, and slower.

        Returns:
            How many of them were taken, from the first on: the others are given again, later, if
            they are still wanted. None for all.
        """
        return None


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
