"""Several sources on one connection, each against its own part of the emulator."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

import sessions_vtab
from sessions_vtab.emulator.serve import Running, running
from sessions_vtab.emulator.service import EmulatorSettings
from sessions_vtab.errors import MissingParameterError, UnsupportedError

_CORE = "name, session_id, user_id, display_name, labels, state, create_time"


@pytest.fixture(scope="module")
def emulator() -> Iterator[Running]:
    with running(EmulatorSettings(seed=7, sessions=20, events=60)) as served:
        yield served


@pytest.fixture
def db(emulator: Running, monkeypatch: pytest.MonkeyPatch) -> Iterator[sessions_vtab.Connection]:
    monkeypatch.setenv("DEEPSET_API_KEY", "api_key")
    monkeypatch.setenv("WHYLABS_API_KEY", f"{'k' * 10}.{'s' * 53}")
    base = f"base_url={emulator.url}"
    connection = sessions_vtab.connect(
        sources=[
            f"prod=vertex://demo/us-central1/42?{base}",
            f"docs=deepset://demo?{base}&api_key_env=DEEPSET_API_KEY",
            f"guests=whylabs://?{base}",
            f"eleanor://demo?{base}",
            f"clicks=embedding_studio://?{base}",
            "notes=local://:memory:",
        ]
    )
    yield connection
    connection.close()


def test_one_statement_joins_tables_of_two_services(db: sessions_vtab.Connection) -> None:
    db.execute("INSERT INTO docs.upload_sessions(write_mode) VALUES ('KEEP')")
    (upload,) = db.execute(
        "SELECT session_id FROM docs.upload_sessions WHERE is_expired = 0 LIMIT 1"
    ).fetchone()
    db.execute(
        "INSERT INTO prod.sessions(session_id, user_id, display_name) VALUES ('joined', 'ann', ?)",
        (upload,),
    )

    rows = db.execute(
        "SELECT s.session_id, u.status FROM prod.sessions s"
        " JOIN docs.upload_sessions u ON u.session_id = s.display_name WHERE s.session_id = 'joined'"
    ).fetchall()

    assert rows == [("joined", "OPEN")]


def test_core_columns_of_every_source_make_one_list(db: sessions_vtab.Connection) -> None:
    db.execute("INSERT INTO notes.sessions(session_id, user_id) VALUES ('n1', 'ann')")
    db.execute("INSERT INTO eleanor.sessions(session_id) VALUES ('e1')")
    guest = db.execute(
        "INSERT INTO guests.sessions(user_id) VALUES ('ann') RETURNING session_id"
    ).get
    db.execute(
        "INSERT INTO clicks.sessions(session_id, search_query, search_results)"
        " VALUES ('c1', 'shoes', '[]')"
    )

    rows = db.execute(
        f"SELECT 'prod' AS source, {_CORE} FROM prod.sessions"
        f" UNION ALL SELECT 'notes', {_CORE} FROM notes.sessions"
        f" UNION ALL SELECT 'eleanor', {_CORE} FROM eleanor.sessions"
        f" UNION ALL SELECT 'guests', {_CORE} FROM guests.sessions WHERE session_id = ?"
        f" UNION ALL SELECT 'clicks', {_CORE} FROM clicks.sessions WHERE session_id = 'c1'",
        (guest,),
    ).fetchall()

    listed = {(source, session_id) for source, _, session_id, *_ in rows}
    assert listed >= {("notes", "n1"), ("eleanor", "e1"), ("guests", guest), ("clicks", "c1")}
    assert sum(source == "prod" for source, *_ in rows) >= 20


@pytest.mark.parametrize("source", ["guests", "clicks"])
def test_a_source_without_a_list_requires_its_key(
    db: sessions_vtab.Connection, source: str
) -> None:
    with pytest.raises(MissingParameterError, match=rf"{source}\.sessions .*session_id"):
        db.execute(f"SELECT {_CORE} FROM {source}.sessions").fetchall()


@pytest.mark.parametrize(
    ("statement", "told"),
    [
        (
            "DELETE FROM docs.upload_sessions WHERE 1",
            "docs.upload_sessions .* SET status = 'CLOSED' ends",
        ),
        ("DELETE FROM docs.upload_sessions", "by itself after 24 hours"),
        (
            "UPDATE docs.files SET file_name = 'a'",
            "docs.files does not support UPDATE. .*OVERWRITE",
        ),
        (
            "INSERT INTO docs.files SELECT * FROM docs.files",
            "docs.files does not support INSERT.*upload_fi",
        ),
        (
            "UPDATE guests.sessions SET user_id = 'a'",
            r"guests.sessions does not support UPDATE\..*cannot be changed",
        ),
        ("DELETE FROM guests.sessions", "guests.sessions cannot be deleted.*claim_guest_session"),
        ("UPDATE eleanor.participants SET participant = 'a'", "DELETE the binding and INSERT ano"),
        ("DELETE FROM clicks.sessions WHERE session_id = 'none'", "mark_session_irrelevant"),
        (
            "UPDATE clicks.events SET meta = NULL",
            "clicks.events does not support UPDATE.*insert another",
        ),
        ("DELETE FROM prod.events RETURNING name", "prod.events cannot be deleted.*their session"),
    ],
)
def test_an_unsupported_write_is_refused_before_anything_is_read(
    db: sessions_vtab.Connection, emulator: Running, statement: str, told: str
) -> None:
    emulator.control.reset_log()

    with pytest.raises(UnsupportedError, match=told):
        db.execute(statement)

    assert emulator.control.requests() == []


def test_one_transaction_writes_to_several_sources(db: sessions_vtab.Connection) -> None:
    db.execute("BEGIN")
    db.execute("INSERT INTO prod.sessions(session_id, user_id) VALUES ('both', 'ann')")
    db.execute("INSERT INTO notes.sessions(session_id, user_id) VALUES ('both', 'ann')")
    db.execute("COMMIT")

    remote = db.execute("SELECT user_id FROM prod.sessions WHERE session_id = 'both'").get
    local = db.execute("SELECT user_id FROM notes.sessions WHERE session_id = 'both'").get

    assert (remote, local) == ("ann", "ann")


def test_what_a_service_refuses_takes_the_local_rows_with_it(
    db: sessions_vtab.Connection,
) -> None:
    db.execute("BEGIN")
    db.execute("INSERT INTO notes.sessions(session_id, user_id) VALUES ('half', 'ann')")
    db.execute("INSERT INTO prod.sessions(session_id, user_id) VALUES ('Bad Id!', 'ann')")
    with pytest.raises(sessions_vtab.errors.SessionsError):
        db.execute("COMMIT")

    assert not db.in_transaction
    assert db.execute("SELECT count(*) FROM notes.sessions WHERE session_id = 'half'").get == 0
