from __future__ import annotations

import pytest

from sessions_vtab.cli.display import render
from sessions_vtab.hints import Mention, mentions, problem


class TestMentions:
    @pytest.mark.parametrize(
        ("sql", "expected"),
        [
            ("SELECT * FROM sessions", [("sessions", "sessions")]),
            ("SELECT * FROM SESSIONS", [("SESSIONS", "SESSIONS")]),
            ("SELECT * FROM sessions AS s WHERE 1", [("sessions", "s")]),
            ("SELECT * FROM sessions s, events", [("sessions", "s"), ("events", "events")]),
            ("SELECT * FROM prod.sessions p", [("prod.sessions", "p")]),
            ('SELECT * FROM "prod"."sessions"', [("prod.sessions", "sessions")]),
            ("SELECT * FROM nowhere.sessions", []),
            ("SELECT 'sessions' -- events\n /* events */", []),
            ("UPDATE notes SET body = 1", [("notes", "notes")]),
            (
                "SELECT * FROM sessions JOIN prod.sessions ON 1",
                [("sessions", "sessions")],
            ),
            ("SELECT * FROM append_event('a', 'b')", [("append_event", "append_event")]),
        ],
    )
    def test_a_statement_names_tables_under_aliases(self, names, sql, expected):
        assert [(m.name, m.alias) for m in mentions(sql, names)] == expected

    def test_a_mention_has_the_columns_of_its_own_source(self, names):
        assert mentions("SELECT * FROM prod.sessions", names) == [
            Mention(
                "prod.sessions",
                "sessions",
                ("name", "session_id", "user_id", "create_time", "project"),
            )
        ]


class TestProblem:
    @pytest.mark.parametrize(
        ("message", "sql", "expected", "topic"),
        [
            (
                "no such column: sesion_id",
                "SELECT sesion_id FROM sessions",
                "sessions has no column sesion_id. Did you mean session_id?",
                "sessions",
            ),
            (
                "no such column: s.usr_id",
                "SELECT s.usr_id FROM sessions s JOIN events e",
                "sessions has no column usr_id. Did you mean user_id?",
                "sessions",
            ),
            (
                "no such column: autor",
                "SELECT autor FROM sessions JOIN events",
                "sessions and events have no column autor. Did you mean author?",
                "sessions",
            ),
            (
                "no such column: projct",
                "SELECT projct FROM prod.sessions",
                "prod.sessions has no column projct. Did you mean project?",
                "prod.sessions",
            ),
            (
                'no such column: "ann" - should this be a string literal in single-quotes?',
                'SELECT * FROM sessions WHERE user_id = "ann"',
                "sessions has no column ann. Text must be in single quotes: 'ann'.",
                "sessions",
            ),
            (
                "no such column: ann",
                "SELECT * FROM sessions WHERE user_id = ann",
                "sessions has no column ann. Text must be in single quotes: 'ann'.",
                "sessions",
            ),
            (
                "no such column: ann",
                "SELECT * FROM sessions WHERE user_id IN (1, ann)",
                "sessions has no column ann. Text must be in single quotes: 'ann'.",
                "sessions",
            ),
            ("no such column: x", "SELECT x", "There is no column x.", ""),
            (
                "table sessions has no column named usr_id",
                "INSERT INTO sessions(usr_id) VALUES (1)",
                "sessions has no column usr_id. Did you mean user_id?",
                "sessions",
            ),
            (
                "no such table: sesions",
                "SELECT * FROM sesions",
                "There is no table sesions. Did you mean sessions?",
                "tables",
            ),
            (
                "no such table: prod.sesions",
                "SELECT * FROM prod.sesions",
                "There is no table prod.sesions. Did you mean prod.sessions?",
                "sources",
            ),
            (
                "no such table: prd.sessions",
                "SELECT * FROM prd.sessions",
                "There is no table prd.sessions. Did you mean prod? Sources: local, prod.",
                "sources",
            ),
            (
                "no such table: apend_event",
                "SELECT * FROM apend_event('a')",
                "There is no table apend_event. Did you mean append_event?",
                "tables",
            ),
            (
                "no such function: append_event",
                "SELECT append_event('a')",
                "append_event is a table-valued function; use SELECT .. FROM append_event(..).",
                "append_event",
            ),
            (
                "ambiguous column name: session_id",
                "SELECT session_id FROM sessions s JOIN events e",
                "More than one table has a column session_id. Write s.session_id or e.session_id.",
                "",
            ),
            (
                'near "SELCT": syntax error',
                "SELCT 1",
                "Syntax error near 'SELCT'. Did you mean SELECT?",
                "",
            ),
            (
                'near "FROM": syntax error',
                "SELECT , FROM x",
                "Syntax error near 'FROM'.",
                "",
            ),
            ("disk I/O error", "SELECT 1", "disk I/O error", ""),
        ],
    )
    def test_sqlites_message_becomes_what_was_probably_meant(
        self, names, message, sql, expected, topic
    ):
        found = problem(message, sql, names)

        assert (found.message, found.topic) == (expected, topic)


class TestRender:
    def test_a_mark_is_below_the_word_and_names_the_help(self, names):
        sql = "SELECT sesion_id FROM sessions;"
        found = problem("no such column: sesion_id", sql, names)

        assert render(found, sql, 7, ".help").splitlines() == [
            "sessions has no column sesion_id. Did you mean session_id?",
            "  SELECT sesion_id FROM sessions;",
            "         ^--- here".ljust(53) + "All columns: .help sessions",
        ]

    @pytest.mark.parametrize(
        ("sql", "offset", "line"),
        [
            ("SELECT 1,\n  x\nFROM sessions", -1, "  x"),
            ("SELECT 'é', x FROM sessions", 13, "  SELECT 'é', x FROM sessions"),
            ("SELECT '" + "-" * 100 + "', x", -1, "  …" + "-" * 36 + "', x"),
            ("SELECT x\x1b[2J", 7, "  SELECT x\\x1b[2J"),
        ],
    )
    def test_only_the_line_of_the_word_is_shown(self, names, sql, offset, line):
        found = problem("no such column: x", sql, names)

        shown = render(found, sql, offset, ".help").splitlines()

        assert shown[1] == line
        assert shown[2].index("^") == line.index("x", 2)

    def test_a_place_that_sqlite_names_in_another_text_is_corrected(self, names):
        sql = "SELECT bad FROM sessions"
        found = problem("no such column: bad", sql, names)

        assert render(found, sql, 3, ".help").splitlines()[2].startswith("         ^--- here")

    def test_control_characters_in_a_message_are_written_out(self, names):
        found = problem("server says \x1b[2J", "SELECT 1", names)

        assert render(found, "SELECT 1", -1, ".help") == "server says \\x1b[2J"
