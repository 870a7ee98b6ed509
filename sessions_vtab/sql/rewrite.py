"""One statement rewritten: what is executed in its place, and what is known about it.

``text`` is the user's own with splices, up to its last token; ``plain`` the same without plans, for
values that cannot travel as JSON and for texts that SQLite then refuses to prepare. Where nothing
has to be spliced both are the very object that came in.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING, NamedTuple

from sessions_vtab.contract import times
from sessions_vtab.sql.lexer import StatementKind, TokenKind, classify, name_of, tokenize
from sessions_vtab.sql.names import Catalog, OurTable
from sessions_vtab.sql.parameters import Bindings, Numbering, bind, number

if TYPE_CHECKING:  # Most of them are needed only by statements that concern us.
    from sessions_vtab.sql.conditions import TimeOperand
    from sessions_vtab.sql.effects import Effect
    from sessions_vtab.sql.occurrences import Condition, Occurrence
    from sessions_vtab.sql.plans import PlanArgument
    from sessions_vtab.sql.returning import Returning
    from sessions_vtab.sql.targets import Conflict, Target


class Rewritten(NamedTuple):
    """One statement, ready to be executed.

    Attributes:
        original: the text as it came.
        text: what to execute: with plans, without RETURNING.
        plain: what to execute where ``choose`` says so, or where ``text`` does not prepare.
        kind: what kind of statement it is.
        numbering: its parameters.
        parameters: how many values ``text`` and ``plain`` take: the first of all.
        plans: each plan by its words, which is the first argument the virtual table gets.
        pushed: numbers of the parameters whose values travel in plans.
        times: what has to be a time, because it is compared with a time column.
        target: what it changes; None for a query.
        table: the table behind the target, if it is ours.
        returning: its RETURNING clause, if the target is ours.
        conflict: what becomes of rows that exist already, if the target is ours.
        effect: the function that acts, if it calls one: run it to its end before the first row.
    """

    original: str
    text: str
    plain: str
    kind: StatementKind
    numbering: Numbering
    parameters: int
    plans: Mapping[str, PlanArgument] = MappingProxyType({})
    pushed: frozenset[int] = frozenset()
    times: tuple[TimeOperand, ...] = ()
    target: Target | None = None
    table: OurTable | None = None
    returning: Returning | None = None
    conflict: Conflict | None = None
    effect: Effect | None = None

    @property
    def touched(self) -> bool:
        """Whether the executed text differs: then its values must be a sequence, from ``bind``."""
        return self.text is not self.original

    def bind(self, bindings: Bindings) -> tuple[object, ...]:
        """All values of the statement, by parameter number.

        Raises:
            MissingParameterError: too few values, or a name without one.
            StatementError: too many values.
            InvalidValueError: a value that is compared with a time column is not a time.
        """
        values = bind(self.numbering, bindings)
        for operand in self.times:
            if operand.number is not None and values[operand.number - 1] is not None:
                times.require(values[operand.number - 1], operand.column)
        return values

    def choose(self, values: Sequence[object]) -> str:
        """The text to execute with these values, of which it takes the first ``parameters``."""
        return self.text if self.may_push(values) else self.plain

    def may_push(self, values: Sequence[object]) -> bool:
        """Whether the values of the pushed parameters survive as JSON: no blobs, no infinity."""
        return all(_travels(values[mine - 1]) for mine in self.pushed)


def rewrite(text: str, catalog: Catalog) -> Rewritten:
    """Reads one statement and splices into it what its tables can use.

    Args:
        text: one statement, with or without its ``;``.
        catalog: what its names mean.

    Raises:
        UnsupportedError: a function that acts in a place where SQLite does not promise one call a
            row; INSERT OR REPLACE, DO UPDATE; ``_push``, ``_args`` or arguments on a table.
        StatementError: what SQLite's own RETURNING refuses; a parameter number out of range.
        InvalidValueError: a literal compared with a time column is not a time, or one compared by
            ``=`` with a column of a declared form has another.
    """
    tokens = tokenize(text)
    kind, numbering = classify(tokens), number(tokens)
    names = {name_of(token).lower() for token in tokens if token.kind <= TokenKind.QUOTED}
    # SQLite takes a text in quotation marks as a function's name, too: FROM 'append_event'('s1').
    strings = {name_of(token).lower() for token in tokens if token.kind is TokenKind.STRING}
    acts = not catalog.effect_names.isdisjoint(names | strings)
    ours = not names.isdisjoint(catalog.table_names)
    viewed = not names.isdisjoint(catalog.view_names)
    if not acts and not ours and not viewed:
        return Rewritten(text, text, text, kind, numbering, numbering.count)
    from sessions_vtab.sql.splicing import Splicer  # noqa: PLC0415  # Only for ours.

    splicer = Splicer(text, tokens, kind, numbering, catalog)
    return splicer.rewritten(acts=acts, ours=ours, through=ours or viewed)


def conditions_of(text: str, catalog: Catalog) -> Mapping[str, Sequence[Sequence[Condition]]]:
    """The conditions of a statement that are about one of our tables each.

    Returns:
        By alias, in lower case, those of each table that is called so, in the order of the text.
    """
    found: dict[str, list[Sequence[Condition]]] = {}
    for one in occurrences_of(text, catalog):
        found.setdefault(one.alias.lower(), []).append(one.conditions)
    return found


def occurrences_of(text: str, catalog: Catalog) -> Sequence[Occurrence]:
    """The places where a statement names our tables, in the order of the text.

    Raises:
        UnsupportedError: a use of a table or a parameter column that is refused.
    """
    from sessions_vtab.sql.analysis import analyse  # noqa: PLC0415  # Imports sqlglot.
    from sessions_vtab.sql.source import parsed  # noqa: PLC0415

    tokens = tokenize(text)
    source = parsed(text, tokens, classify(tokens), number(tokens))
    return () if source is None else analyse(source, catalog)[0]


def _travels(value: object) -> bool:
    if isinstance(value, float):
        return math.isfinite(value)
    return value is None or isinstance(value, str | int)
