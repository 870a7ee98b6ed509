from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

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


_OWN = (
    KeyError("mine"),
    TypeError("mine"),
    OverflowError("mine"),
    UnicodeDecodeError("utf-8", b"\xff", 0, 1, "mine"),
    UnicodeEncodeError("utf-8", "x", 0, 1, "mine"),
    ValueError("mine"),
    LookupError("mine"),
    RuntimeError("mine"),
)
"""What code that is not this package's may raise for reasons of its own."""


def _raising(error: Exception) -> Callable[..., Any]:
    def fail(*_: object) -> None:
        raise error

    return fail


@pytest.mark.parametrize("error", _OWN, ids=lambda one: type(one).__name__)
class TestWhatOthersRaise:
    def test_of_the_callers_own_iterator_comes_as_it_is(self, db, error: Exception) -> None:
        def rows() -> Iterator[tuple[str]]:
            yield ("a",)
            raise error

        with pytest.raises(type(error)) as caught:
            db.executemany("INSERT INTO sessions(user_id) VALUES (?)", rows())
        assert caught.value is error
        db.commit()
        assert db.execute("SELECT count(*) FROM sessions").fetchall() == [(0,)]

    @pytest.mark.parametrize(
        "text",
        [
            "SELECT own(1)",
            "SELECT own(:user)",
            "SELECT user_id FROM sessions WHERE own(user_id) = 'x'",
            "INSERT INTO sessions(user_id) SELECT own(1)",
        ],
    )
    def test_of_a_function_of_the_callers_own_comes_as_it_is(
        self, db, error: Exception, text: str
    ) -> None:
        db.execute("INSERT INTO sessions(user_id) VALUES ('ann')")
        db.driver.create_scalar_function("own", _raising(error), 1)
        with pytest.raises(type(error)) as caught:
            db.execute(text, {"user": 1} if ":" in text else ()).fetchall()
        assert caught.value is error

    @pytest.mark.parametrize(
        ("name", "text"),
        [
            ("scan", "SELECT user_id FROM sessions"),
            ("scan", "SELECT user_id FROM sessions WHERE user_id = :user"),
            ("scan", "UPDATE sessions SET display_name = 'x'"),
            ("apply", "INSERT INTO sessions(user_id) VALUES ('ann')"),
            ("append_event", "SELECT * FROM append_event('s', 'user', 'x')"),
        ],
    )
    def test_of_a_backend_is_its_bug_and_says_so(
        self, db, error: Exception, name: str, text: str
    ) -> None:
        (backend,) = {
            one.backend.name: one.backend
            for one in db.driver.sources.values()
            if one.backend.name == "local"
        }.values()
        if name == "scan":
            backend.resources["sessions"].scan = _raising(error)
        elif name == "apply":
            backend.apply = _raising(error)
        else:
            backend.routines = {**backend.routines, name: _raising(error)}
        with pytest.raises(
            dbapi.InternalError, match="This is a bug in the backend local"
        ) as caught:
            db.execute(text, {"user": "ann"} if ":" in text else ()).fetchall()
        assert caught.value.__cause__ is error
        assert type(error).__name__ in str(caught.value)


def test_a_bug_of_a_backend_comes_as_it_is_where_there_is_no_pep_249(db) -> None:
    error = KeyError("id")
    (resource,) = (
        one.backend.resources["sessions"]
        for one in db.driver.sources.values()
        if one.backend.name == "local"
    )
    resource.scan = _raising(error)
    with pytest.raises(KeyError) as caught:
        db.driver.execute("SELECT user_id FROM sessions WHERE user_id = :user", {"user": "x"})
    assert caught.value is error
    assert "bug in the backend local" in caught.value.__notes__[0]


@pytest.mark.parametrize(
    ("operation", "parameters", "kind"),
    [
        (5, (), dbapi.ProgrammingError),
        (None, (), dbapi.ProgrammingError),
        (b"SELECT 1", (), dbapi.ProgrammingError),
        ("SELECT '\ud800'", (), dbapi.ProgrammingError),
        ("SELECT ?", ("\ud800",), dbapi.DataError),
        ("SELECT ?", (-(2**63) - 1,), dbapi.DataError),
        ("SELECT user_id FROM sessions WHERE user_id = ?", (2**63,), dbapi.DataError),
        ("SELECT CAST(x'ff' AS text)", (), dbapi.DataError),
    ],
)
def test_what_cannot_be_passed_on_is_an_error_of_this_module(
    db, operation: Any, parameters: tuple[Any, ...], kind: type[Exception]
) -> None:
    with pytest.raises(kind):
        db.execute(operation, parameters).fetchall()


@pytest.mark.parametrize(
    "text", ["SELECT :a", "SELECT user_id FROM sessions WHERE labels->>'k' = :a"]
)
def test_a_name_without_a_value_is_named_by_the_driver_too(db, text: str) -> None:
    for run in (db.driver.execute, lambda sql, one: db.driver.executemany(sql, [one])):
        with pytest.raises(errors.MissingParameterError, match=":a"):
            run(text, {"b": 1})


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
