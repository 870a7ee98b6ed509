"""Times as ``datetime``, where the connection asks for it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from sessions_vtab import dbapi

INSTANT = datetime(2026, 1, 1, 9, 0, 0, 123456, UTC)


@pytest.fixture
def db(open_: Any) -> dbapi.Connection:
    connection: dbapi.Connection = open_(datetimes=True)
    connection.execute(
        "INSERT INTO sessions(session_id, user_id, create_time) VALUES ('s1', 'ann', ?)", [INSTANT]
    )
    return connection


QUERY = "SELECT create_time, expire_time, user_id FROM sessions"


@pytest.mark.parametrize(
    "fetch",
    [
        lambda cursor: cursor.fetchone(),
        lambda cursor: cursor.fetchmany(1)[0],
        lambda cursor: cursor.fetchall()[0],
        next,
    ],
)
def test_every_way_to_fetch_gives_them(db: dbapi.Connection, fetch: Any) -> None:
    assert fetch(db.execute(QUERY)) == (INSTANT, None, "ann")


def test_what_was_fetched_can_be_compared_with(db: dbapi.Connection) -> None:
    ((created,),) = db.execute("SELECT create_time FROM sessions").fetchall()

    found = "SELECT count(*) FROM sessions WHERE create_time BETWEEN ? AND ?"
    assert db.execute(found, [created, created + timedelta(seconds=1)]).fetchone() == (1,)


def test_own_columns_follow_their_declared_type(db: dbapi.Connection) -> None:
    db.execute("CREATE TEMP TABLE t(at TIMESTAMP, note TEXT)")
    db.execute("INSERT INTO t VALUES (?, '2026-01-01'), ('soon', NULL)", [INSTANT])

    assert db.execute("SELECT * FROM t").fetchall() == [(INSTANT, "2026-01-01"), ("soon", None)]


def test_arrow_still_has_its_own_times(db: dbapi.Connection) -> None:
    pytest.importorskip("pyarrow")

    assert db.execute(QUERY).arrow().column("create_time").to_pylist() == [INSTANT]


def test_they_are_text_unless_asked_for(open_: Any) -> None:
    db = open_()
    db.execute("INSERT INTO sessions(user_id, create_time) VALUES ('ann', ?)", [INSTANT])

    assert db.execute(QUERY).fetchone()[0] == "2026-01-01 09:00:00.123456"


def test_an_expression_has_no_type_and_stays_text(db: dbapi.Connection) -> None:
    row = db.execute("SELECT max(create_time) FROM sessions").fetchone()

    assert row == ("2026-01-01 09:00:00.123456",)
