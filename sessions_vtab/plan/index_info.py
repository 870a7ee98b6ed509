"""SQLite's question to a virtual table, as values: ``xBestIndex`` without SQLite.

https://sqlite.org/vtab.html#the_xbestindex_method
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, StrEnum

from sessions_vtab.contract.predicate import BINARY, Op, Value
from sessions_vtab.contract.scan import Order


class Unknown(Enum):
    """The right-hand side of a constraint that is not a literal."""

    UNKNOWN = "unknown"


UNKNOWN = Unknown.UNKNOWN


class Relation(StrEnum):
    """Operators SQLite offers beside those of ``Op``."""

    IS = "IS"
    IS_NOT = "IS NOT"
    OTHER = "function"


class Hint(StrEnum):
    """Numbers SQLite offers that are not conditions."""

    LIMIT = "LIMIT"
    OFFSET = "OFFSET"


@dataclass(frozen=True, slots=True)
class Constraint:
    """One condition that SQLite offers. Its place in ``IndexInfo.constraints`` is SQLite's index.

    Attributes:
        column: the column's name; empty for a hint.
        op: the operator or hint.
        usable: its value will be known when the scan starts.
        collation: the collating sequence SQLite will compare with.
        literal: the value, if it is a literal of the statement.
        set: it is an IN whose values can be handed over together.
        listed: it is an IN, whose values come one after another unless they are taken as a set.
    """

    column: str
    op: Op | Relation | Hint
    usable: bool = True
    collation: str = BINARY
    literal: Value | Unknown = UNKNOWN
    set: bool = False
    listed: bool = False


@dataclass(frozen=True, slots=True)
class IndexInfo:
    """Everything SQLite says about one scan.

    Attributes:
        constraints: in SQLite's order.
        order: the order it would like the rows in.
        used: names of the columns the statement looks at.
        grouping: it only wants rows with the same values in the columns of ``order`` one after
            another, for GROUP BY; in which order these groups come does not matter.
    """

    constraints: tuple[Constraint, ...] = ()
    order: tuple[Order, ...] = ()
    used: frozenset[str] = frozenset()
    grouping: bool = False


@dataclass(frozen=True, slots=True)
class ConstraintUsage:
    """What becomes of one constraint.

    Attributes:
        argument: index into the arguments of the scan, from 0; None if its value is not wanted.
        omit: SQLite need not check it again.
        as_set: the values of an IN come together.
    """

    argument: int | None = None
    omit: bool = False
    as_set: bool = False


@dataclass(frozen=True, slots=True)
class IndexUsage:
    """How a scan uses what SQLite offers, as the planner decided it.

    Attributes:
        uses: for each constraint, in SQLite's order.
        ordered: rows will come in the order SQLite asked for.
        cost: in units of about one row read from memory.
        rows: how many rows are expected.
        unique: at most one row comes.
    """

    uses: tuple[ConstraintUsage, ...]
    ordered: bool
    cost: float
    rows: int
    unique: bool
