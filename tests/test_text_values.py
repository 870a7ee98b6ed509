"""Texts on their way in: half surrogate pairs, and messages that look like JSON."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

import sessions_vtab
from sessions_vtab.errors import InvalidValueError
from sessions_vtab.fetch.call import RequestSpec, Response

HALF, WHOLE, MARK = "cut \ud83d", "whole \U0001f600", "cut \ufffd"
ESCAPED = '{"parts":[{"text":"cut \\ud83d"},{"text":"whole \\ud83d\\ude00"}]}'
APPEND = "INSERT INTO events(session_id, author, content) VALUES ('s', 'user', ?)"


@pytest.fixture
def db() -> Iterator[sessions_vtab.Connection]:
    with sessions_vtab.connect("local://:memory:") as opened:
        opened.execute("INSERT INTO sessions(session_id) VALUES ('s')")
        yield opened


class TestHalfASurrogatePair:
    @pytest.mark.parametrize("bound", [HALF, MARK])
    def test_in_a_bound_text_becomes_the_replacement_character(self, db, bound):
        db.execute("UPDATE sessions SET display_name = ?", (bound,))
        db.execute("UPDATE sessions SET description = :text", {"text": bound})
        rows = db.execute("SELECT display_name, description, ? FROM sessions", (HALF,)).fetchall()
        assert rows == [(MARK, MARK, MARK)]

    def test_in_the_text_of_a_statement_too(self, db):
        assert db.execute(f"SELECT '{HALF}', '{WHOLE}'").get == (MARK, WHOLE)

    def test_does_not_end_an_import(self, db):
        texts = ["before", HALF, ESCAPED, WHOLE, "after"]
        db.executemany(APPEND, ((text,) for text in texts))
        rows = db.execute("SELECT text FROM events ORDER BY timestamp").fetchall()
        assert rows == [("before",), (MARK,), (MARK + WHOLE,), (WHOLE,), ("after",)]

    def test_in_json_is_replaced_wherever_it_is(self, db):
        state = '{"a \\udc00":"\\ud83d","b":["\\ude00\\ud83d"],"c":"\\ud83d\\ude00"}'
        db.execute("UPDATE sessions SET state = ?", (state,))
        (shown,) = db.execute("SELECT state FROM sessions").fetchone()
        assert json.loads(shown) == {
            "a \ufffd": "\ufffd",
            "b": ["\ufffd\ufffd"],
            "c": "\U0001f600",
        }

    def test_in_the_arguments_of_a_function(self, db):
        db.execute("SELECT * FROM append_event('s', 'user', ?)", (HALF,)).fetchall()
        assert db.execute("SELECT text FROM events").get == MARK

    def test_in_a_response_does_not_take_its_page_away(self):
        content = b'{"sessions":[{"displayName":"cut \\ud83d"},{"displayName":"\\ud83d\\ude00"}]}'
        call = RequestSpec("GET", "http://127.0.0.1/sessions", items="sessions")
        reply = Response(
            call, "http://127.0.0.1/sessions", 200, {"content-type": "application/json"}, content
        )
        assert [one["displayName"] for one in reply.items()] == [MARK, "\U0001f600"]


LOOKS_LIKE_JSON = [
    '{"answer": 42}',
    ' {"answer": 42}',
    '\n\t{"a":{"parts":[]}}',
    "{}",
    "{oops",
    " {",
]
STATEMENTS = [APPEND, "SELECT * FROM append_event('s', 'user', ?)"]


@pytest.mark.parametrize("url", ["local://:memory:", "vertex://p/l/1?base_url=http://127.0.0.1:1"])
@pytest.mark.parametrize("statement", STATEMENTS)
@pytest.mark.parametrize("text", LOOKS_LIKE_JSON)
def test_an_object_that_is_no_content_is_refused_with_the_way_to_write_it(
    url: str, statement: str, text: str
) -> None:
    with (
        sessions_vtab.connect(url) as db,
        pytest.raises(InvalidValueError, match=r"json_object\('parts', json_array\(json_object"),
    ):
        db.execute(statement, (text,)).fetchall()


@pytest.mark.parametrize("text", LOOKS_LIKE_JSON)
def test_the_way_that_is_shown_keeps_the_text(db: Any, text: str) -> None:
    db.execute(
        "INSERT INTO events(session_id, author, content) VALUES ('s', 'user',"
        " json_object('parts', json_array(json_object('text', ?))))",
        (text,),
    )
    assert db.execute("SELECT text FROM events").get == text


@pytest.mark.parametrize("text", ['{"parts":[]}', ' {"role":"user"}', "[1]", " x{}", '"{}"'])
def test_what_is_a_content_or_no_object_is_taken(db: Any, text: str) -> None:
    db.execute(APPEND, (text,))
    assert db.execute("SELECT count(*) FROM events").get == 1
