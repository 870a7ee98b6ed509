"""One statement that concerns us: what is spliced into it, and what is refused.

A literal that no value of its column can equal is refused before anything is sent: ``session_id =
'latest'`` finds nothing where every id is a UUID, so most likely it is a mistake. Only what is
written in the statement is judged, where the whole condition depends on it. A value from data, or
one of several alternatives, matches no row, as SQL has it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING

from sessions_vtab.contract import times
from sessions_vtab.contract.model import PLAN_COLUMNS
from sessions_vtab.errors import InvalidValueError, UnsupportedError
from sessions_vtab.sql.effects import Effect, effect_of, mentioned
from sessions_vtab.sql.fast_path import may_move, needs_parsing
from sessions_vtab.sql.lexer import (
    Edit,
    StatementKind,
    Token,
    TokenKind,
    apply,
    classify,
    name_of,
)
from sessions_vtab.sql.names import Catalog, OurTable
from sessions_vtab.sql.parameters import Numbering
from sessions_vtab.sql.plans import PlanArgument
from sessions_vtab.sql.returning import Returning, keep_column_names, returning_of
from sessions_vtab.sql.rewrite import Rewritten
from sessions_vtab.sql.row_values import keep_row_values
from sessions_vtab.sql.shapes import Span, blocks, conjuncts, find, partners
from sessions_vtab.sql.targets import conflict_of, creates_table, target_of

if TYPE_CHECKING:  # It imports sqlglot, which many statements do not need.
    from sessions_vtab.sql.conditions import TimeOperand
    from sessions_vtab.sql.source import ParsedStatement


_Pushes = tuple[
    "Sequence[TimeOperand]",
    Sequence[Edit],
    Mapping[str, PlanArgument],
    frozenset[int],
]
_NO_PUSHES: _Pushes = ((), (), {}, frozenset())


@dataclass(slots=True)
class Splicer:
    """One statement while it is read; its pairs are its brackets, its source what sqlglot reads."""

    text: str
    tokens: list[Token]
    kind: StatementKind
    numbering: Numbering
    catalog: Catalog
    source: ParsedStatement | None = None
    pairs: dict[int, int] = field(init=False)

    def __post_init__(self) -> None:
        self.pairs = partners(self.tokens)

    def rewritten(self, *, acts: bool, ours: bool, through: bool = False) -> Rewritten:
        """The statement with what its tables can use.

        Args:
            acts: it may call a function that acts.
            ours: it may name one of our tables.
            through: conditions move into its views and subqueries.

        Raises:
            UnsupportedError, StatementError, InvalidValueError: as ``rewrite.rewrite``.
        """
        if ours:
            _require_form(self.tokens, self.kind, self.pairs, self.catalog)
        effect = self._effect() if acts else None
        target = target_of(self.tokens, self.kind)
        table = None if target is None else self.catalog.resolve(target.schema, target.name)
        returning = conflict = None
        if target is not None and table is not None:
            returning = returning_of(self.text, self.tokens, self.kind, self.numbering, self.pairs)
            shown = f"{target.schema}.{target.name}" if target.schema else table.table.name
            conflict = conflict_of(self.tokens, self.kind, self.pairs, shown)
        base = [
            *(effect.edits if effect else ()),
            *(conflict.edits if conflict else ()),
            *([returning.cut] if returning else ()),
            *(keep_row_values(self.tokens, self.pairs) if ours else ()),
        ]
        # sqlglot reads and never writes: a statement that it prints back can have other column
        # names and another join order. So the user's text stays, with edits at the places of
        # tokens.
        timed, pushes, plans, pushed = self._pushes() if ours else _NO_PUSHES
        plain = self._edited(base)
        found = Rewritten(
            original=self.text,
            # Two texts, since a pushed value travels as JSON, which has no blobs and no infinity:
            # with such a value the plain text runs, and SQLite checks every row.
            text=self._edited([*base, *pushes]) if pushes else plain,
            plain=plain,
            kind=self.kind,
            numbering=self.numbering,
            parameters=self._parameters(returning),
            plans=MappingProxyType(plans),
            pushed=pushed,
            times=tuple(dict.fromkeys(operand for operand in timed if operand.number is not None)),
            target=target,
            table=table,
            returning=returning,
            conflict=conflict,
            effect=effect,
        )
        return self._through_views(found, acts=acts) if through else found

    def _through_views(self, found: Rewritten, *, acts: bool) -> Rewritten:
        """The same with conditions in its views and subqueries; as it is where there are none."""
        if not (self._reads() and may_move(self.tokens, self.kind, self.pairs, self.catalog)):
            return found
        # Imports sqlglot.
        from sessions_vtab.sql.view_conditions import with_view_conditions  # noqa: PLC0415

        source = self._parsed()
        moved = source and with_view_conditions(source, self.catalog)
        if moved is None or moved is source:
            return found
        kind = classify(moved.tokens)
        splicer = Splicer(
            moved.text, list(moved.tokens), kind, moved.numbering, self.catalog, moved
        )
        inner = splicer.rewritten(acts=acts, ours=True)
        timed = tuple(dict.fromkeys((*found.times, *inner.times)))
        return found._replace(text=inner.text, plans=inner.plans, pushed=inner.pushed, times=timed)

    def _parsed(self) -> ParsedStatement | None:
        """The statement as sqlglot reads it, once; None if it cannot."""
        from sessions_vtab.sql.source import parsed  # noqa: PLC0415  # Imports sqlglot.

        if self.source is None:
            self.source = parsed(self.text, self.tokens, self.kind, self.numbering)
        return self.source

    def _reads(self) -> bool:
        """Whether it can read our tables: sqlglot is not asked about anything else."""
        reads = self.kind.verb == "SELECT" or self.kind.changes
        return reads or creates_table(self.tokens, self.kind)

    def _effect(self) -> Effect | None:
        known = self.catalog
        found = mentioned(self.tokens, self.pairs, known.effect_names, known.effect)
        if not found:
            return None
        return effect_of(
            self.tokens,
            self.kind,
            self.pairs,
            found,
            numbers=self.numbering.numbers,
            hidden=self._hidden,
        )

    def _hidden(self, schema: str | None, name: str) -> frozenset[str]:
        """The hidden columns of a table of ours."""
        ours = self.catalog.resolve(schema, name)
        columns = () if ours is None else ours.table.columns
        return frozenset(one.name for one in columns if one.hidden)

    def _parameters(self, returning: Returning | None) -> int:
        """The largest number left in the text: SQLite wants exactly that many values."""
        # SQLite refuses more bindings than the text has parameters, and RETURNING has been cut off.
        if returning is None:
            return self.numbering.count
        numbers = self.numbering.numbers.items()
        kept = [mine for index, mine in numbers if self.tokens[index].start < returning.cut.start]
        return max(kept, default=0)

    def _pushes(self) -> _Pushes:
        if not self._reads():
            return _NO_PUSHES
        self._refuse_reserved()
        if not needs_parsing(self.tokens, self.catalog):
            return _NO_PUSHES
        from sessions_vtab.sql.analysis import analyse  # noqa: PLC0415  # Imports sqlglot.
        from sessions_vtab.sql.plan_arguments import splice_plans  # noqa: PLC0415  # As above.

        source = self._parsed()
        occurrences, timed = ([], []) if source is None else analyse(source, self.catalog)
        for operand in timed:
            if operand.number is None:
                times.require(operand.value, operand.column)
        edits, plans, pushed = splice_plans(self.tokens, self.pairs, occurrences)
        return timed, edits, plans, pushed

    def _refuse_reserved(self) -> None:
        for token in self.tokens:
            if (
                token.kind in (TokenKind.WORD, TokenKind.QUOTED)
                and name_of(token).lower() in PLAN_COLUMNS
            ):
                raise UnsupportedError(f"{token.text} is reserved for internal use; leave it out.")

    def _edited(self, edits: Sequence[Edit]) -> str:
        if not edits:
            return self.text
        every = [*self.numbering.edits(self.tokens), *edits]
        every += keep_column_names(self.text, self.tokens, self.pairs, every)
        # Without the comment after it, another statement can follow.
        every.append(Edit(self.tokens[-1].end, len(self.text), "", rank=1))
        return apply(self.text, every)


_NAMED = (TokenKind.WORD, TokenKind.QUOTED)
_WHERE = frozenset(("WHERE",))
_ENDS = frozenset(("RETURNING", "ORDER", "LIMIT", ";"))


def _require_form(
    tokens: Sequence[Token], kind: StatementKind, pairs: dict[int, int], catalog: Catalog
) -> None:
    """Checks the literals that WHERE compares with a column by ``=``.

    Raises:
        InvalidValueError: one that no row can have.
    """
    texts = {token.text for token in tokens if token.kind is TokenKind.STRING}
    if not texts:
        return
    for tables, where in _wheres(tokens, kind, pairs):
        for span in conjuncts(tokens, where, pairs):
            label, column, literal = _equality(tokens, span)
            if column and literal is not None:
                _judge(_found(tokens, tables, catalog, label), column, literal)


def _wheres(
    tokens: Sequence[Token], kind: StatementKind, pairs: dict[int, int]
) -> Iterator[tuple[Span, Span]]:
    """Each WHERE clause with the span that names its tables."""
    for block in blocks(tokens, pairs):
        if {"FROM", "WHERE"} <= block.clauses.keys():
            yield block.clauses["FROM"], block.clauses["WHERE"]
    if kind.verb in {"UPDATE", "DELETE"}:
        every = (kind.at, len(tokens))
        mark = next(find(tokens, every, pairs, _WHERE), None)
        if mark is not None:
            end = next(find(tokens, (mark, len(tokens)), pairs, _ENDS), len(tokens))
            yield (kind.at + 1, mark), (mark + 1, end)


def _equality(tokens: Sequence[Token], span: Span) -> tuple[str, str, str | None]:
    """Qualifier, column and literal of ``column = 'literal'``; empty for anything else."""
    part = tokens[slice(*span)]
    label = ""
    if len(part) == 5 and part[1].text == ".":  # noqa: PLR2004  # label . column = literal
        label, part = name_of(part[0]).lower(), part[2:]
    shaped = len(part) == 3 and part[0].kind in _NAMED and part[1].text in {"=", "=="}  # noqa: PLR2004
    if not shaped or part[2].kind is not TokenKind.STRING:
        return "", "", None
    return label, name_of(part[0]).lower(), name_of(part[2])


def _found(tokens: Sequence[Token], span: Span, catalog: Catalog, label: str) -> Iterator[OurTable]:
    """The tables of a span, those of one label if there is one."""
    for at in range(*span):
        token = tokens[at]
        if token.kind not in _NAMED or name_of(token).lower() not in catalog.table_names:
            continue
        qualified = at - 2 >= span[0] and tokens[at - 1].text == "."
        schema = name_of(tokens[at - 2]) if qualified else None
        if label in {"", _label(tokens, at)}:
            found = catalog.resolve(schema, name_of(token))
            if found is not None:
                yield found


def _label(tokens: Sequence[Token], at: int) -> str:
    following = at + 1
    if following < len(tokens) and tokens[following].upper == "AS":
        following += 1
    is_alias = following < len(tokens) and (
        following > at + 1
        or (tokens[following].kind in _NAMED and tokens[following].upper not in _WORDS)
    )
    return name_of(tokens[following] if is_alias else tokens[at]).lower()


_WORDS = frozenset(
    ("WHERE", "SET", "JOIN", "LEFT", "RIGHT", "FULL", "INNER", "CROSS", "NATURAL", "ON", "USING")
)


def _judge(tables: Iterator[OurTable], column: str, literal: str) -> None:
    found = [one for one in tables if column in one.table.positions]
    if len(found) != 1:
        return  # SQLite will say that it is ambiguous, or whose column it is.
    form = found[0].capability.forms.get(column)
    if form is not None and not form.fits(literal):
        raise InvalidValueError(
            f"{found[0].title}.{column} = {literal!r:.60} is not a valid {form.says}."
            " Nothing was sent."
        )
