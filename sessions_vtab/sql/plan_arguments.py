"""Plans on their way into a statement: as table-valued arguments, or as a tautology in WHERE.

``FROM sessions AS s`` becomes ``FROM sessions('<text>', json_array(?2)) AS s`` with the text of a
plan. The target of an UPDATE or DELETE takes no arguments; there ``"_push" IS NOT '<text>'`` has
it, which is always true, because the column is NULL in every row.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from sessions_vtab.contract.model import quoted
from sessions_vtab.contract.predicate import literal
from sessions_vtab.sql.lexer import Edit, Token, TokenKind, apply, insert, tokenize
from sessions_vtab.sql.names import Item
from sessions_vtab.sql.occurrences import Join, KeySource, Occurrence
from sessions_vtab.sql.plans import KeyLookAhead, Link, PlanArgument
from sessions_vtab.sql.source import condition_of_change

_MOST_VALUES = 900
"""SQLite takes 1000 arguments of a function: https://sqlite.org/limits.html."""


def splice_plans(
    tokens: Sequence[Token], pairs: dict[int, int], occurrences: Sequence[Occurrence]
) -> tuple[list[Edit], dict[str, PlanArgument], frozenset[int]]:
    """The edits that hand each occurrence its plan.

    Returns:
        The edits, the plans by their texts, and the parameters whose values the plans need.
    """
    labels = _labels(occurrences)
    named = {join.source.at for occurrence in occurrences for join in _remote_joins(occurrence)}
    # Only an occurrence that hands its keys to another one needs a label and its residual
    # conditions.
    feeding = named.intersection(labels)
    limited = frozenset(one.item.at for one in occurrences if one.limited)
    edits: list[Edit] = []
    plans: dict[str, PlanArgument] = {}
    pushed: set[int] = set()
    for occurrence in occurrences:
        handed = _plan_of(occurrence, labels, limited, feeds=occurrence.item.at in feeding)
        splices = [] if handed is None else _splices(tokens, pairs, occurrence, handed)
        if handed is not None and splices:
            edits += splices
            plans[handed.plan.text] = handed.plan
            pushed |= handed.numbers
    return edits, plans, frozenset(pushed)


@dataclass(frozen=True, slots=True)
class _PlanAndValues:
    """A plan with the SQL expressions for its values."""

    plan: PlanArgument
    values: tuple[str, ...]
    numbers: frozenset[int]


def _plan_of(
    occurrence: Occurrence, labels: Mapping[int, str], limited: Collection[int], *, feeds: bool
) -> _PlanAndValues | None:
    predicate = occurrence.predicate if len(occurrence.atoms) <= _MOST_VALUES else None
    atoms = () if predicate is None else occurrence.atoms
    joins = [join for join in _remote_joins(occurrence) if join.source.at in labels]
    links = tuple(Link(join.column, labels[join.source.at], join.source_column) for join in joins)
    led = occurrence.key_source is not None
    if predicate is None and not (links or feeds or led or occurrence.hidden):
        return None
    values = [atom.text for atom in atoms]
    numbers = {atom.number for atom in atoms if atom.number is not None}
    residual: list[str] = []
    for condition in occurrence.conditions if feeds else ():
        if condition.local:
            numbers.update(condition.numbers)
            residual.append(_localised(condition.text, values))
    ahead = None
    if occurrence.key_source is not None:
        ahead = KeyLookAhead(occurrence.key_source.column, len(values))
        values.append(f'json({occurrence.key_source.label}."_ahead")')
    plan = PlanArgument(
        predicate=predicate,
        label=labels[occurrence.item.at] if feeds else "",
        residual=tuple(residual),
        links=tuple(dict.fromkeys(links)),
        limited=_is_limited(occurrence, joins, limited),
        alias=occurrence.alias if feeds else "",
        ahead=ahead,
        hidden=occurrence.hidden,
    )
    return _PlanAndValues(plan, tuple(values), frozenset(numbers))


def _is_limited(occurrence: Occurrence, joins: Sequence[Join], limited: Collection[int]) -> bool:
    """Whether not all keys may be asked for: the SELECT they come from may be one around this."""
    if not joins:
        return occurrence.limited
    return any(join.source.at in limited for join in joins)


def _remote_joins(occurrence: Occurrence) -> list[Join]:
    """The joins whose next keys are worth reading ahead: both tables cost requests."""
    if not occurrence.ours.capability.remote:
        return []
    sources = ((join, join.source.ours) for join in occurrence.joins)
    return [join for join, ours in sources if ours is not None and ours.capability.remote]


def _localised(text: str, values: list[str]) -> str:
    """A condition whose ``?k`` means element k of the values; adds the values that are missing.

    Literals become values too, so that the text of a plan does not depend on them.
    """
    tokens = tokenize(text)
    typed = any(token.upper == "CAST" for token in tokens)  # VARCHAR(10) has no value in it.
    moved = (
        (TokenKind.PARAMETER, TokenKind.STRING)
        if typed
        else (TokenKind.PARAMETER, TokenKind.STRING, TokenKind.NUMBER)
    )
    edits = []
    for token in tokens:
        if token.kind in moved:
            if token.text not in values:
                values.append(token.text)
            edits.append(Edit(token.start, token.end, f"?{values.index(token.text) + 1}"))
    return apply(text, edits)


def _labels(occurrences: Sequence[Occurrence]) -> dict[int, str]:
    """What plans call the occurrences: their aliases, numbered where one is used twice."""
    seen: Counter[str] = Counter()
    labels = {}
    for occurrence in occurrences:
        if not occurrence.spliceable:
            continue
        name = occurrence.alias
        seen[name.lower()] += 1
        times = seen[name.lower()]
        labels[occurrence.item.at] = name if times == 1 else f"{name}#{times}"
    return labels


def _splices(
    tokens: Sequence[Token], pairs: dict[int, int], occurrence: Occurrence, handed: _PlanAndValues
) -> list[Edit]:
    # A literal and not a parameter: xBestIndex is told literals only, and has to cost the plan.
    text = literal(handed.plan.text)
    values = f"json_array({', '.join(handed.values)})" if handed.values else ""
    item = occurrence.item
    # UPDATE and DELETE take no table-valued arguments: there the plan is a condition that is always
    # true.
    if item.target:
        return _tautology(tokens, pairs, occurrence, text, values)
    if not occurrence.spliceable:
        return []
    arguments = f"({text}, {values})" if values else f"({text})"
    window = [] if occurrence.key_source is None else _window(tokens, occurrence.key_source)
    return [insert(tokens[item.at].end, arguments, rank=-2), *window]


_AHEAD = 63
"""Rows a window looks ahead: with the current one as many as a source has requests in flight."""


def _window(tokens: Sequence[Token], key_source: KeySource) -> list[Edit]:
    """Wraps the FROM item to add a column: its key and the keys of the following rows.

    SQLite streams such a window. A blob would be an error in JSON.
    """
    key = f"iif(typeof({key_source.key}) = 'blob', NULL, {key_source.key})"
    frame = f"ROWS BETWEEN CURRENT ROW AND {_AHEAD} FOLLOWING"
    # Not IN (SELECT ..) over the outer side, which would read it twice and whole, whatever LIMIT
    # says.
    opening = f'(SELECT *, json_group_array({key}) OVER ({frame}) AS "_ahead" FROM '
    where = f" WHERE {' AND '.join(f'({one})' for one in key_source.conditions)}"
    closing = f"{where if key_source.conditions else ''}) AS {key_source.label}"
    first, end = key_source.span
    return [
        insert(tokens[first].start, opening),
        insert(tokens[end - 1].end, closing, rank=-1),
    ]


def _tautology(
    tokens: Sequence[Token],
    pairs: dict[int, int],
    occurrence: Occurrence,
    text: str,
    values: str,
) -> list[Edit]:
    item: Item = occurrence.item
    where = condition_of_change(tokens, item.at, pairs)
    if where is None:
        return []
    name = quoted(occurrence.alias)
    condition = f'{name}."_push" IS NOT {text} AND '
    if values:
        condition += f'{name}."_args" IS NOT {values} AND '
    return [
        insert(tokens[where[0]].start, f"{condition}(", rank=-1),
        insert(tokens[where[1] - 1].end, ")", rank=-1),
    ]
