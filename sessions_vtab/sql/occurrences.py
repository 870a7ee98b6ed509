"""What is found out about each place where a statement names one of our tables."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import NamedTuple

from sessions_vtab.contract.predicate import Predicate
from sessions_vtab.contract.rules import Rule
from sessions_vtab.sql.catalog import OurTable
from sessions_vtab.sql.conditions import Atom
from sessions_vtab.sql.names import Item
from sessions_vtab.sql.shapes import Block, Span

__all__ = ["Condition", "Join", "Lead", "Occurrence", "Role"]


class Role(StrEnum):
    """Who checks a condition."""

    OFFERED = "offered"
    """SQLite offers it to the virtual table by itself."""
    PUSHED = "pushed"
    """The plan carries all of it."""
    NARROWED = "narrowed"
    """The plan carries something wider; SQLite decides."""
    HERE = "here"
    """SQLite checks it, the plan does not know it."""


class Condition(NamedTuple):
    """One conjunct of WHERE or ON that is about a single occurrence.

    Attributes:
        text: as written, parameters as ``?N`` of the statement.
        role: who takes care of it.
        local: it mentions nothing but columns of the occurrence and parameters.
        numbers: the parameters in it.
        predicate: what could be read of it.
        rule: why nothing of it can be pushed; None if an access path decides.
    """

    text: str
    role: Role
    local: bool
    numbers: tuple[int, ...]
    predicate: Predicate | None = None
    rule: Rule | None = None


class Join(NamedTuple):
    """``column = source.source_column``, where the source hands its rows to this occurrence."""

    column: str
    source: Item
    source_column: str


class Lead(NamedTuple):
    """Rows of no table of ours that hand their keys to an occurrence: the FROM item before it.

    Attributes:
        column: the key column of the occurrence.
        key: the item's column, as written.
        label: how the item is called, as written.
        span: tokens of the item.
        conditions: what WHERE says about the item alone.
    """

    column: str
    key: str
    label: str
    span: Span
    conditions: tuple[str, ...]


@dataclass(slots=True)
class Occurrence:
    """One place where a statement names one of our tables.

    Attributes:
        item: name, table and place.
        alias: how the statement qualifies its columns.
        block: the SELECT it is in; None in UPDATE and DELETE.
        predicate: what may be pushed; its slots are indexes into ``atoms``.
        atoms: the values.
        conditions: the conjuncts about it alone.
        joins: equalities with rows of other occurrences.
        order: terms of ORDER BY as written.
        limit: LIMIT and OFFSET as written.
        spliceable: table-valued arguments can be put behind its name.
        lead: the item whose rows come first, if it is not a table of this package.
        hidden: a condition that SQLite does not offer the table is about rows that it hides.
    """

    item: Item
    ours: OurTable
    alias: str
    block: Block | None = None
    predicate: Predicate | None = None
    atoms: tuple[Atom, ...] = ()
    conditions: list[Condition] = field(default_factory=list)
    joins: list[Join] = field(default_factory=list)
    order: str = ""
    limit: str = ""
    spliceable: bool = True
    lead: Lead | None = None
    hidden: bool = False
