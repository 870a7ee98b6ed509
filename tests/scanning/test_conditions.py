"""Conditions: keys without SQLite, SQL with it."""

from __future__ import annotations

import subprocess
import sys

import pytest

from sessions_vtab.errors import (
    BudgetError,
    InvalidValueError,
    MissingParameterError,
    UnknownNameError,
    UnsupportedError,
)
from sessions_vtab.scanning import read, scan, split
from tests.scanning.conftest import SESSIONS, sql_rows


def test_without_sql_no_sqlite_is_loaded(url):
    code = (
        "import sys\n"
        "from sessions_vtab import scanning\n"
        f"parts = scanning.split({url!r}, 'events', size=60)\n"
        "assert sum(scanning.read(part).read_all().num_rows for part in parts) == 700\n"
        "assert {'apsw', 'sqlglot', 'sqlite3'}.isdisjoint(sys.modules)\n"
    )
    subprocess.run([sys.executable, "-W", "error", "-c", code], check=True)


@pytest.mark.parametrize(
    ("table", "where"),
    [
        ("events", "author = 'user' AND length(text) > 10 -- a comment"),
        ("events", "timestamp > '2026-01-01' OR content IS NULL"),
        ("event_parts", "kind = 'functionCall' AND length(args) > 2"),
        ("sessions", "labels->>'env' = 'prod' OR display_name IS NULL"),
    ],
)
def test_sql_is_judged_by_sqlite(url, select, table, where):
    found = [
        row for p in split(url, table, size=40) for row in sql_rows(read(p, where=where).read_all())
    ]

    assert sorted(found, key=repr) == select(f"SELECT * FROM {table} WHERE ({where}\n)") != []


def test_sql_on_a_part_takes_the_requests_of_its_sessions(url, counted):
    part = split(url, "events", size=10)[0]
    plain = counted(lambda: read(part).read_all())[1]

    assert counted(lambda: read(part, where="author = 'user'").read_all())[1] == plain


@pytest.mark.parametrize("table", ["sessions", "events", "event_parts"])
def test_a_condition_on_sessions_selects_their_rows(url, select, counted, table):
    sessions_where = "labels->>'env' = 'prod' AND update_time > '2026-01-01'"
    key = "name" if table == "sessions" else "session_name"
    wanted = select(
        f"SELECT * FROM {table} WHERE {key} IN (SELECT name FROM sessions WHERE {sessions_where})"
    )

    parts, requests = counted(lambda: split(url, table, sessions_where=sessions_where, size=10))
    found = [row for part in parts for row in sql_rows(read(part).read_all())]

    assert sorted(found, key=repr) == wanted != []
    assert requests <= 1


def test_both_conditions_hold(url, select):
    parts = split(url, "sessions", sessions_where="labels->>'env' = 'prod'")

    found = [
        row for part in parts for row in sql_rows(read(part, where="user_id < 'm'").read_all())
    ]

    assert found == select("SELECT * FROM sessions WHERE labels->>'env' = 'prod' AND user_id < 'm'")


@pytest.mark.parametrize(
    ("keys", "where", "requests"),
    [
        ({"session_id": "{0}"}, "session_id = '{0}'", 1),
        ({"session_id": ["{0}", "{1}", "nosuch"]}, "session_id IN ('{0}', '{1}')", 3),
        ({"session_id": "{0}", "author": "user"}, "session_id = '{0}' AND author = 'user'", 1),
        ({"session_id": []}, "0", 0),
        ({"session_id": None}, "0", 0),
    ],
)
def test_keys_select_rows_without_sqlite(url, select, counted, keys, where, requests):
    ids = [row[0] for row in select("SELECT session_id FROM sessions LIMIT 2")]

    def fill(one):
        return [fill(x) for x in one] if isinstance(one, list) else one and one.format(*ids)

    given = {column: fill(value) for column, value in keys.items()}
    found, sent = counted(lambda: scan(url, "events", keys=given).read_all())

    assert sql_rows(found) == select(f"SELECT * FROM events WHERE {where.format(*ids)}")
    assert sent == requests


def test_a_time_is_found_in_any_form(url, select):
    (text,) = select("SELECT create_time FROM sessions LIMIT 1")[0]
    shifted = text.replace(" ", "T") + "Z"

    found = scan(url, "sessions", ["create_time"], keys={"create_time": shifted}).read_all()

    assert sql_rows(found) == [(text,)]


@pytest.mark.parametrize("order", ["update_time", "update_time desc", ["create_time DESC"]])
def test_an_order_of_the_source(url, order):
    column = (order if isinstance(order, str) else order[0]).split()[0]

    found = scan(url, "sessions", [column], order=order).read_all().column(0).to_pylist()

    assert found == sorted(found, reverse="desc" in str(order).lower())
    assert len(found) == SESSIONS


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda u: scan(u, "session"), UnknownNameError, "Did you mean sessions"),
        (lambda u: scan(u, "events", ["autor"]), UnknownNameError, "Did you mean author"),
        (lambda u: scan(u, "events", []), UnsupportedError, "no column was given"),
        (lambda u: scan(u, "events", ["page_token"]), UnsupportedError, "is a parameter"),
        (lambda u: scan(u, "events", keys={"autor": "x"}), UnknownNameError, "author"),
        (lambda u: scan(u, "sessions", order="user_id").read_all(), UnsupportedError, "ordered by"),
        (lambda u: scan(u, "sessions", order="user_id up"), InvalidValueError, "order must be"),
        (lambda u: scan(u, "events", max_requests=5).read_all(), BudgetError, "more than 5"),
        (lambda u: split(u, "events", size=0), InvalidValueError, "at least 1"),
        (lambda u: split(u, "events", sessions_where="1) OR (1"), InvalidValueError, "sessions"),
        (lambda u: split(u, "events", sessions_where="nosuch = 1"), InvalidValueError, "nosuch"),
        (lambda u: read(split(u, "sessions")[0], where="x;"), InvalidValueError, "expression"),
        (lambda u: scan(u, "sessions", unit="s"), InvalidValueError, "'ns' or 'us'"),
        (lambda u: scan("nosuch", "sessions"), UnknownNameError, "There is no source 'nosuch'"),
    ],
)  # fmt: skip
def test_errors_say_what_to_do(url, call, error, message):
    with pytest.raises(error, match=message):
        call(url)


def test_a_key_that_is_missing_is_named(emulator):
    url = f"embedding_studio://?base_url={emulator.url}"

    with pytest.raises(MissingParameterError, match=r"requires .*session_id.*keys"):
        scan(url, "sessions").read_all()


def test_a_source_without_an_engine_is_read_by_the_engine_of_each_part(url, select):
    wide = url.replace("/42?", "?")
    parts = split(wide, "events", sessions_where="reasoning_engine = '42'", size=60)

    plain = [row for part in parts for row in sql_rows(read(part).read_all())]
    judged = [row for p in parts for row in sql_rows(read(p, where="author = 'user'").read_all())]

    assert sorted(plain, key=repr) == select("SELECT * FROM events")
    assert sorted(judged, key=repr) == select("SELECT * FROM events WHERE author = 'user'")
    with pytest.raises(MissingParameterError, match=r"reasoning_engine.*sessions_where"):
        split(wide, "events")


def test_a_condition_on_sessions_needs_sessions(urls):
    with pytest.raises(UnsupportedError, match="does not belong to sessions"):
        split(urls["deepset"], "files", sessions_where="1")
