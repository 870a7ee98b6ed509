"""Merges sorted lists into one sorted list."""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import Any

from sessions_vtab.backends.vertex.wire import Frame, RowMaker, instant_of
from sessions_vtab.contract.scan import Order, Row
from sessions_vtab.fetch import Item

__all__ = ["TIME_FIELDS", "merged_pages", "order_text"]

TIME_FIELDS = {"create_time": "createTime", "update_time": "updateTime", "timestamp": "timestamp"}
"""Field of the API for each column that it can sort by."""

_CHUNK = 100


def order_text(order: Sequence[Order]) -> str:
    """The ``orderBy`` parameter: ``create_time desc,update_time``."""
    return ",".join(term.column + (" desc" if term.descending else "") for term in order)


def merged_pages(
    lists: Sequence[Iterable[tuple[Item, Frame]]], order: Sequence[Order], make: RowMaker
) -> Iterator[list[Row]]:
    """Returns the rows of all lists in order, in pages; each list must already be in that order."""

    def key(entry: tuple[Item, Frame]) -> tuple[int, ...]:
        item, frame = entry
        instants = [(instant_of(item, TIME_FIELDS[term.column], frame), term) for term in order]
        return tuple(-at if term.descending else at for at, term in instants)

    rows: Iterator[Any] = (make(*entry) for entry in heapq.merge(*lists, key=key))
    while page := list(islice(rows, _CHUNK)):
        yield page
