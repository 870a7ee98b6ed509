"""A condition is an expression and nothing else."""

from __future__ import annotations

import pytest

from sessions_vtab.errors import InvalidValueError
from sessions_vtab.sql.expression import check_condition


@pytest.mark.parametrize(
    "text",
    [
        "user_id = 'u1'",
        "user_id = 'a;b)' AND (labels->>'env' = 'prod' OR 1)",
        "session_id IN (SELECT session_id FROM events WHERE author = 'x')",
        "1 -- for all",
        '"user_id" IS NOT NULL',
    ],
)
def test_an_expression_is_taken(text):
    assert check_condition(text) == text


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("1) UNION SELECT name FROM events WHERE (1", "the ) at character 2 ends the expression"),
        ("1); DELETE FROM sessions; SELECT (1", "the ) at character 2 ends the expression"),
        ("1; DROP TABLE sessions", "the ; at character 2 ends the expression"),
        ("SELECT 1", "it begins with SELECT, so it is a statement"),
        ("with x as (select 1) select 1", "it begins with WITH, so it is a statement"),
        ("user_id = ?", "the parameter ? has no value; write the value itself"),
        ("user_id = :user", "the parameter :user has no value; write the value itself"),
        ("(user_id = 'a'", "a parenthesis is not closed"),
        ("user_id = 'a", "the ' at character 11 opens a text that is not closed"),
        ('user_id = "a', 'the " at character 11 opens a text that is not closed'),
        ("user_id = \\", "the \\ at character 11 is not SQL"),
        ("", "it is empty"),
        ("-- nothing", "it is empty"),
    ],
)
def test_text_that_is_more_than_an_expression_is_refused(text, reason):
    with pytest.raises(InvalidValueError) as error:
        check_condition(text)

    assert str(error.value).startswith(
        f"The condition on sessions is not a valid SQL expression: {reason}. Give the text"
    )


def test_what_it_compares_with_is_not_shown():
    """The id of a guest's session is as good as a password."""
    with pytest.raises(InvalidValueError) as error:
        check_condition("session_id = 'session-secret")

    assert "secret" not in str(error.value)


@pytest.mark.parametrize(
    "text", ["1 UNION SELECT 1", "1 ORDER BY 1", "1 /* open", "DELETE FROM sessions"]
)
def test_an_invalid_expression_is_refused_by_sqlite(take, text):
    with pytest.raises(InvalidValueError, match="cannot be used"):
        take(where=text)
