"""An Apache Spark data source; needs the extra ``spark`` (pyspark 4.0 or later) and Java 17.

::

    from sessions_vtab.spark import register

    spark = register(spark)
    events = (
        spark.read.format("sessions")
        .option("url", "vertex://my-project/us-central1/42")
        .option("sessionsWhere", "update_time > datetime('now', '-1 day')")
        .load("events")
    )

Here are the options, and what the tasks of a batch read and of a stream do, without Spark; `source`
has the classes that Spark calls, and ``register``: only that imports pyspark. Conditions are
options, judged by this package: Spark 4.3 returns wrong rows for a Python source with
``pushFilters``, so there is none, and Spark filters what it reads. Options hold no credential;
executors find it in the provider's usual place.

A stream reads the sessions that changed between two offsets. An offset is the newest
``update_time`` of each source: the server's clock, which every appended event moves. The times of
events are the clients' and say nothing about what is new. So a changed session is read whole, and
rows come again that came before: at least once. A sink that merges by the table's key is right,
also when a batch is replayed; one that appends gets duplicates. Deleted rows stay until they are
removed by a comparison with the present keys.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from importlib import import_module
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

from sessions_vtab.contract import times
from sessions_vtab.contract.backend import Resource, Source
from sessions_vtab.contract.predicate import Op
from sessions_vtab.contract.scan import Order
from sessions_vtab.errors import ConfigurationError, UnsupportedError, did_you_mean
from sessions_vtab.scanning import read, schema_of, split
from sessions_vtab.scanning.parts import Part, PartCondition, opened, resolved, resource_of
from sessions_vtab.scanning.reading import pages
from sessions_vtab.scanning.rows import TableRead, condition
from sessions_vtab.scanning.splitting import followed_column, parent_of, parts_of_names
from sessions_vtab.settings import MOST_CONCURRENT, whole

if TYPE_CHECKING:
    from sessions_vtab.spark.source import SessionsDataSource, register

__all__ = ["OPTIONS", "SessionsDataSource", "register"]


OPTIONS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "url": "source URL or name, or a JSON list of several whose tables become one",
        "path": "the table, also as load('events')",
        "where": "condition on the table, in SQL",
        "sessionsWhere": "condition on the sessions whose rows are read, in SQL",
        "columns": "comma-separated columns; default those of SELECT *",
        "sessionsPerPartition": "sessions of a partition; default 100",
        "concurrency": "requests in flight of one task; default 16",
        "requestsPerMinute": "limit of all tasks together; requires tasks",
        "tasks": "tasks that run at the same time, which share the limit",
        "overlap": "seconds that a stream looks back for sessions; default 300",
    }
)
"""What can be set, in any case, with its meaning."""

_SIZE, _CONCURRENCY, _OVERLAP = 100, 16, 300


@dataclass(frozen=True, slots=True)
class ReaderOptions:
    """The options of one read.

    Attributes:
        sources: by the text that named each, in order.
        table: name of the table.
        where: condition on the table; '' for none.
        sessions_where: condition on its sessions; None for none.
        columns: names of columns; None for those of ``SELECT *``.
        size: sessions of a partition.
        per_minute: limit of each task's requests per minute; None for none.
        overlap: seconds, see ``OPTIONS``.
    """

    sources: Mapping[str, Source]
    table: str
    where: str = ""
    sessions_where: str | None = None
    columns: tuple[str, ...] | None = None
    size: int = _SIZE
    per_minute: int | None = None
    overlap: int = _OVERLAP


def parsed(given: Mapping[str, str], *, speculation: bool | None = None) -> ReaderOptions:
    """The options of a read. Sources are looked up here, on the driver.

    Args:
        given: by name, in any case.
        speculation: whether Spark starts copies of slow tasks (``spark.speculation``); None where
            that is not known.

    Raises:
        ConfigurationError: an option is unknown, missing or wrong.
        UnknownNameError: there is no source of that name.
    """
    held = {name.lower(): value for name, value in given.items()}
    _refuse_unknown(held)
    for name in ("url", "path"):
        if not held.get(name):
            example = ".option('url', 'vertex://..')" if name == "url" else ".load('events')"
            raise _wrong(name, f"is missing; add {example}")
    concurrency = _number(held, "concurrency", _CONCURRENCY, most=MOST_CONCURRENT)
    sources = {one: replace(resolved(one), concurrency=concurrency) for one in _texts(held["url"])}
    return ReaderOptions(
        sources,
        held["path"],
        held.get("where", ""),
        held.get("sessionswhere"),
        tuple(map(str.strip, held["columns"].split(","))) if held.get("columns") else None,
        _number(held, "sessionsPerPartition", _SIZE),
        _share(held, speculation),
        _number(held, "overlap", _OVERLAP, least=0),
    )


def _refuse_unknown(held: Mapping[str, str]) -> None:
    known = {name.lower() for name in OPTIONS}
    for name in held:
        if name not in known:
            meant = did_you_mean(name, list(OPTIONS))
            raise ConfigurationError(
                f"The sessions data source has no option {name!r:.60}.{meant}"
                f" Options: {', '.join(OPTIONS)}."
            )


def _texts(url: str) -> tuple[str, ...]:
    if not url.lstrip().startswith("["):
        return (url,)
    try:
        urls: Any = json.loads(url)
    except ValueError:
        urls = None
    if not (isinstance(urls, list) and urls and all(isinstance(one, str) for one in urls)):
        raise _wrong("url", "must be a URL, or a JSON list of URLs")
    if len(set(urls)) < len(urls):
        raise _wrong("url", "contains one source twice")
    return tuple(urls)


def _number(
    held: Mapping[str, str], name: str, default: int, *, least: int = 1, most: int | None = None
) -> int:
    text = held.get(name.lower(), str(default)).strip()
    return whole(text, f"The option {name} of the sessions data source", least, most)


def _share(held: Mapping[str, str], speculation: bool | None) -> int | None:
    """The part of the limit that one task has."""
    if "requestsperminute" not in held:
        if "tasks" in held:
            raise _wrong("tasks", "requires requestsPerMinute, which the tasks share")
        return None
    if "tasks" not in held:
        raise _wrong("requestsPerMinute", "requires tasks, the number of tasks that share it")
    limit = _number(held, "requestsPerMinute", 0)
    tasks = _number(held, "tasks", 0)
    if limit < tasks:
        raise _wrong("requestsPerMinute", f"must be at least 1 for each of the {tasks} tasks")
    if speculation is None:
        raise _wrong(
            "requestsPerMinute",
            "requires sessions_vtab.spark.register(spark), which checks spark.speculation",
        )
    if speculation:
        raise _wrong(
            "requestsPerMinute",
            "cannot be kept while spark.speculation is on, because Spark then starts copies of"
            " tasks. Turn it off",
        )
    return limit // tasks


def _wrong(name: str, problem: str) -> ConfigurationError:
    return ConfigurationError(f"The option {name} of the sessions data source {problem}.")


def common_schema(options: ReaderOptions) -> Any:
    """The ``pyarrow.Schema`` of the table, with times in microseconds: Spark has no finer ones.

    Raises:
        ConfigurationError: the sources' tables have different columns.
        UnknownNameError: there is no such table or column.
    """
    schemas = {
        text: schema_of(source, options.table, options.columns, unit="us")
        for text, source in options.sources.items()
    }
    (first, schema), *others = schemas.items()
    for text, other in others:
        if other != schema:
            names = sorted({*schema.names} ^ {*other.names}) or schema.names
            raise ConfigurationError(
                f"{options.table} of {text} and of {first} differ in {', '.join(names):.200}."
                " Name the columns that both have with the option columns."
            )
    return schema


def parts(options: ReaderOptions) -> list[Part]:
    """The parts of all sources. One list of the sessions of each source is requested."""
    return [
        part
        for source in options.sources.values()
        for part in split(
            source, options.table, sessions_where=options.sessions_where, size=options.size
        )
    ]


def batches(part: Part, options: ReaderOptions) -> Iterator[Any]:
    """The rows of a part as ``pyarrow.RecordBatch`` objects."""
    yield from read(
        part,
        options.columns,
        where=options.where or None,
        requests_per_minute=options.per_minute,
        unit="us",
    )


_SECOND = 1_000_000_000


class Stream:
    """The offsets of a stream, and what lies between two of them.

    An offset has a canonical time for each source, by the text that named it; '' before the first
    session.

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


def __getattr__(name: str) -> Any:
    """Imports pyspark when it is first needed."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.source"), name)
