"""A plan in words: the idxStr that SQLite prints in EXPLAIN QUERY PLAN, and the plan's identity.

Holds no values, so that one text stands for one plan whatever it is run with.
"""

from __future__ import annotations

from sessions_vtab.plan.offer import Relation
from sessions_vtab.plan.plan import Plan, Term
from sessions_vtab.schema.model import ARGUMENTS, PUSH
from sessions_vtab.spec.predicate import BINARY, TIMESTAMP, Field, Op, words_of
from sessions_vtab.spec.scan import Order

__all__ = ["describe"]

_CARRIER = frozenset((PUSH.name, ARGUMENTS.name))


def describe(plan: Plan) -> str:
    """The plan as one line: way of reading, sent, here, order, limit, columns read.

    Example:
        ``get; sent: session_id = ?; here: author LIKE; read: name, user_id``
    """
    clauses = (
        plan.path.name,
        _clause("sent", " AND ".join(_sent(plan))),
        _clause("here", ", ".join(plan.here)),
        _clause("order", ", ".join(map(_order, plan.order))),
        "limit" if plan.limit is not None else "",
        ("skip" if plan.skips else "offset") if plan.offset is not None else "",
        _clause("read", _columns(plan) or "no column"),
    )
    return "; ".join(filter(None, clauses))


def _sent(plan: Plan) -> list[str]:
    words = [_term(term) for term in plan.terms]
    words += [f"{name} = ?" for name, _ in plan.parameters if name not in _CARRIER]
    words += [f"{name} = {value!r}" for name, value in plan.constants]
    if plan.pushed is not None:
        words.append(f"({words_of(plan.pushed.predicate)})")
    return words


def _term(term: Term) -> str:
    field = Field(term.column)
    if term.op in {Op.IS_NULL, Op.IS_NOT_NULL}:
        return f"{field} {term.op}"
    value = "literal" if term.literal else "?"
    if term.op is Op.IN:
        value = "(?)"
    op = Relation.IS if term.op is Relation.IS else term.op
    return f"{field} {op} {value}{_collate(field, term.collation)}"


def _collate(field: Field, collation: str) -> str:
    usual = field.key is None and collation == TIMESTAMP
    return "" if usual or collation == BINARY else f" COLLATE {collation}"


def _clause(word: str, text: str) -> str:
    return f"{word}: {text}" if text else ""


def _order(order: Order) -> str:
    return f"{order.column} desc" if order.descending else order.column


def _columns(plan: Plan) -> str:
    names = [name for name in plan.table.names if name in plan.columns]
    visible = [column.name for column in plan.table.visible]
    return "all" if names == visible else ", ".join(names)
