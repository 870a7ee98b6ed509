"""What SQLite offers, what a table can do, and the plan in words that comes of it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from sessions_vtab.contract.capability import (
    EQUALITY,
    RANGE,
    AccessPath,
    Capability,
    Connective,
    Filter,
    HiddenRows,
)
from sessions_vtab.contract.predicate import (
    TIMESTAMP,
    AnyOf,
    Compare,
    Field,
    Not,
    Op,
    Predicate,
    Slot,
)
from sessions_vtab.contract.scan import Order
from sessions_vtab.contract.tables import SESSIONS, session_columns
from sessions_vtab.errors import InvalidValueError, MissingParameterError, UnsupportedError
from sessions_vtab.plan.index_info import Constraint, Hint, IndexInfo, Relation
from sessions_vtab.plan.plan import describe
from sessions_vtab.plan.planner import plan_scan

TABLE = SESSIONS.extended(hidden=session_columns("page_size", "include_deleted", "session_number"))
GET = AccessPath("get", keys=("session_id",), unique=True, cost=10.0)
LIST = AccessPath(
    "list",
    filters=(
        Filter("user_id", EQUALITY | {Op.IS_NULL, Op.IS_NOT_NULL}, exact=True),
        Filter("display_name", frozenset((Op.EQ, Op.LIKE))),
        Filter("create_time", RANGE, exact=True),
        Filter("session_number", RANGE | EQUALITY, exact=True),
        Filter("labels", frozenset((Op.EQ,)), keyed=True, exact=True),
    ),
    orders=("create_time", "name"),
    offset=True,
    cost=100.0,
)
CAPABILITY = Capability((GET, LIST), rows=1_000)


def eq(column: str, literal: Any = None, **more: Any) -> Constraint:
    return _constraint(column, Op.EQ, literal, **more)


def _constraint(column: str, op: Any, literal: Any = None, **more: Any) -> Constraint:
    known = {} if literal is None else {"literal": literal}
    time = {"collation": TIMESTAMP} if column.endswith("_time") else {}
    return Constraint(column, op, **{**time, **known, **more})


def _plan(
    *constraints: Constraint,
    order: tuple[Order, ...] = (),
    used: str = "name",
    capability: Capability = CAPABILITY,
    pushed: dict[str, Predicate] | None = None,
):
    index_info = IndexInfo(constraints, order, frozenset(used.split()))
    return plan_scan(index_info, TABLE, capability, pushed=pushed or {}, where="src.sessions")


C = _constraint
LIMIT, OFFSET = Constraint("", Hint.LIMIT), Constraint("", Hint.OFFSET)
BY_TIME = (Order("create_time", descending=True),)


@pytest.mark.parametrize(
    ("constraints", "words"),
    [
        ([], "list; read: name"),
        ([eq("session_id")], "get; sent: session_id = ?; read: name"),
        ([eq("session_id", "a")], "get; sent: session_id = literal; read: name"),
        ([eq("session_id", set=True)], "get; sent: session_id IN (?); read: name"),
        ([eq("session_id", usable=False)], "list; read: name"),
        ([eq("session_id"), eq("user_id")], "get; sent: session_id = ?; here: user_id =; read: name"),
        ([eq("user_id")], "list; sent: user_id = ?; read: name"),
        ([eq("user_id"), eq("display_name", "x")],
         "list; sent: user_id = ? AND display_name = literal; read: name"),
        ([C("user_id", Op.GT)], "list; here: user_id >; read: name"),
        ([C("user_id", Op.IS_NULL)], "list; sent: user_id IS NULL; read: name"),
        ([C("user_id", Op.IS_NOT_NULL)], "list; sent: user_id IS NOT NULL; read: name"),
        ([C("display_name", Op.IS_NULL)], "list; here: display_name IS NULL; read: name"),
        ([C("display_name", Op.LIKE, "a%")], "list; sent: display_name LIKE literal; read: name"),
        ([C("display_name", Op.GLOB, "a*")], "list; here: display_name GLOB; read: name"),
        ([C("user_id", Relation.IS)], "list; sent: user_id IS ?; read: name"),
        ([C("display_name", Relation.IS)], "list; here: display_name IS; read: name"),
        ([C("user_id", Relation.IS_NOT)], "list; here: user_id IS NOT; read: name"),
        ([C("user_id", Relation.OTHER)], "list; here: user_id function; read: name"),
        ([eq("user_id", collation="NOCASE")], "list; here: user_id =; read: name"),
        ([C("create_time", Op.GT, "2026-01-01")],
         "list; sent: create_time > literal; read: name"),
        ([C("create_time", Op.GT, collation="BINARY")],
         "list; sent: create_time > ? ; read: name".replace(" ;", ";")),
        ([eq("display_name", collation=TIMESTAMP)], "list; here: display_name =; read: name"),
        ([eq("labels")], "list; here: labels =; read: name"),
        ([eq("page_size")], "list; sent: page_size = ?; read: name"),
        ([LIMIT], "list; limit; read: name"),
        ([LIMIT, OFFSET], "list; limit; skip; read: name"),
        ([LIMIT, OFFSET, eq("display_name", "x")],
         "list; sent: display_name = literal; limit; offset; read: name"),
        ([LIMIT, OFFSET, eq("user_id", "x")],
         "list; sent: user_id = literal; limit; skip; read: name"),
        ([LIMIT, OFFSET, eq("user_id")], "list; sent: user_id = ?; limit; offset; read: name"),
        ([Constraint("", Hint.LIMIT, usable=False)], "list; read: name"),
    ],
)  # fmt: skip
def test_an_offer_becomes_a_plan_in_words(constraints: list[Constraint], words: str) -> None:
    plan, _ = _plan(*constraints)

    assert describe(plan) == words


@pytest.mark.parametrize(
    ("order", "words", "ordered"),
    [
        ((), "list; read: name", False),
        (BY_TIME, "list; order: create_time desc; read: name", True),
        ((Order("create_time"), Order("name")), "list; order: create_time, name; read: name", True),
        ((Order("user_id"),), "list; read: name", False),
        ((Order("create_time"), Order("user_id")), "list; read: name", False),
    ],
)
def test_an_order_is_taken_whole_or_not_at_all(
    order: tuple[Order, ...], words: str, ordered: bool
) -> None:
    plan, usage = _plan(order=order)

    assert (describe(plan), usage.ordered) == (words, ordered)


@pytest.mark.parametrize(
    ("order", "words"),
    [
        (BY_TIME, "list; order: create_time desc; limit; skip; read: name"),
        ((Order("user_id"),), "list; read: name"),
        ((Order("user_id"), Order("create_time")), "list; read: name"),
        # Reading can stop early, but how many rows are equal is not known.
        ((Order("create_time"), Order("user_id", descending=True)),
         "list; order: create_time; sorted here: user_id desc; read: name"),
        ((Order("create_time"), Order("user_id"), Order("name")),
         "list; order: create_time; sorted here: user_id, name; read: name"),
    ],
)  # fmt: skip
def test_a_limit_is_not_used_where_rows_are_sorted(order: tuple[Order, ...], words: str) -> None:
    plan, _ = _plan(LIMIT, OFFSET, order=order)

    assert describe(plan) == words


def test_one_row_is_in_every_order() -> None:
    plan, usage = _plan(eq("session_id"), order=(Order("user_id"),))

    assert (usage.ordered, usage.unique, usage.rows, plan.order) == (True, True, 1, ())


BY_USER = AccessPath("fan-out", filters=LIST.filters, grouped="user_id")


@pytest.mark.parametrize(
    ("path", "columns", "groups", "ordered"),
    [
        # Each row is a group of its own.
        (LIST, ("name",), (), True),
        (LIST, ("user_id", "name"), (), True),
        (LIST, ("user_id",), (), False),
        # What it can sort by, it sorts by.
        (LIST, ("create_time",), (), True),
        # The path reads group after group; within one of them the engine collects.
        (BY_USER, ("user_id",), ("user_id",), True),
        (BY_USER, ("display_name", "user_id"), ("display_name", "user_id"), True),
        (BY_USER, ("display_name",), (), False),
        (BY_USER, ("user_id", "name"), (), True),
    ],
)
def test_groups_need_no_sorting_where_their_rows_come_together(
    path: AccessPath, columns: tuple[str, ...], groups: tuple[str, ...], ordered: bool
) -> None:
    order = tuple(map(Order, columns))
    asked = IndexInfo((), order, frozenset(("name",)), grouping=True)
    capability = Capability((path,), rows=1_000)

    found = plan_scan(asked, TABLE, capability, pushed={}, where="s.sessions")
    sorting = plan_scan(
        replace(asked, grouping=False), TABLE, capability, pushed={}, where="s.sessions"
    )

    assert found is not None
    assert (found[0].groups, found[1].ordered) == (groups, ordered)
    # The same columns in ORDER BY are another question.
    assert sorting is not None
    assert sorting[0].groups == ()
    assert sorting[1].ordered == all(one in path.orders for one in columns)


def test_the_rows_of_a_set_of_keys_are_in_no_order() -> None:
    _, usage = _plan(eq("session_id", set=True), order=(Order("user_id"),))

    assert (usage.ordered, usage.unique) == (False, False)


@pytest.mark.parametrize(
    ("constraint", "omit"),
    [
        (eq("user_id", "ann"), True),
        (eq("user_id", 7), True),
        (eq("user_id", 7.0), False),
        (eq("user_id"), False),
        (eq("user_id", set=True), False),
        (C("user_id", Op.IS_NULL), True),
        (C("user_id", Relation.IS), False),
        (eq("display_name", "x"), False),
        (eq("session_id", "x"), False),
        (C("create_time", Op.GT, "2026-01-01"), True),
        (C("create_time", Op.GT, 1767258000), True),
        (C("create_time", Op.GT, "2026-01-01", collation="BINARY"), False),
        (eq("session_number", 1), True),
        (eq("session_number", "1"), True),
        (eq("session_number", "one"), False),
        (eq("session_number", " 1"), False),
        (eq("page_size", 5), True),
        (LIMIT, False),
        (OFFSET, True),
    ],
)
def test_sqlite_checks_again_unless_the_answer_is_proved_exact(
    constraint: Constraint, omit: bool
) -> None:
    _, usage = _plan(constraint)

    assert usage.uses[0].omit is omit


@pytest.mark.parametrize("op", [Op.LIKE, Op.GLOB])
@pytest.mark.parametrize("pattern", ["agent", "a%", "a%b", "a*", "%a"])
def test_sqlite_always_checks_a_pattern_again(op: Op, pattern: str) -> None:
    """Beside it stands a range made from its first letters, which may be left out."""
    path = AccessPath("list", filters=(Filter("user_id", RANGE | {op}, exact=True),))
    low = C("user_id", Op.GE, "A", collation="BINARY")

    _, usage = _plan(C("user_id", op, pattern), low, capability=Capability((path,)))

    assert [use.omit for use in usage.uses] == [False, True]


@pytest.mark.parametrize(
    ("constraints", "skips"),
    [
        ([OFFSET], True),
        ([OFFSET, eq("user_id", "x")], True),
        ([OFFSET, eq("user_id")], False),
        ([OFFSET, eq("display_name", "x")], False),
        ([OFFSET, C("user_id", Relation.OTHER)], False),
    ],
)
def test_offset_is_handed_over_only_if_just_the_wanted_rows_come(
    constraints: list[Constraint], skips: bool
) -> None:
    plan, usage = _plan(*constraints)

    assert (plan.skips, usage.uses[0].omit) == (skips, skips)


def test_offset_is_not_handed_over_without_the_order_it_counts_in() -> None:
    plan, _ = _plan(OFFSET, order=(Order("user_id"),))

    assert not plan.skips


def test_arguments_are_conditions_then_parameters_then_hints() -> None:
    index_info = (LIMIT, eq("page_size"), eq("user_id"), OFFSET, C("create_time", Op.GT))

    plan, usage = _plan(*index_info)

    assert [use.argument for use in usage.uses] == [3, 2, 0, 4, 1]
    assert [term.column for term in plan.terms] == ["user_id", "create_time"]
    assert (plan.parameters, plan.limit, plan.offset) == ((("page_size", 2),), 3, 4)


def test_a_constraint_keeps_the_index_sqlite_gave_it() -> None:
    _, usage = _plan(C("user_id", Op.GT), eq("user_id"), C("display_name", Op.GLOB))

    assert [use.argument for use in usage.uses] == [None, 0, None]


def test_a_set_is_looked_up_in_one_scan() -> None:
    _, usage = _plan(eq("user_id", set=True), eq("display_name", set=True))

    assert [use.as_set for use in usage.uses] == [True, False]


class TestWhatIsRefused:
    def test_a_table_without_its_key_names_the_key_and_the_hint(self) -> None:
        keyed = Capability((GET,), hint="Take ids from a batch.")

        with pytest.raises(MissingParameterError) as caught:
            _plan(eq("user_id"), capability=keyed)

        assert str(caught.value) == (
            "src.sessions requires session_id in WHERE. Take ids from a batch."
        )

    def test_several_choices_of_keys_are_all_named(self) -> None:
        two = Capability((GET, AccessPath("batch", keys=("batch_id", "user_id"))))

        with pytest.raises(
            MissingParameterError,
            match="requires session_id or \\(batch_id and user_id\\) in WHERE",
        ):
            _plan(capability=two)

    def test_a_key_that_is_known_later_only_rules_out_this_join_order(self) -> None:
        assert _plan(eq("session_id", usable=False), capability=Capability((GET,))) is None

    def test_a_parameter_that_is_known_later_only_rules_out_this_join_order(self) -> None:
        assert _plan(eq("page_size", usable=False)) is None

    @pytest.mark.parametrize("op", [Op.GT, Op.IS_NULL, Op.LIKE, Relation.IS])
    def test_a_parameter_takes_nothing_but_equality(self, op: Any) -> None:
        with pytest.raises(UnsupportedError, match=r"src\.sessions\.page_size is a parameter"):
            _plan(C("page_size", op))

    def test_a_parameter_does_not_take_one_value_after_another(self) -> None:
        with pytest.raises(UnsupportedError, match=r"page_size is a parameter"):
            _plan(eq("page_size", listed=True))

    @pytest.mark.parametrize("column", ["page_size", "include_deleted"])
    def test_only_the_columns_that_carry_plans_are_compared_by_is_not(self, column: str) -> None:
        assert _plan(C("_push", Relation.IS_NOT, "plan-1")) is not None
        with pytest.raises(UnsupportedError, match=f"{column} is a parameter"):
            _plan(C(column, Relation.IS_NOT, 1))

    def test_a_parameter_is_given_once(self) -> None:
        with pytest.raises(UnsupportedError, match="page_size is given twice"):
            _plan(eq("page_size", 1), eq("page_size", 2))

    @pytest.mark.parametrize("op", [Op.EQ, Op.NE, Op.LT, Op.LE, Op.GT, Op.GE, Relation.IS])
    @pytest.mark.parametrize("literal", ["now", "2026-3-1", 5, b"2026-01-01"])
    def test_a_literal_that_is_not_a_time(self, op: Any, literal: Any) -> None:
        with pytest.raises(
            InvalidValueError, match=r"src\.sessions\.create_time .* not a valid time"
        ):
            _plan(C("create_time", op, literal))

    @pytest.mark.parametrize(
        "constraint",
        [
            C("create_time", Op.LIKE, "2026%"),
            C("create_time", Op.EQ, "now", collation="BINARY"),
            C("create_time", Op.EQ),
        ],
    )
    def test_a_text_that_is_not_compared_as_a_time_is_accepted(
        self, constraint: Constraint
    ) -> None:
        assert _plan(constraint) is not None


class TestRowsThatAreHidden:
    """``session_number`` stands for the column that says so, ``include_deleted`` shows them."""

    CAPABILITY = replace(CAPABILITY, hides=HiddenRows("session_number", "include_deleted"))

    def _shows(self, *constraints: Constraint, unhiding: tuple[str, ...] = ()) -> bool:
        index_info = IndexInfo(constraints, (), frozenset(("name",)))
        planned = plan_scan(
            index_info, TABLE, self.CAPABILITY, pushed={}, where="src.sessions", unhiding=unhiding
        )
        assert planned is not None
        return planned[0].constants == (("include_deleted", 1),)

    @pytest.mark.parametrize(
        ("constraint", "shows"),
        [
            (eq("session_number", 1), False),
            (C("session_number", Op.GT, 0), False),
            (C("session_number", Op.LIKE, "1"), True),
            (C("session_number", Relation.IS_NOT, 0), True),
            (eq("session_number", usable=False), True),
            (C("user_id", Op.LIKE, "a%"), False),
        ],
    )
    def test_are_shown_by_a_condition_on_their_column_that_no_filter_takes(
        self, constraint: Constraint, shows: bool
    ) -> None:
        assert self._shows(constraint) is shows

    def test_are_shown_where_the_statement_rewriter_says_so(self) -> None:
        assert self._shows(eq("_push", "plan-1"), unhiding=("plan-1",))
        assert not self._shows(eq("_push", "plan-1"), unhiding=("plan-2",))


class TestWhatTheStatementRewriterFound:
    PUSH = eq("_push", "plan-1")
    VALUES = eq("_args")
    KEY = Field("labels", "env")

    def test_is_part_of_the_plan_and_its_words(self) -> None:
        plan, usage = _plan(
            self.PUSH, self.VALUES, pushed={"plan-1": Compare(self.KEY, Op.EQ, Slot(0))}
        )

        assert describe(plan) == "list; sent: (labels->>'env' = ?1); read: name"
        assert plan.pushed is not None
        assert plan.pushed.argument == usage.uses[1].argument == 1
        assert usage.uses[0].omit
        assert usage.uses[1].omit

    def test_is_left_out_where_the_path_does_not_take_it(self) -> None:
        either = AnyOf((Compare(self.KEY, Op.EQ, Slot(0)), Compare(self.KEY, Op.EQ, Slot(1))))

        plan, _ = _plan(self.PUSH, self.VALUES, pushed={"plan-1": either})

        assert plan.pushed is None

    def test_is_negated_only_where_the_answer_is_exact(self) -> None:
        path = AccessPath("list", filters=LIST.filters, connectives=frozenset((Connective.NOT,)))
        exact = Not(Compare(Field("user_id"), Op.EQ, Slot(0)))
        loose = Not(Compare(Field("display_name"), Op.EQ, Slot(0)))

        plans = [
            _plan(self.PUSH, self.VALUES, pushed={"plan-1": one}, capability=Capability((path,)))
            for one in (exact, loose)
        ]

        assert [plan.pushed is not None for plan, _ in plans] == [True, False]

    def test_makes_a_scan_cheaper(self) -> None:
        found = {"plan-1": Compare(self.KEY, Op.EQ, Slot(0))}

        _, plain = _plan()
        _, narrowed = _plan(self.PUSH, self.VALUES, pushed=found)

        assert narrowed.cost < plain.cost
        assert narrowed.rows < plain.rows


def test_a_key_lookup_costs_less_than_a_list_and_a_condition_less_than_none() -> None:
    costs = [_plan(*one)[1].cost for one in ([eq("session_id")], [eq("user_id")], [])]

    assert costs == sorted(set(costs))


def test_a_filter_makes_a_list_cheaper_but_not_a_fan_out() -> None:
    paths = [replace(LIST, page_cap=100), replace(LIST, page_cap=100, fans_out=True)]

    costs = [
        _plan(*constraints, capability=Capability((path,), rows=1_000))[1].cost
        for path in paths
        for constraints in ([], [eq("user_id", "ann")])
    ]

    assert costs[1] < costs[0] == costs[2] == costs[3]


def test_the_plan_text_contains_no_values() -> None:
    plan, _ = _plan(eq("user_id", "secret-user"), C("create_time", Op.GT, "2026-01-01"))

    assert "secret" not in describe(plan)
    assert "2026" not in describe(plan)
