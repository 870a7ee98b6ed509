"""What a statement asks of each of our tables, found by walking its tree."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from sqlglot import exp

from sessions_vtab.sql.conditions import TimeOperand
from sessions_vtab.sql.names import Catalog, Item, Scope
from sessions_vtab.sql.occurrences import Join, Occurrence, is_limited, key_source_of
from sessions_vtab.sql.pushing import OnTerm, SelectConditions, read_conditions
from sessions_vtab.sql.shapes import Span
from sessions_vtab.sql.source import ParsedStatement, condition_of_change, parts, terms
from sessions_vtab.sql.walk import On, Walk


def analyse(
    source: ParsedStatement, catalog: Catalog
) -> tuple[list[Occurrence], list[TimeOperand]]:
    """The occurrences of our tables in a statement, in the order of the text.

    Returns:
        The occurrences, and the values that are compared with time columns.

    Raises:
        UnsupportedError: one of our tables is given arguments, or a parameter column is used
            where it has no value.
    """
    walk = _Analysis(source, catalog)
    walk.statement(source.parsed.tree)
    found = sorted(walk.occurrences.values(), key=lambda each: each.item.at)
    return found, walk.times


@dataclass(slots=True)
class _Analysis(Walk):
    occurrences: dict[int, Occurrence] = field(default_factory=dict)
    times: list[TimeOperand] = field(default_factory=list)

    def named(self, item: Item, node: exp.Table) -> None:
        """Notes an occurrence of our table."""
        if item.ours is None:
            return
        found = Occurrence(item, item.ours, node.alias or node.name)
        if not item.target:
            found.block = self.source.block_of(item.at)
            found.spliceable = not self._indexed(item.at)
            self._order(found)
        self.occurrences[item.at] = found

    def _indexed(self, at: int) -> bool:
        """Whether NOT INDEXED or INDEXED BY follows: such an item takes no arguments."""
        return any(token.upper == "INDEXED" for token in self.source.tokens[at + 1 : at + 5])

    def _order(self, found: Occurrence) -> None:
        if found.block is not None and not found.block.compound:
            found.order = self.source.slice(found.block.clauses.get("ORDER"))
            found.limit = self.source.slice(found.block.clauses.get("LIMIT"))

    def merged(self, join: exp.Join, right: Item, left: Sequence[Item]) -> None:
        """Notes the equalities that USING stands for, where their left sides are certain."""
        mine = self.occurrences.get(right.at)
        certain = all(item.ours is not None for item in left) and join.side in {"", "LEFT"}
        for column in join.args.get("using") or () if mine is not None and certain else ():
            found = [item for item in left if item.spelled(column.name) is not None]
            name = right.spelled(column.name)
            if mine is None or len(found) != 1 or name is None:
                continue
            source = found[0]
            source_name = source.spelled(column.name) or name
            mine.joins.append(Join(name, source, source_name))
            if not right.nullable and source.at in self.occurrences:
                self.occurrences[source.at].joins.append(Join(source_name, right, name))

    def conditions(self, node: exp.Expression, scope: Scope, ons: Sequence[On]) -> None:
        """Fills in what each occurrence is asked."""
        mine = [self.occurrences[item.at] for item in scope.items if item.at in self.occurrences]
        if not mine or scope.opaque:
            return
        for occurrence in mine if scope.fixed else ():
            occurrence.joins.clear()  # From USING: with RIGHT or FULL either side may come first.
        condition = node.args.get("where")
        found = [] if condition is None else terms(condition.this)
        spans = self.source.conjuncts(self._where(mine[0]), len(found))
        where = list(zip(found, spans, strict=True))
        joined = list(self._joined(mine[0], scope, ons))
        having = [part.this for part in parts(node, "having")]
        asked = SelectConditions(scope, tuple(found), tuple(ons), tuple(having))
        for occurrence in mine:
            asked.require_parameters(occurrence)
            occurrence.hidden = asked.for_hidden(occurrence)
            occurrence.limited = is_limited(node)
            self.times += read_conditions(self.source, occurrence, scope, where, joined)
        if isinstance(node, exp.Select) and scope.items[-1] is mine[-1].item:
            conjuncts = [one.node for one in joined]
            mine[-1].key_source = key_source_of(
                self.source, node, scope, mine[-1], where, conjuncts
            )

    def _joined(self, first: Occurrence, scope: Scope, ons: Sequence[On]) -> Iterator[OnTerm]:
        """The conjuncts of each ON."""
        block = first.block if ons else None
        clause = None if block is None else self.source.from_clause(block, len(scope.items))
        for place, on in ons:
            found = terms(on)
            within = None if clause is None else clause.ons.get(place)
            for node, span in zip(found, self.source.conjuncts(within, len(found)), strict=True):
                yield OnTerm(place, node, span)

    def _where(self, occurrence: Occurrence) -> Span | None:
        if occurrence.block is not None:
            return occurrence.block.clauses.get("WHERE")
        return condition_of_change(self.source.tokens, occurrence.item.at, self.source.pairs)
