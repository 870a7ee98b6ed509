from __future__ import annotations

import pytest

from sessions_vtab.contract.capability import AccessPath, Connective, Filter
from sessions_vtab.contract.predicate import (
    NOTHING,
    AllOf,
    AnyOf,
    Compare,
    Field,
    Member,
    Not,
    Null,
    Op,
    Predicate,
    Rule,
    Slot,
    to_sql,
)
from sessions_vtab.plan.pushdown import exactly, project, refusal

FILTERS = (
    Filter("exact", frozenset((Op.EQ, Op.NOT_IN, Op.IS_NULL)), exact=True),
    Filter("loose", frozenset((Op.EQ, Op.LIKE))),
    Filter("labels", frozenset((Op.EQ,)), keyed=True, exact=True),
)
PLAIN = AccessPath("plain", filters=FILTERS)
FULL = AccessPath("full", filters=FILTERS, connectives=frozenset(Connective))

EXACT = Compare(Field("exact"), Op.EQ, Slot(0))
LOOSE = Compare(Field("loose"), Op.EQ, Slot(1))
KEY = Compare(Field("labels", "env"), Op.EQ, Slot(2))
OTHER = Compare(Field("other"), Op.EQ, Slot(3))
UNDECLARED = Compare(Field("exact"), Op.GT, Slot(0))
FOLDED = Compare(Field("exact"), Op.EQ, Slot(0), "NOCASE")


@pytest.mark.parametrize(
    ("predicate", "plain", "full"),
    [
        (EXACT, "exact = ?1", "exact = ?1"),
        (LOOSE, "loose = ?2", "loose = ?2"),
        (KEY, "labels->>'env' = ?3", "labels->>'env' = ?3"),
        (Compare(Field("labels"), Op.EQ, Slot(0)), "TRUE", "TRUE"),
        (OTHER, "TRUE", "TRUE"),
        (UNDECLARED, "TRUE", "TRUE"),
        (FOLDED, "TRUE", "TRUE"),
        (Null(Field("exact")), "exact IS NULL", "exact IS NULL"),
        (Null(Field("exact"), negated=True), "TRUE", "TRUE"),
        (Member(Field("exact"), (Slot(0),)), "TRUE", "TRUE"),
        (Member(Field("exact"), (Slot(0),), negated=True),
         "exact NOT IN (?1)", "exact NOT IN (?1)"),
        (AllOf((EXACT, OTHER)), "exact = ?1", "exact = ?1"),
        (AllOf((EXACT, LOOSE)), "exact = ?1 AND loose = ?2", "exact = ?1 AND loose = ?2"),
        (AllOf((OTHER, UNDECLARED)), "TRUE", "TRUE"),
        (AnyOf((EXACT, LOOSE)), "TRUE", "exact = ?1 OR loose = ?2"),
        (AnyOf((EXACT, OTHER)), "TRUE", "TRUE"),
        (AnyOf((EXACT, AllOf((LOOSE, OTHER)))), "TRUE", "exact = ?1 OR loose = ?2"),
        (Not(EXACT), "TRUE", "NOT (exact = ?1)"),
        (Not(LOOSE), "TRUE", "TRUE"),
        (Not(AnyOf((EXACT, KEY))), "TRUE", "NOT (exact = ?1 OR labels->>'env' = ?3)"),
        (Not(AllOf((EXACT, LOOSE))), "TRUE", "TRUE"),
        (Not(AllOf((EXACT, OTHER))), "TRUE", "TRUE"),
        (NOTHING, "NOTHING", "NOTHING"),
    ],
)  # fmt: skip
def test_a_path_is_given_the_part_of_a_condition_that_it_can_filter(
    predicate: Predicate, plain: str, full: str
) -> None:
    assert to_sql(project(predicate, PLAIN)) == plain
    assert to_sql(project(predicate, FULL)) == full


@pytest.mark.parametrize(
    ("predicate", "exact"),
    [
        (EXACT, True),
        (KEY, True),
        (LOOSE, False),
        (OTHER, False),
        (AllOf((EXACT, KEY)), True),
        (AllOf((EXACT, LOOSE)), False),
        (AnyOf((EXACT, KEY)), True),
        (AnyOf((EXACT, LOOSE)), False),
        (Not(EXACT), True),
        (Not(LOOSE), False),
        (NOTHING, True),
    ],
)
def test_only_what_is_exact_in_every_part_is_exact(predicate: Predicate, exact: bool) -> None:
    assert exactly(predicate, FULL) is exact


@pytest.mark.parametrize(
    ("predicate", "plain", "full"),
    [
        (EXACT, None, None),
        (NOTHING, None, None),
        (OTHER, Rule.NO_FILTER, Rule.NO_FILTER),
        (UNDECLARED, Rule.OPERATOR, Rule.OPERATOR),
        (FOLDED, Rule.COLLATION, Rule.COLLATION),
        (AllOf((EXACT, OTHER)), None, None),
        (AllOf((OTHER, UNDECLARED)), Rule.NO_FILTER, Rule.NO_FILTER),
        (AnyOf((EXACT, LOOSE)), Rule.CONNECTIVE, None),
        (AnyOf((EXACT, UNDECLARED)), Rule.CONNECTIVE, Rule.OPERATOR),
        (Not(EXACT), Rule.CONNECTIVE, None),
        (Not(LOOSE), Rule.CONNECTIVE, Rule.NEGATION),
        (Not(OTHER), Rule.CONNECTIVE, Rule.NO_FILTER),
    ],
)
def test_a_condition_of_which_nothing_is_taken_names_its_rule(
    predicate: Predicate, plain: Rule | None, full: Rule | None
) -> None:
    assert refusal(predicate, PLAIN) is plain
    assert refusal(predicate, FULL) is full
