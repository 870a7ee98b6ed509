"""Query shapes for any one table, made from its columns, as ``shapes`` has them for sessions.

They need a key and one column with values; where a column repeats values, joins and groups have
something to find.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from sessions_vtab.contract.model import quoted
from sessions_vtab.testing.known import Known
from sessions_vtab.testing.oracle import Comparison
from sessions_vtab.testing.shapes import Shape

__all__ = ["own_shapes"]

_ORDERED: Final = (
    "SELECT {key} FROM {table} ORDER BY {key}",
    "SELECT {key} FROM {table} ORDER BY {key} DESC LIMIT 4 OFFSET 2",
    "SELECT {key} FROM {table} WHERE {column} IS NOT NULL ORDER BY {key} LIMIT 5",
    "SELECT {key}, {column} FROM {table} ORDER BY {column} DESC, {key} LIMIT 7",
    "SELECT {key}, row_number() OVER (ORDER BY {key}) FROM {table} ORDER BY 2",
)
_OTHERS: Final = (
    "SELECT count(*), count({column}), count(DISTINCT {column}) FROM {table}",
    "SELECT DISTINCT {column} FROM {table}",
    "SELECT {column}, count(*) FROM {table} GROUP BY {column} HAVING count(*) > 1",
    "SELECT {key} FROM {table} WHERE {column} IS NULL",
    "SELECT {key} FROM {table} WHERE {column} = (SELECT min({column}) FROM {table})",
    "SELECT {key} FROM {table} WHERE {column} <> (SELECT max({column}) FROM {table})",
    "SELECT {key} FROM {table} WHERE NOT ({column} = (SELECT max({column}) FROM {table}) OR 0)",
    "SELECT {key} FROM {table} WHERE {key} IN (SELECT max({key}) FROM {table} GROUP BY {column})",
    (
        "SELECT {key} FROM {table} AS a WHERE EXISTS"
        " (SELECT 1 FROM {table} AS b WHERE b.{column} = a.{column} AND b.{key} <> a.{key})"
    ),
    "SELECT a.{key}, b.{column} FROM {table} AS a JOIN {table} AS b ON b.{key} = a.{key}",
    (
        "SELECT a.{key}, b.{key} FROM {table} AS a"
        " LEFT JOIN {table} AS b ON b.{column} = a.{column} AND b.{key} > a.{key}"
    ),
    "SELECT {key} FROM {table} UNION ALL SELECT {column} FROM {table}",
    "WITH w AS (SELECT {key}, {column} FROM {table}) SELECT count(*) FROM w AS a, w AS b",
)


def own_shapes(known: Known) -> Iterator[Shape]:
    """The shapes of a table whose rows are known: its key beside the column that repeats most."""
    table, key = known.table, known.table.key
    counted = {
        column.name: len({value for value in known.values(column.name) if value is not None})
        for column in known.columns()
        if column.name != key
    }
    filled = [name for name, count in counted.items() if count]
    column = min(filled, key=lambda name: (counted[name] < 2, counted[name]), default=key)  # noqa: PLR2004
    names = {"table": f"{{{table.name}}}", "key": quoted(key), "column": quoted(column)}
    for how, texts in ((Comparison.SEQUENCE, _ORDERED), (Comparison.MULTISET, _OTHERS)):
        for number, text in enumerate(texts, 1):
            name = f"{table.name}-{how.name.lower()}-{number:02d}"
            yield Shape(name, text.format(**names), compare=how)
