"""StackQL's text over two engines of two services: each table reads and writes its own source."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

import sessions_vtab
from sessions_vtab.emulator.serve import Running, running
from sessions_vtab.errors import SessionsError, UnsupportedError

_SESSIONS = "google.aiplatform.sessions"
_EVENTS = "google.aiplatform.events"
_PATH = "projectsId = 'demo' AND locationsId = 'us-central1'"
_A = f"{_PATH} AND reasoningEnginesId = '11'"
_B = f"{_PATH} AND reasoningEnginesId = '42'"
_BOTH = f"{_PATH} AND reasoningEnginesId IN ('11', '42')"
_COLUMNS = "(data__userId, projectsId, locationsId, reasoningEnginesId)"


@pytest.fixture(scope="module")
def hosts() -> Iterator[tuple[Running, Running]]:
    with running() as first, running() as second:
        yield first, second


@pytest.fixture
def db(hosts: tuple[Running, Running]) -> Iterator[sessions_vtab.Connection]:
    """Source ``a`` has engine 11 with 1 session, ``b`` has engine 42, elsewhere, with 3."""
    for one in hosts:
        one.control.reset()
    first, second = (f"base_url={one.url}" for one in hosts)
    sources = [
        f"a=vertex://demo/us-central1/11?{first}",
        f"b=vertex://demo/us-central1?reasoning_engine=42&{second}",
        "notes=local://:memory:",
    ]
    connection = sessions_vtab.connect(sources=sources, default="a")
    connection.execute("INSERT INTO a.sessions(session_id, user_id) VALUES ('a1', 'ann')")
    connection.execute(
        "INSERT INTO b.sessions(session_id, user_id)"
        " VALUES ('b1', 'ann'), ('b2', 'bob'), ('b3', 'cleo')"
    )
    connection.execute(
        "INSERT INTO b.events(session_id, author, timestamp, invocation_id)"
        " VALUES ('b1', 'user', '2026-01-01', 'i1')"
    )
    for one in hosts:
        one.control.reset_log()
    yield connection
    connection.close()


def _engines(server: Running, *methods: str) -> set[str]:
    """The engines that requests to a service were about."""
    found = [one for one in server.control.requests() if not methods or one["method"] in methods]
    return {one["path"].split("/reasoningEngines/")[1].split("/")[0] for one in found}


_READS = [
    (f"SELECT count(*) FROM {_SESSIONS} WHERE {_A}", [(1,)]),
    (f"SELECT count(*) FROM {_SESSIONS} WHERE {_B}", [(3,)]),
    (
        (
            f"SELECT count(*) FROM {_SESSIONS} WHERE {_A}"
            f" UNION ALL SELECT count(*) FROM {_SESSIONS} WHERE {_B}"
        ),
        [(1,), (3,)],
    ),
    (f"SELECT count(*) FROM {_SESSIONS} WHERE {_BOTH}", [(4,)]),
    (
        (
            f"SELECT sessionsId, reasoningEnginesId FROM {_SESSIONS} WHERE {_BOTH}"
            " AND userId = 'ann' ORDER BY sessionsId"
        ),
        [("a1", "11"), ("b1", "42")],
    ),
    (
        (
            f"SELECT userId FROM {_SESSIONS} AS s WHERE {_BOTH} AND s.sessionsId IN ('b2', 'a1')"
            " ORDER BY userId"
        ),
        [("ann",), ("bob",)],
    ),
    (
        (
            f"SELECT (SELECT count(*) FROM {_SESSIONS} WHERE {_A}),"
            f" (SELECT count(*) FROM {_SESSIONS} WHERE {_B})"
        ),
        [(1, 3)],
    ),
    (
        (
            f"SELECT userId FROM {_SESSIONS} WHERE {_A} AND userId IN"
            f" (SELECT userId FROM {_SESSIONS} WHERE {_B})"
        ),
        [("ann",)],
    ),
    (
        (
            f"SELECT t.sessionsId FROM {_SESSIONS} s JOIN {_SESSIONS} t ON t.userId = s.userId"
            f" WHERE s.projectsId = 'demo' AND s.locationsId = 'us-central1'"
            " AND s.reasoningEnginesId = '11' AND t.projectsId = 'demo'"
            " AND t.locationsId = 'us-central1' AND t.reasoningEnginesId = '42'"
        ),
        [("b1",)],
    ),
    (
        (
            f"WITH w AS (SELECT sessionsId AS id FROM {_SESSIONS} WHERE {_B})"
            f" SELECT id FROM w UNION SELECT sessionsId FROM {_SESSIONS} WHERE {_A} ORDER BY id"
        ),
        [("a1",), ("b1",), ("b2",), ("b3",)],
    ),
    (
        (
            f"SELECT s.sessionsId, e.author FROM {_SESSIONS} s JOIN {_EVENTS} e"
            f" ON e.sessionsId = s.sessionsId AND e.reasoningEnginesId = s.reasoningEnginesId"
            f" WHERE projectsId = 'demo' AND locationsId = 'us-central1'"
            " AND s.reasoningEnginesId = '42'"
        ),
        [("b1", "user")],
    ),
    (
        (
            f"SELECT s.sessionsId, e.author FROM {_SESSIONS} s LEFT JOIN {_EVENTS} e"
            f" USING (projectsId, locationsId, reasoningEnginesId, sessionsId)"
            f" WHERE s.projectsId = 'demo' AND s.locationsId = 'us-central1'"
            " AND s.reasoningEnginesId IN ('11', '42') ORDER BY 1"
        ),
        [("a1", None), ("b1", "user"), ("b2", None), ("b3", None)],
    ),
    (
        (
            f"SELECT userId FROM {_SESSIONS} WHERE {_BOTH} AND pageSize = 2 AND filter = ''"
            " AND orderBy = 'create_time' ORDER BY userId"
        ),
        [("ann",), ("ann",), ("bob",), ("cleo",)],
    ),
]


@pytest.mark.parametrize(("text", "rows"), _READS)
def test_every_table_reads_the_source_of_its_engine(
    db: sessions_vtab.Connection,
    hosts: tuple[Running, Running],
    text: str,
    rows: list[tuple[object, ...]],
) -> None:
    assert db.execute(text).fetchall() == rows
    assert _engines(hosts[0]) <= {"11"}
    assert _engines(hosts[1]) <= {"42"}


def test_a_condition_is_sent_to_both_services(
    db: sessions_vtab.Connection, hosts: tuple[Running, Running]
) -> None:
    text = (
        f"SELECT upper(userId) AS who FROM {_SESSIONS} s WHERE {_BOTH}"
        " AND s.labels->>'env' = ? AND who <> 'BOB' AND userId NOT IN (SELECT 'x')"
    )
    assert db.execute(text, ("prod",)).fetchall() == []
    for one in hosts:
        (request,) = one.control.requests()
        assert request["query"]["filter"] == 'labels.env="prod"'


@pytest.mark.parametrize("binding", ["?", ":engine", "@engine"])
@pytest.mark.parametrize(("engine", "count"), [("11", 1), ("42", 3), (42, 3), (None, 0)])
def test_a_bound_engine_chooses_the_source(
    db: sessions_vtab.Connection,
    hosts: tuple[Running, Running],
    binding: str,
    engine: object,
    count: int,
) -> None:
    text = f"SELECT count(*) FROM {_SESSIONS} WHERE {_PATH} AND reasoningEnginesId = {binding}"
    values = (engine,) if binding == "?" else {"engine": engine}
    assert db.execute(text, values).fetchall() == [(count,)]
    assert _engines(hosts[0]) <= {"11"}
    assert _engines(hosts[1]) <= {"42"}


def test_values_of_one_list_may_be_bound_and_belong_to_two_sources(
    db: sessions_vtab.Connection,
) -> None:
    text = (
        f"SELECT count(*), ? FROM {_SESSIONS} WHERE {_PATH}"
        " AND reasoningEnginesId IN (?, '11') AND userId <> ?"
    )
    assert db.execute(text, ("x", "42", "bob")).fetchall() == [(3, "x")]
    assert db.execute(text, ("x", "11", "bob")).fetchall() == [(1, "x")]


@pytest.mark.parametrize(
    ("text", "values"),
    [
        (
            (
                f"INSERT INTO {_SESSIONS} {_COLUMNS} VALUES ('x', 'demo', 'us-central1', '11'),"
                " ('y', 'demo', 'us-central1', '42')"
            ),
            (),
        ),
        (
            (
                f"INSERT INTO {_SESSIONS} {_COLUMNS} VALUES ('x', 'demo', 'us-central1', ?),"
                " ('y', 'demo', 'us-central1', ?)"
            ),
            ("11", "42"),
        ),
        (
            (
                f"INSERT INTO {_SESSIONS} {_COLUMNS} SELECT userId, projectsId, locationsId,"
                f" reasoningEnginesId FROM {_SESSIONS} WHERE {_BOTH}"
            ),
            (),
        ),
        (
            f"UPDATE {_SESSIONS} SET data__displayName = 'x' WHERE {_BOTH} AND sessionsId = 'b1'",
            (),
        ),
        (f"DELETE FROM {_SESSIONS} WHERE {_BOTH} AND sessionsId IN ('a1', 'b1')", ()),
    ],
)
def test_a_write_to_two_sources_is_refused_before_anything_is_sent(
    db: sessions_vtab.Connection,
    hosts: tuple[Running, Running],
    text: str,
    values: tuple[object, ...],
) -> None:
    with pytest.raises(UnsupportedError, match=r"sources a, b.*Nothing was sent"):
        db.execute(text, values)
    assert [one.control.requests() for one in hosts] == [[], []]


@pytest.mark.parametrize(("engine", "at"), [("11", 0), ("42", 1)])
@pytest.mark.parametrize("is_bound", [False, True])
def test_a_write_goes_to_the_host_of_its_engine(
    db: sessions_vtab.Connection,
    hosts: tuple[Running, Running],
    engine: str,
    at: int,
    is_bound: bool,
) -> None:
    written, values = ("?", (engine,)) if is_bound else (f"'{engine}'", ())
    session = "a1" if at == 0 else "b1"
    where = f"{_PATH} AND reasoningEnginesId = {written} AND sessionsId = '{session}'"
    row = f"('x', 'demo', 'us-central1', {written})"
    for text in (
        f"INSERT INTO {_SESSIONS} {_COLUMNS} VALUES {row}, {row.replace('?', '?1')}",
        f"UPDATE {_SESSIONS} SET data__displayName = 'New' WHERE {where}",
        f"DELETE FROM {_SESSIONS} WHERE {where}",
    ):
        db.execute(text, values)
    assert _engines(hosts[at], "POST", "PATCH", "DELETE") == {engine}
    assert _engines(hosts[1 - at]) == set()
    assert [one["method"] for one in hosts[at].control.requests("POST")] == ["POST", "POST"]


def test_many_bound_rows_choose_their_source_one_by_one(
    db: sessions_vtab.Connection, hosts: tuple[Running, Running]
) -> None:
    text = f"INSERT INTO {_SESSIONS} {_COLUMNS} VALUES (?, 'demo', 'us-central1', ?)"
    db.executemany(text, [("x", "11"), ("y", "42"), ("z", "42")])
    assert [len(one.control.requests("POST")) for one in hosts] == [1, 2]


@pytest.mark.parametrize(
    "text",
    [
        f"SELECT count(*) FROM {_SESSIONS} WHERE {_PATH} AND reasoningEnginesId = lower('11')",
        f"SELECT count(*) FROM {_SESSIONS} WHERE {_PATH} AND reasoningEnginesId IN (SELECT '42')",
        f"INSERT INTO {_SESSIONS} {_COLUMNS} SELECT 'x', 'demo', 'us-central1', lower('11')",
        (
            f"DELETE FROM {_SESSIONS} WHERE {_PATH} AND reasoningEnginesId = lower('42')"
            " AND sessionsId = 'b1'"
        ),
    ],
)
def test_an_engine_that_only_sqlite_knows_is_refused(
    db: sessions_vtab.Connection, hosts: tuple[Running, Running], text: str
) -> None:
    with pytest.raises(UnsupportedError, match="choose between the sources a, b"):
        db.execute(text)
    assert [one.control.requests() for one in hosts] == [[], []]


def test_rows_go_from_one_service_to_another(
    db: sessions_vtab.Connection, hosts: tuple[Running, Running]
) -> None:
    db.execute(
        f"INSERT INTO {_SESSIONS} {_COLUMNS} SELECT userId, 'demo', 'us-central1', '11'"
        f" FROM {_SESSIONS} WHERE {_B}"
    )
    assert db.execute("SELECT user_id FROM a.sessions ORDER BY 1").get == [
        *("ann", "ann", "bob", "cleo")
    ]
    assert _engines(hosts[1], "POST") == set()


def test_the_methods_of_exec_go_to_the_host_of_their_engine(
    db: sessions_vtab.Connection, hosts: tuple[Running, Running]
) -> None:
    db.execute(
        f"EXEC {_SESSIONS}.append_event @projectsId='demo', @locationsId='us-central1',"
        " @reasoningEnginesId='42', @sessionsId='b2'"
        """ @@json='{"author": "user", "timestamp": "2026-01-01T00:00:00Z", "invocationId": "i"}'"""
    )
    assert _engines(hosts[1], "POST") == {"42"}
    assert hosts[0].control.requests() == []


def test_an_engine_of_no_source_is_the_defaults(
    db: sessions_vtab.Connection, hosts: tuple[Running, Running]
) -> None:
    other = _A.replace("'11'", "'77'")
    assert db.execute(f"SELECT count(*) FROM {_SESSIONS} WHERE {other}").get == 0
    assert (_engines(hosts[0]), _engines(hosts[1])) == ({"77"}, set())


def test_a_join_gives_each_resource_its_own_parameters(db: sessions_vtab.Connection) -> None:
    text = f"SELECT 1 FROM {_SESSIONS} s JOIN {_EVENTS} e ON e.sessionsId = s.sessionsId WHERE "
    qualified = _A.replace("AND ", "AND s.").replace("projectsId", "s.projectsId")
    with pytest.raises(SessionsError, match=r"missing required parameters: \{ projectsId"):
        db.execute(text + qualified)
