from __future__ import annotations

import pytest

from sessions_vtab.cli.tables import candidates, matching

TABLES = ("sessions", "events", "append_event(", "notes", "prod.sessions", "local", "prod")
SESSION = ("name", "session_id", "user_id", "create_time")


@pytest.mark.parametrize(
    ("line", "words", "only"),
    [
        ("SELECT * FROM ", TABLES, True),
        ("SELECT * FROM sessions JOIN ", TABLES, True),
        ("INSERT INTO ", TABLES, True),
        ("UPDATE ", TABLES, True),
        ("SELECT * FROM prod.", ("sessions",), True),
        ("SELECT * FROM local.", ("sessions", "events", "append_event("), True),
        ("SELECT * FROM sessions WHERE ", SESSION, False),
        (
            "SELECT * FROM sessions s JOIN events e ON e.",
            ("name", "session_id", "author", "text"),
            True,
        ),
        ("SELECT sessions.", SESSION, True),
        ("SEL", TABLES[:-2], False),
    ],
)
def test_names_that_can_stand_there_are_offered(names, line, words, only):
    found = candidates(names, line, len(line))

    assert (found.words, found.only) == (words, only)


def test_words_match_in_any_case_of_letters():
    assert matching(["session_id", "Sessions", "state"], "SES") == ["session_id", "Sessions"]
