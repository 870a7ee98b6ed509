r"""Conditions as text of Vertex' filter language, a subset of https://google.aip.dev/160.

The API documents ``user_id="a"``, ``display_name="b"`` and ``labels.key="c"``, joined by AND. Any
other grammar is a ``Feature``: it is tried, and no longer used for a source that rejects it. A
condition that is not translated does not narrow the list: the response holds more rows, and SQLite
checks them.

OR binds tighter than AND, so every OR is in parentheses. Text is quoted with ``\"`` and ``\\``.
``*`` is a wildcard in ``=``, which only widens the result; in ``!=`` it would narrow the result,
so such a condition is not sent. Negations are first pushed inward, because the service has no
NULL: ``NOT a = b`` becomes ``a != b``. If the service includes rows that lack the field, the
result is still a superset.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from sessions_vtab import rest
from sessions_vtab.backends.vertex import tables
from sessions_vtab.contract import times
from sessions_vtab.contract.predicate import (
    TIMESTAMP,
    AllOf,
    AnyOf,
    Compare,
    Field,
    Member,
    Not,
    Null,
    Op,
    Predicate,
    Slot,
    Value,
    fields,
)

_COLUMNS = frozenset(("user_id", "display_name"))
_PLAIN_KEY = re.compile(r"[a-z][a-z0-9_]*", re.ASCII)
_QUOTED_KEY = re.compile(r"[\w-]{1,64}")

MOST_TERMS = 30
"""Most values of one OR, so that URLs stay short; more values become several lists."""


class Feature(StrEnum):
    """Grammar that Google does not document."""

    OR = "OR"
    NOT_EQUAL = "!="
    PRESENCE = "presence"
    NOT = "NOT"
    QUOTED_KEY = "quoted label key"
    GROUP = "parentheses"


FLOOR: frozenset[Feature] = frozenset()


@dataclass(frozen=True, slots=True)
class Text:
    """A filter text ('' for no filter) and the features it needs."""

    text: str = ""
    features: frozenset[Feature] = FLOOR


def quote(value: str) -> str:
    """A text as a string literal of the filter language."""
    return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'


def compose(terms: Iterable[Predicate], allowed: frozenset[Feature]) -> Text:
    """The conjunction of the terms that can be expressed with the allowed features."""
    found = [_translate(term, negated=False) for term in terms]
    return join([text for text in found if text is not None and text.features <= allowed])


def join(texts: Sequence[Text]) -> Text:
    """The conjunction of filters whose ORs are in parentheses, without duplicates."""
    features = frozenset().union(*(text.features for text in texts))
    return Text(" AND ".join(dict.fromkeys(text.text for text in texts if text.text)), features)


def with_users(raw: str | None, ours: Text, allowed: frozenset[Feature]) -> Text:
    """The user's filter AND the composed one; only the user's if parentheses are not allowed."""
    if not raw:
        return ours
    if not ours.text or Feature.GROUP not in allowed:
        return Text(raw)
    return Text(f"({raw}) AND {ours.text}", ours.features | {Feature.GROUP})


def _translate(term: Predicate, *, negated: bool) -> Text | None:
    match term:
        case Compare(field, Op.EQ | Op.NE as op, operand):
            return _comparison(field, operand, equal=(op is Op.EQ) != negated)
        case Member(field, operands, excluded):
            return _membership(field, operands, excluded=excluded != negated)
        case Null(Field("labels", str()) as field, not_null):
            return _presence(field, present=not_null != negated)
        case Not(inner):
            return _translate(inner, negated=not negated)
        case AllOf(terms):
            return _any(terms, negated=True) if negated else _all(terms, negated=False)
        case AnyOf(terms):
            return _all(terms, negated=True) if negated else _any(terms, negated=False)
        case _:
            return None


def _all(terms: Sequence[Predicate], *, negated: bool) -> Text | None:
    """The conjunction of all terms that can be translated; it may omit terms."""
    texts = [text for term in terms if (text := _translate(term, negated=negated)) is not None]
    if not texts:
        return None
    return texts[0] if len(texts) == 1 else _grouped(" AND ", texts, Feature.GROUP)


def _any(terms: Sequence[Predicate], *, negated: bool) -> Text | None:
    """The disjunction of the terms, which needs every one of them."""
    texts = [_translate(term, negated=negated) for term in terms]
    whole = [text for text in texts if text is not None]
    if not whole or len(whole) < len(texts) or len(whole) > MOST_TERMS:
        return None
    return whole[0] if len(whole) == 1 else _grouped(" OR ", whole, Feature.OR)


def _grouped(word: str, texts: Sequence[Text], feature: Feature) -> Text:
    features = frozenset((feature,)).union(*(text.features for text in texts))
    return Text("(" + word.join(text.text for text in texts) + ")", features)


def _comparison(field: Field, operand: Value | Slot, *, equal: bool) -> Text | None:
    member, value = _member(field), _literal(field, operand)
    if member is None or value is None or (not equal and "*" in value):
        return None
    features = member.features if equal else member.features | {Feature.NOT_EQUAL}
    return Text(f"{member.text}{'=' if equal else '!='}{quote(value)}", features)


def _membership(field: Field, operands: Sequence[Value | Slot], *, excluded: bool) -> Text | None:
    op = Op.NE if excluded else Op.EQ
    terms = [Compare(field, op, operand) for operand in operands]
    if excluded and len(terms) > MOST_TERMS:
        return None
    return _all(terms, negated=False) if excluded else _any(terms, negated=False)


def _presence(field: Field, *, present: bool) -> Text | None:
    member = _member(field)
    if member is None:
        return None
    features = member.features | {Feature.PRESENCE}
    if present:
        return Text(f"{member.text}:*", features)
    return Text(f"NOT {member.text}:*", features | {Feature.NOT})


def _member(field: Field) -> Text | None:
    """The field in the spelling of the filter language; None if it cannot be filtered on."""
    if field.key is None:
        return Text(field.column) if field.column in _COLUMNS else None
    if field.column != "labels":
        return None
    if _PLAIN_KEY.fullmatch(field.key):
        return Text(f"labels.{field.key}")
    if _QUOTED_KEY.fullmatch(field.key):
        return Text(f"labels.{quote(field.key)}", frozenset((Feature.QUOTED_KEY,)))
    return None


def _literal(field: Field, operand: Value | Slot) -> str | None:
    """The text that a column must equal; None if it cannot be sent.

    A TEXT column compares an integer as its text. ``->>`` returns text, which no number equals, but
    SQLite decides that.
    """
    if isinstance(operand, int) and field.key is None:
        return str(operand)
    if not isinstance(operand, str) or any(ord(character) < ord(" ") for character in operand):
        return None
    return operand


def disjoint(terms: Sequence[Predicate], allowed: frozenset[Feature]) -> list[Text]:
    """Filters that together match every wanted row, and no row twice.

    A long IN, or any IN if OR is not supported, becomes several lists. They cannot overlap, because
    a column has only one value.
    """
    size = MOST_TERMS if Feature.OR in allowed else 1
    for index, term in enumerate(terms):
        if not isinstance(term, Member) or term.negated or len(term.operands) <= size:
            continue
        others = [*terms[:index], *terms[index + 1 :]]
        chunks = [term.operands[at : at + size] for at in range(0, len(term.operands), size)]
        parts = [compose([replace(term, operands=chunk)], allowed) for chunk in chunks]
        if all(part.text for part in parts):
            return [compose([replace(term, operands=chunk), *others], allowed) for chunk in chunks]
    return [compose(terms, allowed)]


@dataclass(frozen=True, slots=True)
class TimeBounds:
    """The range of a time column, in nanoseconds since 1970; both ends are included."""

    low: int | None = None
    high: int | None = None

    def __bool__(self) -> bool:
        return self.low is not None or self.high is not None


def bounds(terms: Iterable[Predicate], column: str) -> TimeBounds:
    """Returns the tightest range that the terms allow for a time column."""
    low: int | None = None
    high: int | None = None
    for term in terms:
        match term:
            case Compare(Field(name, None), op, operand, collation) if name == column:
                instant = times.parse(operand)
                if instant is None or (op is not Op.EQ and collation != TIMESTAMP):
                    continue
                if op in {Op.EQ, Op.GT, Op.GE}:
                    low = instant if low is None else max(low, instant)
                if op in {Op.EQ, Op.LT, Op.LE}:
                    high = instant if high is None else min(high, instant)
    return TimeBounds(low, high)


def confined_times(terms: Sequence[Predicate], columns: Iterable[str]) -> dict[str, TimeBounds]:
    """Those of some time columns that the terms confine, with their ranges."""
    ranges = ((column, bounds(terms, column)) for column in columns)
    return {column: edges for column, edges in ranges if edges}


def timestamp_filter(confined: TimeBounds) -> Text:
    """A range of event timestamps, both ends included; SQLite removes rows that do not match."""
    edges = ((">=", confined.low), ("<=", confined.high))
    told = ((sign, times.to_rfc3339(edge)) for sign, edge in edges if edge is not None)
    return join([Text(f'timestamp{sign}"{edge}"') for sign, edge in told])


_TEXTS = ("filter", "order_by", "page_token")


@dataclass(frozen=True, slots=True)
class Listing:
    """The list parameters that a user can give.

    Attributes:
        filter: the user's filter text, '' if not given.
        order: the user's order text, '' if not given.
        token: token of the page to start at, '' for the first page.
        size: rows per request, None to let the backend choose.
        chosen: whether the statement gives any of them, or looks at page tokens.
    """

    filter: str = ""
    order: str = ""
    token: str = ""
    size: int | None = None
    chosen: bool = False

    @classmethod
    def of(cls, scan: rest.Scan, where: str, size: int | None) -> Listing:
        """Reads a scan's parameter columns; InvalidValueError names ``where`` and the column."""
        if scan.parameters.keys().isdisjoint(tables.LISTING):
            return _PAGED if "next_page_token" in scan.columns else _USUAL
        given = [(name, scan.parameters.get(name)) for name in _TEXTS]
        for name, value in given:
            if value is not None and not isinstance(value, str):
                raise rest.InvalidValueError(f"{where}.{name} must be text.")
        filter_, order, token = (str(value or "") for _, value in given)
        return cls(filter_, order, token, size, chosen=True)

    def query(self, text: str, order: str, limit: int | None) -> list[tuple[str, str | int | None]]:
        """The parameters of a first page: as many rows as given, or as LIMIT will probably need."""
        size = self.size or max(1, min(limit or tables.PAGE_CAP, tables.PAGE_CAP))
        token = self.token or None
        listed = (("filter", text or None), ("orderBy", order or None), ("pageToken", token))
        return [("pageSize", size), *listed]


_USUAL, _PAGED = Listing(), Listing(chosen=True)


def texts_of(
    terms: Iterable[Predicate], listing: Listing, allowed: frozenset[Feature]
) -> list[Text]:
    """The filters of the lists that together hold the wanted rows, with what the user gives."""
    ours = [one for one in terms if not _is_of_path(one)]
    texts = [compose(ours, allowed)] if listing.token else disjoint(ours, allowed)
    return [with_users(listing.filter, text, allowed) for text in texts]


def _is_of_path(term: Predicate) -> bool:
    """Whether a condition is on a scope column, which is part of the path already."""
    if isinstance(term, Compare | Member | Null):  # Nearly all are.
        return term.field.column in tables.SCOPE
    return any(field.column in tables.SCOPE for field in fields(term))
