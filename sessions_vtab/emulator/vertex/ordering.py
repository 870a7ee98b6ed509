"""The `orderBy` parameter (Vertex contract, section 5; AIP-132)."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from sessions_vtab.emulator.vertex.errors import found_errors

if TYPE_CHECKING:
    from collections.abc import Mapping


class Term(NamedTuple):
    """One field of an order, in its snake_case spelling."""

    field: str
    descending: bool


SESSION_FIELDS = {
    "create_time": "create_time",
    "createTime": "create_time",
    "update_time": "update_time",
    "updateTime": "update_time",
}
EVENT_FIELDS = {"timestamp": "timestamp"}

SESSION_DEFAULT = (Term("create_time", True),)
EVENT_DEFAULT = (Term("timestamp", False),)


def parse_order(
    text: str, fields: Mapping[str, str], default: tuple[Term, ...]
) -> tuple[Term, ...]:
    """Return the terms of a comma list such as `create_time desc, update_time`.

    `desc` is the only suffix documented, so `asc` is refused.

    Raises:
        ApiError: 400 INVALID_ARGUMENT: an unknown field, one named twice, another suffix.
    """
    if not text.strip():
        return default
    terms = tuple(_parse_term(part, fields) for part in text.split(","))
    if len({term.field for term in terms}) < len(terms):
        raise found_errors(("order_by", f"A field is named twice in order_by: {text}."))
    return terms


def _parse_term(text: str, fields: Mapping[str, str]) -> Term:
    words = text.split()
    if len(words) == 2 and words[1] == "desc" and words[0] in fields:  # noqa: PLR2004 (pair)
        return Term(fields[words[0]], True)
    if len(words) == 1 and words[0] in fields:
        return Term(fields[words[0]], False)
    raise found_errors(("order_by", f"Invalid order_by: {text.strip()}."))
