"""One statement that concerns us: what is spliced into it, and what is refused."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING

from sessions_vtab.contract import times
from sessions_vtab.contract.model import PLAN_COLUMNS
from sessions_vtab.errors import UnsupportedError
from sessions_vtab.sql.catalog import Catalog
from sessions_vtab.sql.effects import Effect, effect_of, mentioned
from sessions_vtab.sql.fast_path import needs_parsing
from sessions_vtab.sql.forms import require_form
from sessions_vtab.sql.lexer import Edit, StatementKind, Token, TokenKind, apply, name_of
from sessions_vtab.sql.parameters import Numbering
from sessions_vtab.sql.plans import PlanArgument
from sessions_vtab.sql.returning import Returning, keep_column_names, returning_of
from sessions_vtab.sql.rewrite import Rewritten
from sessions_vtab.sql.row_values import keep_row_values
from sessions_vtab.sql.shapes import partners
from sessions_vtab.sql.targets import conflict_of, creates_table, target_of

if TYPE_CHECKING:  # It imports sqlglot, which many statements do not need.
    from sessions_vtab.sql.conditions import TimeOperand

__all__ = ["Splicer"]

_Pushes = tuple[
    "Sequence[TimeOperand]",
    Sequence[Edit],
    Mapping[str, PlanArgument],
    frozenset[int],
]
_NO_PUSHES: _Pushes = ((), (), {}, frozenset())


@dataclass(slots=True)
class Splicer:
    """One statement while it is read; its pairs are its brackets."""

    text: str
    tokens: list[Token]
    kind: StatementKind
    numbering: Numbering
    catalog: Catalog
    pairs: dict[int, int] = field(init=False)

    def __post_init__(self) -> None:
        self.pairs = partners(self.tokens)

    def rewritten(self, *, acts: bool, ours: bool) -> Rewritten:
        """The statement with what its tables can use.

        Args:
            acts: it may call a function that acts.
            ours: it may name one of our tables.

        Raises:
            UnsupportedError, StatementError, InvalidValueError: as ``rewrite.rewrite``.
        """
        if ours:
            require_form(self.tokens, self.kind, self.pairs, self.catalog)
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
        readable = ours and self._is_readable()
        timed, pushes, plans, pushed = self._pushes() if readable else _NO_PUSHES
        plain = self._edited(base)
        return Rewritten(
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

    def _is_readable(self) -> bool:
        """Whether it can read our tables: sqlglot is not asked about anything else."""
        made = self.kind.verb == "CREATE" and creates_table(self.tokens, self.kind)
        return made or self.kind.verb == "SELECT" or self.kind.changes

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
        self._refuse_reserved()
        if not needs_parsing(self.tokens, self.catalog):
            return _NO_PUSHES
        from sessions_vtab.sql.analysis import analyse  # noqa: PLC0415  # Imports sqlglot.
        from sessions_vtab.sql.plan_arguments import splice_plans  # noqa: PLC0415  # As above.

        occurrences, timed = analyse(
            self.text, self.tokens, self.kind, self.numbering, self.pairs, self.catalog
        )
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
