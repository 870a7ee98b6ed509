from __future__ import annotations

import pytest

from sessions_vtab.cli.explain import Step, Target, parse_step, render, steps
from sessions_vtab.spec.capability import AccessPath, Capability


@pytest.mark.parametrize(
    ("detail", "expected"),
    [
        (
            (
                "SCAN s VIRTUAL TABLE INDEX 0:get; sent: session_id = ?; here: author LIKE;"
                " order: create_time desc; limit; read: name, user_id"
            ),
            Step(
                "s",
                "get",
                {
                    "sent": "session_id = ?",
                    "here": "author LIKE",
                    "order": "create_time desc",
                    "limit": "",
                    "read": "name, user_id",
                },
            ),
        ),
        (
            "SEARCH events VIRTUAL TABLE INDEX 0:fan-out; sent: labels->>'a; b' = ?; read: all",
            Step("events", "fan-out", {"sent": "labels->>'a; b' = ?", "read": "all"}),
        ),
        ("USE TEMP B-TREE FOR ORDER BY", Step("USE TEMP B-TREE FOR ORDER BY", "", {})),
        ("SCAN notes", Step("SCAN notes", "", {})),
    ],
)
def test_a_plan_in_words_is_taken_apart(detail, expected):
    assert parse_step(detail) == expected


def test_steps_are_indented_as_sqlite_nests_them():
    planned = [(3, 0, "a"), (7, 3, "b"), (9, 7, "c"), (11, 0, "d")]

    assert [step.depth for step in steps(planned)] == [0, 1, 2, 0]


ONE = AccessPath("get", keys=("session_id",), unique=True, call="GET {engine}/sessions/{id}")
PAGES = AccessPath("list", page_cap=100, call="GET {engine}/sessions")
EACH = AccessPath("list", keys=("session_id",), page_cap=100)


@pytest.mark.parametrize(
    ("path", "clauses", "costly", "requests"),
    [
        (ONE, {}, True, "1 for each session_id"),
        (PAGES, {}, True, "1 for each 100 rows"),
        (PAGES, {"limit": ""}, True, "1 for each 100 rows, fewer with LIMIT"),
        (EACH, {}, True, "1 for each 100 rows of each session_id"),
        (AccessPath("list"), {}, True, "1"),
        (None, {}, True, "1 or more"),
        (PAGES, {}, False, "none"),
    ],
)
def test_the_requests_are_those_the_capability_declares(path, clauses, costly, requests):
    target = Target("prod.sessions s", path, Capability((PAGES,), costly=costly))

    *_, last = render(Step("s", "list", clauses), target)

    assert last == f"  requests  {requests}"


def test_a_step_says_what_is_sent_and_what_is_done_here():
    step = Step("s", "list", {"sent": "user_id = ?", "order": "create_time"}, depth=1)

    assert list(render(step, Target("prod.sessions s", PAGES, Capability((PAGES,))))) == [
        "  prod.sessions s  list  GET {engine}/sessions",
        "    sent      user_id = ?",
        "    here      nothing",
        "    order     create_time",
        "    requests  1 for each 100 rows",
    ]


def test_of_a_table_that_is_not_known_the_requests_are_not_either():
    assert list(render(Step("x", "list", {}), Target("x", None, None)))[-1] == (
        "  requests  not known"
    )
