"""Whether the rows of a table come in one order, as they do in SQLite.

A tool that pages with LIMIT and OFFSET, a window without a total order and ``group_concat`` all
rely on it, although SQL does not promise it. ``check_order`` asks for the rows of one access path
again and again, in pages, sorted by columns with ties, numbered and concatenated, and compares the
order. Give it a ``disturb`` that changes how the service answers from statement to statement: which
answers are late, for instance.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from math import ceil
from operator import itemgetter
from typing import Any, Final
from unittest.mock import patch

from sessions_vtab.contract.backend import Context
from sessions_vtab.contract.capability import AccessPath
from sessions_vtab.contract.model import quoted
from sessions_vtab.contract.predicate import Value
from sessions_vtab.contract.scan import Page, Scan
from sessions_vtab.testing.oracle import Known

_PAGES: Final = 4
_MOST_KEYS: Final = 20


def check_order(
    connection: Any,
    schema: str,
    known: Known,
    path: AccessPath,
    disturb: Callable[[], None] = lambda: None,
) -> int:
    """Asks for the rows of a path in every way that shows their order.

    Args:
        connection: whose statements are asked.
        schema: name of the source.
        known: the table and its rows.
        path: the way to read it; its keys get the values that are known.
        disturb: called before each statement.

    Returns:
        How many rows the path has.

    Raises:
        AssertionError: two statements have the rows in different orders.
    """
    table = f"{quoted(schema)}.{quoted(known.table.name)}"
    key = quoted(known.table.key)
    where, values = of_keys(known, path)

    def ask(selected: str, tail: str) -> list[tuple[Any, ...]]:
        disturb()
        found = connection.execute(f"SELECT {selected} FROM {table} {where} {tail}", values)
        rows: list[tuple[Any, ...]] = found.fetchall()
        return rows

    count = 0
    for order in _orders(known):
        whole = [row[0] for row in ask(key, order)]
        count = len(whole)
        size = max(1, ceil(count / _PAGES))
        paged = [
            row[0]
            for at in range(0, count + 1, size)
            for row in ask(key, f"{order} LIMIT {size} OFFSET {at}")
        ]
        same_order(f"{table} {where} {order} in pages of {size}", whole, paged)
        same_order(f"{table} {where} {order} once more", whole, [row[0] for row in ask(key, order)])
    ((joined,),) = ask(f"group_concat({key}, '\n')", "")
    numbered = ask(f"{key}, row_number() OVER ()", "")
    listed = [row[0] for row in ask(key, "")]
    same_order(
        f"group_concat over {table} {where}", listed, (joined or "").split("\n")[: len(listed)]
    )
    numbered.sort(key=itemgetter(1))
    same_order(f"row_number over {table} {where}", listed, [row[0] for row in numbered])
    return count


def check_pages(connection: Any, schema: str, known: Known) -> int:
    """Reads a table's list without conditions, in pages of several sizes, and from its beginning.

    Returns:
        How many rows the list has; 0 for a table that cannot be listed.

    Raises:
        AssertionError: a row comes twice, or is missing in pages of another size.
    """
    if all(path.keys for path in known.resource.capability.paths):
        return 0
    table, key = f"{quoted(schema)}.{quoted(known.table.name)}", quoted(known.table.key)

    def ask(tail: str) -> list[Any]:
        return [row[0] for row in connection.execute(f"SELECT {key} FROM {table} {tail}")]

    whole = ask("")
    if len(set(whole)) != len(whole) or None in whole:
        raise AssertionError(f"{table}: a list without conditions has rows twice, or without a key")
    for size in sorted({1, 2, 3, max(1, len(whole) // 2), len(whole) + 1}):
        same_order(f"{table} LIMIT {size}", whole[:size], ask(f"LIMIT {size}"))
        with _hinted(known, size):
            same_order(f"{table}, of which {size} rows were expected", whole, ask(""))
        if known.table.positions.get("page_size") is not None:
            same_order(f"{table} in pages of {size}", whole, ask(f"WHERE page_size = {size}"))
    ((count,),) = connection.execute(f"SELECT count(*) FROM {table}")
    if count != len(whole):
        raise AssertionError(f"{table}: count(*) is {count}, but the list has {len(whole)} rows")
    return len(whole)


@contextmanager
def _hinted(known: Known, limit: int) -> Iterator[None]:
    """Scans expect some rows, as under LIMIT, and are read to their end all the same.

    The first page is small then, and the pages after it begin elsewhere.
    """
    plain = known.resource.scan

    def scan(asked: Scan, context: Context) -> Iterator[Page]:
        return plain(replace(asked, limit=limit), context)

    with patch.dict(vars(known.resource), {"scan": scan}):
        yield


def same_order(what: str, whole: Sequence[Any], other: Sequence[Any]) -> None:
    """Raises AssertionError where two statements have other keys, or the same in another order.

    Args:
        what: was asked, for the message.
        whole: keys of the rows, as one statement has them.
        other: as others have them.
    """
    if list(whole) != list(other):
        missing, twice = set(whole) - set(other), len(other) - len(set(other))
        at = next(
            (n for n, (a, b) in enumerate(zip(whole, other, strict=False)) if a != b), len(other)
        )
        raise AssertionError(
            f"{what}: {len(missing)} rows missing, {twice} twice; first other row at {at}:"
            f" {list(other)[at : at + 2]!r:.200}, not {list(whole)[at : at + 2]!r:.200}"
        )


def of_keys(known: Known, path: AccessPath) -> tuple[str, list[Value]]:
    """WHERE for the keys of a path and its values: a parameter's first, or up to 20 of a column."""
    if not path.keys:
        return "", []
    terms: list[str] = []
    values: list[Value] = []
    for name in path.keys:
        found = [value for value in dict.fromkeys(known.values(name)) if value is not None]
        chosen = found[:1] if known.table.column(name).parameter else found[:_MOST_KEYS]
        terms.append(f"{quoted(name)} IN ({', '.join('?' * len(chosen))})")
        values += chosen
    return f"WHERE {' AND '.join(terms)}", values


def _orders(known: Known) -> Iterator[str]:
    """No order, and the two columns that have the most rows of equal value."""
    yield ""
    distinct = {
        column.name: len(set(known.values(column.name)))
        for column in known.columns()
        if column.name != known.table.key
    }
    for name in sorted(distinct, key=lambda name: (distinct[name], name))[:2]:
        yield f"ORDER BY {quoted(name)}"
