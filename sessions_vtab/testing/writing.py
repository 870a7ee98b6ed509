"""Whether what a backend declares of writes is so: INSERT, RETURNING, UPDATE, DELETE, OR IGNORE.

``check_writes`` writes one row of a table, changes it and removes it, as far as the backend
declares that, and reads it in between. It also compares the requests that a dry run shows with
those that are sent. The row is made from one that is there, or given as a ``Sample``; where rows
cannot be deleted, it stays.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any, Final
from unittest.mock import patch

from sessions_vtab.contract.backend import Request, Write
from sessions_vtab.contract.capability import Writes
from sessions_vtab.contract.model import ColumnType, places_of, quoted
from sessions_vtab.contract.predicate import Value
from sessions_vtab.contract.values import accept
from sessions_vtab.errors import ConflictError, SessionsError, UnsupportedError
from sessions_vtab.fetch import RequestSpec, Response, Sender
from sessions_vtab.testing.oracle import Known

_ID: Final = "kit-1"
_MADE: Final[Mapping[ColumnType, Sequence[Value]]] = {
    ColumnType.TEXT: ("kit", "kit 2"),
    ColumnType.JSON: ('{"kit":1}', '{"kit":2}'),
    ColumnType.TIME: ("2026-01-01 00:00:00.000000", "2026-01-02 00:00:00.000000"),
    ColumnType.BLOB: ("kit", "kit 2"),
    ColumnType.INTEGER: (7, 8),
    ColumnType.REAL: (1.5, 2.5),
    ColumnType.BOOLEAN: (1, 0),
}


@dataclass(frozen=True, slots=True)
class Sample:
    """A row that may be written.

    Attributes:
        values: column to value of an INSERT, with an id that no row has where one can be given.
        update: column to value of an UPDATE.
        kept: columns in which the service keeps something else than what is given.
    """

    values: Mapping[str, Value]
    update: Mapping[str, Value] = field(default_factory=dict)
    kept: frozenset[str] = frozenset()


def sample_of(known: Known) -> Sample:
    """A sample made of a row that is there, with an id of its own, or of the columns' types."""
    writes, table = known.resource.capability.writes, known.table
    model = dict(zip(table.names, known.rows[0], strict=False)) if known.rows else {}
    own = _own_id(known)

    def one(column: str, number: int) -> Value:
        others = (value for value in known.values(column) if value not in {None, model.get(column)})
        found = model.get(column) if number == 0 else next(others, None)
        return _MADE[table.column(column).type][number] if found is None else found

    named = {table.key, *table.templates}  # They follow from the ids.
    given = {
        name
        for name in writes.insert
        if name in writes.required or (model.get(name) is not None and name not in named)
    }
    values = {name: one(name, 0) for name in sorted(given - {own})}
    if own and table.column(own).type is ColumnType.INTEGER:
        values[own] = max((v for v in known.values(own) if isinstance(v, int)), default=0) + 1
    elif own:
        values[own] = _ID
    update = {name: one(name, 1) for name in sorted(writes.update - {own, *named})}
    return Sample(values, update)


def _own_id(known: Known) -> str:
    """The column of a row's own id, if an INSERT takes it; '' otherwise."""
    table = known.table
    template = table.templates.get("name", "")
    guesses = (*places_of(template)[-1:], f"{table.name.removesuffix('s')}_id", "id")
    insert = known.resource.capability.writes.insert
    return next((name for name in guesses if name in insert), "")


def wrong_writes(connection: Any, schema: str, known: Known, sample: Sample) -> list[str]:
    """What is wrong with the writes of a table, in words; nothing is raised."""
    return list(_Check(connection, schema, known, sample).run())


class _Check:
    def __init__(self, connection: Any, schema: str, known: Known, sample: Sample) -> None:
        self._connection = connection
        self._backend = connection.sources[schema].backend
        self._known, self._sample = known, sample
        self._table = f"{quoted(schema)}.{quoted(known.table.name)}"
        self._key = quoted(known.table.key)
        self._where = f"{schema}.{known.table.name}"
        self._columns = [one for one in known.columns() if not one.write_only]
        self._listable = any(not path.keys for path in known.resource.capability.paths)

    @property
    def _writes(self) -> Writes:
        return self._known.resource.capability.writes

    def run(self) -> Iterator[str]:
        if self._writes.insert and self._connection.in_transaction:
            yield (
                f"{self._where}: writes are sent at COMMIT, so they are checked outside a"
                " transaction. `with connect(..) as db` is one: use contextlib.closing."
            )
        elif self._writes.insert:
            yield from self._findings_of("INSERT", self._inserted)
        yield from self._refused()

    def _findings_of(self, action: str, check: Callable[[], Iterator[str]]) -> Iterator[str]:
        """What a step finds; an error of its statements is a finding, too."""
        try:
            yield from (f"{self._where}: {action}: {one}" for one in check())
        except SessionsError as error:
            yield f"{self._where}: {action} failed: {error} Give a Sample that it takes."

    # The steps, each on the row of the one before

    def _inserted(self) -> Iterator[str]:
        before = self._count()
        values = self._sample.values
        returned, wrong = self._sent(self._insert(), tuple(values.values()), returning=True)
        yield from wrong
        if len(returned) != 1:
            yield f"RETURNING has {len(returned)} rows, not 1"
            return
        row = returned[0]
        name = str(row[self._known.table.key])
        yield from self._holds(row, values)
        yield from self._as_read(name, row)
        yield from self._counted(before, 1)
        yield from self._findings_of("a second INSERT", lambda: self._again(name))
        if self._sample.update:
            yield from self._findings_of("UPDATE", lambda: self._updated(name))
        if self._writes.delete:
            yield from self._findings_of("DELETE", lambda: self._deleted(name, before))

    def _again(self, name: str) -> Iterator[str]:
        """A row whose id was given is there once, whatever is tried."""
        own = _own_id(self._known)
        if not own or str(self._sample.values.get(own)) not in name:
            return  # The service makes the name.
        values, row, before = tuple(self._sample.values.values()), self._read(name), self._count()
        self._connection.execute(self._insert(" OR IGNORE"), values)
        if self._read(name) != row or self._count() != before:
            yield "OR IGNORE changes the row that is there"
        with suppress(ConflictError):
            self._connection.execute(self._insert(), values)
        if self._read(name) != row or self._count() != before:
            yield "the row that is there is overwritten, or there are two"

    def _updated(self, name: str) -> Iterator[str]:
        before, count = self._read(name), self._count()
        update = self._sample.update
        sets = ", ".join(f"{quoted(column)} = ?" for column in update)
        text = f"UPDATE {self._table} SET {sets} WHERE {self._key} = ?"
        returned, wrong = self._sent(text, (*update.values(), name), returning=True)
        yield from wrong
        if len(returned) != 1:
            yield f"RETURNING has {len(returned)} rows, not 1"
            return
        yield from self._holds(returned[0], update)
        after = str(returned[0][self._known.table.key])
        yield from self._as_read(after, returned[0])
        yield from self._counted(count, 0)
        if before is not None:
            same = (
                column.name
                for column in self._columns
                if column.type is not ColumnType.TIME
                and column.name not in {*update, *self._sample.kept}
                and not column.derived
            )
            for column in same:
                if after == name and before[column] != returned[0][column]:
                    yield f"{column}, which was not set, is {returned[0][column]!r:.80}"

    def _deleted(self, name: str, before: int | None) -> Iterator[str]:
        text = f"DELETE FROM {self._table} WHERE {self._key} = ?"
        _, wrong = self._sent(text, (name,))
        yield from wrong
        if self._read(name) is not None:
            yield "the row is still there"
        yield from self._counted(before, 0)

    def _refused(self) -> Iterator[str]:
        """What is not declared sends nothing, and says so."""
        # Whether a column may be set is asked of a row that is there.
        key = self._known.table.key
        place = self._known.table.positions[key]
        names = [row[place] for row in self._known.rows if row[place] is not None] or ["none"]
        row = f"{self._table} WHERE {self._key} = ?"
        texts = [] if self._writes.delete else [f"DELETE FROM {row}"]
        free = (o.name for o in self._columns if o.name not in {*self._writes.update, key})
        column = next(free, None)
        if column is not None:
            sets = f"SET {quoted(column)} = '{_ID}'"
            texts.append(f"UPDATE {self._table} {sets} WHERE {self._key} = ?")
        for text in texts:
            with self._watched() as (writing, sent):
                try:
                    self._connection.execute(text, names[-1:] if "SET" in text else names[:1])
                    yield f"{self._where}: {text} is not declared, and not refused"
                except UnsupportedError:
                    pass
                except SessionsError as error:
                    yield f"{self._where}: {text} fails otherwise than as unsupported: {error}"
            if sent or writing:
                yield f"{self._where}: {text} is not declared, and sent"

    # What they look at

    def _sent(
        self, text: str, values: tuple[Value, ...], *, returning: bool = False
    ) -> tuple[list[dict[str, Value]], list[str]]:
        """The rows of a write, and where its requests differ from those that were shown before."""
        names = ", ".join(quoted(column.name) for column in self._columns)
        text = f"{text} RETURNING {names}" if returning else text
        with self._watched() as (writing, sent):
            rows = self._connection.execute(text, values).fetchall()
        shown = [request for write in writing for request in self._backend.preview(write)]
        wrong = []
        if writing and not shown:
            wrong.append("a dry run shows no request")
        elif sent and _plain(shown) != _plain(sent):
            wrong.append(
                f"a dry run shows {_plain(shown)!r:.300}, but {_plain(sent)!r:.300} is sent"
            )
        return [self._named(row) for row in rows], wrong

    @contextmanager
    def _watched(self) -> Iterator[tuple[list[Write], list[Request]]]:
        """Records the writes that reach the backend, and the requests that change something."""
        writing: list[Write] = []
        sent: list[Request] = []
        plain_send, own = Sender.send, vars(self._backend)
        send = self._backend.send

        def record(sender: Sender, call: RequestSpec) -> Response:
            if call.changes:
                sent.append(sender.client.preview(call))
            return plain_send(sender, call)

        def delivered(writes: Sequence[Write], context: Any) -> Any:
            writing.extend(writes)
            return send(writes, context)

        with patch.object(Sender, "send", record), patch.dict(own, {"send": delivered}):
            yield writing, sent

    def _insert(self, how: str = "") -> str:
        columns = ", ".join(map(quoted, self._sample.values))
        marks = ", ".join("?" * len(self._sample.values))
        return f"INSERT{how} INTO {self._table}({columns}) VALUES ({marks})"

    def _named(self, row: Sequence[Value]) -> dict[str, Value]:
        return dict(zip((column.name for column in self._columns), row, strict=True))

    def _read(self, name: str) -> dict[str, Value] | None:
        names = ", ".join(quoted(column.name) for column in self._columns)
        text = f"SELECT {names} FROM {self._table} WHERE {self._key} = ?"
        rows = self._connection.execute(text, (name,)).fetchall()
        return self._named(rows[0]) if rows else None

    def _count(self) -> int | None:
        if not self._listable:
            return None
        ((count,),) = self._connection.execute(f"SELECT count(*) FROM {self._table}")
        return int(count)

    def _counted(self, before: int | None, more: int) -> Iterator[str]:
        now = self._count()
        if before is not None and now != before + more:
            yield f"the table has {now} rows, not {before + more}"

    def _holds(self, row: Mapping[str, Value], given: Mapping[str, Value]) -> Iterator[str]:
        """Where a row has other values than were given."""
        for name, value in given.items():
            column = self._known.table.column(name)
            if name in self._sample.kept or name not in row:
                continue
            kept = None if value is None else accept(column, value, self._where)
            if row[name] != kept:
                yield f"{name} is {row[name]!r:.80}, not {value!r:.80}"

    def _as_read(self, name: str, row: Mapping[str, Value]) -> Iterator[str]:
        """Where RETURNING has other values than a read; it may lack some."""
        read = self._read(name)
        if read is None:
            yield f"{name!r:.120} is not found afterwards"
            return
        for column, value in row.items():
            if value is not None and column not in self._sample.kept and read[column] != value:
                yield f"RETURNING has {column} = {value!r:.80}, a read {read[column]!r:.80}"


def _plain(requests: Sequence[Request]) -> list[tuple[str, str, str | None]]:
    return [(one.method, one.url, one.body) for one in requests]
