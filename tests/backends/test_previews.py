"""What a dry run and a preview show is what is then sent: every table and action of every service.

The tables, their paths and their writes come from what the backends declare. A new table needs a row
in ``_VALUES``, or the test that counts them fails.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import closing
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest

from sessions_vtab import Connection, connect, registry
from sessions_vtab.contract.backend import Source
from sessions_vtab.contract.capability import AccessPath
from sessions_vtab.emulator.serve import Running

_URLS = {
    "vertex": "src=vertex://demo/us-central1/42?",
    "deepset": "src=deepset://ws?",
    "whylabs": "src=whylabs://?",
    "eleanor": "src=eleanor://demo?",
    "embedding_studio": "src=embedding_studio://?",
}
_KEY = "canarycana." + "w" * 53
"""In the form of WhyLabs' keys."""
_SETUP = {
    "vertex": [
        "INSERT INTO sessions(session_id, user_id) VALUES ('s1', 'ann')",
        (
            "INSERT INTO events(session_id, author, content, timestamp, invocation_id)"
            " VALUES ('s1', 'user', 'hello', '2026-01-01', 'i')"
        ),
    ],
    "deepset": [
        "INSERT INTO upload_sessions(write_mode) VALUES ('KEEP')",
        "SELECT * FROM upload_file((SELECT session_id FROM upload_sessions), 'a.txt', 'text')",
    ],
    "whylabs": ["INSERT INTO sessions(user_id) VALUES ('ann')"],
    "eleanor": [
        "INSERT INTO sessions(session_id) VALUES ('s1')",
        "INSERT INTO participants(session_id, participant) VALUES ('s1', 'bob')",
    ],
    "embedding_studio": [
        "INSERT INTO sessions(session_id, search_query, search_results) VALUES ('s1', 'q', '[]')",
        "INSERT INTO events(session_id, event_id, object_id) VALUES ('s1', 'e1', 'o')",
    ],
}
_VALUES: dict[tuple[str, str, str], dict[str, Any]] = {
    ("vertex", "sessions", "insert"): {
        "session_id": "s2",
        "user_id": "bob",
        "labels": '{"env":"prod"}',
        "state": '{"n":1}',
    },
    ("vertex", "sessions", "update"): {"display_name": "New"},
    ("vertex", "sessions", "delete"): {},
    ("vertex", "events", "insert"): {
        "session_id": "s1",
        "author": "user",
        "invocation_id": "i2",
        "timestamp": "2026-01-02",
        "content": "hello",
    },
    ("deepset", "upload_sessions", "insert"): {"write_mode": "OVERWRITE"},
    ("deepset", "upload_sessions", "update"): {"status": "CLOSED"},
    ("whylabs", "sessions", "insert"): {"user_id": "bob"},
    ("eleanor", "sessions", "insert"): {"session_id": "s2", "description": "d"},
    ("eleanor", "sessions", "update"): {"description": "New"},
    ("eleanor", "sessions", "delete"): {},
    ("eleanor", "participants", "insert"): {
        "session_id": "s1",
        "participant": "eve",
    },
    ("eleanor", "participants", "delete"): {},
    ("embedding_studio", "sessions", "insert"): {
        "session_id": "s2",
        "search_query": "q",
        "search_results": "[]",
    },
    ("embedding_studio", "sessions", "update"): {"is_irrelevant": 1},
    ("embedding_studio", "events", "insert"): {
        "session_id": "s1",
        "event_id": "e2",
        "object_id": "o",
    },
}
_KEYS = {"batch_id": "b1", "session": "s1"}
"""Values of keys that no row has."""


@pytest.fixture(autouse=True)
def _keys(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DEEPSET_API_KEY", "key")
    monkeypatch.setenv("WHYLABS_API_KEY", _KEY)


def _open(emulator: Running, backend: str, **options: Any) -> Connection:
    return connect(f"{_URLS[backend]}base_url={emulator.url}", **options)


def _filled(emulator: Running, backend: str) -> Connection:
    emulator.control.reset()
    db = _open(emulator, backend)
    for text in _SETUP[backend]:
        db.execute(text).fetchall()
    return db


def _services() -> list[str]:
    """Names of the backends of services; tests register others beside them."""
    return [
        name
        for name, where in registry.BUILT_IN.items()
        # The emulator has no ADK server; adk_api shows its requests in its own tests.
        if where.startswith("sessions_vtab.backends.") and name not in {"local", "adk", "adk_api"}
    ]


def _backend(name: str) -> Any:
    """A backend as it declares itself; nothing is sent."""
    options = {"base_url": "http://127.0.0.1:9"}
    locations = {"vertex": "demo/us-central1/42", "deepset": "ws", "eleanor": "demo"}
    source = Source("src", name, locations.get(name, ""), options)
    return registry.backend_class(name).open(source)


def _actions() -> Iterator[tuple[str, str, str]]:
    """Every service, table and action that is declared."""
    for name in _services():
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("DEEPSET_API_KEY", "key")
            patch.setenv("WHYLABS_API_KEY", _KEY)
            with closing(_backend(name)) as backend:
                for table, resource in backend.resources.items():
                    writes = resource.capability.writes
                    if writes.insert:
                        yield name, table, "insert"
                    if writes.update:
                        yield name, table, "update"
                    if writes.delete:
                        yield name, table, "delete"


def _paths() -> Iterator[tuple[str, str, str]]:
    """Every service, table and way to read it."""
    for name in _services():
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("DEEPSET_API_KEY", "key")
            patch.setenv("WHYLABS_API_KEY", _KEY)
            with closing(_backend(name)) as backend:
                for table, resource in backend.resources.items():
                    for path in resource.capability.paths:
                        yield name, table, path.name


def _statement(table: str, action: str, values: dict[str, Any]) -> str:
    if action == "insert":
        marks = ", ".join("?" * len(values))
        return f"INSERT INTO {table}({', '.join(values)}) VALUES ({marks})"
    if action == "update":
        return f"UPDATE {table} SET {', '.join(f'{name} = ?' for name in values)}"
    return f"DELETE FROM {table}"


def _shown(method: str, url: str, body: str | None = None) -> tuple[Any, ...]:
    parts = urlsplit(url)
    query = sorted(parse_qsl(parts.query, keep_blank_values=True))
    return method, parts.path, query, None if body is None else json.loads(body)


def _sent(one: dict[str, Any]) -> tuple[Any, ...]:
    path = urlsplit(one["raw_path"]).path
    return one["method"], path, sorted(one["query"].items()), one["body"] or None


def test_every_declared_action_has_an_example() -> None:
    assert sorted(_actions()) == sorted(_VALUES)


@pytest.mark.parametrize(("backend", "table", "action"), sorted(_VALUES))
def test_a_dry_run_shows_the_request_that_a_write_sends(
    emulator: Running, backend: str, table: str, action: str
) -> None:
    values = _VALUES[backend, table, action]
    text = _statement(table, action, values)
    where = _where(backend, table) if action != "insert" else ""
    with closing(_filled(emulator, backend)) as db:
        emulator.control.reset_log()
        with closing(_open(emulator, backend, dry_run=True)) as dry:
            rows = dry.execute(text + where, tuple(values.values())).fetchall()
        assert all(one["method"] == "GET" for one in emulator.control.requests())
        emulator.control.reset_log()
        db.execute(text + where, tuple(values.values()))
        sent = [_sent(one) for one in emulator.control.requests() if one["method"] != "GET"]
    shown = [_shown(method, url, body) for *_, method, url, body in rows]
    assert shown == sent
    assert shown
    assert all(url.startswith(emulator.url) for *_, url, _ in rows)


def _where(backend: str, table: str) -> str:
    """A condition that a table without a list needs."""
    key = {"whylabs": "session_id", "embedding_studio": "session_id"}.get(backend)
    return f" WHERE {key} = 's1'" if key else ""


def _condition(db: Connection, backend: str, table: str, path: AccessPath) -> str:
    """Values for the keys of a path, of a row that is there."""
    parts = []
    for key in path.keys:
        value = _KEYS.get(key)
        if value is None:
            found = _key(db, backend, table, key)
            value = "none" if found is None else str(found)
        parts.append(f"{key} = '{value}'")
    return " AND ".join(parts)


def _key(db: Connection, backend: str, table: str, key: str) -> object:
    if backend == "whylabs":  # It has no list. Whoever knows an id may use the session.
        (session,) = db.execute("INSERT INTO sessions(user_id) VALUES ('eve') RETURNING name")
        return session[0] if key == "name" else session[0].rpartition("/")[2]
    return db.execute(f"SELECT {key} FROM {table}{_where(backend, table)} LIMIT 1").get


def _cut(sent: tuple[Any, ...], secret: str) -> tuple[Any, ...]:
    """A request as it is shown: what must not be is cut out."""
    method, path, query, body = sent
    return method, path.replace(secret, "[cut]") if secret else path, query, body


@pytest.mark.parametrize(("backend", "table", "path"), list(_paths()))
def test_a_preview_shows_the_requests_that_a_read_begins_with(
    emulator: Running, backend: str, table: str, path: str
) -> None:
    with closing(_filled(emulator, backend)) as db:
        resource = db.sources["src"].backend.resources[table]
        way = next(one for one in resource.capability.paths if one.name == path)
        condition = _condition(db, backend, table, way)
        text = f"SELECT * FROM {table}" + (f" WHERE {condition}" if condition else "")
        emulator.control.reset_log()
        shown = [one for _, one in db.preview(text)]
        assert emulator.control.requests() == []
        db.execute(text).fetchall()
        secret = condition.split("'")[1].rpartition("/")[2] if backend == "whylabs" else ""
        sent = [_cut(_sent(one), secret) for one in emulator.control.requests()]
    known = [_shown(one.method, one.url) for one in shown if "{" not in one.url]
    assert shown
    assert all(one.url.startswith(emulator.url) for one in shown)
    assert known
    assert all(one in sent for one in known)
