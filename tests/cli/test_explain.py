from __future__ import annotations

import pytest

from sessions_vtab.cli.explain import Step, parse_step, steps


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
