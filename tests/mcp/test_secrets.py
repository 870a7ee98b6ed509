"""A secret that a source uses reaches no client, whatever is asked and whatever fails."""

from __future__ import annotations

import pytest

KEY = "canary-4711"
STATEMENTS = (
    "SELECT count(*) FROM sessions",
    "SELECT * FROM http_requests",
    "SELECT * FROM sqlite_schema",
    "SELECT usr FROM sessions",
    "SELECT * FROM sessions WHERE session_id = 'forbidden'",
    "SELECT * FROM sessions WHERE session_id = 'garbled'",
    "SELECT * FROM pragma_database_list",
    "SELECT * FROM append_event('s1', 'user', 'x')",
)


@pytest.fixture
def secretive(emulator, monkeypatch):
    """A source whose key the service repeats in its errors."""
    monkeypatch.setenv("MY_KEY", KEY)
    echo = {"error": {"code": 403, "message": f"key {KEY} is wrong", "status": "FORBIDDEN"}}
    emulator.control.fault("status", path="forbidden", status=403, body=echo, count=None)
    emulator.control.fault("body", path="garbled", body=f"<html>{KEY}", count=None)
    return f"prod=vertex://demo/us-central1/42?base_url={emulator.url}&api_key_env=MY_KEY"


def test_no_answer_has_the_secret(serve, secretive, emulator, sent):
    calls = [("sources", {}), *(("describe", {"table": one}) for one in (None, "prod", "events"))]
    calls += [(tool, {"sql": sql}) for sql in STATEMENTS for tool in ("query", "explain", "write")]
    uris = [f"sessions://{name}" for name in ("schema", "recipes", "questions")]

    async def work(client):
        answers = [await client.list_tools()]
        answers += [await client.call_tool(tool, arguments) for tool, arguments in calls]
        answers += [await client.read_resource(uri) for uri in uris]
        return "\n".join(answer.model_dump_json() for answer in answers)

    told = serve(work, "--writable", at=secretive)

    assert KEY in {one["headers"].get("x-goog-api-key") for one in emulator.control.requests()}
    assert "MY_KEY" in told  # Which credential is used is said, by its name.
    assert KEY not in told
