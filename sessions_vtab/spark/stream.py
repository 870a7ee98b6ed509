"""What a stream reads: sessions that changed between two offsets. Without Spark.

An offset is the newest ``update_time`` of each source: the server's clock, which every appended
event moves. The times of events are the clients' and say nothing about what is new. So a changed
session is read whole, and rows come again that came before: at least once. A sink that merges by
the table's key is right, also when a batch is replayed; one that appends gets duplicates. Deleted
rows stay until they are removed by a comparison with the present keys.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing

from sessions_vtab.contract import times
from sessions_vtab.contract.backend import Resource
from sessions_vtab.contract.parents import followed_column, parent_of
from sessions_vtab.contract.predicate import Op
from sessions_vtab.contract.scan import Order
from sessions_vtab.contract.source import Source
from sessions_vtab.errors import UnsupportedError
from sessions_vtab.scanning.model import Part, PartCondition
from sessions_vtab.scanning.opening import opened, resource_of
from sessions_vtab.scanning.reading import pages
from sessions_vtab.scanning.rows import TableRead
from sessions_vtab.scanning.splitting import parts_of_names
from sessions_vtab.scanning.statement import condition
from sessions_vtab.spark.options import ReaderOptions

__all__ = ["Stream"]

_SECOND = 1_000_000_000


class Stream:
    """The offsets of a stream, and what lies between two of them.

    An offset has a canonical time for each source, by the text that named it; '' before the first
    session.

    Args:
        options: of the read.

    Raises:
        UnsupportedError: a source does not report which sessions changed.
    """

    def __init__(self, options: ReaderOptions) -> None:
        self._options = options
        self._changes = {
            text: _Changes(source, options) for text, source in options.sources.items()
        }

    def initial(self) -> dict[str, str]:
        """The offset before everything."""
        return dict.fromkeys(self._changes, "")

    def latest(self, start: Mapping[str, str]) -> dict[str, str]:
        """The offset of now, and never before ``start``: one request for each source."""
        return {
            text: max(changes.newest(), start.get(text, ""))
            for text, changes in self._changes.items()
        }

    def parts(self, start: Mapping[str, str], end: Mapping[str, str]) -> list[Part]:
        """The parts of what changed after ``start``, up to ``end``.

        Sessions that changed again after ``end`` are in the next batch. Those that changed shortly
        before ``start`` are read again: the service may have shown them late.
        """
        return [
            part
            for text, changes in self._changes.items()
            if end.get(text) and end[text] != start.get(text, "")
            for part in changes.between(start.get(text, ""), end[text])
        ]


class _Changes:
    """The sessions of one source that changed. Can be pickled."""

    def __init__(self, source: Source, options: ReaderOptions) -> None:
        self._source = source
        self._options = options
        with opened(source) as backend:
            resources = backend.resources
            table = resource_of(source, backend, options.table).table
        self._parent = parent_of(table.name, table.positions, resources)
        # Names alone: Spark pickles what reads a stream, which an open source cannot be.
        listed = resources[self._parent or table.name].table
        self._listed, self._key = listed.name, listed.key
        self._column = _changing(table.name, self._parent, resources)
        if not self._column:
            raise UnsupportedError(
                f"{source.name}.{table.name} cannot be read as a stream: the service does not"
                " report which sessions changed. Use spark.read."
            )
        self._order = (Order(self._column, descending=True),)
        self._where = ""
        if options.sessions_where is not None:
            self._where = condition(source, self._listed, options.sessions_where)

    def newest(self) -> str:
        """The time of the last change; '' if there are no sessions."""
        question = TableRead((self._column,), (), self._order, 1)
        with closing(pages(self._source, self._listed, question)) as found:
            return next((str(value) for page in found for (value,) in page if value), "")

    def between(self, low: str, high: str) -> Iterator[Part]:
        """The parts of the sessions that changed after ``low`` ('' for all), up to ``high``."""
        span = [PartCondition(self._column, Op.LE, (high,))]
        if low:
            earliest = times.require(low, "offset") - self._options.overlap * _SECOND
            span.append(PartCondition(self._column, Op.GT, (times.to_text(earliest),)))
        if not self._parent:
            yield Part(self._source, self._options.table, where=self._where, conditions=tuple(span))
            return
        names = self._names(span)
        yield from parts_of_names(self._source, self._options.table, names, self._options.size)

    def _names(self, span: Sequence[PartCondition]) -> Iterator[str]:
        question = TableRead((self._key,), tuple(span), self._order)
        with closing(pages(self._source, self._listed, question, self._where)) as found:
            for page in found:
                yield from (str(name) for (name,) in page)


def _changing(table: str, parent: str, resources: Mapping[str, Resource]) -> str:
    """The column of the sessions that changes with the table's rows; '' if there is none."""
    if parent:
        return followed_column(table, parent, resources)
    for name, resource in resources.items():
        if parent_of(name, resource.table.positions, resources) == table:
            followed = followed_column(name, table, resources)
            if followed:
                return followed
    return ""
