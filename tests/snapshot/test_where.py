"""A condition is an expression and nothing else."""

from __future__ import annotations

from contextlib import closing

import pytest

from sessions_vtab import connect
from sessions_vtab.errors import InvalidValueError
from sessions_vtab.snapshot import snapshot
from sessions_vtab.sql.expression import check_condition, within


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


OURS = {"sessions", "events"}


@pytest.mark.parametrize(
    ("text", "read"),
    [
        ("user_id = 'events'", "user_id = 'events'"),
        (
            "name IN (SELECT session_name FROM events)",
            "name IN (SELECT session_name FROM {}events)",
        ),
        ('x IN (SELECT 1 FROM "Events" e)', 'x IN (SELECT 1 FROM {}"Events" e)'),
        (
            "name IN (SELECT e.name FROM events AS e, sessions, other o WHERE e.a IN (1, events))",
            "name IN (SELECT e.name FROM {}events AS e, {}sessions, other o WHERE e.a IN (1, events))",
        ),
        (
            "EXISTS (SELECT 1 FROM (events e LEFT JOIN sessions USING (session_id)))",
            "EXISTS (SELECT 1 FROM ({}events e LEFT JOIN {}sessions USING (session_id)))",
        ),
        ("name IN (SELECT 1 FROM a.events)", "name IN (SELECT 1 FROM a.events)"),
        ("name IN events", "name IN {}events"),
        ("a IS DISTINCT FROM events", "a IS DISTINCT FROM events"),
        ("a IN (SELECT events FROM t ORDER BY 1, events)",) * 2,
        ("a IN (WITH events AS (SELECT 1) SELECT * FROM events)",) * 2,
        ("a IN (WITH events(x) AS NOT MATERIALIZED (SELECT 1) SELECT * FROM events)",) * 2,
        (
            "a IN (SELECT cast(events AS VARCHAR(9)) FROM events /* FROM events */ -- FROM events",
            "a IN (SELECT cast(events AS VARCHAR(9)) FROM {}events /* FROM events */ -- FROM events",
        ),
    ],
)
def test_a_table_without_a_schema_is_the_source_s_own(text, read):
    assert within(text, "my source", OURS) == read.replace("{}", '"my source".')


def test_a_subquery_reads_the_source_and_not_the_default_one(url, path):
    """The default source has no event of that author, and no such session."""
    with closing(connect(sources=["mine=local://:memory:", url], default="mine")) as db:
        db.execute(
            "INSERT INTO prod.events(session_id, author, content) VALUES ('chat-0000', 'zoe', 'x')"
        )
        report = snapshot(
            db,
            path,
            name="prod",
            where="session_id IN (SELECT session_id FROM events WHERE author = 'zoe')",
        )

    assert report.rows["sessions"] == 1
