"""A batch read: its schema, its partitions, and the rows of one. Without Spark."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from sessions_vtab.errors import ConfigurationError
from sessions_vtab.scanning import Part, read, schema_of, split
from sessions_vtab.spark.options import ReaderOptions

__all__ = ["TaskWork", "batches", "common_schema", "parts", "works"]


@dataclass(frozen=True, slots=True)
class TaskWork:
    """What one task reads; it can be pickled.

    Attributes:
        part: the rows.
        columns: names of the columns; None for those of ``SELECT *``.
        where: condition on the table; '' for none.
        per_minute: limit of its requests; None for none.
    """

    part: Part
    columns: tuple[str, ...] | None
    where: str
    per_minute: int | None


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


def works(options: ReaderOptions, found: list[Part]) -> list[TaskWork]:
    """What the tasks read, for these parts."""
    where, columns = options.where, options.columns
    return [TaskWork(part, columns, where, options.per_minute) for part in found]


def batches(work: TaskWork) -> Iterator[Any]:
    """The rows of a task as ``pyarrow.RecordBatch`` objects."""
    yield from read(
        work.part,
        work.columns,
        where=work.where or None,
        requests_per_minute=work.per_minute,
        unit="us",
    )
