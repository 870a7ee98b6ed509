"""Copies of a source as plain tables in one SQLite file, or as Parquet files.

* `shape`: options; which tables and columns are copied, and how each is read
* `rows`: statements on the source, within the snapshot's budget
* `ddl`, `opening`, `work`: the file that is written, beside the one readers see
* `parquet`: the same as Parquet files

A snapshot is written into ``FILE.partial`` and takes its place when it is whole, so no reader sees
half of one. Every batch of sessions is committed there with a mark, so what was read before a kill
or an error is not read again. The next snapshot starts from a copy of the last: it lists the
sessions, and reads again the rows of those whose ``update_time`` is another one than at the last
reading, or was so young then that the service may not have shown everything.

A snapshot does not show one instant: sessions are listed first, their rows are read afterwards.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, closing, nullcontext
from dataclasses import dataclass
from math import ceil
from pathlib import Path
from typing import Any, Final, TypeAlias
from urllib.parse import urlsplit

import apsw

from sessions_vtab.connection import Connection, connect
from sessions_vtab.contract import times
from sessions_vtab.contract.backend import Source
from sessions_vtab.errors import BudgetError, ConfigurationError, InvalidValueError, no_source
from sessions_vtab.snapshot.opening import CopySource, open_work
from sessions_vtab.snapshot.rows import (
    Copying,
    ProgressCallback,
    SnapshotProgress,
    SourceReader,
)
from sessions_vtab.snapshot.shape import (
    DEFAULT_BUDGET,
    DEFAULT_OVERLAP,
    SnapshotOptions,
    plan_of,
)
from sessions_vtab.snapshot.work import Work, one_writer, require_regular
from sessions_vtab.sql.expression import check_condition, within
from sessions_vtab.vtab.host import OpenSource

__all__ = [
    "DEFAULT_BUDGET",
    "DEFAULT_OVERLAP",
    "Estimate",
    "SnapshotProgress",
    "SnapshotReport",
    "snapshot",
]


_MINUTE: Final = 60 * 1_000_000_000


@dataclass(frozen=True, slots=True)
class Estimate:
    """What comes next, before it is begun.

    Attributes:
        listing: the lists come next; false if they are done, and rows of sessions come next.
        sessions: sessions of the last snapshot for the lists; else those whose rows are to be read.
        requests: how many it will take at least; None if nothing is known of that.
        spent: requests made so far.
        limit: most that may be made in all.
        per_minute: requests per minute that are allowed; None if that is not known.
        documented: ``per_minute`` is the service's quota, not a setting of the source.
    """

    listing: bool
    sessions: int
    requests: int | None
    spent: int
    limit: int
    per_minute: int | None = None
    documented: bool = True


@dataclass(frozen=True, slots=True)
class SnapshotReport:
    """What a snapshot did.

    Attributes:
        path: the file.
        rows: rows it has now, by table.
        changed: rows that are new or other than in the last snapshot, by table.
        deleted: rows that are gone since then, by table.
        requests: HTTP requests made, without those of an earlier run that was cut off.
        seconds: time it took.
        incremental: it started from the last snapshot.
        resumed: it continued a run that was cut off.
    """

    path: Path
    rows: Mapping[str, int]
    changed: Mapping[str, int]
    deleted: Mapping[str, int]
    requests: int
    seconds: float
    incremental: bool = False
    resumed: bool = False


Confirm: TypeAlias = Callable[[Estimate], bool]
"""Whether to go on."""


def snapshot(  # noqa: PLR0913  # Each is an option of the command line too.
    source: Connection | str,
    path: str | Path,
    *,
    name: str | None = None,
    tables: Sequence[str] | None = None,
    where: str | None = None,
    without: Sequence[str] = (),
    full: bool = False,
    max_requests: int | None = None,
    overlap: float = DEFAULT_OVERLAP,
    progress: ProgressCallback | None = None,
    confirm: Confirm | None = None,
) -> SnapshotReport:
    """Copies a source into plain tables of one SQLite file, or brings such a copy up to date.

    Args:
        source: a source as ``connect`` takes it, or a connection.
        path: the file. If it is a snapshot of the same source, with the same tables and columns,
            only what changed is read.
        name: the source of the connection; its default source unless given.
        tables: names of tables; all of them unless given, but for what is made from others.
        where: condition on ``sessions`` (where there are none, on ``upload_sessions``), as SQL;
            what belongs to sessions follows those that are selected. Tables without a schema in
            its subqueries are the source's own.
        without: columns that are left out, and not fetched.
        full: read everything, and replace the file whatever source it is a snapshot of.
        max_requests: most HTTP requests; ``DEFAULT_BUDGET`` unless given. What was read within it
            is kept for the next run.
        overlap: minutes, see ``DEFAULT_OVERLAP``.
        progress: called now and then.
        confirm: asked before the lists are read and before the rows of sessions are, where that
            costs requests; false ends it.

    Raises:
        InvalidValueError: ``where`` is not an expression, or ``without`` names a column of the key.
        UnknownNameError: a source, table or column is not there.
        BudgetError: it takes more requests than it may make, or ``confirm`` said no.
        BusyError: another snapshot is being written to the file.
        StoreError: the file is not a snapshot or not a regular file, cannot be written, or the
            disk is full.
        SessionsError: what the source raises. Running it again continues.
    """
    options = SnapshotOptions(
        None if tables is None else tuple(tables),
        None if where is None else check_condition(where),
        tuple(without),
        full,
        DEFAULT_BUDGET if max_requests is None else max_requests,
        overlap,
    )
    if isinstance(source, Connection):
        connected: AbstractContextManager[Connection] = nullcontext(source)
    else:
        connected = closing(connect(source, read_only=True))
    with connected as connection:
        taken = _Snapshot(connection, _opened(connection, name), Path(path), options)
        return taken.take(progress or (lambda _: None), confirm or (lambda _: True))


class _Snapshot:
    """What one call of ``snapshot`` works with."""

    def __init__(
        self, connection: Connection, opened: OpenSource, path: Path, options: SnapshotOptions
    ) -> None:
        require_regular(path.expanduser())  # Resolved, the name of a pipe would be a free one.
        self._target = path.expanduser().resolve()
        _refuse_itself(opened.settings, self._target)
        self._options = options
        self._opened = opened
        backend = opened.backend
        named = {*backend.resources, *backend.routines}
        condition = within(options.where or "", opened.name, named)
        self._plan = plan_of(opened.name, backend.resources, options, condition)
        self._reading = SourceReader(connection, opened.name, options.max_requests)
        self._check_where()

    def take(self, progress: ProgressCallback, confirm: Confirm) -> SnapshotReport:
        began = time.perf_counter()
        now = times.now()
        horizon = times.to_text(now - int(self._options.overlap * _MINUTE))
        with one_writer(self._target):
            origin = _origin(self._opened.settings)
            work = open_work(self._target, origin, self._plan, self._options, times.to_text(now))
            try:
                copying = Copying(work, self._reading, horizon, progress)
                self._fill(work, copying, confirm)
                counts = work.finish(self._plan, times.to_text(times.now()), self._reading.spent)
                work.publish()
            finally:
                work.close()
        return SnapshotReport(
            self._target,
            counts,
            copying.changed,
            copying.deleted,
            self._reading.spent,
            time.perf_counter() - began,
            work.incremental,
            work.resumed,
        )

    def _fill(self, work: Work, copying: Copying, confirm: Confirm) -> None:
        """Copies everything; what it cost is remembered if it does not come to its end."""
        try:
            self._agree(confirm, self._lists(work))
            for listing in self._plan.listings:
                copying.copy_list(listing)
            copying.remove_orphans(self._plan)
            self._agree(confirm, self._rows(copying))
            for shape in self._plan.by_parent:
                copying.copy_rows(shape)
        except BaseException:
            work.leave(self._reading.spent)
            raise

    def _agree(self, confirm: Confirm, estimate: Estimate) -> None:
        if not self._plan.remote or estimate.requests == 0:
            return
        least = estimate.requests or 0
        # How long the lists are now is a guess.
        if not estimate.listing and least > self._reading.left:
            raise BudgetError(
                f"The snapshot of {self._opened.name} needs at least {least} more requests,"
                f" but may make only {self._reading.left} (max_requests {estimate.limit})."
                " Narrow it with a condition, or raise max_requests."
            )
        if not confirm(estimate):
            raise BudgetError(
                f"The snapshot was not started or not finished; {self._target} is unchanged."
                " The rows read so far are kept for the next run."
            )

    def _lists(self, work: Work) -> Estimate:
        """What the lists will take, if the last snapshot says how long they are."""
        known = work.counts(self._plan)
        pages: int | None = 0
        for listing in self._plan.listings:
            if listing.table not in known or listing.where or pages is None:
                pages = None
            elif listing.page_cap is not None:
                pages += max(1, ceil(known[listing.table] / listing.page_cap))
        sessions = sum(known.get(listing.table, 0) for listing in self._plan.listings)
        limit = self._options.max_requests
        return Estimate(True, sessions, pages, self._reading.spent, limit, *self._pace())

    def _rows(self, copying: Copying) -> Estimate:
        pending = [copying.pending(shape) for shape in self._plan.by_parent]
        remote = sum(
            count
            for count, shape in zip(pending, self._plan.by_parent, strict=True)
            if self._opened.backend.resources[shape.table].capability.remote
        )
        limit = self._options.max_requests
        read = max(pending, default=0)
        return Estimate(False, read, remote, self._reading.spent, limit, *self._pace())

    def _pace(self) -> tuple[int | None, bool]:
        """Requests per minute that are allowed, and whether the service documents them."""
        documented = self._opened.backend.reads_per_minute
        chosen = self._opened.settings.rate_limit.get("read")
        if chosen is None or (documented is not None and documented <= chosen):
            return documented, True
        return chosen, False

    def _check_where(self) -> None:
        """Has SQLite read the condition before anything is sent."""
        for listing in self._plan.listings:
            if listing.where:
                try:
                    self._reading.explain(listing.table, listing.where)
                except apsw.SQLError as error:
                    raise InvalidValueError(
                        f"The condition on {listing.table} cannot be used: {error}"
                    ) from error


def _opened(connection: Connection, name: str | None) -> OpenSource:
    chosen = connection.default if name is None else name
    opened = connection.sources.get(chosen)
    if opened is None:
        raise no_source(chosen, connection.sources)
    return opened


def _refuse_itself(settings: Source, target: Path) -> None:
    """A store cannot be replaced by its own copy."""
    try:
        same = bool(settings.location) and target.samefile(Path(settings.location).expanduser())
    except (OSError, ValueError):
        same = False
    if same:
        raise ConfigurationError(f"{target} is the source itself. Use another file.")


def _origin(settings: Source) -> CopySource:
    """What a snapshot says of its source: options that name credentials are left out."""
    kept = {
        key: _without_user(value) if key == "base_url" else value
        for key, value in sorted(settings.options.items())
        if not key.endswith(("_env", "_file"))
    }
    location = f"{settings.backend}://{settings.location}"
    if kept:
        location += "?" + "&".join(f"{key}={_text(value)}" for key, value in kept.items())
    return CopySource(settings.name, settings.backend, location)


def _without_user(url: Any) -> str:
    parts = urlsplit(str(url))
    return parts._replace(netloc=parts.netloc.rpartition("@")[2], query="", fragment="").geturl()


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, default=str, sort_keys=True)
