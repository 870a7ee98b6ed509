"""Hostile values never become another query or another path."""

from __future__ import annotations

import pytest

from sessions_vtab.errors import SessionsError

ENGINE = "projects/demo/locations/us-central1/reasoningEngines/42"
PREFIX = f"/v1beta1/{ENGINE}/sessions"

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


class TestNoHostileTextIsSent:
    """The texts take one way through the code, which makes no request: a test for all of them."""

    @pytest.fixture(autouse=True)
    def nothing_was_sent(self, people):
        people.control.reset_log()
        yield
        assert people.total == 0

    @pytest.mark.parametrize("table", ["sessions", "events"])
    def test_as_an_id_it_names_no_other_resource(self, people, table):
        sql = f"SELECT * FROM {table} WHERE session_id = ?"
        assert [_rows(people, sql, value) for value in HOSTILE] == [[]] * len(HOSTILE)

    @pytest.mark.parametrize("column", ["name", "session_name"])
    @pytest.mark.parametrize(
        "name", ["{}", f"{ENGINE}/sessions/{{}}", f"{ENGINE}/{{}}/sessions/p-0"]
    )
    def test_as_a_name_it_names_no_other_resource(self, people, column, name):
        table = "sessions" if column == "name" else "events"
        sql = f"SELECT * FROM {table} WHERE {column} = ?"
        found = [_rows(people, sql, name.replace("{}", value)) for value in HOSTILE]
        assert found == [[]] * len(HOSTILE)

    @pytest.mark.parametrize("column", ["project", "location", "reasoning_engine"])
    def test_as_a_scope_it_is_refused(self, people, column):
        for value in HOSTILE:
            with pytest.raises(SessionsError, match=r"(?i)nothing was sent"):
                _rows(people, f"SELECT * FROM sessions WHERE {column} = ?", value)

    @pytest.mark.parametrize(
        "sql",
        [
            "INSERT INTO sessions(session_id, user_id) VALUES (?, 'x')",
            "INSERT INTO events(session_id, author) VALUES (?, 'x')",
            "SELECT * FROM append_event(?, 'x', 'y')",
        ],
    )
    def test_as_the_id_of_a_new_row_it_is_refused(self, people, sql):
        for value in HOSTILE:
            with pytest.raises(SessionsError, match="Nothing was sent"):
                _rows(people, sql, value)


def _rows(db, sql, value):
    return db.connection.execute(sql, (value,)).fetchall()


def _only_lists(db):
    """Asserts that every request was a list of this engine, with only the composed query."""
    for entry in db.log:
        assert entry["raw_path"] == PREFIX
        assert entry["method"] == "GET"
        assert entry["query"].keys() <= {"pageSize", "filter", "orderBy", "pageToken"}
        assert entry["query"]["pageSize"] == "100"
        assert entry["status"] == 200
