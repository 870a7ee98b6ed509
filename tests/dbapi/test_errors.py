from __future__ import annotations

from collections.abc import Iterator

import apsw
import pytest

from sessions_vtab import dbapi, errors
from sessions_vtab.dbapi.errors import meaning_of


def _classes(parent: type[Exception]) -> list[type[Exception]]:
    return [parent, *(one for child in parent.__subclasses__() for one in _classes(child))]


@pytest.mark.parametrize("kind", [*_classes(errors.SessionsError), *_classes(apsw.Error)])
def test_every_error_of_this_package_and_of_sqlite_has_a_pep_249_class(
    kind: type[Exception],
) -> None:
    meaning = meaning_of(kind("x"))

    assert meaning is not None
    assert issubclass(meaning, dbapi.Error)


@pytest.mark.parametrize(
    ("statement", "kind", "cause"),
    [
        ("SELEC 1", dbapi.ProgrammingError, apsw.SQLError),
        ("SELECT * FROM nosuch", dbapi.ProgrammingError, apsw.SQLError),
        ("SELECT nosuch FROM sessions", dbapi.ProgrammingError, apsw.SQLError),
        ("SELECT 1 FROM sessions WHERE create_time > 'now'", dbapi.DataError, errors.StatementError),
        ("INSERT INTO sessions(session_id, user_id) VALUES ('a', 'x')", dbapi.IntegrityError,
         errors.ConflictError),
        ("UPDATE sessions SET user_id = 'x'", dbapi.NotSupportedError, errors.UnsupportedError),
        ("INSERT INTO sessions(user_id, labels) VALUES ('x', '{')", dbapi.DataError,
         errors.InvalidValueError),
        ("SELECT * FROM append_event('nosuch', 'user', 'x')", dbapi.OperationalError,
         errors.NotFoundError),
        ("SELECT * FROM append_event('a')", dbapi.ProgrammingError, errors.MissingParameterError),
    ],
)  # fmt: skip
def test_an_error_is_of_the_class_people_expect_with_the_original_as_cause(
    db, statement: str, kind: type[Exception], cause: type[Exception]
) -> None:
    db.execute("INSERT INTO sessions(session_id, user_id) VALUES ('a', 'ann')")
    db.commit()

    with pytest.raises(kind) as caught:
        db.execute(statement).fetchall()

    assert caught.type is kind
    assert isinstance(caught.value.__cause__, cause)


@pytest.mark.parametrize(
    ("url", "kind"),
    [
        ("nosuch://x", dbapi.ProgrammingError),
        ("vertex://p/us-central1/1?nosuch=1", dbapi.InterfaceError),
        ("local:///nosuch/folder/of/mine\x00.db", dbapi.Error),
    ],
)
def test_a_wrong_source_is_an_error_of_this_module(url: str, kind: type[Exception]) -> None:
    with pytest.raises(kind):
        dbapi.connect(url)


def test_a_read_only_connection_refuses_writes_and_side_effecting_functions(open_) -> None:
    db = open_(read_only=True)

    for statement in (
        "INSERT INTO sessions(user_id) VALUES ('x')",
        "SELECT * FROM append_event('a', 'user', 'x')",
    ):
        with pytest.raises(dbapi.NotSupportedError, match="read-only"):
            db.execute(statement).fetchall()


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"b": 1}, "No value was given for the parameter :a"),
        ({}, "No value was given for the parameter :a"),
    ],
)
def test_the_error_names_the_parameter_without_a_value(
    db, parameters: dict[str, int], message: str
) -> None:
    with pytest.raises(dbapi.ProgrammingError, match=message):
        db.execute("SELECT :a", parameters)


def test_calls_that_took_effect_before_the_error_are_reported(db) -> None:
    db.execute("INSERT INTO sessions(session_id, user_id) VALUES ('a', 'ann')")
    db.commit()
    calls = "WITH c(s) AS (VALUES ('a'), ('a'), ('nosuch')) SELECT f.event_name FROM c, "

    with pytest.raises(dbapi.OperationalError, match="2 earlier calls of this statement"):
        db.execute(calls + "append_event(c.s, 'user', 'hello') AS f").fetchall()


def test_an_error_of_the_callers_own_comes_as_it_is(db) -> None:
    def rows() -> Iterator[tuple[str]]:
        yield ("a",)
        raise LookupError("mine")

    with pytest.raises(LookupError, match="mine"):
        db.executemany("INSERT INTO sessions(user_id) VALUES (?)", rows())


def test_no_error_holds_a_secret(monkeypatch, open_, emulator) -> None:
    monkeypatch.setenv("MY_KEY", "canary-4711")
    with pytest.raises(dbapi.Error) as refused:
        open_(f"deepset://ws?api_key=canary-4711&base_url={emulator.url}")
    db = open_(f"deepset://ws?api_key_env=MY_KEY&base_url={emulator.url}")
    emulator.control.fault("status", status=403)
    with pytest.raises(dbapi.OperationalError) as failed:
        db.execute("SELECT * FROM upload_sessions").fetchall()

    for error in (refused.value, failed.value):
        assert "canary" not in f"{error!r} {error.__cause__!r}"
    assert "canary" not in repr(db.execute("SELECT * FROM http_requests").fetchall())
