"""Tables as Daft data frames; needs the extra ``daft``.

::

    from sessions_vtab.daft import read_sessions

    events = read_sessions("vertex://my-project/us-central1/42", "events")
    events.groupby("author").agg(col("name").count()).show()

Columns, LIMIT and equality with ``session_id`` and ``user_id`` are taken from Daft's plan; every
other filter is Daft's own. Conditions for the service to narrow by are given as ``where`` and
``sessions_where``, in SQL.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from sessions_vtab.contract.backend import Source
from sessions_vtab.errors import missing_extra
from sessions_vtab.scanning import Part, schema_of, split
from sessions_vtab.scanning.parts import equal_to, resolved
from sessions_vtab.scanning.reading import read

try:
    from daft.expressions.visitor import PredicateVisitor
    from daft.io.source import DataSource, DataSourceTask
    from daft.recordbatch import RecordBatch
    from daft.schema import Schema
except ImportError:
    raise missing_extra("The Daft data source", "daft", "daft") from None


_KEYS: Final = ("session_id", "user_id")
"""Columns whose equality with a text is left to the source as well."""


def read_sessions(
    url: str | Source,
    table: str,
    *,
    where: str | None = None,
    sessions_where: str | None = None,
    columns: Sequence[str] | None = None,
    size: int = 100,
) -> Any:
    """A table as a ``daft.DataFrame``, read when the frame is.

    Args:
        url: a source URL, the name of a source in the configuration file, or settings.
        table: name of the table.
        where: condition on the table, as SQL.
        sessions_where: condition on the sessions whose rows are read, as SQL.
        columns: names of columns; those of ``SELECT *`` unless given.
        size: sessions of a task.

    Raises:
        UnknownNameError: there is no such source, table or column.
        SessionsError: when the frame is read, what the source raises.
    """
    return SessionsSource(url, table, where, sessions_where, columns, size).read()


@dataclass(eq=False, repr=False)
class SessionsSource(DataSource):
    """One table of one source. Arguments: as for ``read_sessions``."""

    url: str | Source
    table: str
    where: str | None = None
    sessions_where: str | None = None
    columns: Sequence[str] | None = None
    size: int = 100

    def __post_init__(self) -> None:
        """Raises UnknownNameError if there is no such source, table or column."""
        self._source = resolved(self.url)
        self._arrow = schema_of(self._source, self.table, self.columns)

    @property
    def name(self) -> str:
        """For plans that are shown: ``prod.events``."""
        return f"{self._source.name}.{self.table}"

    @property
    def schema(self) -> Any:
        """The declared schema."""
        return Schema.from_pyarrow_schema(self._arrow)

    async def get_tasks(self, pushdowns: Any) -> AsyncIterator[Any]:
        """A task for each part; the list of sessions is read here."""
        columns = self._columns(pushdowns)
        # Daft filters what it reads, so with a filter any number of rows may be needed.
        limit = pushdowns.limit if pushdowns.filters is None else None
        for part in self._parts(pushdowns.filters):
            yield _Task(part, columns, self.where, limit)

    def _columns(self, pushdowns: Any) -> list[str]:
        """Those that are wanted, and those that Daft filters by."""
        if pushdowns.columns is None:
            return list(self._arrow.names)
        used = {*pushdowns.columns, *pushdowns.filter_required_column_names()}
        return [name for name in self._arrow.names if name in used] or self._arrow.names[:1]

    def _parts(self, filters: Any) -> Iterable[Part]:
        equated = {} if filters is None else _Equalities().visit(filters)
        keys = {name: equated[name] for name in _KEYS if name in equated}
        if keys and self.sessions_where is None:
            return [Part(self._source, self.table, conditions=equal_to(keys))]
        return split(self._source, self.table, sessions_where=self.sessions_where, size=self.size)


@dataclass(eq=False, repr=False)
class _Task(DataSourceTask):
    """The rows of one part."""

    part: Part
    columns: list[str]
    where: str | None
    limit: int | None

    @property
    def schema(self) -> Any:
        """The schema of the columns that are read."""
        part = self.part
        return Schema.from_pyarrow_schema(schema_of(part.source, part.table, self.columns))

    async def read(self) -> AsyncIterator[Any]:
        """The rows, in batches; no more of them than a LIMIT wants."""
        for batch in read(self.part, self.columns, where=self.where, limit=self.limit):
            yield RecordBatch.from_arrow_record_batches([batch], batch.schema)


class _Equalities(PredicateVisitor):
    """The texts that a filter demands of columns, by column; what it cannot tell, it leaves out."""

    def visit_and(self, left: Any, right: Any) -> dict[str, str]:
        """Both hold."""
        return {**self.visit(left), **self.visit(right)}

    def visit_equal(self, left: Any, right: Any) -> dict[str, str]:
        """A column and a text, in either order."""
        column, literal = (left, right) if left.is_column() else (right, left)
        if not (column.is_column() and literal.is_literal()):
            return {}
        value = literal.as_py()
        return {column.column_name(): value} if isinstance(value, str) else {}

    def visit_function(self, name: str, args: list[Any]) -> dict[str, str]:  # noqa: ARG002
        """Any other function or operator."""
        return {}

    def _nothing(self, *_: Any) -> dict[str, str]:
        return {}

    visit_col = visit_lit = visit_alias = visit_cast = visit_coalesce = _nothing
    visit_or = visit_not = visit_not_equal = _nothing
    visit_less_than = visit_less_than_or_equal = _nothing
    visit_greater_than = visit_greater_than_or_equal = _nothing
    visit_between = visit_is_in = visit_is_null = visit_not_null = _nothing
