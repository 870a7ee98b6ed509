"""The two forms of paging that the session listings take (contract, sections 2 and 7)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any, Generic, TypeVar
from uuid import UUID

from fastapi import Depends, Query

from sessions_vtab.emulator.deepset import refusals

T = TypeVar("T")
Limit = Annotated[int, Query(ge=1, le=100)]


@dataclass(frozen=True, slots=True)
class Window:
    """Which rows of a listing a request asks for: a page by number, or those beside a cursor."""

    limit: int
    page_number: int
    before: str | None
    after: str | None


def window(
    limit: Limit = 10,
    page_number: Annotated[int | None, Query(ge=1)] = None,
    before: UUID | None = None,
    after: UUID | None = None,
) -> Window:
    """Read the paging parameters; 422 if both forms, or both cursors, are used at once."""
    cursors = {"before": _text(before), "after": _text(after)}
    given = [name for name, value in {"page_number": page_number, **cursors}.items() if value]
    if len(given) > 1:
        raise refusals.invalid(["query", given[1]], f"{given[1]} excludes {given[0]}")
    return Window(limit, page_number or 1, **cursors)


def _text(value: UUID | None) -> str | None:
    return None if value is None else str(value)


Paging = Annotated[Window, Depends(window)]


@dataclass(frozen=True, slots=True)
class Listing(Generic[T]):
    """All rows of a listing in its order, of which a request's filter wants some.

    A cursor may name a row that the filter leaves out: a session can expire between two pages.
    """

    rows: list[T]
    identify: Callable[[T], str]
    wanted: Callable[[T], bool]
    show: Callable[[T], dict[str, Any]]

    def page(self, window: Window) -> dict[str, Any]:
        """Return `{total, has_more, data}`; total counts all rows wanted. 422 unknown cursor."""
        rows, more = self._slice(window)
        total = sum(map(self.wanted, self.rows))
        return {"total": total, "has_more": more, "data": [self.show(row) for row in rows]}

    def _slice(self, window: Window) -> tuple[list[T], bool]:
        limit = window.limit
        if window.before is not None:
            rows = self._wanted(self.rows[: self._position("before", window.before)])
            return rows[-limit:], len(rows) > limit
        if window.after is not None:
            rows = self._wanted(self.rows[self._position("after", window.after) + 1 :])
        else:
            rows = self._wanted(self.rows)[(window.page_number - 1) * limit :]
        return rows[:limit], len(rows) > limit

    def _wanted(self, rows: list[T]) -> list[T]:
        return [row for row in rows if self.wanted(row)]

    def _position(self, name: str, cursor: str) -> int:
        for position, row in enumerate(self.rows):
            if self.identify(row) == cursor:
                return position
        raise refusals.invalid(["query", name], f"no row with the id {cursor}")
