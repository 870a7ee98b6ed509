"""Hostile values never become another query or another path."""

from __future__ import annotations

import pytest

from sessions_vtab.errors import SessionsError

PREFIX = "/v1beta1/projects/demo/locations/us-central1/reasoningEngines/42/sessions"

HOSTILE = [
    '"',
    "\\",
    "\\\\",
    '\\"',
    "'",
    "%",
    "%22",
    "a%2Fb",
    "/",
    "..",
    "../other",
    "a/../b",
    "\n",
    "\r\nX-Injected: 1",
    "\x00",
    "a\x00b",
    "\U0001f600",
    '" OR user_id!="',
    '" OR user_id:*',
    "x' OR '1'='1",
    "*",
    "a*",
    "&pageSize=1",
    "?filter=x",
    "#",
    ";",
    "+",
    " ",
    "http://evil.example/",
    "@evil.example",
    "ann-0:appendEvent",
    "{session}",
    "\ufeff",
    "\u202e",
]


@pytest.fixture(scope="module")
def people(started):
    """A session for each hostile user, with the user as its display name, and one of ann's."""
    started.people([*HOSTILE, "ann"])
    return started


@pytest.mark.parametrize("value", HOSTILE, ids=ascii)
class TestAHostileText:
    @pytest.mark.parametrize("column", ["user_id", "display_name", "labels->>'env'"])
    def test_in_a_filter_finds_its_own_rows_only(self, people, column, value):
        rows = people.ask(f"SELECT session_id FROM sessions WHERE {column} = ?", (value,))

        expected = [] if column.startswith("labels") else [(f"p-{HOSTILE.index(value)}",)]
        assert rows == expected
        _only_lists(people)

    def test_in_a_list_or_negated_gives_the_right_rows(self, people, value):
        count = people.ask("SELECT count(*) FROM sessions WHERE user_id IN (?, 'ann')", (value,))[
            0
        ][0]
        others = people.ask("SELECT count(*) FROM sessions WHERE user_id <> ?", (value,))[0][0]

        assert (count, others) == (2, len(HOSTILE))
        _only_lists(people)

    @pytest.mark.parametrize("table", ["sessions", "events"])
    def test_as_an_id_names_no_other_resource(self, people, table, value):
        assert people.ask(f"SELECT * FROM {table} WHERE session_id = ?", (value,)) == []
        assert people.total == 0

    @pytest.mark.parametrize("column", ["name", "session_name"])
    def test_as_a_name_names_no_other_resource(self, people, column, value):
        table = "sessions" if column == "name" else "events"
        engine = "projects/demo/locations/us-central1/reasoningEngines/42"
        for name in (value, f"{engine}/sessions/{value}", f"{engine}/{value}/sessions/p-0"):
            assert people.ask(f"SELECT * FROM {table} WHERE {column} = ?", (name,)) == []
            assert people.total == 0

    @pytest.mark.parametrize("column", ["project", "location", "reasoning_engine"])
    def test_as_a_scope_is_refused_before_anything_is_sent(self, people, column, value):
        with pytest.raises(SessionsError, match=r"(?i)nothing was sent"):
            people.ask(f"SELECT * FROM sessions WHERE {column} = ?", (value,))
        assert people.total == 0

    def test_as_the_id_of_a_new_row_is_refused_before_anything_is_sent(self, people, value):
        for sql in (
            "INSERT INTO sessions(session_id, user_id) VALUES (?, 'x')",
            "INSERT INTO events(session_id, author) VALUES (?, 'x')",
            "SELECT * FROM append_event(?, 'x', 'y')",
        ):
            with pytest.raises(SessionsError, match="Nothing was sent"):
                people.ask(sql, (value,))
            assert people.total == 0


def _only_lists(db):
    """Asserts that every request was a list of this engine, with only the composed query."""
    for entry in db.log:
        assert entry["raw_path"] == PREFIX
        assert entry["method"] == "GET"
        assert entry["query"].keys() <= {"pageSize", "filter", "orderBy", "pageToken"}
        assert entry["query"]["pageSize"] == "100"
        assert entry["status"] == 200
