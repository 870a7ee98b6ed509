"""The setting ``routes``: every endpoint that a service declares can be corrected, and no rule is
got round by it."""

from __future__ import annotations

import os
from contextlib import AbstractContextManager, closing
from dataclasses import replace
from typing import Any

import httpx
import pytest

from sessions_vtab import Connection, connect
from sessions_vtab.cli import help as reference
from sessions_vtab.cli import pages
from sessions_vtab.contract.backend import Source
from sessions_vtab.emulator.serve import Running
from sessions_vtab.errors import ConfigurationError, ReadOnlyError, SessionsError, UnavailableError
from sessions_vtab.registry import backend_class
from sessions_vtab.rest import Delete, Get, Insert, Operation, Update
from sessions_vtab.rest.endpoints import corrected
from tests.declared import BASE, connected

LOCATIONS = {
    "vertex": "demo/us-central1/42",
    "deepset": "ws",
    "whylabs": "",
    "eleanor": "demo",
    "embedding_studio": "",
    "adk_api": "desk/ann",
}
KEYS = {"DEEPSET_API_KEY": "key", "WHYLABS_API_KEY": "canarycana." + "w" * 53}

_ENGINE = "/v1beta1/projects/{project}/locations/{location}/reasoningEngines"
_SESSION = f"{_ENGINE}/{{reasoning_engine}}/sessions"
_UPLOADS = "/api/v1/workspaces/{workspace}/upload_sessions"
_APP = "/apps/{app_name}/users/{user}/sessions"
_BOUND = "/sessions/{namespace}/{session}/participants/{participant}"
ENDPOINTS = {
    "vertex": {
        "list": f"GET {_SESSION}",
        "get": f"GET {_SESSION}/{{session}}",
        "insert": f"POST {_SESSION}",
        "update": f"PATCH {_SESSION}/{{session}}",
        "delete": f"DELETE {_SESSION}/{{session}}",
        "list_events": f"GET {_SESSION}/{{session}}/events",
        "insert_events": f"POST {_SESSION}/{{session}}:appendEvent",
        "list_event_parts": f"GET {_SESSION}/{{session}}/events",
        "list_reasoning_engines": f"GET {_ENGINE}",
        "get_reasoning_engines": f"GET {_ENGINE}/{{reasoning_engine}}",
        "compact": f"POST {_SESSION}/{{session}}:compact",
    },
    "deepset": {
        "list": f"GET {_UPLOADS}",
        "get": f"GET {_UPLOADS}/{{session}}",
        "insert": f"POST {_UPLOADS}",
        "update": f"PUT {_UPLOADS}/{{session}}",
        "list_upload_session_files": f"GET {_UPLOADS}/{{session}}/files",
        "list_files": "GET /api/v1/workspaces/{workspace}/files",
        "close": f"PUT {_UPLOADS}/{{session}}",
    },
    "whylabs": {
        "get": "GET /v0/sessions/{session}",
        "insert": "POST /v0/sessions",
        "claim_guest": "POST /v0/sessions/{session}/claim",
        "create_dataset_profile_upload": "POST /v0/sessions/{session}/upload",
        "create_reference_profile_upload": "POST /v0/sessions/{session}/reference",
        "batch_create_reference_profile_upload": "POST /v0/sessions/{session}/references",
        "session_profile_observatory_link": "POST /v0/sessions/observatory-link/{session}",
    },
    "eleanor": {
        "list": "GET /sessions/{namespace}",
        "get": "GET /sessions/{namespace}/{session}",
        "insert": "POST /sessions/{namespace}",
        "update": "PUT /sessions/{namespace}/{session}",
        "delete": "DELETE /sessions/{namespace}/{session}",
        "insert_participants": f"PUT {_BOUND}",
        "delete_participants": f"DELETE {_BOUND}",
        "undelete": "POST /sessions/{namespace}/{session}/undelete",
        "truncate": "POST /sessions/{namespace}/{session}/truncate",
        "integrate": "POST /sessions/{namespace}/{session}/integrate",
        "bind": f"PUT {_BOUND}",
        "unbind": f"DELETE {_BOUND}",
    },
    "embedding_studio": {
        "list": "GET /clickstream/internal/batch/sessions",
        "get": "GET /clickstream/session",
        "insert": "POST /clickstream/session",
        "update": "POST /clickstream/session/irrelevant",
        "insert_events": "POST /clickstream/session/events",
        "mark_session_irrelevant": "POST /clickstream/session/irrelevant",
        "use_session_for_improvement": "POST /clickstream/internal/session/use-for-improvement",
        "release_batch": "POST /clickstream/internal/batch/release",
    },
    "adk_api": {
        "list": f"GET {_APP}",
        "get": f"GET {_APP}/{{session}}",
        "insert": f"POST {_APP}",
        "update": f"PATCH {_APP}/{{session}}",
        "delete": f"DELETE {_APP}/{{session}}",
        "list_app_name": "GET /list-apps",
        "run_agent": "POST /run",
    },
}

_STUDIO = "INSERT INTO sessions(session_id, search_query, search_results) VALUES ('s1', 'q', '[]')"
# Together they ask every endpoint. What a statement returns is remembered as :it.
STATEMENTS = {
    "vertex": [
        "INSERT INTO sessions(session_id, user_id) VALUES ('s1', 'ann') RETURNING name",
        "UPDATE sessions SET display_name = 'x' WHERE session_id = 's1'",
        "INSERT INTO events(session_id, author, content) VALUES ('s1', 'user', 'hello')",
        "SELECT count(*) FROM sessions WHERE user_id = 'ann'",
        "SELECT count(*) FROM events",
        "SELECT count(*) FROM event_parts WHERE session_id = 's1'",
        "SELECT * FROM compact_session('s1', 'AUTO')",
        "DELETE FROM sessions WHERE session_id = 's1'",
        "SELECT count(*) FROM reasoning_engines",
        "SELECT display_name FROM reasoning_engines WHERE reasoning_engine = '42'",
    ],
    "deepset": [
        "INSERT INTO upload_sessions(write_mode) VALUES ('KEEP') RETURNING session_id",
        "SELECT * FROM upload_file(:it, 'a.txt', 'text')",
        "SELECT count(*), sum(failed_files) FROM upload_sessions WHERE session_id = :it",
        "SELECT * FROM upload_sessions WHERE status = 'OPEN'",
        "UPDATE upload_sessions SET status = 'CLOSED' WHERE session_id = :it",
        "SELECT * FROM upload_session_files WHERE session_id = :it",
        "SELECT * FROM files",
    ],
    "whylabs": [
        "INSERT INTO sessions(user_id) VALUES ('ann') RETURNING session_id",
        "SELECT org_id FROM sessions WHERE session_id = :it",
        "SELECT * FROM create_dataset_profile_upload(:it, '2026-01-01', '{\"a\":\"b\"}')",
        "SELECT * FROM create_reference_profile_upload(:it, 'r')",
        "SELECT * FROM batch_create_reference_profile_upload(:it, '[{}]')",
        "SELECT * FROM session_profile_observatory_link(:it, '[]', '[\"ref-1\"]')",
        "SELECT claimed FROM claim_guest_session(:it, 'org-1')",
    ],
    "eleanor": [
        "INSERT INTO sessions(session_id) VALUES ('s1')",
        "UPDATE sessions SET description = 'd' WHERE session_id = 's1'",
        "INSERT INTO participants(session_id, participant) VALUES ('s1', 'bob')",
        "SELECT * FROM participants WHERE session_id = 's1'",
        "DELETE FROM participants WHERE session_id = 's1' AND participant = 'bob'",
        "SELECT session_id FROM bind_participant('s1', 'bob')",
        "SELECT session_id FROM unbind_participant('s1', 'bob')",
        "SELECT * FROM truncate_session('s1')",
        "SELECT * FROM integrate_session('s1')",
        "UPDATE sessions SET deleted = 1 WHERE session_id = 's1'",
        "UPDATE sessions SET deleted = 0 WHERE session_id = 's1'",
        "DELETE FROM sessions WHERE session_id = 's1'",
        "SELECT * FROM undelete_session('s1')",
        "SELECT count(*) FROM sessions",
    ],
    "embedding_studio": [
        _STUDIO,
        "INSERT INTO events(session_id, object_id) VALUES ('s1', 'o') RETURNING event_id",
        "SELECT * FROM push_event('s1', 'e2', 'o2')",
        "SELECT * FROM events WHERE session_id = 's1'",
        "UPDATE sessions SET is_irrelevant = 1 WHERE session_id = 's1'",
        "SELECT * FROM mark_session_irrelevant('s1')",
        "SELECT * FROM use_session_for_improvement('s1')",
        "SELECT batch_id FROM release_batch('r1')",
        "SELECT count(*) FROM sessions WHERE batch_id = :it",
        "SELECT count(*) FROM events WHERE batch_id = :it",
        "SELECT count(*) FROM batch_sessions(:it)",
    ],
    "adk_api": [
        "INSERT INTO sessions(session_id) VALUES ('s1')",
        "SELECT * FROM sessions WHERE session_id = 's1'",
        "SELECT * FROM sessions WHERE user_id IN ('ann', 'bob') AND app_name = 'desk'",
        "SELECT * FROM run_agent('s1', 'hello')",
        "UPDATE sessions SET state = '{\"n\":1}' WHERE session_id = 's1'",
        "DELETE FROM sessions WHERE session_id = 's1'",
        "SELECT * FROM anywhere.sessions WHERE user_id = 'ann'",
    ],
}


@pytest.fixture(autouse=True)
def _keys(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in KEYS.items():
        monkeypatch.setenv(name, value)


def opened(backend: str, **options: Any) -> Any:
    source = Source("src", backend, LOCATIONS[backend], {"base_url": BASE, **options})
    made: Any = backend_class(backend).open(source)
    made.close()
    return made


@pytest.mark.parametrize("backend", ENDPOINTS)
def test_each_endpoint_has_a_name_that_the_help_shows(backend: str) -> None:
    assert opened(backend).endpoints == ENDPOINTS[backend]

    url = f"src={backend}://{LOCATIONS[backend]}?base_url={BASE}"
    with closing(connect(url, config=os.devnull)) as db:
        about = reference.Reference([db.sources["src"]])
        text = " ".join(pages.text(reference.page("src", about)).split())
    for name in ENDPOINTS[backend]:
        assert f" {name} " in text


class Moved(httpx.BaseTransport):
    """A server whose endpoints have their own name as the first segment of their path.

    Attributes:
        asked: these names, as they were asked; "" for a path without one.
    """

    def __init__(self, url: str, prefix: str, known: dict[str, str]) -> None:
        self.asked: list[str] = []
        self._url, self._prefix, self._known = url, prefix, known
        self._client = httpx.Client(trust_env=False)

    def close(self) -> None:
        self._client.close()

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        path = request.url.raw_path.decode().removeprefix(self._prefix)
        _, name, *rest = path.split("/")
        self.asked.append(name if name in self._known else "")
        if name in self._known:
            path = "/" + "/".join(rest)
        found = self._client.request(
            request.method,
            self._url + self._prefix + path,
            content=request.read(),
            headers=[(key, value) for key, value in request.headers.items() if key != "host"],
        )
        kept = {"content-type": found.headers.get("content-type", "application/json")}
        return httpx.Response(found.status_code, content=found.content, headers=kept)


class Agents(Moved):
    """The same for a server of ADK, of which there is no emulator."""

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        _, name, *rest = request.url.path.split("/")
        self.asked.append(name if name in self._known else "")
        session = {"id": "s1", "appName": "desk", "userId": "ann", "state": {}, "events": []}
        if rest == ["list-apps"]:
            return httpx.Response(200, json=["desk"])
        listed = rest[-1] == "run" or (request.method == "GET" and rest[-1] == "sessions")
        return httpx.Response(200, json=[] if listed else session)


def moved(backend: str) -> dict[str, str]:
    """Each endpoint below a segment with its (first) name."""
    first: dict[str, str] = {}
    for name, route in ENDPOINTS[backend].items():
        first.setdefault(route, name)
    return {name: route.replace(" ", f" /{name}", 1) for route, name in first.items()}


@pytest.mark.parametrize("backend", STATEMENTS)
def test_every_request_goes_where_the_configuration_says(emulator: Running, backend: str) -> None:
    emulator.control.reset(empty=backend != "vertex")
    prefix = "/api/v1" if backend in {"eleanor", "embedding_studio"} else ""
    kind = Agents if backend == "adk_api" else Moved
    transport = kind(emulator.url, prefix, moved(backend))
    source = {
        "backend": backend,
        "location": LOCATIONS[backend],
        "base_url": emulator.url,
        "routes": moved(backend),
        "transport": transport,
    }
    sources = {"src": source}
    if backend == "adk_api":
        sources["anywhere"] = {**source, "location": ""}
    known: dict[str, Any] = {"it": None}
    with closing(connect(sources=sources, config=os.devnull)) as db:
        for sql in STATEMENTS[backend]:
            rows = db.execute(sql, known).fetchall()
            known["it"] = rows[0][0] if rows and known["it"] is None else known["it"]

    # The target of an upload is the service's word, as is an operation that is waited for.
    ours = [name for name in transport.asked if name]
    others = {"deepset": 1, "vertex": 2}.get(backend, 0)
    assert len(transport.asked) - len(ours) <= others
    assert set(ours) == set(moved(backend))


# What is wrong in a correction


@pytest.mark.parametrize(
    ("backend", "name", "route", "told"),
    [
        ("vertex", "lst", "GET /x", "no setting routes.lst. Did you mean list"),
        ("deepset", "list_file", "GET /x", "Did you mean list_files"),
        ("adk_api", "run", "POST /run", "Valid names: list, get, insert"),
        # Another host, or a path that is not below base_url.
        ("adk_api", "run_agent", "POST http://evil.example/run", "not a valid path segment|method"),
        ("adk_api", "run_agent", "POST //evil.example/run", "must be a method and a path"),
        ("adk_api", "run_agent", "POST /@evil.example/run", "not a valid path segment"),
        ("adk_api", "run_agent", "POST /../run", "not a valid path segment"),
        ("adk_api", "run_agent", "POST /%2e%2e/run", "not a valid path segment"),
        ("adk_api", "run_agent", "POST /run?admin=1", "not a valid path segment"),
        ("adk_api", "run_agent", "POST /run#x", "not a valid path segment"),
        ("adk_api", "run_agent", "POST /run\nHost: x", "must be a method and a path"),
        # Scopes are in the path.
        ("eleanor", "list", "GET /sessions/other", "must contain each of {namespace} exactly once"),
        ("eleanor", "list", "GET /{namespace}/{session}", "no other placeholder"),
        ("eleanor", "get", "GET /{session}/{session}", "each of {namespace}, {session} exactly"),
        ("embedding_studio", "get", "GET /{session}", "must contain no placeholder"),
        # What only reads must not change anything, and what changes something is not hidden.
        (
            "eleanor",
            "get",
            "DELETE /{namespace}/{session}",
            "only reads, so its method must be GET",
        ),
        ("adk_api", "list_app_name", "POST /list-apps", "only reads, so its method must be GET"),
        (
            "whylabs",
            "session_profile_observatory_link",
            "DELETE /v0/{session}",
            "only reads, so its method must be GET or POST",
        ),
        ("whylabs", "insert", "GET /v0/sessions", "changes something, so its method must be POST"),
        ("vertex", "delete", "FETCH /x", "routes.delete must be a method and a path, such as 'DEL"),
        ("vertex", "delete", 7, "routes.delete"),
    ],
)
def test_a_wrong_route_is_an_error_that_names_it(
    backend: str, name: str, route: Any, told: str
) -> None:
    with pytest.raises(ConfigurationError, match=told.replace("{", "[{]").replace("}", "[}]")):
        opened(backend, routes={name: route})


def test_an_endpoint_with_two_names_has_one_route() -> None:
    route = "PUT /p/{namespace}/{session}/{participant}"
    other = route.replace("/p/", "/q/")
    again = opened("eleanor", routes={"bind": route, "insert_participants": route})

    assert again.operations["bind"].route == route.replace("{session}", "{session_id}")
    with pytest.raises(
        ConfigurationError, match=r"routes.bind is given twice: PUT .* several names"
    ):
        opened("eleanor", routes={"insert_participants": other, "bind": route})


@pytest.mark.parametrize(
    ("declared", "route", "may_repeat"),
    [
        (Insert("POST /x"), "PUT /y", False),
        (Insert("POST /x", repeatable=True), "PUT /y", True),
        (Update("PUT /x"), "PUT /y", True),
        (Update("PUT /x"), "POST /y", False),
        (Delete("DELETE /x"), "POST /y", False),
        (Get("POST /x"), "GET /y", True),
        (Operation("POST /x", asks=True), "GET /y", True),
    ],
    ids=repr,
)
def test_a_correction_changes_neither_what_it_does_nor_that_it_is_sent_once(
    declared: Operation, route: str, may_repeat: bool
) -> None:
    function = opened("adk_api").declare_functions()[0]
    _, (moved_to,) = corrected((), [replace(function, operation=declared)], {"run_agent": route})
    call = moved_to.operation.call({})

    assert f"{call.method} {call.path}" == route
    assert (call.changes, call.may_repeat) == (declared.changes, may_repeat)


# The rules of a source hold for corrected routes


def _connected(answer: Any, **settings: Any) -> AbstractContextManager[Connection]:
    """Sessions of EleanorAI, whose paths have the placeholders in another order."""
    routes = {
        "list": "GET /of/{namespace}",
        "get": "GET /one/{session}/of/{namespace}",
        "update": "PATCH /one/{session}/of/{namespace}",
    }
    return connected("eleanor", answer, location="demo", **{"routes": routes, **settings})


def _answer(request: httpx.Request) -> httpx.Response:
    session = {"name": "s", "pkid": "p", "namespace": "demo"}
    return httpx.Response(200, json={"session": session, "sessions": [session]})


SENT = "SELECT method, url FROM http_requests"


def test_the_order_of_placeholders_is_that_of_the_path() -> None:
    """What tells rows apart is still the session's id, not what comes last in the path."""
    with _connected(_answer) as db:
        assert db.execute("SELECT name FROM sessions WHERE session_id = 's'").fetchall()
        assert db.execute("SELECT count(*) FROM sessions").fetchall() == [(1,)]
        db.execute("UPDATE sessions SET description = 'd' WHERE session_id = 's'")
        assert db.execute(SENT).fetchall() == [
            ("GET", f"{BASE}/api/v1/one/s/of/demo"),
            ("GET", f"{BASE}/api/v1/of/demo"),
            ("GET", f"{BASE}/api/v1/one/s/of/demo"),
            ("PATCH", f"{BASE}/api/v1/one/s/of/demo"),
        ]


@pytest.mark.parametrize(
    ("settings", "sql", "error"),
    [
        (
            {"scopes": {"namespace": ["demo"]}},
            "SELECT * FROM sessions WHERE namespace = 'other' AND session_id = 's'",
            SessionsError,
        ),
        (
            {"scopes": {"namespace": ["demo"]}},
            "UPDATE sessions SET description = 'd' WHERE name = 'namespaces/other/sessions/s'",
            SessionsError,
        ),
        ({"read_only": True}, "UPDATE sessions SET enabled = 0", ReadOnlyError),
        ({"read_only": True}, "SELECT * FROM truncate_session('s')", ReadOnlyError),
    ],
)
def test_scopes_and_read_only_are_enforced(settings: Any, sql: str, error: Any) -> None:
    with _connected(_answer, **settings) as db:
        with pytest.raises(error):
            db.execute(sql).fetchall()
        assert db.execute(SENT).fetchall() == []


def test_a_write_whose_response_was_lost_is_not_sent_again() -> None:
    def drop(request: httpx.Request) -> httpx.Response:
        raise httpx.ReadError("lost", request=request)

    routes = {"truncate": "PUT /clear/{namespace}/{session}"}
    with _connected(drop, routes=routes) as db:
        with pytest.raises((UnavailableError, SessionsError)):
            db.execute("SELECT * FROM truncate_session('s')").fetchall()
        assert len(db.execute(SENT).fetchall()) == 1
