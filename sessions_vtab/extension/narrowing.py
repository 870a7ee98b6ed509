"""What a statement's text says beyond what SQLite offers: ``labels->>'env' = 'prod'``, OR, NOT IN.

SQLite plans a scan when it prepares the statement, whose text is not known then. So a scan that
costs requests is planned again when it begins. The text tells all of a statement only under
conditions; the extension sends it where the first three hold:

* the statement reads, and is the only one that runs;
* no TEMP view is named in it: a view's own text is not seen;
* the values of its parameters have been written into it;
* the table is named exactly once, so that the scan is of that place;
* every value is an integer, a text or NULL: SQLite writes 15 digits of a real number only;
* no condition is about rows that the table hides: narrowing changes requests, and never rows.

A limit of SQLite's writing remains: a text parameter is written up to the first NUL in it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache, partial
from typing import Any, Final

from sessions_vtab.contract.model import Function
from sessions_vtab.contract.predicate import Predicate, fields
from sessions_vtab.contract.values import dump_json
from sessions_vtab.errors import SessionsError
from sessions_vtab.plan.index_info import UNKNOWN, IndexInfo, IndexUsage
from sessions_vtab.sql.lexer import Token, name_of, tokenize
from sessions_vtab.sql.names import OurTable, OurView
from sessions_vtab.sql.plans import PlanArgument
from sessions_vtab.sql.rewrite import occurrences_of
from sessions_vtab.vtab.host import Host
from sessions_vtab.vtab.table import SourceTable

_TEXTS: Final = 200
_TELLING: Final = frozenset(("OR", "NOT", "->", "->>", "JSON_EXTRACT", "LOWER", "UPPER"))
"""Without any of these SQLite offers every condition by itself."""


@dataclass(frozen=True, slots=True)
class Said:
    """What a text says about the one place where it names a table.

    Attributes:
        plan: with the condition.
        values: JSON array of the values.
    """

    plan: PlanArgument
    values: str


class OneTable:
    """``sql.names.Catalog`` that knows a single table; all else is somebody else's."""

    effect_names: frozenset[str] = frozenset()
    view_names: frozenset[str] = frozenset()

    def __init__(self, name: str, table: OurTable) -> None:
        self.table_names = frozenset((name.lower(),))
        self._table = table

    def resolve(self, schema: str | None, name: str) -> OurTable | None:  # noqa: ARG002
        """The table, whatever schema is written before its name: there is one place of it."""
        return self._table if name.lower() in self.table_names else None

    def view(self, schema: str | None, name: str) -> OurView | None:  # noqa: ARG002
        """None: a view's text is not seen."""
        return None

    def definition(self, schema: str | None, name: str) -> str:  # noqa: ARG002
        """Nothing: as above."""
        return ""

    def effect(self, schema: str | None, name: str) -> Function | None:  # noqa: ARG002
        """None: a scan uses no functions."""
        return None


def said(text: str, name: str, table: OurTable) -> Said | None:
    """What a statement says about a table; None if that is nothing, or not certain.

    Args:
        text: of the statement, with the values of its parameters.
        name: what SQL calls the table.
        table: the table.
    """
    tokens = tokenize(text)
    if _mentions(tokens, name) != 1 or _TELLING.isdisjoint(one.upper for one in tokens):
        return None
    try:
        found = occurrences_of(text, OneTable(name, table))
    except SessionsError:
        return None  # SQLite has accepted it: it will say what there is to say.
    if len(found) != 1:
        return None
    (occurrence,) = found
    values = [atom.value for atom in occurrence.atoms]
    written = all(atom.number is None and atom.item is None for atom in occurrence.atoms)
    exact = all(value is None or isinstance(value, str | int) for value in values)
    if occurrence.predicate is None or not (occurrence.spliceable and written and exact):
        return None
    if occurrence.hidden or _reveals(occurrence.predicate, table):
        return None
    return Said(PlanArgument(predicate=occurrence.predicate), dump_json(values))


def _mentions(tokens: Sequence[Token], name: str) -> int:
    """How often a name stands where a table can: a qualifier has a dot after it."""
    following = (*(one.text for one in tokens[1:]), "")
    return sum(
        name_of(one).lower() == name.lower() and text != "."
        for one, text in zip(tokens, following, strict=True)
    )


def _reveals(predicate: Predicate, table: OurTable) -> bool:
    """Whether a condition asks for rows that the table hides otherwise.

    The same statement would have fewer rows where nothing is narrowed.
    """
    hides = table.capability.hides
    return hides is not None and any(one.column == hides.column for one in fields(predicate))


@dataclass(frozen=True, slots=True)
class _Promise:
    """What SQLite offered, and was told of its use; of literals only that they are known."""

    index_info: IndexInfo
    usage: IndexUsage
    blanked: IndexInfo


class Narrowing:
    """Narrower plans for the scans of one table.

    Args:
        host: the connection's state.
        table: the table.
        name: what SQL calls it.
        ours: the same for the reading of statements.
    """

    def __init__(self, host: Host, table: SourceTable, name: str, ours: OurTable) -> None:
        self._host = host
        self._table = table
        self._said = lru_cache(maxsize=_TEXTS)(partial(said, name=name, table=ours))
        self._promises: dict[str, _Promise | None] = {}

    def promised(self, plan_text: str, index_info: IndexInfo, usage: IndexUsage) -> None:
        """Notes what SQLite was answered, by the words of the plan.

        Where the words stand for different promises nothing is narrowed: the plan that SQLite
        holds does not say which of them it is.
        """
        made = _Promise(index_info, usage, _blanked(index_info))
        known = self._promises.get(plan_text, made)
        same = known is not None and (known.blanked, known.usage) == (made.blanked, usage)
        self._promises[plan_text] = made if same else None

    def plan(
        self, plan_text: str, given: Sequence[Any], text: str
    ) -> tuple[str, Sequence[Any]] | None:
        """Words and arguments of the narrower plan; None where there is none.

        Args:
            plan_text: of the plan that SQLite holds.
            given: the arguments it hands over.
            text: of the statement.
        """
        promise, found = self._promises.get(plan_text), self._said(text)
        if promise is None or found is None:
            return None
        argument = found.plan.text
        self._host.register(argument, found.plan)
        try:
            narrowed = self._table.narrowed(promise.index_info, promise.usage, argument)
        except SessionsError:
            return None
        if narrowed is None:
            return None
        every = [*given, argument, found.values]
        return narrowed[0], [every[place] for place in narrowed[1]]


def _blanked(index_info: IndexInfo) -> IndexInfo:
    return replace(
        index_info,
        constraints=tuple(
            replace(one, literal=UNKNOWN if one.literal is UNKNOWN else None)
            for one in index_info.constraints
        ),
    )
