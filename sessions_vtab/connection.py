"""``connect()`` and ``register()``: sources, their tables and the statement rewriter together."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from functools import partial
from types import TracebackType
from typing import TYPE_CHECKING, Any, NamedTuple

import apsw

from sessions_vtab import registry
from sessions_vtab.config import Configuration, SourceLike, load
from sessions_vtab.contract.backend import Backend, Request, Source
from sessions_vtab.cursor import Cursor
from sessions_vtab.errors import ConfigurationError, SessionsError, UnsupportedError
from sessions_vtab.progress import Progress, ProgressWatch, ipython_line
from sessions_vtab.rewriter import StatementRewriter
from sessions_vtab.sql.lexer import StatementKind
from sessions_vtab.sql.names import OurTable
from sessions_vtab.vtab.host import Budget, OpenSource
from sessions_vtab.vtab.install import install, start
from sessions_vtab.vtab.logs import Audit
from sessions_vtab.vtab.modules import require_copyable
from sessions_vtab.vtab.statements import blame, blamed
from sessions_vtab.vtab.write_queue import Sending

if TYPE_CHECKING:  # The latter imports sqlglot, which many statements do not need.
    from _typeshed import ReadableBuffer as Buffer

    from sessions_vtab.sql.occurrences import Condition
    from sessions_vtab.vtab.looking import Look


class Tally(NamedTuple):
    """A moment between two statements.

    Attributes:
        changes: ``total_changes`` at that time.
        statements: how many statements had begun.
    """

    changes: int
    statements: int


# With SQLITE_OPEN_URI a file can be attached for reading only.
_FLAGS = apsw.SQLITE_OPEN_READWRITE | apsw.SQLITE_OPEN_CREATE | apsw.SQLITE_OPEN_URI

_STEPS = 100_000
"""SQLite steps between two calls of what looks at a statement while it runs: some milliseconds."""
_ALARM = "alarm"


class Connection(apsw.Connection):
    """A SQLite connection in memory, with the tables of the configured sources.

    Attributes:
        sources: the open sources by name.
        default: name of the source whose tables need no prefix.
        failed: why each source that could not be opened could not be, by name. A statement that
            names one of its tables raises that error. The default source is never among them.
        budget: limits of each statement of this connection.
    """

    sources: Mapping[str, OpenSource]
    default: str
    failed: dict[str, SessionsError]

    def __init__(
        self,
        configuration: Configuration,
        *,
        read_only: bool = False,
        dry_run: bool = False,
        progress: Callable[[Progress], object] | None = None,
    ) -> None:
        super().__init__(":memory:", flags=_FLAGS)
        self.default = configuration.default
        writes = not (read_only or dry_run)
        self._audit = _audit(configuration.audit) if writes else None
        self.failed = {}
        self.sources = open_sources(
            configuration.sources.values(),
            read_only=read_only,
            required=self.default,
            failed=self.failed,
        )
        self._host = install(
            self,
            self.sources,
            self.default,
            schema="main",
            read_only=read_only,
            dry_run=dry_run,
            audit=self._audit,
        )
        tell = progress or ipython_line()
        if tell is not None:
            watch = self._host.watch = ProgressWatch(self.progress, tell)
            self.set_progress_handler(watch, _STEPS, id=watch)
        self._host.failed = {name.lower(): error for name, error in self.failed.items()}
        self._rewriter = StatementRewriter(self._host)
        self.cursor_factory = partial(Cursor, host=self._host, rewriter=self._rewriter)
        try:
            start(self, configuration.views, configuration.init, configuration.file)
        except BaseException:
            self.close()
            raise

    @property
    def budget(self) -> Budget:
        """Limits of each statement; None leaves the limits of the sources in force."""
        return self._host.budget

    @property
    def statement_requests(self) -> int:
        """HTTP requests that the last text given to ``execute`` has made so far."""
        return self._host.requests - self._host.requests_before

    def tally(self) -> Tally:
        """The present moment, for ``changed_since``."""
        return Tally(self.total_changes(), self._host.statements.count)

    def changed_since(self, tally: Tally) -> int:
        """How many rows the statements after a moment have written.

        ``total_changes`` also counts rows that OR IGNORE or ON CONFLICT DO NOTHING left out: SQLite
        cannot be told, because a service says so only when a row is sent.
        """
        skipped = self._host.skipped.items()
        left_out = sum(count for statement, count in skipped if statement > tally.statements)
        return self.total_changes() - tally.changes - left_out

    @property
    def expected_requests(self) -> int | None:
        """About how many HTTP requests the running statement will make; None where unknown."""
        return self._host.expected_requests()

    @property
    def sending(self) -> Sending | None:
        """How far the writes of a COMMIT are, while another thread or a signal handler looks."""
        return self._host.sending

    def progress(self, elapsed: float) -> Progress:
        """How far the running statement is, while another thread or a callback looks.

        Args:
            elapsed: seconds since it began.
        """
        sending = self.sending
        if sending is not None and sending.total > 1:
            pace = time.perf_counter() - sending.started
            return Progress(sending.answered, sending.total, "write", elapsed, pace)
        done, total = self.statement_requests, self.expected_requests
        known = total if total is not None and total > done else None
        return Progress(done, known, "request", elapsed, elapsed)

    @contextmanager
    def alarmed(self, alarm: Callable[[], bool]) -> Iterator[None]:
        """A block in which a function is called often while a statement runs.

        Args:
            alarm: called by the statement's own thread, while it waits for a service or SQLite
                computes. It may interrupt the statement, and returns false.
        """
        outer, self._host.alarm = self._host.alarm, alarm
        self.set_progress_handler(alarm, _STEPS, id=_ALARM)
        try:
            yield
        finally:
            self._host.alarm = outer
            self.set_progress_handler(outer, _STEPS, id=_ALARM)

    def target(self, statement: str) -> tuple[OurTable, str] | None:
        """The table that a statement writes to, with the action; None if it is not one of ours."""
        return self._rewriter.read(statement).target

    def statement_kinds(self, statements: str) -> tuple[StatementKind, ...]:
        """What each statement of a text is, told without running it."""
        return tuple(one.kind for one in self._rewriter.read(statements).statements)

    def parameters(self, statements: str) -> tuple[str | None, ...]:
        """The parameters of a text: names as written, such as ``:user``; None for a bare ``?``."""
        steps = self._rewriter.read(statements).steps
        return tuple(
            step.numbering.names[number - 1]
            for step in steps
            for number in sorted(step.numbering.used)
        )

    def clear_logs(self) -> None:
        """Empties ``http_requests`` and ``writes``, so that no other user can read them."""
        self._host.logs.requests.clear()
        self._host.logs.writes.clear()

    def preview(self, query: str, bindings: Any = None) -> list[tuple[str, Request]]:
        """The requests that a statement would begin with, without sending any.

        Args:
            query: one SELECT, or a write to one of our tables. The inner sides of joins are not
                reached, nor are the rows that a write finds by reading: their keys are not known
                before the outer side is read.
            bindings: as for ``execute``.

        Returns:
            ``source.table`` and request, in the order SQLite reads the tables; then, for rows the
            statement itself has, ``source.table insert`` and the request that writes one. With
            LIMIT, at most these: lists after the first are read only as far as rows are wanted.
            Of a query that makes more than 2 000 reads, the first.

        Raises:
            UnsupportedError: the statement is neither.
        """
        return self.look(query, bindings).shown

    def look(self, query: str, bindings: Any = None) -> Look:
        """As ``preview``, with the reads behind the requests."""
        script = self._rewriter.read(query)
        if not script.reads and script.target is None:
            raise UnsupportedError(
                "Only a query, or a write to a sessions_vtab table, can be previewed."
            )
        with self.looking() as look, nullcontext() if script.target else look.bounded(self):
            for _ in self.execute(query, bindings):
                pass  # Rows that come from no table of ours: none is kept.
        return look

    @contextmanager
    def looking(self) -> Iterator[Look]:
        """Within the block statements are planned and started, and nothing is read or written."""
        from sessions_vtab.vtab.looking import Look  # noqa: PLC0415  # Loads the planner.

        look = self._host.explaining = Look()
        try:
            yield look
        finally:
            self._host.explaining = None

    def conditions(self, statement: str) -> Mapping[str, Sequence[Sequence[Condition]]]:
        """The conditions on each of our tables, by its alias, in the order of the text."""
        return self._rewriter.conditions(statement)

    def require_copyable(self, schema: str, what: str) -> None:
        """Raises UnsupportedError if a copy of a schema's pages would have none of its rows.

        Args:
            schema: the schema that would be copied, or copied into.
            what: the statement or command, for the error.
        """
        require_copyable(self._host, schema, what)

    def backup(
        self,
        databasename: str,
        sourceconnection: apsw.Connection | apsw.AsyncConnection,
        sourcedatabasename: str,
    ) -> apsw.Backup:
        """Copies another database into a schema of the user's own; see ``apsw``."""
        self.require_copyable(databasename, "backup()")
        return super().backup(databasename, sourceconnection, sourcedatabasename)

    def serialize(self, name: str) -> bytes:
        """The pages of a schema of the user's own; see ``apsw``."""
        self.require_copyable(name, "serialize()")
        return super().serialize(name)

    def deserialize(self, name: str, contents: Buffer) -> None:
        """Replaces a schema of the user's own by pages; see ``apsw``."""
        self.require_copyable(name, "deserialize()")
        super().deserialize(name, contents)

    def __repr__(self) -> str:
        """The sources by name, with their backends; the default comes first."""
        names = sorted(self.sources, key=lambda name: name != self.default)
        shown = ", ".join(f"{name} ({self.sources[name].backend.name})" for name in names)
        return f"<sessions_vtab.Connection {shown}>"

    def __exit__(
        self,
        etype: type[BaseException] | None,
        evalue: BaseException | None,
        etraceback: TracebackType | None,
    ) -> bool:
        """Commits, or rolls back if the block raised; an error of the commit is the service's own.

        APSW puts SQLite's words for it, "SQL logic error", in the place of that.
        """
        handled = sys.exc_info()[1]  # The block's, or that of a handler around it.
        try:
            return super().__exit__(etype, evalue, etraceback)
        except apsw.Error as error:
            refused = error.__context__
            if isinstance(refused, SessionsError) and refused not in (evalue, handled):
                raise refused from None
            raise

    def close(self, force: bool = False) -> None:
        """Closes the connection and what its sources hold; unsent writes are lost."""
        super().close(force)
        close_sources(self.sources.values())
        if self._audit is not None:
            self._audit.close()


def connect(
    url: str | None = None,
    *,
    sources: Mapping[str, SourceLike] | Sequence[str | Source] | None = None,
    default: str | None = None,
    config: str | os.PathLike[str] | None = None,
    read_only: bool = False,
    dry_run: bool = False,
    audit: str | os.PathLike[str] | None = None,
    progress: Callable[[Progress], object] | None = None,
) -> Connection:
    """A connection to one or more sources.

    Args:
        url: one source, such as ``local:///path/to/sessions.db``; without any, the user's
            configuration file decides, and without one the local store in the user's data folder.
        sources: further sources, as texts or as a mapping of names to texts or tables.
        default: name of the source whose tables need no prefix.
        config: the configuration file.
        read_only: refuse every write and every function with an effect. Files are attached for
            reading only.
        dry_run: writes answer with the requests they would make, and make none.
        audit: a file that every write is noted in; otherwise the configuration file's ``audit``.
        progress: told some times a second how far a statement is that takes longer than one.
            Without it, IPython and notebooks show a line.

    Where one of several sources cannot be opened, and it is not the default, the others work: see
    ``Connection.failed``.

    Raises:
        ConfigurationError: naming the setting that is wrong.
    """
    configuration = load(url, sources, default, config)
    if audit is not None:
        configuration = configuration._replace(audit=os.fspath(audit))
    return Connection(configuration, read_only=read_only, dry_run=dry_run, progress=progress)


def register(
    connection: apsw.Connection,
    url: str | None = None,
    *,
    sources: Mapping[str, SourceLike] | Sequence[str | Source] | None = None,
    default: str | None = None,
    config: str | os.PathLike[str] | None = None,
    read_only: bool = False,
) -> Mapping[str, OpenSource]:
    """Puts the tables of sources into an APSW connection of the user's own.

    Nothing is written into the connection's files: every source is an attached in-memory schema,
    and the default's tables are also in ``temp``, except those whose name ``main`` has taken. Of
    the configuration file, ``audit`` holds here too; views and ``init`` do not. Statements do not
    pass the statement rewriter: SELECT gives right rows with less pushdown, RETURNING echoes what
    was sent, functions with an effect are for statements of their own, and BEGIN IMMEDIATE locks a
    local store at its first write, not at once. For the hints in errors of SQLite, cursors made
    from now on are of a subclass of ``apsw.Cursor``, unless the connection's ``cursor_factory``
    was set before.

    Returns:
        The open sources by name; close their backends when the connection is closed.

    Raises:
        ConfigurationError: a setting is wrong, the connection has sources already, or a database
            of a source's name. The connection is as it was.
    """
    configuration = load(url, sources, default, config)
    opened = open_sources(configuration.sources.values(), read_only=read_only)
    try:
        host = install(
            connection,
            opened,
            configuration.default,
            schema="temp",
            read_only=read_only,
            audit=None if read_only else _audit(configuration.audit),
        )
    except BaseException:
        close_sources(opened.values())
        raise
    from sessions_vtab.hints import Registered, hint  # noqa: PLC0415  # connect() needs neither.

    hint(Registered(connection, opened, configuration.default, host.statements.unnumbered))
    return opened


def _audit(path: str | None) -> Audit | None:
    return None if path is None else Audit(path)


def open_sources(
    settings: Iterable[Source],
    *,
    read_only: bool,
    required: str = "",
    failed: dict[str, SessionsError] | None = None,
) -> dict[str, OpenSource]:
    """The sources in use; on a read-only connection a store's file is not made or changed.

    Args:
        settings: of the sources.
        read_only: see ``Source.read_only``.
        required: name of the source that has to be opened.
        failed: gets the errors of the others; None: all have to be opened.

    Raises:
        ConfigurationError: naming the source and its setting; those opened so far are closed.
    """
    opened: dict[str, OpenSource] = {}
    try:
        for one in settings:
            source = replace(one, read_only=True) if read_only else one
            try:
                opened[source.name] = OpenSource(source, _opened(source))
            except SessionsError as error:
                if failed is None or source.name == required:
                    raise
                failed[source.name] = error
    except BaseException:
        close_sources(opened.values())
        raise
    return opened


def _opened(source: Source) -> Backend:
    """The backend of a source; what it did not mean to raise is a configuration that cannot be."""
    try:
        return registry.opened(source)
    except SessionsError:
        raise
    except Exception as error:
        blame(error, source.backend, f"{source.name}: open")
        raise ConfigurationError(f"Source {source.name}: {blamed(error)}") from error


def close_sources(sources: Iterable[OpenSource]) -> None:
    """Closes the backends of sources."""
    for source in sources:
        source.backend.close()
