"""``scopes`` of a source: which values its scope columns may take, enforced for every backend.

The engine wraps a backend whose source has ``scopes``. Conditions, resource names, written values
and arguments that name another scope are refused before the backend sees them, and a row of another
scope ends the statement, so that a backend which ignores ``scopes`` cannot get round them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, Self

from sessions_vtab.contract.backend import (
    Arguments,
    Backend,
    Context,
    Outcome,
    OutcomeState,
    Request,
    Resource,
    Routine,
    Source,
    Transaction,
    Write,
)
from sessions_vtab.contract.capability import Capability
from sessions_vtab.contract.model import Function, Table, parse_name
from sessions_vtab.contract.scan import Page, Row, Scan
from sessions_vtab.errors import ConfigurationError, InvalidValueError, SessionsError, did_you_mean


def scoped(backend: Backend, source: Source) -> Backend:
    """The backend itself, or one that stays within the source's ``scopes``.

    Raises:
        ConfigurationError: ``scopes`` names something that is not a scope column of the backend,
            which would leave the intended column free.
    """
    if not source.scopes:
        return backend
    known = dict.fromkeys(
        column.name
        for resource in backend.resources.values()
        for column in resource.table.columns
        if column.scope
    )
    for name in source.scopes:
        if name not in known:
            columns = ", ".join(known) or "none"
            raise ConfigurationError(
                f"Source {source.name}: scopes.{name:.40}: {backend.name} has no scope column of"
                f" that name.{did_you_mean(name, known)} Its scope columns: {columns}."
            )
    return _ScopedBackend(backend, _Scopes(source, backend.scope))


class _Scopes:
    """The values that are allowed, by scope column.

    Args:
        source: names the values.
        own: what the source's location gives, which is always allowed.
    """

    def __init__(self, source: Source, own: Mapping[str, str]) -> None:
        self.source = source.name
        self._given = source.scopes
        self._allowed = {
            name: frozenset((*values, own.get(name, values[0] if values else "")))
            for name, values in source.scopes.items()
        }

    def limited(self, table: Table) -> tuple[str, ...]:
        """The columns of a table that are limited."""
        return tuple(one.name for one in table.columns if one.scope and one.name in self._allowed)

    def allows(self, column: str, value: object) -> bool:
        """Whether a scope column may have a value."""
        return column not in self._allowed or str(value) in self._allowed[column]

    def require(self, column: str, value: object, where: str) -> None:
        """Raises InvalidValueError for a value that is not allowed in a scope column."""
        if not self.allows(column, value):
            raise InvalidValueError(
                f"{where}: {column} = {value!r:.80} is not allowed. The source's scopes allow only"
                f" {', '.join(self._given[column])}. Nothing was sent."
            )

    def require_name(self, table: Table, column: str, name: object, where: str) -> None:
        """Raises InvalidValueError for a resource name of a scope that is not allowed."""
        template = table.templates.get(column)
        found = None if template is None else parse_name(template, name)
        for place, value in (found or {}).items():
            self.require(place, value, where)


class _ScopedResource(Resource):
    """A table whose rows and conditions stay within the scopes.

    A table that enumerates the values of a scope column leaves others out without an error: a
    statement that lists them does not name them.
    """

    def __init__(self, inner: Resource, scopes: _Scopes) -> None:
        self.table = inner.table
        self._inner = inner
        self._scopes = scopes
        self._columns = scopes.limited(inner.table)
        self._where = f"{scopes.source}.{inner.table.name}"

    @property
    def capability(self) -> Capability:  # type: ignore[override]
        """That of the table itself, which may change."""
        return self._inner.capability

    def scan(self, scan: Scan, context: Context) -> Iterator[Page]:
        """See ``Resource.scan``."""
        if self._shows_nothing(scan):
            return
        places = [(self.table.positions[name], name) for name in self._columns]
        for page in self._inner.scan(self._checked(scan), context):
            rows = self._shown(page)
            for row in rows:
                for place, name in places:
                    if place < len(row) and row[place] is not None:
                        self._scopes.require(name, row[place], self._where)
            yield rows

    def preview(self, scan: Scan) -> Sequence[Request]:
        """See ``Resource.preview``."""
        return () if self._shows_nothing(scan) else self._inner.preview(self._checked(scan))

    def prefetch(self, scans: Sequence[Scan], context: Context) -> int | None:
        """See ``Resource.prefetch``."""
        allowed: list[tuple[int, Scan]] = []
        for place, scan in enumerate(scans):
            if self._shows_nothing(scan):
                continue
            try:
                allowed.append((place, self._checked(scan)))
            except InvalidValueError:
                continue  # The scan itself raises it.
        taken = self._inner.prefetch([scan for _, scan in allowed], context)
        return None if taken is None or taken == len(allowed) else allowed[taken][0]

    def _checked(self, scan: Scan) -> Scan:
        for name in self._columns:
            for value in scan.given(name) or ():
                self._scopes.require(name, value, self._where)
        for column in self.table.templates:
            for value in scan.given(column) or ():
                self._scopes.require_name(self.table, column, value, self._where)
        # The scope of each row is looked at, whatever the statement uses.
        used = scan.columns.union(self._columns, filter(None, (self.capability.enumerates,)))
        return replace(scan, columns=used, shape=None)

    def _shows_nothing(self, scan: Scan) -> bool:
        """Whether a statement asks only for rows that are not shown."""
        column = self.capability.enumerates
        given = scan.given(column) if column else None
        return given is not None and not any(self._scopes.allows(column, one) for one in given)

    def _shown(self, page: Page) -> list[Row]:
        rows = page if isinstance(page, list) else list(page)
        column = self.capability.enumerates
        if not column:
            return rows
        place = self.table.positions[column]
        return [row for row in rows if self._scopes.allows(column, row[place])]

    def require(self, write: Write) -> None:
        """Raises InvalidValueError for a write into a scope that is not allowed."""
        for column, value in write.values.items():
            if column in self._columns and value is not None:
                self._scopes.require(column, value, self._where)
            self._scopes.require_name(self.table, column, value, self._where)
        self._scopes.require_name(self.table, "name", write.key, self._where)


class _ScopedBackend(Backend):
    """A backend within the scopes of its source."""

    def __init__(self, inner: Backend, scopes: _Scopes) -> None:
        self._inner = inner
        self._scopes = scopes
        self._resources = {
            name: _ScopedResource(one, scopes) for name, one in inner.resources.items()
        }
        self.name = inner.name  # type: ignore[misc]  # As the backend that it stands for.
        self.about = inner.about  # type: ignore[misc]
        self.secret_ids = inner.secret_ids  # type: ignore[misc]
        self.reads_per_minute = inner.reads_per_minute  # type: ignore[misc]
        self.scope: Mapping[str, str] = inner.scope
        self.files: Sequence[str] = inner.files
        self.functions: Mapping[str, Function] = inner.functions
        self.transaction: Transaction | None = inner.transaction
        self.routines: Mapping[str, Routine] = {
            name: self._routine(name, one) for name, one in inner.routines.items()
        }

    @property
    def resources(self) -> Mapping[str, Resource]:  # type: ignore[override]
        """The tables, each within the scopes."""
        return self._resources

    @classmethod
    def open(cls, source: Source) -> Self:
        """A backend of this kind is made by ``scoped`` only."""
        raise AssertionError(source.name)

    def __getattr__(self, name: str) -> Any:
        """What a backend has beside the contract."""
        return getattr(self._inner, name)

    def describe(self) -> str:
        """See ``Backend.describe``."""
        return self._inner.describe()

    def notices(self) -> Sequence[str]:
        """See ``Backend.notices``."""
        return self._inner.notices()

    def apply(self, write: Write, context: Context) -> Outcome:
        """See ``Backend.apply``."""
        self._resources[write.table].require(write)
        return self._inner.apply(write, context)

    def send(self, writes: Sequence[Write], context: Context) -> Iterable[Outcome]:
        """See ``Backend.send``; nothing is sent where one row is not allowed."""
        refused = {write.number: error for write in writes if (error := self._error(write))}
        if not refused:
            return self._inner.send(writes, context)
        other = SessionsError("Not sent: another row names a scope that is not allowed.")
        return [
            Outcome(
                write,
                OutcomeState.NOT_SENT,
                key=write.key,
                error=refused.get(write.number, other),
            )
            # Those that say why come first, since the statement's error quotes the first.
            for write in sorted(writes, key=lambda write: write.number not in refused)
        ]

    def _error(self, write: Write) -> InvalidValueError | None:
        try:
            self._resources[write.table].require(write)
        except InvalidValueError as error:
            return error
        return None

    def preview(self, write: Write) -> Sequence[Request]:
        """See ``Backend.preview``."""
        self._resources[write.table].require(write)
        return self._inner.preview(write)

    def _routine(self, name: str, inner: Routine) -> Routine:
        where = f"{self._scopes.source}.{name}"

        def routine(arguments: Arguments, context: Context) -> Iterable[Row]:
            for value in arguments.values():
                for resource in self._resources.values():
                    self._scopes.require_name(resource.table, "name", value, where)
            return inner(arguments, context)

        return routine

    def close(self) -> None:
        """See ``Backend.close``."""
        self._inner.close()
