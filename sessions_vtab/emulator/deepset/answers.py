"""What deepset Cloud answers with: error bodies, pages, and the filter of the files listing.

The contract, section 6, knows four body shapes of errors and promises none of them for a given
status, so the emulator uses them all: a client has to read any of them. Session listings take two
forms of paging (sections 2 and 7). Of OData, the reference promises exact match and AND only; the
comparisons are used in its examples (section 7). Whatever else OData has is refused.
"""

from __future__ import annotations

import json
import operator
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Generic, TypeVar
from uuid import UUID

from fastapi import Depends, Query

from sessions_vtab.emulator.service import Refusal


def unauthorized() -> Refusal:
    """401: the key is not known."""
    return Refusal.json(401, {"errors": ["Invalid API key."]})


def no_key() -> Refusal:
    """403: there is no key."""
    return Refusal.json(403, {"detail": "Not authenticated"})


def free_plan() -> Refusal:
    """402: upload sessions are not part of the free plan (contract, section 2)."""
    message = "Upload sessions are not available on the free plan."
    return Refusal.json(402, {"details": [{"code": "payment_required", "message": message}]})


def too_many_sessions() -> Refusal:
    """406: the user has ten open sessions (contract, section 2)."""
    message = "You reached the maximum number of upload sessions allowed per user."
    return Refusal.json(406, {"details": [{"code": "max_sessions", "message": message}]})


def not_found(text: str) -> Refusal:
    """404 with a text."""
    return Refusal.json(404, {"errors": [text]})


def conflict(text: str) -> Refusal:
    """409 with a text: already closed, or a file of this name exists."""
    return Refusal.json(409, {"errors": [{"msg": text, "type": "conflict"}]})


def invalid(loc: list[str], msg: str, kind: str = "value_error") -> Refusal:
    """422 for the value at `loc`, in the shape of the spec."""
    return Refusal.json(422, {"detail": [{"loc": loc, "msg": msg, "type": kind}]})


T = TypeVar("T")
Limit = Annotated[int, Query(ge=1, le=100)]


@dataclass(frozen=True, slots=True)
class ListingWindow:
    """Which rows of a listing a request asks for: a page by number, or those beside a cursor."""

    limit: int
    page_number: int
    before: str | None
    after: str | None


async def window(
    limit: Limit = 10,
    page_number: Annotated[int | None, Query(ge=1)] = None,
    before: UUID | None = None,
    after: UUID | None = None,
) -> ListingWindow:
    """Read the paging parameters; 422 if both forms, or both cursors, are used at once."""
    cursors = {"before": _text(before), "after": _text(after)}
    given = [name for name, value in {"page_number": page_number, **cursors}.items() if value]
    if len(given) > 1:
        raise invalid(["query", given[1]], f"{given[1]} excludes {given[0]}")
    return ListingWindow(limit, page_number or 1, **cursors)


def _text(value: UUID | None) -> str | None:
    return None if value is None else str(value)


Paging = Annotated[ListingWindow, Depends(window)]


@dataclass(frozen=True, slots=True)
class ListedRows(Generic[T]):
    """All rows of a listing in its order, of which a request's filter wants some.

    A cursor may name a row that the filter leaves out: a session can expire between two pages.
    """

    rows: list[T]
    identify: Callable[[T], str]
    wanted: Callable[[T], bool]
    show: Callable[[T], dict[str, Any]]

    def page(self, window: ListingWindow) -> dict[str, Any]:
        """Return `{total, has_more, data}`; total counts all rows wanted. 422 unknown cursor."""
        rows, more = self._slice(window)
        total = sum(map(self.wanted, self.rows))
        return {"total": total, "has_more": more, "data": [self.show(row) for row in rows]}

    def _slice(self, window: ListingWindow) -> tuple[list[T], bool]:
        limit = window.limit
        if window.before is not None:
            rows = self._filtered(self.rows[: self._position("before", window.before)])
            return rows[-limit:], len(rows) > limit
        if window.after is not None:
            rows = self._filtered(self.rows[self._position("after", window.after) + 1 :])
        else:
            rows = self._filtered(self.rows)[(window.page_number - 1) * limit :]
        return rows[:limit], len(rows) > limit

    def _filtered(self, rows: list[T]) -> list[T]:
        return [row for row in rows if self.wanted(row)]

    def _position(self, name: str, cursor: str) -> int:
        for position, row in enumerate(self.rows):
            if self.identify(row) == cursor:
                return position
        raise invalid(["query", name], f"no row with the id {cursor}")


_CONDITION = re.compile(
    r"""\s*(?P<key>[^\W\d][\w./-]*)
        \s+(?P<operator>eq|ge|le|gt|lt)
        \s+(?P<value>'(?:[^']|'')*'|true|false|null|-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?)
        (?P<end>\s+and(?=\s)|\s*$)""",
    re.VERBOSE,
)

_OPERATORS: dict[str, Callable[[Any, Any], bool]] = {
    "eq": operator.eq,
    "ge": operator.ge,
    "le": operator.le,
    "gt": operator.gt,
    "lt": operator.lt,
}


@dataclass(frozen=True, slots=True)
class ODataComparison:
    """One comparison of a metadata key with a literal."""

    key: str
    operator: str
    value: str | float | bool | None

    def holds(self, meta: Mapping[str, Any]) -> bool:
        """Tell whether metadata meet it; a missing key, or a value of another type, does not."""
        if self.key not in meta:
            return False
        found = meta[self.key]
        kind = _kind(found)
        if kind != _kind(self.value) or kind is None:
            return False
        if kind in {"bool", "null"} and self.operator != "eq":
            return False
        return _OPERATORS[self.operator](found, self.value)


def _kind(value: object) -> str | None:
    """Return which values compare with this one; None for arrays and objects, which never do."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "bool"
    if isinstance(value, (int, float)):
        return "number"
    return "text" if isinstance(value, str) else None


def parse(text: str) -> list[ODataComparison]:
    """Read a filter such as `category eq 'news' and year ge 2020`.

    Raises:
        ValueError: The text is not of that form.
    """
    conditions = []
    position, more = 0, True
    while more:
        match = _CONDITION.match(text, position)
        if match is None:
            raise ValueError(f"cannot read the filter at position {position}")
        conditions.append(
            ODataComparison(match["key"], match["operator"], _literal(match["value"]))
        )
        position, more = match.end(), bool(match["end"].strip())
    return conditions


def _literal(text: str) -> Any:
    return text[1:-1].replace("''", "'") if text.startswith("'") else json.loads(text)
