"""UPDATE and DELETE with subqueries over events: requests, and the rows that change."""

from __future__ import annotations

import json

import pytest

from tests.backends.vertex.sql.conftest import Database

from .conftest import USER, VIEWS, same, texts

# A condition on sessions; {v} is a view, or a table with rows of every session.
CONDITIONS = {
    "IN": "user_id = 'ann' AND session_id IN (SELECT session_id FROM {v})",
    "NOT IN": (
        "user_id = 'ann' AND session_id NOT IN (SELECT session_id FROM {v} WHERE session_id > '5')"
    ),
    "IN, by name": (
        "{{sessions}}.user_id = 'ann' AND {{sessions}}.name IN (SELECT v.session_name FROM {v} v)"
    ),
    "IN of groups": (
        "user_id = 'ann' AND session_id IN"
        " (SELECT session_id FROM {v} GROUP BY 1 HAVING count(*) > 1)"
    ),
    "IN, in OR": (
        "user_id = 'ann' AND (display_name IS NULL OR session_id IN (SELECT session_id FROM {v}))"
    ),
    "EXISTS": (
        "user_id = 'ann' AND EXISTS (SELECT 1 FROM {v} v WHERE v.session_id = {{sessions}}.session_id)"
    ),
    "NOT EXISTS": (
        "user_id = 'ann' AND NOT EXISTS"
        " (SELECT 1 FROM {v} v WHERE v.session_id = {{sessions}}.session_id AND v.session_id > '5')"
    ),
    "row values": (
        "user_id = 'ann' AND (session_id, name) IN (SELECT session_id, session_name FROM {v})"
    ),
    "a parameter": "user_id = :user AND name NOT IN (SELECT session_name FROM {v} WHERE :user > 'x')",
}
CHANGES = {
    "UPDATE": "UPDATE {{sessions}} SET display_name = 'x' WHERE ",
    "DELETE": "DELETE FROM {{sessions}} WHERE ",
}
WHOLE = {
    "a common table expression": (
        "WITH w AS (SELECT session_id FROM {v}) DELETE FROM {{sessions}}"
        " WHERE user_id = 'ann' AND session_id IN w"
    ),
    "an alias": (
        "UPDATE {{sessions}} AS s SET display_name = 'x'"
        " WHERE s.user_id = 'ann' AND s.session_id IN (SELECT v.session_id FROM {v} v)"
    ),
    "UPDATE FROM": (
        "UPDATE {{sessions}} SET display_name = u.id FROM temp.users u WHERE u.id = 'ann' AND"
        " {{sessions}}.user_id = u.id AND {{sessions}}.session_id IN (SELECT session_id FROM {v})"
    ),
    "a value of events": (
        "UPDATE {{sessions}} SET display_name = session_id IN (SELECT session_id FROM {v})"
        " WHERE user_id = 'ann'"
    ),
}
STATEMENTS = {
    **{
        f"{verb}: {kind}": text + where
        for verb, text in CHANGES.items()
        for kind, where in CONDITIONS.items()
    },
    **WHOLE,
}


@pytest.fixture
def dry(emulator):
    """Shows what would be sent."""
    database = Database(emulator, dry_run=True)
    database.connection.execute(
        f"CREATE TEMP TABLE users(id TEXT); INSERT INTO temp.users VALUES ('{USER}'), ('bob')"
    )
    yield database
    database.connection.close()


def _values(sql):
    return {"user": USER} if ":user" in sql else ()


def _sent(row):
    """Session and new name of a request."""
    *_, url, body = row
    name = json.loads(body)["displayName"] if body else None
    return url.partition("?")[0].rpartition("/")[2], name


@pytest.mark.parametrize("name", [*VIEWS, "events", "event_parts"])
@pytest.mark.parametrize("shape", STATEMENTS)
def test_the_same_rows_change_with_at_most_twice_the_fewest_requests(
    own, dry, sessions, shape, name
):
    ours, plain = texts(STATEMENTS[shape].format(v=f"{{{name}}}"))
    run = own.connection.execute

    changed = dry.ask(ours, _values(ours))

    assert len(dry.log) <= 2 * (1 + sessions) + 3
    run("BEGIN")
    expected = run(f"{plain} RETURNING session_id, display_name", _values(plain)).fetchall()
    run("ROLLBACK")
    updates = ours.lstrip().startswith("UPDATE")
    assert same(map(_sent, changed), [(key, name if updates else None) for key, name in expected])
