"""What a join says about one of its items: ``x IN (SELECT ..)`` made of the others.

Rows of an item that no row of the others meets are in no result, so any set of values that has at
least those of the others will do. The tables and conditions of the others are copied as they are
written; of these, whatever makes no difference to the number of requests is left out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from typing import NamedTuple

from sqlglot import exp

from sessions_vtab.contract.model import ColumnType
from sessions_vtab.sql.names import Catalog, Item, renamed_columns
from sessions_vtab.sql.select_terms import Equality, SelectTerms, Side, Term, is_text, names_values


class Wanted(NamedTuple):
    """The rows of an item that are wanted.

    Attributes:
        keys: columns of the item.
        queries: for each, a SELECT of values; a row has one of them in one of the columns.
    """

    keys: Sequence[str]
    queries: Sequence[str]

    def condition(self, called: Callable[[str], str | None]) -> str:
        """The same as an expression.

        Args:
            called: what the columns are called where it stands.
        """
        queries = dict.fromkeys(self.keys, "")
        for key, query in zip(self.keys, self.queries, strict=True):
            queries[key] += f" UNION ALL {query}" if queries[key] else query
        return " OR ".join(f"{called(key)} IN ({query})" for key, query in queries.items())


def wanted_of(select: SelectTerms, item: Item) -> Wanted | None:
    """Which rows of a view, a table or a query are wanted; None if nothing narrows it.

    Args:
        select: what it is joined with.
        item: one of the SELECT, or one that all of its rows are joined with.
    """
    sides = sorted(sides_of(select, item), key=lambda one: _weight(select, one[1][0]))
    ways: list[Sequence[tuple[str, Side | str]]] = [[one] for one in sides]
    ways += [
        one.equalities
        for one in select.choices
        if one.item is item
        and select.holds(one, item)
        and all(item.inside(key) is not None for key, _ in one.equalities)
    ]
    light = [one for one in select.terms if not select.names_costly(one.node)]
    # What reads sessions itself is asked again only where nothing else says which ones.
    for terms, weakly in ((light, False), (select.terms, False), (select.terms, True)):
        if weakly and _is_told(select, item):
            break
        for way in ways:
            known = replace(select, terms=terms)
            queries = [_values(known, item, other, weakly) for _, other in way]
            if all(queries):
                return Wanted([key for key, _ in way], queries)
    return None


def _is_told(select: SelectTerms, item: Item) -> bool:
    """Whether values are given to a column that tells an item's sessions apart."""
    columns = {name for one in select.terms for owner, name in one.refers.columns if owner is item}
    keys = {name.lower() for name in columns if _tells_sessions(select, item, name)}
    return select.is_named(item, keys)


def _values(select: SelectTerms, item: Item, other: Side | str, weakly: bool) -> str:
    """A SELECT of the values that a column of an item may have; '' if nothing narrows them.

    Args:
        select: what the item is joined with.
        item: the item.
        other: what its column is equal to.
        weakly: a query that reads every session will do, if it leaves out some of their rows.
    """
    if isinstance(other, str):
        return f"SELECT {other}"
    copied = _Copy(select, item, other[0])
    if not (copied.narrows(weakly=weakly) and _is_plain(other)):
        return ""
    plain = other[0].known or "." in other[2]
    return copied.select(other[2] if other[2] and plain else other[0].outside(other[1]))


def is_narrowed(select: SelectTerms, item: Item) -> bool:
    """Whether it is said which sessions of a costly item are wanted, without reading others."""
    return select.is_named(item, select.keys_of(item)) or wanted_of(select, item) is not None


def sides_of(select: SelectTerms, item: Item) -> Iterator[tuple[str, Side]]:
    """The keys of an item, each with a column that it equals in every row it is part of."""
    there = select.beside(item)
    pairs = [(one.left, one.right) for one in select.equalities if _hold(select, one, there)]
    pairs += [(right, left) for left, right in pairs]
    for key in dict.fromkeys(left[1] for left, _ in pairs if left[0] is item):
        if item.inside(key) is not None:
            yield from ((key, other) for other in _equal(item, key, pairs))


def _hold(select: SelectTerms, term: Term | Equality, there: Iterable[Item]) -> bool:
    """Whether a condition is true wherever some items have a row."""
    return any(select.holds(term, one) for one in there)


def _equal(item: Item, key: str, pairs: Sequence[tuple[Side, Side]]) -> Iterator[Side]:
    """What a column equals, also by way of others: texts that equal one equal each other."""
    known = [(item, key)]
    for mine in known:
        for left, right in pairs:
            if left[:2] != mine or right[0] is item or not _is_plain(right):
                continue
            yield right
            texts = right[:2] not in known and is_text(right) and is_text((item, key, ""))
            known += [right[:2]] if texts else []


def _weight(select: SelectTerms, item: Item) -> int:
    """How much is read to know the values of a column."""
    if item.ours is None:
        return 3 if select.is_costly(item) else 1
    return 2 if select.is_costly(item) else 0


def _is_plain(side: Side) -> bool:
    """Whether a column compares as a text does."""
    column = side[0].column(side[1]) if side[0].known else None
    return column is None or column.type is not ColumnType.TIME


class _Copy:
    """The items and conditions that narrow one item by way of another.

    Args:
        select: the SELECT.
        item: what is narrowed.
        other: what it is joined with.
    """

    def __init__(self, select: SelectTerms, item: Item, other: Item) -> None:
        self._select = select
        self._item = item
        self._other = other
        self._there = select.beside(item)
        self._equalities = [one for one in select.equalities if _hold(select, one, self._there)]
        usable = [one for one in select.terms if self._is_usable(one)]
        links = [one.refers.items for one in usable]
        links += [frozenset((one.left[0], one.right[0])) for one in self._equalities]
        self._items = [other]
        for _ in select.scope.items:
            self._items += [
                one
                for one in select.scope.items
                if one not in self._items
                and one is not item
                and self._is_cheap(one)
                and any(
                    one in link and link <= {*self._items, one} and len(link) > 1 for link in links
                )
            ]
        self._terms = [one for one in usable if one.refers.items <= {*self._items}]

    def _is_usable(self, term: Term) -> bool:
        """Whether rows of the others meet a condition wherever a row of the item is beside them."""
        refers, item = term.refers, self._item
        return (
            _hold(self._select, term, self._there)
            and refers.certain
            and bool(refers.items)
            and item not in refers.items
            # In another query the name of an outer column could be one of its own.
            and not (refers.outer and item.derived is not None)
            and self._select.stays_false(term, item)
            and self._select.repeats.condition(term.node)
        )

    def _is_cheap(self, item: Item) -> bool:
        """Whether an item is read without a request for each session, and may be read twice."""
        beside = any(self._select.scope.comes_with(item, one) for one in self._there)
        cheap = beside and not self._select.is_costly(item)
        return cheap and self._select.can_be_read_twice(item)

    def narrows(self, *, weakly: bool) -> bool:
        """Whether it leaves out values, so that it is worth being asked (``_values``)."""
        other = self._other
        if not self._select.can_be_read_twice(other):
            return False
        alone = [one for one in self._terms if len(one.refers.items) == 1]
        few = any(map(self._may_be_few, self._items))
        if not self._select.is_costly(other):
            return bool(alone) or few
        if len(self._items) > 1 and any(other not in one.refers.items for one in alone):
            return True
        if other.body is not None and (few or (weakly and (alone or other.body.find(exp.Where)))):
            return True
        tells = partial(_tells_sessions, self._select, other)
        return any(names_values(one.node, one.refers.named(other, tells)) for one in alone)

    def _may_be_few(self, item: Item) -> bool:
        """Whether an item may have few rows without any condition on it."""
        if item.known or item.body is None or not self._select.is_costly(item):
            return not item.known
        if item.body.find(exp.Limit) is not None:
            return True
        inner = _read_by(self._select.catalog, item.body)
        return any(
            inner is None or one.name.lower() in _keys(inner)
            for where in item.body.find_all(exp.Where)
            for one in where.find_all(exp.Column)
        )

    def select(self, column: str) -> str:
        """The subquery.

        Args:
            column: what it returns.
        """
        select, items = self._select, self._items
        tables = ", ".join(select.text(one) for one in select.scope.items if one in items)
        conditions = [one.text or self._qualified(one) for one in self._terms]
        conditions += [
            f"{one.left[0].outside(one.left[1])} = {one.right[0].outside(one.right[1])}"
            for one in self._equalities
            if not one.left[2] and {one.left[0], one.right[0]} <= {*items}
        ]
        where = f" WHERE {' AND '.join(f'({one})' for one in conditions)}" if conditions else ""
        return f"SELECT {column} FROM {tables}{where}"

    def _qualified(self, term: Term) -> str:
        """A condition as it reads anywhere: what is not known to have its columns is named."""
        columns = zip(term.refers.columns, term.refers.nodes, strict=True)
        bare = term.refers.bare
        names = [
            (node, item.outside(name))
            for (item, name), node in columns
            if term.only is not None or (node in bare and not item.known)
        ]
        return self._select.source.renamed(term.span, names)


def _tells_sessions(select: SelectTerms, item: Item, column: str) -> bool:
    """Whether a condition on a column of a costly item may spare reading all its sessions."""
    if item.body is None:
        return column in _keys(item)
    inner = _read_by(select.catalog, item.body)
    names = {one.alias_or_name.lower(): one.unalias() for one in item.body.unnest().expressions}
    made = names.get(column.lower(), exp.column(column))
    return inner is None or made.name.lower() in _keys(inner)


def _read_by(catalog: Catalog, body: exp.Expression) -> Item | None:
    """The one table or view that a query reads; None where that is not followed."""
    query = body.unnest()
    table = query.args["from_"].this if query.args.get("from_") is not None else None
    if not isinstance(table, exp.Table) or query.args.get("joins") or renamed_columns(body):
        return None
    called = table.db or None, table.name
    inner = Item(None, ours=catalog.resolve(*called), view=catalog.view(*called))
    return inner if inner.known else None


def _keys(item: Item) -> frozenset[str]:
    """The columns by which some rows of an item are found without reading all of them."""
    if item.view is not None:
        return frozenset(item.view.view.keys)
    return frozenset() if item.ours is None else item.ours.keys
