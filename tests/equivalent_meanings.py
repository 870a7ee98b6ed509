"""What random SELECTs ask, as values: see ``equivalent_statements``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from random import Random
from typing import Final, TypeAlias

from sessions_vtab.contract.predicate import Value

Values: TypeAlias = Mapping[tuple[str, str], Sequence[Value]]
"""Values that columns have, by table and column."""

_OF_EVENTS: Final = ("events", "live_events", "event_parts", "turns", "tool_calls")
_SESSION: Final = dict.fromkeys(("sessions", "usage_by_session", *_OF_EVENTS), "session_id")
_KINDS: Final[Mapping[str, Mapping[str, str]]] = {
    "session": {**_SESSION, "keys": "id"},
    "session name": {**dict.fromkeys(_SESSION, "session_name"), "sessions": "name"},
    "user": {"sessions": "user_id", "usage_by_session": "user_id", "users": "id"},
    "event": {"events": "name", "live_events": "name", "event_parts": "event_name"},
    "turn": dict.fromkeys(_OF_EVENTS, "invocation_id"),
}
"""What columns of two tables have in common, so that they are joined by it; none is ever NULL."""
_LINKS: Final = (
    *((kind,) for kind in ("session", "session", "session", "session name", "user", "event")),
    ("session", "turn"),
)
_SHOWN: Final[Mapping[str, tuple[str, ...]]] = {
    "sessions": ("session_id", "name", "user_id", "display_name", "create_time"),
    "events": ("name", "session_id", "author", "timestamp", "text"),
    "live_events": ("name", "session_id", "author", "timestamp", "text"),
    "event_parts": ("event_name", "session_id", "part", "kind", "function_name"),
    "turns": ("session_id", "invocation_id", "started", "events", "asked"),
    "tool_calls": ("session_id", "call_id", "tool", "called", "answers"),
    "usage_by_session": ("session_id", "user_id", "model_calls", "input_tokens"),
    "keys": ("id", "kind"),
    "users": ("id",),
}
_TESTED: Final[Mapping[str, tuple[str, ...]]] = {
    "sessions": ("user_id", "user_id", "session_id", "display_name", "create_time"),
    "events": ("session_id", "session_id", "author", "timestamp", "name"),
    "live_events": ("session_id", "author", "timestamp"),
    "event_parts": ("session_id", "kind", "function_name", "event_name"),
    "turns": ("session_id", "invocation_id", "events"),
    "tool_calls": ("session_id", "tool", "answers"),
    "usage_by_session": ("user_id", "session_id", "model_calls"),
    "keys": ("id", "kind"),
    "users": ("id",),
}
_COUNTED: Final = ("create_time", "timestamp", "events", "model_calls")
"""Columns of which a range is asked as often as a value."""
_JOINED: Final = {
    table: [columns[table] for columns in _KINDS.values() if table in columns] for table in _SHOWN
}
COLUMNS: Final = {
    table: tuple(dict.fromkeys((*_SHOWN[table], *_JOINED[table], *_TESTED[table])))
    for table in _SHOWN
}
TABLES: Final = (*("sessions", "events") * 4, *_SHOWN)
"""Where a table is taken from."""


def compared() -> list[tuple[str, str]]:
    """The columns that need values, with their tables."""
    return [(table, column) for table in _TESTED for column in dict.fromkeys(_TESTED[table])]


@dataclass(frozen=True, slots=True)
class Term:
    """A column is one of some values, or ``between`` two, or not NULL if there are none.

    ``other`` is a column and value of the same item that may be met instead.
    """

    alias: str
    column: str
    values: tuple[Value, ...] = ()
    between: bool = False
    other: tuple[str, Value] | None = None


@dataclass(frozen=True, slots=True)
class Item:
    """A table in FROM, or a query; with ``outer`` on the right of a LEFT JOIN with ``own`` in ON."""

    alias: str
    table: str
    query: Select | None = None
    outer: bool = False
    own: tuple[Term, ...] = ()

    def shown(self) -> tuple[str, ...]:
        """What may be shown of it."""
        return tuple(one for _, one in self.query.shown) if self.query else _SHOWN[self.table]

    def has(self, column: str) -> bool:
        """Whether a condition may be about a column."""
        return column in (self.shown() if self.query else COLUMNS[self.table])


@dataclass(frozen=True, slots=True)
class Link:
    """Columns of two items that are equal."""

    left: str
    right: str
    columns: tuple[tuple[str, str], ...]

    def pairs(self) -> list[tuple[tuple[str, str], tuple[str, str]]]:
        return [((self.left, one), (self.right, other)) for one, other in self.columns]


@dataclass(frozen=True, slots=True)
class Lookup:
    """A key in a query of another table: whether it is there, or an aggregate of its rows.

    The query shows the key, and what ``function`` puts together.
    """

    alias: str
    column: str
    query: Select
    negated: bool = False
    function: str = ""


@dataclass(frozen=True, slots=True)
class Select:
    """What is asked; ``limit`` is in the order of all that is shown.

    The shapes: ``rows``, ``distinct``, ``group`` (with the number of rows), ``count``, ``ends``, and
    ``bare`` for what comes from FROM on.
    """

    items: tuple[Item, ...]
    links: tuple[Link, ...] = ()
    terms: tuple[Term, ...] = ()
    members: tuple[Lookup, ...] = ()
    shown: tuple[tuple[str, str], ...] = ()
    summaries: tuple[Lookup, ...] = ()
    shape: str = "rows"
    limit: int | None = None
    descending: bool = False


@dataclass(frozen=True, slots=True)
class Compound:
    """Two SELECTs of one column, put together."""

    op: str
    left: Select
    right: Select


Meaning: TypeAlias = Select | Compound


class _Drawing:
    """Draws meanings; names of items are unique within one."""

    def __init__(self, random: Random, values: Values) -> None:
        self._random, self._values, self._choice = random, values, random.choice
        self._count = 0

    def meaning(self) -> Meaning:
        if self._often(0.88):
            return self._select()
        kind = self._choice(("session", "session", "user"))
        op = self._choice(("UNION", "UNION ALL", "INTERSECT", "EXCEPT"))
        left, right = (self._keys(kind, distinct=op != "UNION ALL") for _ in range(2))
        return Compound(op, left, right)

    def _often(self, share: float) -> bool:
        return self._random.random() < share

    def _alias(self) -> str:
        self._count += 1
        return f"t{self._count}"

    def _select(self) -> Select:
        items, links = [self._item(self._choice(TABLES))], list[Link]()
        for _ in range(self._choice((0, 0, 0, 1, 1, 2))):
            self._join(items, links)
        terms = tuple(term for item in items for term in self._terms(item))
        members = (self._member(items) for _ in range(self._choice((0, 0, 0, 1, 1))))
        every = [(item.alias, column) for item in items for column in item.shown()]
        shown = self._random.sample(every, min(len(every), self._choice((1, 2, 3))))
        shape = self._choice(("rows", "rows", "rows", "distinct", "group", "count", "ends"))
        asked = Select(
            *(tuple(items), tuple(links), terms, tuple(filter(None, members)), tuple(shown)),
            shape=shape,
        )
        if shape != "rows":
            return asked
        summary = self._summary(items) if self._often(0.15) else None
        asked = replace(asked, summaries=(summary,) if summary else ())
        limit = self._choice((1, 3, 10)) if self._often(0.25) else None
        return replace(asked, limit=limit, descending=limit is not None and self._often(0.5))

    def _item(self, table: str) -> Item:
        alias = self._alias()
        if table in {"keys", "users"} or self._often(0.85):
            return Item(alias, table)
        inner = Item(self._alias(), table)
        terms = self._terms(inner, 0.7)
        if self._often(0.5):
            keys = [one for one in _JOINED[table] if one in _SHOWN[table]]
            shown = tuple((inner.alias, one) for one in keys[:2])
            return Item(alias, table, Select((inner,), (), terms, (), shown, shape="group"))
        shown = tuple((inner.alias, one) for one in _SHOWN[table][:3])
        return Item(
            alias, table, Select((inner,), (), terms, (), shown, limit=self._choice((2, 5)))
        )

    def _join(self, items: list[Item], links: list[Link]) -> None:
        left = self._choice([one for one in items if not one.outer])
        right = self._item(self._choice(TABLES))
        pairs = []
        for kinds in _LINKS:
            found = [[_KINDS[kind].get(one.table, "") for kind in kinds] for one in (left, right)]
            if all(map(left.has, found[0])) and all(map(right.has, found[1])):
                pairs.append(tuple(zip(*found, strict=True)))
        if not pairs:
            return
        if self._often(0.3):
            right = replace(right, outer=True, own=self._terms(right, 0.3))
        items.append(right)
        links.append(Link(left.alias, right.alias, self._choice(pairs)))

    def _terms(self, item: Item, often: float = 0.55) -> tuple[Term, ...]:
        names = [one for one in _TESTED[item.table] if item.has(one)]
        if item.outer or not names or not self._often(often):
            return ()
        some = [self._choice(names) for _ in range(self._choice((1, 1, 2)))]
        return tuple(self._term(item, name, names) for name in dict.fromkeys(some))

    def _term(self, item: Item, column: str, names: Sequence[str]) -> Term:
        known = self._values[item.table, column]
        if self._often(0.05):
            return Term(item.alias, column)
        if self._often(0.4 if column in _COUNTED else 0.1):
            ends = sorted((self._choice(known) for _ in range(2)), key=str)
            return Term(item.alias, column, tuple(ends), between=True)
        many = min(self._choice((1, 1, 2, 3, 8)), len(known))
        values = tuple(self._random.sample(list(known), many))
        if self._often(0.85):
            return Term(item.alias, column, values)
        name = self._choice(names)
        other = (name, self._choice(self._values[item.table, name]))
        return Term(item.alias, column, values[:1], other=other)

    def _member(self, items: Sequence[Item]) -> Lookup | None:
        item = self._choice([one for one in items if not one.outer])
        kind = self._choice(("session", "session", "session name", "user", "event"))
        column = _KINDS[kind].get(item.table, "")
        if not item.has(column):
            return None
        return Lookup(item.alias, column, self._keys(kind), negated=self._often(0.35))

    def _keys(self, kind: str, *, distinct: bool = False, nested: bool = True) -> Select:
        table = self._choice([one for one in TABLES if one in _KINDS[kind]])
        item = Item(self._alias(), table)
        members: tuple[Lookup, ...] = ()
        if nested and table in _SESSION and self._often(0.2):
            inner = self._keys("session", nested=False)
            members = (Lookup(item.alias, "session_id", inner, self._often(0.3)),)
        shown = ((item.alias, _KINDS[kind][table]),)
        shape = "distinct" if distinct else "rows"
        return Select((item,), (), self._terms(item, 0.8), members, shown, shape=shape)

    def _summary(self, items: Sequence[Item]) -> Lookup | None:
        item = self._choice([one for one in items if not one.outer])
        column = _KINDS["session"].get(item.table, "")
        if not item.has(column):
            return None
        query = self._keys("session", nested=False)
        (inner,) = query.items
        value = (inner.alias, self._choice(_SHOWN[inner.table]))
        query = replace(query, shown=(*query.shown, value))
        return Lookup(item.alias, column, query, function=self._choice(("max", "min", "count")))


def meaning(random: Random, values: Values) -> Meaning:
    """Draws what is asked."""
    return _Drawing(random, values).meaning()
