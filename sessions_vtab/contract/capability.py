"""What a table of a backend can do, declared as data.

One declaration serves the planner, the error messages, the capability matrix, the help and the
tests. What is not declared is done by SQLite: slower, and just as right.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType
from typing import NamedTuple, NoReturn

from sessions_vtab.contract.predicate import BINARY, TIMESTAMP, Op, Value
from sessions_vtab.errors import UnsupportedError

EQUALITY = frozenset((Op.EQ, Op.IN))
RANGE = frozenset((Op.LT, Op.LE, Op.GT, Op.GE))


class Connective(StrEnum):
    """How a path can join conditions; AND needs no declaration."""

    OR = "OR"
    NOT = "NOT"


@dataclass(frozen=True, slots=True)
class Filter:
    """Operators that a path takes on one column.

    Attributes:
        column: the column's name.
        ops: operators that narrow the answer; ``Op.IN`` stands for one request, or for several
            whose rows do not overlap: the backend decides.
        keyed: they are taken on ``column->>'key'`` instead of on the column itself.
        texts: by the contract, every such key is text: ``CAST(.. AS text)`` changes nothing.
        exact: the answer holds exactly the rows SQLite would keep (NULL, case, collation,
            affinity); false if it may hold more.
        collations: collating sequences under which that is true.
        by_order: the source has no such filter: the rows are read in the order of the column, from
            the wanted end, and the list is given up at the first row beyond.
    """

    column: str
    ops: frozenset[Op]
    keyed: bool = False
    texts: bool = False
    exact: bool = False
    collations: frozenset[str] = frozenset((BINARY, TIMESTAMP))
    by_order: bool = False


class Within(NamedTuple):
    """The list that holds what a read by key finds.

    Attributes:
        path: name of the path that reads the list; it returns the very rows that the keys find, and
            with the same names.
        keys: the columns that a key's value settles for that path; None for a value that the list
            does not hold. Without it the other keys of the read have to do.
        through: a read by key reads that list anyway, since no request finds a single row.
    """

    path: str
    keys: Callable[[Value], Mapping[str, Value] | None] | None = None
    through: bool = False


@dataclass(frozen=True, slots=True)
class AccessPath:
    """One way to read rows of a table.

    Attributes:
        name: short word shown by explain: get, list, fan-out.
        keys: columns that must be given a value by ``=`` or IN for this path to be usable.
        filters: what else narrows it.
        orders: columns it can sort by, in both directions, NULLs first when ascending.
        connectives: OR and NOT, where one request can carry them.
        unique: at most one row for one value of each key.
        offset: it can skip rows, so that OFFSET may be handed over.
        page_cap: most rows of one page; None where rows do not come in pages.
        cost: cost of starting it, in the planner's unit: about one row read from memory.
        call: the request it makes, for explain: ``GET {engine}/sessions``.
        ascending: further columns it can sort by, in that direction only.
        ordered_by: parameter columns by which a statement says in which order the rows come, or
            where they begin: then no condition is met by their order.
        rows_per_key: how many rows one value of each key is expected to give (an estimate for the
            planner); None for the usual share of all rows.
        fans_out: it makes a request for each session, which its filters make no fewer.
        within: the list that is read instead when there are many keys; None where there is none.
        grouped: a column whose equal values come one after another, since one session is read after
            the other; empty where nothing promises that.
        grouped_id: a further such column where each of the other ``keys`` has one value: the id of
            a session, which another list may also have. Empty where there is none.
    """

    name: str
    keys: tuple[str, ...] = ()
    filters: tuple[Filter, ...] = ()
    orders: tuple[str, ...] = ()
    connectives: frozenset[Connective] = frozenset()
    unique: bool = False
    offset: bool = False
    page_cap: int | None = None
    cost: float = 1.0
    call: str = ""
    ascending: tuple[str, ...] = ()
    ordered_by: tuple[str, ...] = ()
    rows_per_key: int | None = None
    fans_out: bool = False
    within: Within | None = None
    grouped: str = ""
    grouped_id: str = ""

    def filter_for(self, column: str, *, keyed: bool = False) -> Filter | None:
        """The declaration for a column (or its keys), or None."""
        for declared in self.filters:
            if declared.column == column and declared.keyed == keyed:
                return declared
        return None


@dataclass(frozen=True, slots=True)
class Writes:
    """What can be written to a table.

    Attributes:
        insert: columns that an INSERT takes; empty where there is no INSERT.
        required: of these, columns that must not be NULL.
        update: columns that an UPDATE takes; empty where there is no UPDATE.
        delete: rows can be deleted.
        hints: what to do instead, by action (``delete``) or column name, for error messages.
        calls: the call that each action is, as ``AccessPath.call`` has it, for people.
        per_minute: how many rows the service's documented quota lets each action write in a minute;
            only for estimates of the time.
    """

    insert: frozenset[str] = frozenset()
    required: tuple[str, ...] = ()
    update: frozenset[str] = frozenset()
    delete: bool = False
    hints: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    calls: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    per_minute: Mapping[str, int] = field(default_factory=lambda: MappingProxyType({}))

    def hint(self, action: str, column: str = "") -> str:
        """What to do instead of an action, or of giving a column a value; '' if nothing is said."""
        return self.hints.get(column) or self.hints.get(action, "")

    def require(self, action: str, title: str, column: str = "") -> None:
        """Raises UnsupportedError, with the hint, if no row of a table can be written that way.

        Args:
            action: ``insert``, ``update`` or ``delete``.
            title: source and table.
            column: the one that was given a value, for a hint of its own.
        """
        if getattr(self, action):
            return
        what = (
            f"Rows of {title} cannot be deleted."
            if action == "delete"
            else f"{title} does not support {action.upper()}."
        )
        hint = self.hint(action, column)
        raise UnsupportedError(" ".join(filter(None, (what, hint, "Nothing was written."))))


class HiddenRows(NamedTuple):
    """Rows that come only to a statement that asks for them.

    Attributes:
        column: the BOOLEAN column that is 1 in them; a condition on it that is handed over shows
            them, so what the statement says decides.
        parameter: the parameter column that shows them by ``= 1``.
    """

    column: str
    parameter: str


class ValueForm(NamedTuple):
    """What every value of a column looks like.

    Attributes:
        pattern: a regular expression that the whole value matches, in any case.
        says: the kind of value and an example, after "is not a valid".
    """

    pattern: str
    says: str

    def fits(self, text: str) -> bool:
        """Whether a row can have this value."""
        return re.fullmatch(self.pattern, text, re.ASCII | re.IGNORECASE) is not None


@dataclass(frozen=True, slots=True)
class Capability:
    """Everything the engine knows about one table of one backend.

    Attributes:
        paths: ways to read, best first where their costs are equal; at least one.
        writes: what can be changed.
        rows: how many rows a full read is expected to give (an estimate for the planner).
        remote: reading costs requests, so what was read in a statement is remembered.
        hint: what to do when no path is usable because a key is missing.
        follows: for rows that belong to a session: the column of its row that changes whenever one
            of them does. Where it stayed the same, a copy of them is still right. Empty where
            nothing promises that.
        hides: rows that a read leaves out unless it is asked for them; None where there are none.
        made_from: the table whose rows these are read from: what waits to be sent to it would be
            missing here too. Empty for rows of their own.
        forms: what the values of a column look like, by column: a literal of another form in
            ``column = literal`` is an error. A scan may be given such values, and finds no row.
        enumerates: the scope column whose possible values are the rows of this table, so that a
            source can be configured by it; empty for a table of data. A snapshot copies such a
            table only if it is named.
        absent: columns that are always NULL, because the service has nothing that they could hold.
    """

    paths: tuple[AccessPath, ...]
    writes: Writes = field(default_factory=Writes)
    rows: int = 10_000
    remote: bool = True
    hint: str = ""
    follows: str = ""
    hides: HiddenRows | None = None
    made_from: str = ""
    forms: Mapping[str, ValueForm] = field(default_factory=lambda: MappingProxyType({}))
    enumerates: str = ""
    absent: frozenset[str] = frozenset()

    def refuse(self, column: str, action: str, title: str) -> NoReturn:
        """Raises UnsupportedError: a column that cannot be written is given a value.

        Args:
            column: its name.
            action: ``insert`` or ``update``.
            title: source and table.
        """
        self.writes.require(action, title, column)
        if column in self.absent:
            what = f"{title}.{column} is always NULL, because the service has no field for it"
        elif action == "update":
            what = f"{title}.{column} cannot be changed after creation"
        else:
            what = f"{title}.{column} cannot be given on INSERT, because the source sets it"
        hint = self.writes.hint(action, column)
        raise UnsupportedError(f"{what}. {hint}".rstrip() + " Nothing was written.")
