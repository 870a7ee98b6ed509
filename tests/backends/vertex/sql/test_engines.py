"""``reasoning_engines``: the id of an engine is found in SQL."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

import sessions_vtab
from sessions_vtab.emulator.serve import Running, running
from sessions_vtab.emulator.service import EmulatorSettings
from sessions_vtab.errors import InvalidValueError, UnsupportedError

NAME = "projects/demo/locations/us-central1/reasoningEngines/"


@pytest.fixture(scope="module")
def emulator() -> Iterator[Running]:
    """A service where the engine 42 has two sessions, 43 and one of another project have one."""
    with running(EmulatorSettings(seed=None)) as started:
        started.control.reset(empty=True)
        with sessions_vtab.connect(f"vertex://demo/us-central1?base_url={started.url}") as db:
            db.execute(
                "INSERT INTO sessions(project, reasoning_engine, user_id) VALUES"
                " ('demo', '42', 'ann'), ('demo', '42', 'bob'), ('demo', '43', 'cid'),"
                " ('other', '7', 'dan')"
            )
        yield started


@pytest.fixture
def asked(emulator: Running) -> Iterator[Callable[..., tuple[list[Any], list[str]]]]:
    """Runs a statement; gives its rows and the requests it made."""
    opened = []

    def run(sql: str, where: str = "demo/us-central1", more: str = "") -> Any:
        db = sessions_vtab.connect(f"vertex://{where}?base_url={emulator.url}{more}")
        opened.append(db)
        emulator.control.reset_log()
        rows = db.execute(sql).fetchall()
        log = emulator.control.requests()
        return rows, [entry["path"].rpartition("/v1beta1/")[2] for entry in log]

    yield run
    for db in opened:
        db.close()


LIST = "projects/demo/locations/us-central1/reasoningEngines"


@pytest.mark.parametrize(
    ("condition", "engines", "requests"),
    [
        ("1", ["42", "43"], [LIST]),
        ("display_name IS NULL", ["42", "43"], [LIST]),
        ("create_time > '2020-01-01'", ["42", "43"], [LIST]),
        ("reasoning_engine = '42'", ["42"], [f"{LIST}/42"]),
        ("reasoning_engine IN ('42', '43')", ["42", "43"], [LIST]),
        (f"name = '{NAME}43'", ["43"], [f"{LIST}/43"]),
        ("project = 'other'", ["7"], [LIST.replace("demo", "other")]),
        ("project IN ('demo', 'other')", ["42", "43", "7"], [LIST, LIST.replace("demo", "other")]),
        ("reasoning_engine = '../x'", [], []),
        ("name = 'nonsense'", [], []),
        ("reasoning_engine IS NULL", [], [LIST]),
    ],
)
def test_conditions_on_the_place_and_the_id_are_sent(
    asked: Any, condition: str, engines: list[str], requests: list[str]
) -> None:
    rows, sent = asked(f"SELECT reasoning_engine FROM reasoning_engines WHERE {condition}")

    assert sorted(engine for (engine,) in rows) == sorted(engines)
    assert sorted(sent) == sorted(requests)


def test_a_row_has_the_engines_name_and_times(asked: Any) -> None:
    ((name, engine, display, created, updated, project, location),), _ = asked(
        "SELECT *, project, location FROM reasoning_engines WHERE reasoning_engine = '42'"
    )

    assert (name, engine, display) == (f"{NAME}42", "42", None)
    assert created == updated
    assert created.startswith("20")
    assert (project, location) == ("demo", "us-central1")


def test_the_engines_of_a_project_are_counted_with_their_sessions(asked: Any) -> None:
    rows, sent = asked(
        "SELECT e.reasoning_engine, count(*) FROM reasoning_engines AS e"
        " JOIN sessions AS s USING (reasoning_engine) GROUP BY 1 ORDER BY 1"
    )

    assert rows == [("42", 2), ("43", 1)]
    assert sorted(sent) == [LIST, f"{LIST}/42/sessions", f"{LIST}/43/sessions"]


def test_scopes_hide_other_engines_and_refuse_other_projects(asked: Any) -> None:
    scoped = "&scopes.reasoning_engine=43&scopes.project=demo"

    rows, _ = asked("SELECT reasoning_engine FROM reasoning_engines", more=scoped)
    assert rows == [("43",)]
    rows, sent = asked(
        "SELECT reasoning_engine FROM reasoning_engines WHERE reasoning_engine = '42'", more=scoped
    )
    assert (rows, sent) == ([], [])
    with pytest.raises(InvalidValueError, match="project = 'other' is not allowed"):
        asked("SELECT * FROM reasoning_engines WHERE project = 'other'", more=scoped)


@pytest.mark.parametrize(
    "sql",
    [
        "DELETE FROM reasoning_engines WHERE reasoning_engine = '42'",
        "UPDATE reasoning_engines SET display_name = 'x'",
        "INSERT INTO reasoning_engines(display_name) VALUES ('x')",
    ],
)
def test_engines_are_only_read(asked: Any, emulator: Running, sql: str) -> None:
    emulator.control.reset_log()

    with pytest.raises(UnsupportedError, match="Google's own tools"):
        asked(sql)
    assert emulator.control.log()["total"] == 0


def test_more_engines_than_a_page_are_all_listed(asked: Any, emulator: Running) -> None:
    with sessions_vtab.connect(f"vertex://many/us-central1?base_url={emulator.url}") as db:
        values = ", ".join(f"('{1000 + number}', 'ann')" for number in range(150))
        db.execute(f"INSERT INTO sessions(reasoning_engine, user_id) VALUES {values}")

    rows, sent = asked("SELECT count(*) FROM reasoning_engines", "many/us-central1")

    assert rows == [(150,)]
    assert len(sent) == 2


def test_a_missing_engine_is_no_row() -> None:
    with running(EmulatorSettings(engines=("42",))) as strict:
        url = f"vertex://demo/us-central1?base_url={strict.url}"
        with sessions_vtab.connect(url) as db:
            query = (
                "SELECT reasoning_engine FROM reasoning_engines WHERE reasoning_engine IN (?, ?)"
            )
            assert db.execute(query, ("42", "99")).fetchall() == [("42",)]


def test_a_source_with_an_api_key_has_no_such_table() -> None:
    with sessions_vtab.connect("vertex:///42?api_key_env=KEY") as db:
        assert "reasoning_engines" not in db.sources["vertex"].backend.resources


def test_the_request_is_shown_before_it_is_sent() -> None:
    with sessions_vtab.connect("vertex://demo/us-central1?base_url=http://127.0.0.1:1") as db:
        ((_, request),) = db.preview("SELECT * FROM reasoning_engines")
        assert request.url.endswith(f"/v1beta1/{LIST}?pageSize=100")
        ((_, request),) = db.preview("SELECT * FROM reasoning_engines WHERE reasoning_engine='42'")
        assert request.url.endswith(f"/v1beta1/{LIST}/42")


@pytest.fixture
def twins(emulator: Running) -> Iterator[str]:
    """A source without an engine; two engines have a session of the same id."""
    url = f"vertex://demo/us-central1?base_url={emulator.url}"
    with sessions_vtab.connect(url) as db:
        for engine in ("52", "53"):
            db.execute(
                "INSERT INTO sessions(reasoning_engine, session_id, user_id)"
                f" VALUES ('{engine}', 'same', 'ann'), ('{engine}', 'own-{engine}', 'bob')"
            )
            db.execute(
                "INSERT INTO events(reasoning_engine, session_id, author, invocation_id)"
                f" VALUES ('{engine}', 'same', 'user', 'e'), ('{engine}', 'own-{engine}', 'user', 'e')"
            )
    yield url
    emulator.control.reset(empty=True)


@pytest.mark.parametrize(
    ("engines", "groups"),
    [
        ("= '52'", [("own-52", 1), ("same", 1)]),
        ("IN ('52', '53')", [("own-52", 1), ("own-53", 1), ("same", 2)]),
    ],
)
@pytest.mark.parametrize("table", ["sessions", "events"])
def test_an_id_that_two_engines_have_is_one_group(
    twins: str, table: str, engines: str, groups: list[tuple[str, int]]
) -> None:
    with sessions_vtab.connect(twins) as db:
        found = db.execute(
            f"SELECT session_id, count(*) FROM {table} WHERE reasoning_engine {engines}"
            " GROUP BY session_id"
        ).fetchall()

    assert sorted(found) == groups


def test_a_row_of_one_engine_is_not_taken_for_that_of_another(twins: str) -> None:
    with sessions_vtab.connect(twins) as db:
        found = db.execute(
            "WITH listed AS MATERIALIZED"
            " (SELECT session_id FROM sessions WHERE reasoning_engine = '52' AND user_id = 'ann')"
            " SELECT s.reasoning_engine, s.session_id FROM listed CROSS JOIN sessions s"
            " ON s.session_id = listed.session_id WHERE s.reasoning_engine = '53'"
        ).fetchall()

    assert found == [("53", "same")]
