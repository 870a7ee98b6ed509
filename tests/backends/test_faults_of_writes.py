"""Whatever goes wrong on the way: each row's outcome is what the server has, or ``unknown``.

Every table that is written and every function that acts, of every service, with every fault: once,
and for good. The emulator says what the service has.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from dataclasses import dataclass, replace
from typing import Any

import apsw
import pytest

from sessions_vtab import Connection, connect
from sessions_vtab.contract.functions import FUNCTIONS
from sessions_vtab.emulator.serve import Running, running
from sessions_vtab.errors import SessionsError, UnknownOutcomeError
from tests.backends.services import keys_set, sources

TIMEOUT = 0.08


def of_vertex(state: Any) -> dict[str, Any]:
    engines = state["vertex"]["engines"]
    return {one["id"]: one for engine in engines for one in engine["sessions"]}


def of_deepset(state: Any) -> list[Any]:
    return list(state["deepset"]["sessions"].values())


def of_eleanor(state: Any) -> dict[str, Any]:
    return {one["name"]: one for one in state["eleanor"]["sessions"].values()}


def of_studio(state: Any) -> dict[str, Any]:
    return dict(state["embedding_studio"]["sessions"])


@dataclass(frozen=True)
class Case:
    """A write of one row.

    Attributes:
        sql: the statement; ``{deepset}``, ``{guest}`` are ids of sessions that are there.
        times: how often the service has done it.
        most: how often it may do it.
    """

    sql: str
    times: Callable[[Any], int]
    most: int = 1


CASES = [
    Case(
        "INSERT INTO prod.sessions(session_id, user_id) VALUES ('new', 'ann')",
        lambda state: int("new" in of_vertex(state)),
    ),
    Case(
        "INSERT INTO prod.sessions(user_id) VALUES ('ann')",
        lambda state: len(of_vertex(state)) - 1,
    ),
    Case(
        "UPDATE prod.sessions SET display_name = 'x' WHERE session_id = 's'",
        lambda state: int(of_vertex(state)["s"]["displayName"] == "x"),
    ),
    Case(
        "DELETE FROM prod.sessions WHERE session_id = 's'",
        lambda state: int("s" not in of_vertex(state)),
    ),
    Case(
        "INSERT INTO prod.events(session_id, author, content) VALUES ('s', 'user', 'x')",
        lambda state: len(of_vertex(state)["s"]["events"]),
    ),
    Case(
        "SELECT * FROM prod.append_event('s', 'user', 'x')",
        lambda state: len(of_vertex(state)["s"]["events"]),
    ),
    Case(
        "INSERT INTO docs.upload_sessions(write_mode) VALUES ('KEEP')",
        lambda state: len(of_deepset(state)) - 1,
    ),
    Case(
        "UPDATE docs.upload_sessions SET status = 'CLOSED' WHERE session_id = '{deepset}'",
        lambda state: int(any(one["closed_at"] for one in of_deepset(state))),
    ),
    Case(
        "SELECT * FROM docs.close_upload_session('{deepset}')",
        lambda state: int(any(one["closed_at"] for one in of_deepset(state))),
    ),
    Case(
        "SELECT * FROM docs.upload_file('{deepset}', 'a.txt', 'x')",
        lambda state: sum(len(one["uploads"]) for one in of_deepset(state)),
    ),
    Case(
        "INSERT INTO guest.sessions(user_id) VALUES ('ann')",
        lambda state: len(state["whylabs"]["sessions"]) - 1,
    ),
    Case(
        "SELECT * FROM guest.claim_guest_session('{guest}', 'org-1')",
        lambda state: sum(
            one["claimed_by_org"] is not None for one in state["whylabs"]["sessions"].values()
        ),
    ),
    Case(
        "INSERT INTO act.sessions(session_id) VALUES ('new')",
        lambda state: int("new" in of_eleanor(state)),
    ),
    Case(
        "UPDATE act.sessions SET description = 'x' WHERE session_id = 't'",
        lambda state: int(of_eleanor(state)["t"]["description"] == "x"),
    ),
    Case(
        "DELETE FROM act.sessions WHERE session_id = 't'",
        lambda state: int(of_eleanor(state)["t"]["deleted"]),
    ),
    Case(
        "SELECT * FROM act.undelete_session('gone')",
        lambda state: int(not of_eleanor(state)["gone"]["deleted"]),
    ),
    Case(
        "INSERT INTO act.participants(session_id, participant) VALUES ('t', 'ann')",
        lambda state: len(of_eleanor(state)["t"]["bindings"]) - 1,
    ),
    Case(
        "DELETE FROM act.participants WHERE session_id = 't' AND participant = 'bob'",
        lambda state: int(not of_eleanor(state)["t"]["bindings"]),
    ),
    Case(
        "SELECT * FROM act.bind_participant('t', 'ann')",
        lambda state: len(of_eleanor(state)["t"]["bindings"]) - 1,
    ),
    Case(
        "SELECT * FROM act.unbind_participant('t', 'bob')",
        lambda state: int(not of_eleanor(state)["t"]["bindings"]),
    ),
    Case(
        "INSERT INTO es.sessions(session_id, search_query, search_results)"
        " VALUES ('new', 'q', '[]')",
        lambda state: int("new" in of_studio(state)),
    ),
    Case(
        "UPDATE es.sessions SET is_irrelevant = 1 WHERE session_id = 'n'",
        lambda state: int(of_studio(state)["n"]["is_irrelevant"]),
    ),
    Case(
        "INSERT INTO es.events(session_id, object_id) VALUES ('n', 'o')",
        lambda state: len(state["embedding_studio"]["events"].get("n", {})),
    ),
    Case(
        "SELECT * FROM es.push_event('n', NULL, 'o')",
        lambda state: len(state["embedding_studio"]["events"].get("n", {})),
    ),
    Case(
        "SELECT * FROM es.mark_session_irrelevant('n')",
        lambda state: int(of_studio(state)["n"]["is_irrelevant"]),
    ),
    Case(
        "SELECT * FROM es.use_session_for_improvement('n')",
        lambda state: len(state["embedding_studio"]["improvements"]),
    ),
    Case(
        "SELECT * FROM es.release_batch('r')",
        lambda state: sum(one["release_id"] == "r" for one in state["embedding_studio"]["batches"]),
    ),
]

ONCE: dict[str, dict[str, Any]] = {
    "reset before acting": {"kind": "drop", "reset": True},
    "reset after acting": {"kind": "drop", "reset": True, "act": True},
    "stall after acting": {"kind": "delay", "seconds": 2 * TIMEOUT},
    "cut off": {"kind": "drop_body"},
    "truncated": {"kind": "truncate"},
    "another page": {"kind": "body", "body": "<html>hello</html>"},
    "5xx before acting": {"kind": "status", "status": 503},
    "408 after acting": {"kind": "status", "status": 408, "act": True},
    "gzip bomb": {"kind": "bomb", "size": 3_000_000},
    "slow bytes": {"kind": "trickle", "seconds": TIMEOUT / 4},
}
ALWAYS: dict[str, dict[str, Any]] = {
    "reset after acting, always": {"kind": "drop", "reset": True, "act": True},
    "5xx after acting, always": {"kind": "status", "status": 500, "act": True},
    "5xx, come back never": {"kind": "status", "status": 503, "act": True, "retry_after": "9" * 30},
    "429, come back never": {"kind": "status", "status": 429, "retry_after": "9" * 400},
    "429, come back on no date": {
        "kind": "status",
        "status": 429,
        "retry_after": "Fri, 31 Dec 9999 23:59:59 -2359",
    },
    "refused": {"kind": "status", "status": 400},
}
FAULTS = {name: {**fault, "count": 1} for name, fault in ONCE.items()} | {
    name: {**fault, "count": None} for name, fault in ALWAYS.items()
}

TOGETHER = {
    found[1]: case for case in CASES if (found := re.match(r"INSERT INTO ([a-z_.]+)", case.sql))
}
"""An INSERT for each table; of those into sessions, the last."""

NO_TRACE = {
    "compact_session",
    "truncate_session",
    "integrate_session",
    "create_dataset_profile_upload",
    "create_reference_profile_upload",
    "batch_create_reference_profile_upload",
}
"""What they do cannot be seen in the emulator's state."""


@pytest.fixture(scope="module")
def server() -> Iterator[Running]:
    with running() as emulator:
        emulator.control.reset(empty=True)
        yield emulator


@pytest.fixture(scope="module")
def services(server: Running) -> Iterator[tuple[Connection, dict[str, str], Any]]:
    """A connection to all services, ids of sessions there, and the state of the beginning."""
    every = sources(server.url, "prod", "docs", "guest", "act", "es")
    with keys_set():
        with closing(connect(sources=every)) as patient:
            ids = fill(patient)
        limited = [replace(one, timeout=TIMEOUT, max_response_mb=1) for one in every]
        with closing(connect(sources=limited)) as connection:
            yield connection, ids, server.control.dump()


def fill(connection: Connection) -> dict[str, str]:
    for sql in (
        "INSERT INTO prod.sessions(session_id, user_id) VALUES ('s', 'ann')",
        "INSERT INTO act.sessions(session_id) VALUES ('t'), ('gone')",
        "INSERT INTO act.participants(session_id, participant) VALUES ('t', 'bob')",
        "DELETE FROM act.sessions WHERE session_id = 'gone'",
        "INSERT INTO es.sessions(session_id, search_query, search_results) VALUES ('n', 'q', '[]')",
    ):
        connection.execute(sql)
    opened = "INSERT INTO docs.upload_sessions(write_mode) VALUES ('KEEP') RETURNING session_id"
    guest = "INSERT INTO guest.sessions(user_id) VALUES ('ann') RETURNING session_id"
    return {
        "deepset": str(connection.execute(opened).get),
        "guest": str(connection.execute(guest).get),
    }


def told(connection: Connection, sql: str) -> tuple[str, Exception | None]:
    """What the connection says became of a row, and the error that it raised."""
    connection.clear_logs()
    try:
        connection.execute(sql).fetchall()
    except (SessionsError, apsw.Error) as error:
        found = connection.execute("SELECT outcome FROM writes").get
        unknown = isinstance(error, UnknownOutcomeError)
        return str(found or ("unknown" if unknown else "failed")), error
    return str(connection.execute("SELECT outcome FROM writes").get or "sent"), None


@pytest.mark.parametrize("fault", FAULTS)
def test_each_outcome_is_what_the_server_has_or_unknown(
    services: tuple[Connection, dict[str, str], Any],
    server: Running,
    fault: str,
) -> None:
    connection, ids, start = services
    wrong = []
    for case in CASES:
        server.control.load(start)
        sql = case.sql.format(**ids)
        for method in ("POST", "PUT", "PATCH", "DELETE"):
            server.control.fault(method=method, **FAULTS[fault])
        outcome, error = told(connection, sql)
        server.control.clear_faults()
        times = case.times(server.control.dump())

        agrees = {"sent": times == 1, "unknown": times <= case.most}.get(outcome, times == 0)
        named = error is None or (sql.split(".")[0].split()[-1] + ".") in str(error)
        if not (agrees and named and (outcome == "sent") == (error is None)):
            wrong.append(json.dumps([sql, outcome, times, str(error)[:300]]))
    assert wrong == []


@pytest.mark.parametrize("fault", FAULTS)
def test_rows_that_are_sent_together_have_each_its_own_outcome(
    services: tuple[Connection, dict[str, str], Any],
    server: Running,
    fault: str,
) -> None:
    """Of a transaction that writes to every table of every service."""
    connection, _, start = services
    server.control.load(start)
    connection.clear_logs()
    connection.execute("BEGIN")
    for case in TOGETHER.values():
        connection.execute(case.sql)
    server.control.fault(method="POST", **FAULTS[fault])
    with suppress(SessionsError, apsw.Error):
        connection.execute("COMMIT")
    if connection.in_transaction:
        connection.execute("ROLLBACK")
    server.control.clear_faults()
    state = server.control.dump()

    told = connection.execute('SELECT source || "." || "table", outcome FROM writes').fetchall()

    times = {table: case.times(state) for table, case in TOGETHER.items()}
    wrong = [
        (table, outcome, times[table])
        for table, outcome in told
        # What was sent before another row failed is "sent although rolled back".
        if not {"sent": times[table] == 1, "unknown": times[table] <= 1}.get(
            outcome.partition(" although ")[0], times[table] == 0
        )
    ]
    assert sorted(table for table, _ in told) == sorted(TOGETHER)
    assert wrong == []


def test_every_table_and_function_that_writes_is_here(
    services: tuple[Connection, dict[str, str], Any],
) -> None:
    written = set()
    for name, source in services[0].sources.items():
        for table, resource in source.backend.resources.items():
            writes = resource.capability.writes
            ways = (("INSERT INTO", writes.insert), ("UPDATE", writes.update))
            written |= {f"{verb} {name}.{table}" for verb, columns in ways if columns}
            written |= {f"DELETE FROM {name}.{table}"} if writes.delete else set()
        effects = (one for one in source.backend.routines if FUNCTIONS[one].effect)
        written |= {f"SELECT * FROM {name}.{one}" for one in effects if one not in NO_TRACE}
    here = {re.split(r"[( ](?=[^ .]*$)|[(]| SET | WHERE ", case.sql)[0] for case in CASES}
    assert written - here == set()
