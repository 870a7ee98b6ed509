# ruff: noqa: PLC0415 (the SDKs are imported only where they are installed)
"""Google's own SDKs against the emulator, unchanged; skipped where they are not installed.

Install `google-adk[gcp]` for ADK and agentplatform, or `google-cloud-aiplatform[agent-engines]`
for vertexai, agentplatform and GAPIC (the two overlap: an environment each).
"""

from __future__ import annotations

import asyncio
import json
import warnings
from datetime import UTC, datetime, timedelta

import pytest

pytestmark = [
    # The SDKs warn about themselves; what counts here is what they send and read.
    pytest.mark.filterwarnings("ignore"),
    pytest.mark.timeout(120),
]

START = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture(autouse=True)
def offline_credentials(monkeypatch, tmp_path) -> None:
    """Give google-auth a token that it need not refresh: no request leaves this machine."""
    path = tmp_path / "adc.json"
    fields = {
        "type": "authorized_user",
        "client_id": "x",
        "client_secret": "x",
        "refresh_token": "x",
        "token": "x",
        "expiry": "2099-01-01T00:00:00Z",
    }
    path.write_text(json.dumps(fields))
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(path))
    for name in (
        "HTTP_PROXY",
        "HTTPS_PROXY",
        "http_proxy",
        "https_proxy",
        "ALL_PROXY",
        "all_proxy",
    ):
        monkeypatch.delenv(name, raising=False)


def optional(name: str):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return pytest.importorskip(name, exc_type=ImportError)


@pytest.fixture(params=["usual", "slow"])
def served(request, start):
    """An emulator that answers at once, and one as in 2026-03: late operations and sessions."""
    polls = 0 if request.param == "usual" else 1
    return start(operation_polls=polls, express=("acme", "us-central1"))


@pytest.fixture(params=["project", "express"])
def adk(request, served):
    module = optional("google.adk.sessions.vertex_ai_session_service")
    optional("agentplatform")
    from google.genai import types

    class Service(module.VertexAiSessionService):
        def _api_client_http_options_override(self):
            return types.HttpOptions(base_url=served.server.url)

    if request.param == "express":
        request.getfixturevalue("monkeypatch").setenv("GOOGLE_GENAI_USE_ENTERPRISE", "1")
        return Service(agent_engine_id="42", express_mode_api_key="some-key")
    return Service("acme", "us-central1", agent_engine_id="42")


def test_adk_create_get_delete(adk) -> None:
    async def run() -> None:
        made = await adk.create_session(
            app_name="42",
            user_id="ann",
            state={"a": 1, "user:b": {"x": None}},
            session_id="my-1",
            ttl="172800s",
            labels={"env": "prod"},
            display_name="Ä",
        )
        assert (made.id, made.user_id) == ("my-1", "ann")
        assert made.state == {"a": 1, "user:b": {"x": None}}
        got = await adk.get_session(app_name="42", user_id="ann", session_id="my-1")
        assert (got.id, got.state, got.events) == ("my-1", made.state, [])
        unnamed = await adk.create_session(app_name="42", user_id='q"\\')
        assert unnamed.id.isdigit()
        assert await adk.get_session(app_name="42", user_id="ann", session_id="nope") is None
        with pytest.raises(ValueError, match="does not belong"):
            await adk.get_session(app_name="42", user_id="bob", session_id="my-1")
        listed = await adk.list_sessions(app_name="42", user_id='q"\\')
        assert [session.id for session in listed.sessions] == [unnamed.id]
        await adk.delete_session(app_name="42", user_id="ann", session_id="my-1")
        assert await adk.get_session(app_name="42", user_id="ann", session_id="my-1") is None

    asyncio.run(run())


def test_adk_lists_beyond_a_page(adk, served) -> None:
    for number in range(230):
        served.create(
            f"s-{number}", user="ann" if number % 2 else "bob", sessionState={"n": number}
        )

    async def run() -> None:
        everyone = await adk.list_sessions(app_name="42")
        assert len(everyone.sessions) == 230
        ann = await adk.list_sessions(app_name="42", user_id="ann")
        assert {session.id for session in ann.sessions} == {f"s-{n}" for n in range(1, 230, 2)}
        assert all(session.state["n"] % 2 for session in ann.sessions)

    asyncio.run(run())


def test_adk_events(adk) -> None:
    from google.adk.events import Event, EventActions
    from google.adk.sessions.base_session_service import GetSessionConfig
    from google.genai import types

    def event(number: int) -> Event:
        call = types.FunctionCall(
            id=f"c{number}", name="f", args={"n_n": number, "deep": {"a": [1]}}
        )
        parts = [types.Part(text=f"text {number} 👟"), types.Part(function_call=call)]
        parts.append(types.Part(thought_signature=b"\xff\xfe", text="t"))
        delta = {"last": number, "user:n": number, "temp:t": 1, "app:k": "v"}
        return Event(
            author="agent",
            invocation_id="e-1",
            timestamp=(START + timedelta(seconds=number)).timestamp(),
            content=types.Content(role="model", parts=parts),
            actions=EventActions(state_delta=delta, artifact_delta={"f.txt": 1}),
            branch="a.b",
            turn_complete=True,
            long_running_tool_ids={"c1"},
            custom_metadata={"k": 1},
            usage_metadata=types.GenerateContentResponseUsageMetadata(prompt_token_count=3),
        )

    async def run() -> None:
        session = await adk.create_session(app_name="42", user_id="ann")
        for number in range(120):
            await adk.append_event(session, event(number))
        got = await adk.get_session(app_name="42", user_id="ann", session_id=session.id)
        assert len(got.events) == 120
        assert {key: got.state[key] for key in ("last", "user:n", "app:k")} == {
            "last": 119,
            "user:n": 119,
            "app:k": "v",
        }
        assert "temp:t" not in got.state
        wanted, found = event(7), got.events[7]
        assert found.content == wanted.content
        assert found.timestamp == wanted.timestamp
        assert found.usage_metadata == wanted.usage_metadata
        assert found.long_running_tool_ids == {"c1"}
        after = GetSessionConfig(after_timestamp=(START + timedelta(seconds=115)).timestamp())
        tail = await adk.get_session(
            app_name="42", user_id="ann", session_id=session.id, config=after
        )
        assert [item.actions.state_delta["last"] for item in tail.events] == [
            115,
            116,
            117,
            118,
            119,
        ]

    asyncio.run(run())


@pytest.fixture(params=["agentplatform", "vertexai"])
def genai(request, served):
    """The sessions of `agentplatform.Client` and of `vertexai.Client`, with its API errors."""
    client = optional(request.param).Client(
        project="acme",
        location="us-central1",
        http_options={"base_url": served.server.url},
    )
    owner = client if request.param == "agentplatform" else client.agent_engines
    return owner.sessions, served


ENGINE = "projects/acme/locations/us-central1/reasoningEngines/42"


def test_genai_sessions(genai) -> None:
    from google.genai import errors

    sessions, served = genai
    config = {"session_state": {"a_b": 1}, "display_name": "x", "labels": {"env": "prod"}}
    made = sessions.create(name=ENGINE, user_id="ann", config={**config, "session_id": "my-1"})
    name = made.response.name if hasattr(made, "response") else made.name
    assert name.endswith("reasoningEngines/42/sessions/my-1")
    got = sessions.get(name=name)
    assert (got.user_id, got.session_state, got.labels) == ("ann", {"a_b": 1}, {"env": "prod"})
    for number in range(205):
        served.create(f"s-{number}", user="bob")
    assert len(list(sessions.list(name=ENGINE))) == 206
    assert len(list(sessions.list(name=ENGINE, config={"filter": 'user_id="bob"'}))) == 205
    assert len(list(sessions.list(name=ENGINE, config={"page_size": 5}))) == 206
    if hasattr(sessions, "update"):
        changed = {"display_name": "new", "user_id": "ann", "update_mask": "displayName"}
        assert sessions.update(name=name, config=changed).display_name == "new"
    assert sessions.delete(name=name)
    with pytest.raises(errors.ClientError) as caught:
        sessions.get(name=name)
    assert (caught.value.code, caught.value.status) == (404, "NOT_FOUND")
    assert caught.value.message.endswith("/sessions/my-1 not found.")


def test_genai_events(genai) -> None:
    sessions, _ = genai
    made = sessions.create(name=ENGINE, user_id="ann")
    name = made.response.name
    for number in range(105):
        sessions.events.append(
            name=name,
            author="agent",
            invocation_id="i",
            timestamp=START + timedelta(seconds=number),
            config={
                "content": {"role": "model", "parts": [{"text": str(number)}]},
                "actions": {"state_delta": {"n": number}},
                "event_metadata": {"custom_metadata": {"k": 1}, "turn_complete": True},
                "raw_event": {"snake_key": number},
            },
        )
    events = list(sessions.events.list(name=name))
    assert [event.content.parts[0].text for event in events] == [str(n) for n in range(105)]
    assert events[3].raw_event == {"snake_key": 3}
    assert events[3].timestamp == START + timedelta(seconds=3)
    config = {"filter": 'timestamp>="2026-01-01T00:01:42+00:00"'}
    found = [
        event.raw_event["snake_key"] for event in sessions.events.list(name=name, config=config)
    ]
    assert found == [102, 103, 104]
    assert sessions.get(name=name).session_state == {"n": 104}


@pytest.fixture(params=["aiplatform_v1", "aiplatform_v1beta1"])
def gapic(request, served):
    module = optional(f"google.cloud.{request.param}")
    from google.api_core.client_options import ClientOptions
    from google.oauth2.credentials import Credentials

    client = module.SessionServiceClient(
        transport="rest",
        client_options=ClientOptions(api_endpoint=served.server.url),
        credentials=Credentials(token="x"),
    )
    return module, client, served


def test_gapic(gapic) -> None:
    from google.api_core import exceptions

    module, client, served = gapic
    session = module.Session(user_id="ann", session_state={"a": 1.5, "n": None}, labels={"e": "p"})
    request = module.CreateSessionRequest(parent=ENGINE, session=session, session_id="my-1")
    made = client.create_session(request=request).result(timeout=30)
    assert made.name.endswith("/sessions/my-1")
    got = client.get_session(name=made.name)
    assert (got.user_id, dict(got.session_state), dict(got.labels)) == (
        "ann",
        {"a": 1.5, "n": None},
        {"e": "p"},
    )
    for number in range(150):
        served.create(f"s-{number}", user="bob")
    assert len(list(client.list_sessions(parent=ENGINE))) == 151
    ordered = module.ListSessionsRequest(
        parent=ENGINE, filter='user_id="bob"', order_by="create_time desc", page_size=7
    )
    names = [item.name.rpartition("/")[2] for item in client.list_sessions(request=ordered)]
    assert names == [f"s-{number}" for number in reversed(range(150))]
    _gapic_events(module, client, got.name)
    changed = module.Session(name=got.name, display_name="new")
    answer = client.update_session(session=changed, update_mask={"paths": ["display_name"]})
    assert answer.display_name == "new"
    client.delete_session(name=got.name).result(timeout=30)
    with pytest.raises(exceptions.NotFound, match=r"my-1 not found\."):
        client.get_session(name=got.name)


def _gapic_events(module, client, name: str) -> None:
    for number in range(3):
        part = module.Part(inline_data=module.Blob(mime_type="x/y", data=b"\xff\xfe\xfd"))
        event = module.SessionEvent(
            author="agent",
            invocation_id="i",
            timestamp=START + timedelta(seconds=number),
            content=module.Content(role="model", parts=[part]),
            actions=module.EventActions(state_delta={"n": number}),
        )
        client.append_event(name=name, event=event)
    wanted = module.ListEventsRequest(
        parent=name,
        filter='timestamp>"2026-01-01T00:00:00Z"',
        order_by="timestamp desc",
    )
    events = list(client.list_events(request=wanted))
    assert [event.actions.state_delta["n"] for event in events] == [2, 1]
    assert events[0].content.parts[0].inline_data.data == b"\xff\xfe\xfd"


def test_engines_of_vertexai(served) -> None:
    client = optional("vertexai").Client(
        project="acme", location="us-central1", http_options={"base_url": served.server.url}
    )
    engine = client.agent_engines.create()
    name = engine.api_resource.name
    session = client.agent_engines.sessions.create(name=name, user_id="ann")
    assert session.response.name.startswith(name)
    client.agent_engines.delete(name=name, force=True)
