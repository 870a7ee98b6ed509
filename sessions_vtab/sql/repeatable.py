"""Whether a part of a statement that is asked twice is answered the same each time.

LIMIT may choose other rows, functions of others may return anything, and the logs of a connection
grow while its statement runs.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from sqlglot import exp

from sessions_vtab.sql.lexer import classify, tokenize
from sessions_vtab.sql.names import Catalog, Item
from sessions_vtab.sql.shapes import partners
from sessions_vtab.sql.source import read

_STEADY: Final = frozenset(
    (
        *("DATETIME", "JULIANDAY", "UNIXEPOCH", "PRINTF", "TOTAL", "QUOTE", "ZEROBLOB"),
        *("JSON", "JSON_ARRAY", "JSON_EACH", "JSON_TREE", "JSON_TYPE", "JSON_VALID", "JSON_QUOTE"),
        *("JSON_ARRAY_LENGTH", "GENERATE_SERIES"),
    )
)
"""Functions that sqlglot has no class for, and that return the same for the same arguments."""

_AGGREGATES: Final = frozenset(("TOTAL",))
"""Those of them that make one value of many rows."""

_DEEPEST: Final = 8
"""Views of views that are looked into."""


def is_steady(node: exp.Expression) -> bool:
    """Whether no function in an expression may return another value at the next call."""
    if node.find(exp.Rand, exp.Randn, exp.Uuid) is not None:
        return False
    unknown = (*node.find_all(exp.Anonymous), *node.find_all(exp.AnonymousAggFunc))
    return all(one.name.upper() in _STEADY for one in unknown)


def may_aggregate(node: exp.Expression) -> bool:
    """Whether a function in an expression may make one value of many rows."""
    unknown = {one.name.upper() for one in node.find_all(exp.Anonymous)}
    known = node.find(exp.AggFunc, exp.AnonymousAggFunc) is not None
    return known or not unknown <= _STEADY - _AGGREGATES


@dataclass(frozen=True, slots=True)
class Repeats:
    """What can be asked twice in one SELECT.

    Attributes:
        catalog: what names mean.
        names: the common table expressions that it can name, in lower case.
    """

    catalog: Catalog
    names: Mapping[str, exp.Expression]

    def condition(self, node: exp.Expression, *, once: bool = False) -> bool:
        """Whether a condition, or a query, is answered the same each time.

        Args:
            node: the condition.
            once: it is not asked again: LIMIT does not matter.
        """
        return all(
            is_steady(one) and (once or one.find(exp.Limit, exp.Fetch) is None)
            for one in self._parts(node)
        ) and all(self._is_steady_table(*name) for name in self.tables(node))

    def item(self, item: Item, schema: str | None, name: str, *, once: bool = False) -> bool:
        """Whether an item of FROM has the same rows each time, which compare as texts do.

        Args:
            item: the item.
            schema: as written before its name.
            name: its name; '' for one without.
            once: as for ``condition``.
        """
        if item.body is None:
            return self._is_steady_table(schema, name) and not self._has_collation(schema, name)
        if isinstance(item.body, exp.Func) and item.body.find(exp.Column) is not None:
            return False  # Its arguments are columns of another item.
        return self.condition(item.body, once=once) and self.compares_as_text(item.body)

    def compares_as_text(self, node: exp.Expression) -> bool:
        """Whether no collation is named in a query, or condition, nor in what it reads."""
        plain = all(one.find(exp.Collate) is None for one in self._parts(node))
        return plain and not any(self._has_collation(*one) for one in self.tables(node))

    def _parts(self, node: exp.Expression) -> Iterator[exp.Expression]:
        """An expression, and the queries that it names."""
        pending, seen = [node], set[str]()
        while pending:
            part = pending.pop()
            yield part
            named = {name.lower() for schema, name in tables_named(part) if schema is None}
            fresh = named.intersection(self.names) - seen
            seen |= fresh
            pending += [self.names[name] for name in fresh]

    def tables(self, node: exp.Expression) -> Iterator[tuple[str | None, str]]:
        """Schema and name of the tables and views that an expression reads."""
        for part in self._parts(node):
            for schema, name in tables_named(part):
                if schema is not None or name.lower() not in self.names:
                    yield schema, name

    def names_costly(self, node: exp.Expression) -> bool:
        """Whether it reads a view, or a table that fans out."""
        for schema, name in self.tables(node):
            ours = self.catalog.resolve(schema, name)
            if self.catalog.view(schema, name) is not None or (ours is not None and ours.fans_out):
                return True
        return False

    def groups_costly(self, query: exp.Expression) -> bool:
        """Whether rows of sessions are put together in a query, so that SQLite lets nothing in."""
        parts = list(self._parts(query))
        return self.names_costly(query) and (
            len(parts) > 1
            or query.find(exp.Group, exp.Distinct) is not None
            or any(self.catalog.view(*name) is not None for name in self.tables(query))
        )

    def _is_steady_table(self, schema: str | None, name: str, depth: int = 0) -> bool:
        ours = self.catalog.resolve(schema, name)
        if ours is not None:
            return ours.steady
        if self.catalog.view(schema, name) is not None:
            return True
        tree = self._select_of(schema, name)
        if tree is None or depth > _DEEPEST:
            return tree is None
        own = {one.alias.lower() for one in tree.find_all(exp.CTE)}
        tables = [one for one in tables_named(tree) if one[1].lower() not in own]
        return (
            is_steady(tree)
            and tree.find(exp.Limit, exp.Fetch) is None
            and all(self._is_steady_table(*one, depth + 1) for one in tables)
        )

    def _select_of(self, schema: str | None, name: str) -> exp.Expression | None:
        """The query of a view; None for a table."""
        tokens = tokenize(self.catalog.definition(schema, name))
        if [token.upper for token in tokens[1:2]] != ["VIEW"]:
            return None
        found = read(tokens, classify(tokens), {}, partners(tokens))
        return exp.Rand() if found is None else found.tree  # What cannot be read may be anything.

    def _has_collation(self, schema: str | None, name: str) -> bool:
        """Whether what created a table or view names a collation."""
        if self.catalog.resolve(schema, name) is not None:
            return False
        tree = self._select_of(schema, name)
        text = self.catalog.definition(schema, name)
        tables = (
            [] if tree is None else [one for one in tables_named(tree) if one != (schema, name)]
        )
        return any(token.upper == "COLLATE" for token in tokenize(text)) or any(
            self._has_collation(*one) for one in tables
        )


def tables_named(node: exp.Expression) -> Iterator[tuple[str | None, str]]:
    """Schema and name of each table in an expression, also of ``IN name``."""
    for table in node.find_all(exp.Table):
        if isinstance(table.this, exp.Identifier):
            yield table.db or None, table.name
    for member in node.find_all(exp.In):
        field = member.args.get("field")
        if isinstance(field, exp.Column):
            yield field.table or None, field.name
