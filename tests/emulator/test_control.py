"""The door and the control API: Host check, token, request log, reset, data."""

from __future__ import annotations

import asyncio
import socket
import threading
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from sessions_vtab.emulator.control import Control, ControlError
from tests.clocks import sleep_by
from tests.waiting import wait_for


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "localhost", "LOCALHOST:1", "[::1]", "[::1]:8787", "127.0.0.1:8787"]
)
def test_loopback_names_are_served(api, host: str) -> None:
    assert api.client.get(f"{api.base}/sessions", headers={"host": host}).status_code == 200


@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        "127.0.0.1.evil.example",
        "127.0.0.2",
        "localhost.",
        "localhost:x",
        "a@localhost",
        "localhost:80:80",
        "0.0.0.0",
    ],
)
@pytest.mark.parametrize("path", ["/v1/x", "/_emulator/requests"])
def test_other_hosts_are_refused(api, host: str, path: str) -> None:
    headers = {"host": host, "x-emulator-token": api.server.token}
    response = api.client.get(api.server.url + path, headers=headers)
    assert response.status_code == 421


def test_a_request_without_host_is_refused(server) -> None:
    address = httpx.URL(server.url)
    with socket.create_connection((address.host, address.port), timeout=5) as connection:
        connection.sendall(b"GET /v1/x HTTP/1.0\r\n\r\n")
        assert b"421" in connection.recv(4096).split(b"\r\n")[0]


@pytest.mark.parametrize("token", [None, "", "wrong", "x" * 32])
@pytest.mark.parametrize(
    ("method", "path"),
    [("GET", "requests"), ("POST", "reset"), ("POST", "faults"), ("GET", "nonsense")],
)
def test_the_control_api_needs_the_token(api, method: str, path: str, token: str | None) -> None:
    api.create("s-1")
    headers = {} if token is None else {"x-emulator-token": token}
    response = api.client.request(method, f"{api.server.url}/_emulator/{path}", headers=headers)
    assert response.status_code == 403
    assert api.server.token not in response.text
    assert api.ids() == ["s-1"]


def test_the_log_has_what_was_received(own) -> None:
    body = {"userId": "ann", "sessionState": {"a": "ä"}}
    headers = {"authorization": "Bearer t", "x-other": "no"}
    url = f"{own.base}/sessions"
    own.client.post(url, params={"sessionId": "s-1", "a": ["1", "2"]}, json=body, headers=headers)
    own.client.get(f"{own.base}/sessions/a%2Fb")
    created, missed = own.control.requests()
    assert (created["number"], created["method"], created["status"]) == (1, "POST", 200)
    assert (
        created["path"]
        == "/v1beta1/projects/acme/locations/us-central1/reasoningEngines/42/sessions"
    )
    assert created["query"] == {"sessionId": "s-1", "a": ["1", "2"]}
    assert created["body"] == body
    assert created["headers"]["authorization"] == "Bearer t"
    assert "x-other" not in created["headers"]
    assert 0 <= created["started"] <= created["ended"]
    assert created["bytes"] > 100
    assert created["fault"] is None
    assert (missed["path"][-4:], missed["raw_path"][-6:], missed["status"]) == (
        "/a/b",
        "/a%2Fb",
        400,
    )
    assert missed["body"] is None


@pytest.mark.parametrize(
    ("content", "shown"),
    [(b"text", "text"), (b"\xff", {"base64": "/w=="}), (b'{"a": [1]}', {"a": [1]})],
)
def test_bodies_in_the_log(own, content: bytes, shown: object) -> None:
    own.client.post(f"{own.base}/sessions", content=content)
    assert own.control.requests()[0]["body"] == shown


def test_control_requests_are_not_logged_and_the_log_can_be_reset(own) -> None:
    own.ids()
    own.create("s-1")
    assert [entry["method"] for entry in own.control.requests()] == ["GET", "POST"]
    assert len(own.control.requests(method="POST", contains="/sessions")) == 1
    assert own.control.requests(contains="nonsense") == []
    own.control.reset_log()
    assert own.control.log() == {"requests": [], "total": 0, "max_in_flight": 0}
    assert own.ids() == ["s-1"]


def test_the_high_water_mark_of_concurrency(own, monkeypatch) -> None:
    together = asyncio.Barrier(5)
    sleep_by(monkeypatch, lambda _: together.wait())
    own.control.delay(1)
    with ThreadPoolExecutor(5) as pool:
        list(pool.map(lambda _: own.ids(), range(5)))
    log = own.control.log()
    assert log["max_in_flight"] == 5
    assert sorted(entry["in_flight"] for entry in log["requests"]) == [1, 2, 3, 4, 5]
    own.control.delay(0)
    own.control.reset_log()
    own.ids()
    assert own.control.log()["max_in_flight"] == 1


def test_latency_is_added_to_api_requests_only(start, monkeypatch) -> None:
    waits = []

    async def sleep(seconds: float) -> None:
        waits.append(seconds)

    sleep_by(monkeypatch, sleep)
    api = start(delay=0.6)
    api.ids()
    api.control.delay(0.3)
    api.ids()
    api.control.delay(0)
    api.ids()
    assert waits == [0.6, 0.3]


def test_reset_and_reseed(own) -> None:
    api = own
    api.create("mine")
    api.control.fault("status", count=None)
    api.control.reset()
    assert api.ids() == []
    assert api.control.faults() == []
    api.control.reset(seed=3)
    api.base = api.base.replace("acme", "demo")
    seeded = api.sessions()
    assert len(seeded) == 5
    api.control.reset(empty=True)
    assert api.ids() == []
    assert "vertex" in api.control.summary()


def test_data_can_be_dumped_and_loaded(own, start) -> None:
    own.create("s-1", "ann", sessionState={"a": 1, "app:b": 2, "user:c": None}, labels={"x": "y"})
    own.append("s-1", "2026-01-01T00:00:00.000000001Z", actions={"stateDelta": {"d": 3}})
    other = start()
    other.control.load(own.control.dump())
    assert other.get("s-1") == own.get("s-1")
    assert other.events("s-1") == own.events("s-1")
    other.create("s-2", "ann")
    assert other.get("s-2")["sessionState"] == {"app:b": 2, "user:c": None}
    other.append("s-1", "2025-01-01T00:00:00Z")
    assert len(other.events("s-1")) == 2
    assert other.ids() == ["s-2", "s-1"]


@pytest.mark.parametrize(
    "state",
    [
        [],
        {"nonsense": {}},
        {"vertex": 1},
        {"vertex": {"engines": [{}], "deleted": []}},
        {"vertex": {"engines": [{"key": ["p", "l", "1"], "createTime": "x"}], "deleted": []}},
    ],
)
def test_malformed_data_is_refused_and_changes_nothing(own, state: object) -> None:
    own.create("s-1")
    with pytest.raises(ControlError):
        own.control.load(state)
    assert own.ids() == ["s-1"]


def test_a_client_within_the_process_is_answered_as_one_outside(own) -> None:
    own.create("s-1")
    near, far = own.server.control, own.control
    for ask in (Control.log, Control.dump, Control.summary, Control.faults):
        assert ask(near) == ask(far)
    for wrong in ({"kind": "nonsense"}, {"kind": "drop", "path": "("}):
        refused = []
        for one in (near, far):
            with pytest.raises(ControlError) as told:
                one.fault(**wrong)
            refused.append(str(told.value))
        assert refused[0] == refused[1]
    near.fault("status", count=None)
    assert far.faults()[0]["kind"] == "status"
    near.reset(empty=True)
    assert (far.faults(), own.ids()) == ([], [])


@pytest.mark.parametrize(
    ("call", "body"),
    [
        ("faults", {"kind": "nonsense"}),
        ("faults", {"kind": "drop", "x": 1}),
        ("faults", {"kind": "drop", "path": "("}),
        ("reset", {"seed": "x"}),
        ("delay", {"seconds": "x"}),
        ("delay", {}),
        ("delay", []),
        ("reset", []),
    ],
)
def test_malformed_control_requests_are_400(own, call: str, body: object) -> None:
    headers = {"x-emulator-token": own.server.token}
    response = own.client.post(f"{own.server.url}/_emulator/{call}", json=body, headers=headers)
    assert response.status_code == 400
    assert response.json()["error"]


def test_the_client_raises_if_it_is_refused(own) -> None:
    with pytest.raises(ControlError, match="X-Emulator-Token"):
        Control(own.server.url, "wrong").requests()


def test_the_control_api_responds_while_requests_hang(own, monkeypatch) -> None:
    asked = threading.Event()

    async def sleep(_: float) -> None:
        await asyncio.to_thread(asked.wait)

    sleep_by(monkeypatch, sleep)
    own.control.fault("delay", seconds=1)
    thread = threading.Thread(target=own.ids)
    thread.start()
    wait_for(lambda: own.control.log()["total"])
    assert own.control.requests()[0]["ended"] is None
    asked.set()
    thread.join()
    assert own.control.requests()[0]["status"] == 200


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"origin": "https://evil.example"}, 403),
        ({"origin": "null"}, 403),
        ({"origin": "http://127.0.0.1.evil.example"}, 403),
        ({"origin": "file://127.0.0.1"}, 403),
        ({"sec-fetch-site": "cross-site"}, 403),
        ({"origin": "http://localhost:3000", "sec-fetch-site": "cross-site"}, 403),
        ({"origin": "http://localhost:3000", "sec-fetch-site": "same-site"}, 200),
        ({"origin": "http://127.0.0.1:8787"}, 200),
        ({"sec-fetch-site": "none"}, 200),
        ({}, 200),
    ],
)
def test_a_page_of_another_site_can_make_no_browser_write_here(api, headers, status) -> None:
    """A browser sends a POST of plain text without asking first, wherever the page is from."""
    body = '{"userId": "ann"}'
    headers = {"content-type": "text/plain", **headers}
    answer = api.client.post(f"{api.base}/sessions", content=body, headers=headers)
    assert answer.status_code == status
    assert len(api.client.get(f"{api.base}/sessions").json().get("sessions", [])) == (
        1 if status == 200 else 0
    )
