"""Which answers mean that there are no rows: those the contract describes, and no others.

Every table of every service, with answers that a proxy, another version or a broken server gives.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing

import pytest

from sessions_vtab import Connection, connect
from sessions_vtab.emulator.serve import Running
from sessions_vtab.errors import ProtocolError
from tests.backends.services import keys_set, sources

ID = "6f1c9d2e-0b1a-4c55-9d3e-2a7f8b9c0d1e"

READS = [
    "SELECT * FROM prod.sessions",
    "SELECT * FROM prod.sessions WHERE user_id = 'ann'",
    "SELECT * FROM prod.sessions WHERE session_id = 's'",
    "SELECT * FROM prod.events WHERE session_id = 's'",
    "SELECT * FROM prod.event_parts WHERE session_id = 's'",
    "SELECT * FROM docs.upload_sessions",
    "SELECT count(*) FROM docs.upload_sessions",
    f"SELECT * FROM docs.upload_sessions WHERE session_id = '{ID}'",
    f"SELECT failed_files FROM docs.upload_sessions WHERE session_id = '{ID}'",
    f"SELECT * FROM docs.upload_session_files WHERE session_id = '{ID}'",
    "SELECT * FROM docs.files",
    "SELECT count(*) FROM docs.files",
    "SELECT * FROM guest.sessions WHERE session_id = 'session-1'",
    "SELECT * FROM act.sessions",
    "SELECT * FROM act.sessions WHERE session_id = 's'",
    "SELECT * FROM act.participants",
    "SELECT * FROM act.participants WHERE session_id = 's'",
    "SELECT * FROM desk.sessions",
    "SELECT * FROM desk.sessions WHERE session_id = 's'",
    "SELECT * FROM desk.sessions WHERE app_name = 'other'",
    "SELECT * FROM any_desk.sessions WHERE user_id = 'ann'",
    "SELECT * FROM desk.events",
    "SELECT * FROM desk.events WHERE session_id = 's'",
    "SELECT * FROM desk.event_parts WHERE session_id = 's'",
    "SELECT * FROM es.sessions WHERE session_id = 's'",
    "SELECT * FROM es.sessions WHERE batch_id = 'b'",
    "SELECT * FROM es.events WHERE session_id = 's'",
    "SELECT * FROM es.events WHERE batch_id = 'b'",
    "SELECT * FROM es.batch_sessions('b')",
]

ANSWERS = {
    "nothing at all": (204, ""),
    "nothing": (200, ""),
    "an object without fields": (200, {}),
    "another field": (200, {"rows": []}),
    "an error": (200, {"error": {"code": 500, "message": "internal"}}),
    "null": (200, "null"),
    "null rows": (200, dict.fromkeys(("data", "sessions", "sessionEvents"))),
    "a page of another service": (200, {"value": [], "count": 0}),
}

OMITS = ("prod.sessions", "prod.event")
"""What proto3 answers with ``{}`` where a list is empty (contract of Vertex, section 2)."""


@pytest.fixture(scope="module")
def connection(emulator: Running) -> Iterator[Connection]:
    with keys_set(), closing(connect(sources=sources(emulator.url))) as connection:
        yield connection


def is_empty(sql: str, answer: str) -> bool:
    """Whether the contract says that such an answer is an empty list."""
    one = sql == "SELECT * FROM prod.sessions WHERE session_id = 's'"
    omits = any(f"FROM {what}" in sql for what in OMITS) and not one
    return omits and answer == "an object without fields"


@pytest.mark.parametrize("answer", ANSWERS)
@pytest.mark.parametrize("sql", READS)
def test_only_what_the_contract_describes_is_empty(
    connection: Connection, emulator: Running, sql: str, answer: str
) -> None:
    status, body = ANSWERS[answer]
    emulator.control.fault("status", status=status, body=body, count=None)
    try:
        if is_empty(sql, answer):
            assert connection.execute(sql).fetchall() == []
        else:
            with pytest.raises(ProtocolError, match=r"GET http.*\b20[04]\b"):
                connection.execute(sql).fetchall()
    finally:
        emulator.control.clear_faults()
