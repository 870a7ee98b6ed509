"""Whatever a service refuses, with whichever operation: an error that says who, what and what now.

Every operation of the four smaller services, with every status of its contract's error table. The
page of the refusal repeats the source's secrets.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import closing

import pytest

from sessions_vtab import Connection, connect
from sessions_vtab.emulator.serve import Running, running
from sessions_vtab.errors import SessionsError, UnknownOutcomeError
from tests.backends.services import keys_set, sources

ID = "6f1c9d2e-0b1a-4c55-9d3e-2a7f8b9c0d1e"
GUEST = "session-cAnAry1"
POLICY = "canary-of-the-policy"
FIELDS = json.dumps({"key": "k", "policy": POLICY})
SECRETS = {
    "DEEPSET_API_KEY": "api_canary-of-deepset",
    "WHYLABS_API_KEY": "abcdefghij." + "k" * 53,
    "ELEANOR_KEY": "canary-of-eleanor",
}

STATUSES = {
    "docs": (400, 401, 402, 403, 404, 406, 408, 409, 412, 413, 422, 500),
    "guest": (400, 401, 403, 404, 409, 410, 429, 500, 501),
    "act": (307, 400, 401, 403, 404, 405, 409, 410, 422, 500),
    "es": (307, 400, 403, 404, 405, 422, 500),
}
"""From the error tables of the contracts; for Embedding Studio, 403 comes from a proxy."""

OPERATIONS = [
    "SELECT session_id FROM docs.upload_sessions WHERE is_expired = 0",
    f"SELECT failed_files FROM docs.upload_sessions WHERE session_id = '{ID}'",
    "INSERT INTO docs.upload_sessions(write_mode) VALUES ('KEEP')",
    f"SELECT * FROM docs.close_upload_session('{ID}')",
    f"SELECT * FROM docs.upload_session_files WHERE session_id = '{ID}'",
    "SELECT * FROM docs.files",
    f"SELECT * FROM docs.upload_file('{ID}', 'a.txt', 'x', NULL, 'URL/uploads', '{FIELDS}')",
    f"SELECT org_id FROM guest.sessions WHERE session_id = '{GUEST}'",
    "INSERT INTO guest.sessions(user_id) VALUES ('ann')",
    f"SELECT * FROM guest.claim_guest_session('{GUEST}', 'org-1')",
    f"SELECT * FROM guest.create_dataset_profile_upload('{GUEST}', '2026-03-01', '{{}}')",
    f"SELECT * FROM guest.create_reference_profile_upload('{GUEST}')",
    f"SELECT * FROM guest.batch_create_reference_profile_upload('{GUEST}', '[{{}}]')",
    f"SELECT * FROM guest.session_profile_observatory_link('{GUEST}', '[]', '[\"r\"]')",
    "SELECT * FROM act.sessions",
    "SELECT * FROM act.sessions WHERE session_id = 's'",
    "SELECT * FROM act.participants",
    "INSERT INTO act.sessions(session_id) VALUES ('s')",
    "UPDATE act.sessions SET description = 'x' WHERE session_id = 'tour'",
    "DELETE FROM act.sessions WHERE session_id = 'tour'",
    "INSERT INTO act.participants(session_id, participant) VALUES ('s', 'ann')",
    "DELETE FROM act.participants WHERE session_id = 'tour' AND participant = 'bob'",
    "SELECT * FROM act.undelete_session('s')",
    "SELECT * FROM act.truncate_session('s')",
    "SELECT * FROM act.integrate_session('tour')",
    "SELECT * FROM act.bind_participant('s', 'ann')",
    "SELECT * FROM act.unbind_participant('s', 'ann')",
    "SELECT * FROM es.sessions WHERE session_id = 's'",
    "SELECT * FROM es.sessions WHERE batch_id = 'b'",
    "SELECT * FROM es.events WHERE session_id = 's'",
    "SELECT * FROM es.events WHERE batch_id = 'b'",
    "INSERT INTO es.sessions(session_id, search_query, search_results) VALUES ('n', 'q', '[]')",
    "UPDATE es.sessions SET is_irrelevant = 1 WHERE session_id = 'coat'",
    "INSERT INTO es.events(session_id, object_id) VALUES ('coat', 'o')",
    "SELECT * FROM es.push_event('coat', NULL, 'o')",
    "SELECT * FROM es.mark_session_irrelevant('s')",
    "SELECT * FROM es.use_session_for_improvement('s')",
    "SELECT * FROM es.batch_sessions('b')",
    "SELECT * FROM es.release_batch('r')",
]


@pytest.fixture(scope="module")
def server() -> Iterator[Running]:
    with running() as emulator:
        emulator.control.reset(empty=True)
        yield emulator


@pytest.fixture(scope="module")
def four(server: Running) -> Iterator[Connection]:
    """One connection to the four services, which hold one or two sessions each."""
    four = sources(server.url, *STATUSES, act={"api_key_env": "ELEANOR_KEY"})
    with keys_set(**SECRETS), closing(connect(sources=four)) as connection:
        connection.execute("INSERT INTO act.sessions(session_id) VALUES ('tour')")
        connection.execute("SELECT * FROM act.bind_participant('tour', 'bob')").fetchall()
        connection.execute(
            "INSERT INTO es.sessions(session_id, search_query, search_results)"
            " VALUES ('coat', 'q', '[]')"
        )
        # A key is a known secret only after it was read, and guest calls do not read it.
        connection.execute("SELECT * FROM guest.sessions WHERE session_id = 's'").fetchall()
        yield connection


def refuse(server: Running, sql: str, status: int) -> None:
    """The service returns an HTML page to an operation, but lets UPDATE and DELETE read their rows."""
    writes = ("POST", "PUT", "DELETE")
    methods = (None,) if sql.startswith(("SELECT", "INSERT")) else writes
    secrets = " ".join((*SECRETS.values(), POLICY, GUEST))
    for method in methods:
        server.control.fault(
            "status",
            method=method,
            status=status,
            body=f"<h1>THE REASON {secrets}</h1>",
            headers={"content-type": "text/html"},
            retry_after=0,
            count=None,
        )


def own_secrets(sql: str, source: str) -> list[str]:
    """The secrets that the source knows when it sends the statement."""
    keys = {"docs": "DEEPSET_API_KEY", "guest": "WHYLABS_API_KEY", "act": "ELEANOR_KEY"}
    known = [SECRETS[keys[source]]] if source in keys else []
    return [*known, *(one for one in (POLICY, GUEST) if one in sql)]


@pytest.mark.parametrize("sql", OPERATIONS)
def test_an_error_names_table_and_call_and_gives_a_hint(
    four: Connection, server: Running, sql: str
) -> None:
    match = re.search(r"\b(docs|guest|act|es)\.(\w+)", sql)
    assert match is not None
    source, table = match.groups()
    for status in STATUSES[source]:
        refuse(server, sql, status)
        with pytest.raises(SessionsError) as raised:
            four.execute(sql.replace("URL", server.url)).fetchall()
        server.control.clear_faults()

        text = str(raised.value)
        head = rf"{source}\.{table}: [A-Z]+ http://127\.0\.0\.1:\S+ returned {status}\b"
        said = re.search(rf"{head}[^:]*: THE REASON[^.]*(?:\.[^.]*?)?\. (?P<hint>[A-Z].+)", text)
        assert said is not None, text
        assert [one for one in own_secrets(sql, source) if one in text] == []
        if status >= 500 and not isinstance(raised.value, UnknownOutcomeError):
            assert "again" in said["hint"] or "search_query" in said["hint"], text
