"""Commands that write a file: ``snapshot``, ``report``, and ``extension`` with its catalog.

The first two read a source as a whole, and say first what that costs.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import apsw

from sessions_vtab.cli.arguments import UNASKED
from sessions_vtab.cli.display import Failed, counted, duration, escaped, is_terminal, seconds
from sessions_vtab.cli.pages import TOPICS, Grid
from sessions_vtab.cli.streams import output
from sessions_vtab.cli.terminal import ProgressLine, ask
from sessions_vtab.columnar import require_pyarrow
from sessions_vtab.connection import Connection
from sessions_vtab.contract.model import quoted
from sessions_vtab.errors import BusyError, ConfigurationError, SessionsError
from sessions_vtab.extension import load, loadable_path
from sessions_vtab.progress import EVERY
from sessions_vtab.report import report
from sessions_vtab.snapshot import Estimate, SnapshotProgress, SnapshotReport, snapshot
from sessions_vtab.snapshot.parquet import write_parquet

_EXAMPLE: Final = 10_000
"""Sessions, where it is not known yet how many there are."""
_EXAMPLE_REQUESTS: Final = _EXAMPLE + _EXAMPLE // 100
"""One for each, and one for each page of their list."""


def take(arguments: argparse.Namespace, connection: Connection) -> int:
    """Takes the snapshot that was asked for; returns the exit status."""
    left = Path(arguments.file + ".partial").expanduser()
    screen = _Screen(connection.default, arguments.file, ask=not arguments.yes, left=left)
    with screen.shown() as end_line:
        if arguments.parquet is not None:
            require_pyarrow("Parquet")
        taken = snapshot(
            connection,
            arguments.file,
            tables=arguments.tables,
            where=arguments.where,
            without=arguments.without,
            full=arguments.full,
            max_requests=arguments.max_requests,
            overlap=arguments.overlap,
            progress=screen.progress,
            confirm=screen.confirm,
        )
        end_line()
        print(_summary(taken))
        if arguments.parquet is not None:
            for path in write_parquet(taken.path, Path(arguments.parquet).expanduser()):
                print(escaped(str(path)))
    return 0


def write(arguments: argparse.Namespace, connection: Connection) -> int:
    """Writes the report that was asked for; returns the exit status."""
    screen = _Screen(connection.default, arguments.output, ask=not arguments.yes)

    def confirm(estimate: Estimate) -> bool:
        few = estimate.listing or (estimate.requests or 0) <= UNASKED
        return few or screen.confirm(estimate)

    with screen.shown():
        made = report(
            connection,
            texts=arguments.texts,
            since=arguments.since,
            users=arguments.users,
            sql=arguments.sql,
            max_requests=arguments.max_requests,
            progress=screen.progress,
            confirm=confirm,
        )
    with output(arguments.output) as file:
        file.write(made.html)
    said = "It contains what users said; " if arguments.texts else ""
    print(
        f"{escaped(arguments.output)}: {counted(made.sessions, 'session')},"
        f" {counted(made.events, 'event')}, {counted(made.requests, 'request')}."
        + (f" {said}--without-text leaves that out." if said else ""),
        file=sys.stderr,
    )
    return 0


class _Screen:
    """What a person sees on standard error meanwhile.

    Args:
        source: the source's name.
        file: the file as it was given.
        ask: whether to ask, where there is somebody.
        left: file that a run which is cut off goes on from; None if there is none.
    """

    def __init__(self, source: str, file: str, *, ask: bool, left: Path | None = None) -> None:
        self._source = source
        self._file = file
        self._ask = ask and is_terminal(sys.stderr) and is_terminal(sys.stdin)
        self._left = left
        self._line = ProgressLine()
        self._told = 0.0

    @contextmanager
    def shown(self) -> Iterator[Callable[[], None]]:
        """A block in which it is said how far it is; what fails there is ``Failed``."""
        try:
            with self._line.of_statement() as end_line:
                yield end_line
        except (SessionsError, apsw.Error) as error:
            lines = [f"Error: {escaped(str(error))}"]
            if not isinstance(error, BusyError):  # Then what is left is another snapshot's.
                lines += self._where_to_go_on()
            raise Failed("\n".join(lines)) from error
        except KeyboardInterrupt:
            for line in self._where_to_go_on():
                print(line, file=sys.stderr)
            raise

    def _where_to_go_on(self) -> Iterator[str]:
        if self._left is not None and self._left.exists():
            yield escaped(
                f"{self._left} contains the rows read so far. Run the same command again to"
                " continue."
            )

    def confirm(self, estimate: Estimate) -> bool:
        """Says what comes next and what it costs; asks before what costs most."""
        self._line.clear()
        said = f"{self._announcement(estimate)}{_time_needed(estimate)}"
        print(escaped(said), file=sys.stderr)
        if estimate.listing or not self._ask:
            return True
        return ask("Continue?", usual=True)

    def _announcement(self, estimate: Estimate) -> str:
        limit = f"at most {counted(estimate.limit, 'request')} (--max-requests)"
        if estimate.listing and estimate.requests is None:
            return (
                f"{self._source} -> {self._file}: will list the sessions, then report how"
                f" many requests their rows need; {limit}."
            )
        if estimate.listing:
            return (
                f"{self._source} -> {self._file}: will list the sessions (about"
                f" {counted(estimate.requests or 0, 'request')}, as last time), then read"
                f" those that changed; {limit}."
            )
        return (
            f"{counted(estimate.sessions, 'session')} to read: at least"
            f" {counted(estimate.requests or 0, 'request')} more, in addition to"
            f" {estimate.spent} already made; {limit}."
        )

    def progress(self, progress: SnapshotProgress) -> None:
        """Shows how far it is, some times a second."""
        now = time.monotonic()
        if now - self._told >= EVERY:
            self._told = now
            self._line(_line(progress))


def _time_needed(estimate: Estimate) -> str:
    """A sentence on how long it takes at the requests per minute that are allowed."""
    if estimate.per_minute is None:
        return ""
    whose = "documented quota of the service" if estimate.documented else "source's rate_limit"
    at = f"{estimate.per_minute} requests per minute ({whose})"
    if estimate.requests is None:
        least = duration(_EXAMPLE_REQUESTS / estimate.per_minute)
        return f" At {at}, {_EXAMPLE} sessions take at least {least}."
    return f" At {at}, that takes at least {duration(estimate.requests / estimate.per_minute)}."


def _line(progress: SnapshotProgress) -> str:
    requests = counted(progress.requests, "request")
    if progress.total is None:
        return f"{progress.table}: {counted(progress.rows, 'row')}, {requests}"
    share = 100 * progress.done // max(progress.total, 1)
    sessions = f"{progress.done} of {counted(progress.total, 'session')} ({share} %)"
    return f"{progress.table}: {sessions}, {counted(progress.rows, 'row')}, {requests}"


def _summary(report: SnapshotReport) -> str:
    """One line a table, and what it took."""
    lines = []
    for table, count in report.rows.items():
        text = f"{table}: {counted(count, 'row')}"
        if report.incremental:
            changed, gone = report.changed.get(table, 0), report.deleted.get(table, 0)
            text += f", {changed} new or changed, {gone} deleted"
        lines.append(text)
    spent = f"{counted(report.requests, 'request')}, {seconds(report.seconds)}"
    begun = "resumed; " if report.resumed else ""
    return "\n".join([*lines, f"{escaped(str(report.path))}: {begun}{spent}"])


def show_extension(arguments: argparse.Namespace) -> int:
    """Prints the path alone, for ``$(..)``; on a terminal, what to type for each program, too.

    Raises:
        ExtensionMissingError: this installation is without the extension.
        SessionsError: the catalog file cannot be written.
    """
    path = loadable_path()
    if arguments.catalog:
        names = write_catalog(Path(arguments.catalog))
        print(f"{escaped(arguments.catalog)}: {', '.join(map(escaped, names))}")
        return 0
    print(path)
    if is_terminal(sys.stdout):
        (programs,) = (one for one in TOPICS["extension"].blocks if isinstance(one, Grid))
        width = max(len(name) for name, _ in programs.rows)
        for name, form in programs.rows:
            print(f"  {name:{width}}  {form.replace('PATH', str(path))}")
    return 0


def write_catalog(file: Path) -> list[str]:
    """Writes a file for tools that list ``main`` and nothing else: the tables of every source.

    They have the names that they have in ``temp``, and the file holds nothing else. A program that
    opens it needs the extension: without it, SQLite says ``no such module: sessions_vtab``.

    Returns:
        The names.

    Raises:
        ConfigurationError: the file exists, or cannot be written.
        ExtensionMissingError: this installation is without the extension.
        SessionsError: the sources cannot be opened.
    """
    if file.exists():
        raise ConfigurationError(f"{file} exists already. It was left unchanged. Give a new file.")
    connection = apsw.Connection(":memory:")
    try:
        load(connection)
        rows = connection.execute(
            "SELECT name, substr(sql, instr(sql, ' USING ')) FROM temp.sqlite_schema"
            " WHERE sql LIKE 'CREATE VIRTUAL TABLE % USING sessions_vtab(%' ORDER BY name"
        ).fetchall()
    except apsw.Error as error:
        raise SessionsError(str(error)) from None
    finally:
        connection.close()
    _write_tables(file, {str(name): str(using) for name, using in rows})
    return [str(name) for name, _ in rows]


def _write_tables(file: Path, tables: dict[str, str]) -> None:
    try:
        connection = apsw.Connection(str(file))
    except apsw.Error as error:
        raise ConfigurationError(f"{file} cannot be written: {error}.") from None
    try:
        load(connection)
        with connection:
            for name, using in tables.items():
                connection.execute(f"CREATE VIRTUAL TABLE main.{quoted(name)}{using}")
    except apsw.Error as error:
        raise ConfigurationError(f"{file} cannot be written: {error}.") from None
    finally:
        connection.close()
