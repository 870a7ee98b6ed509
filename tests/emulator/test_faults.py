"""Injected faults: each does what it says, to the requests it names and no others."""

from __future__ import annotations

import httpx
import pytest

from sessions_vtab.emulator.control import ControlError
from tests.clocks import sleep_by
from tests.waiting import wait_for


@pytest.fixture
def own(own):
    for number in range(5):
        own.create(f"s-{number}")
    own.control.reset_log()
    return own


def listing(api, **query):
    return api.call("GET", "/sessions", **query)


def test_status_with_retry_after(own) -> None:
    own.control.fault("status", status=429, retry_after=7, headers={"X-Note": "1"})
    response = listing(own)
    assert (response.status_code, response.headers["retry-after"]) == (429, "7")
    assert response.headers["x-note"] == "1"
    assert response.json()["error"]["status"] == "RESOURCE_EXHAUSTED"
    assert listing(own).status_code == 200
    assert [entry["fault"] for entry in own.control.requests()] == ["status", None]


@pytest.mark.parametrize(
    ("body", "text"), [("<html>", "<html>"), ({"detail": [1]}, '{"detail": [1]}'), ([], "[]")]
)
def test_status_with_a_body(own, body: object, text: str) -> None:
    own.control.fault("status", status=500, body=body)
    assert listing(own).text == text


def test_a_fault_hits_what_it_names(own) -> None:
    own.control.fault("status", method="GET", path=r"/sessions/s-1$", skip=1, count=2)
    codes = [own.call("GET", "/sessions/s-1").status_code for _ in range(4)]
    assert codes == [200, 503, 503, 200]
    own.control.fault("status", method="DELETE", count=None)
    assert own.call("GET", "/sessions/s-2").status_code == 200
    assert [own.call("DELETE", "/sessions/s-2").status_code for _ in range(3)] == [503] * 3
    own.control.fault("status", query=r'filter=user_id="x y"')
    assert listing(own).status_code == 200
    assert listing(own, filter='user_id="x y"').status_code == 503
    assert [fault["hits"] for fault in own.control.faults()] == [2, 3, 1]
    own.control.clear_faults()
    assert own.call("DELETE", "/sessions/s-2").status_code == 200


def test_a_faulty_request_has_no_effect(own) -> None:
    own.control.fault("status", method="POST")
    assert own.call("POST", "/sessions", {"userId": "u"}, sessionId="new").status_code == 503
    assert "new" not in own.ids()
    assert own.control.requests(method="POST")[0]["body"] == {"userId": "u"}


def test_acting_then_failing(own) -> None:
    own.control.fault("status", method="POST", act=True)
    assert own.call("POST", "/sessions", {"userId": "u"}, sessionId="new").status_code == 503
    assert "new" in own.ids()
    own.control.fault("drop", path="appendEvent", act=True)
    with pytest.raises(httpx.RemoteProtocolError):
        own.append("new")
    assert len(own.events("new")) == 1
    own.control.fault("delay", method="DELETE", seconds=0.5)
    with pytest.raises(httpx.ReadTimeout):
        own.client.delete(f"{own.base}/sessions/new", timeout=0.1)
    # The client gives up whether or not the request has been read.
    wait_for(lambda: "new" not in own.ids())


def test_a_dropped_connection(own) -> None:
    own.control.fault("drop")
    with pytest.raises(httpx.RemoteProtocolError, match="without sending a response"):
        listing(own)
    own.control.fault("drop", reset=True)
    with pytest.raises(httpx.TransportError):
        listing(own)
    own.control.fault("drop", method="POST")
    with pytest.raises(httpx.RemoteProtocolError):
        own.append("s-1")
    assert own.events("s-1") == []
    statuses = [entry["status"] for entry in own.control.requests()]
    assert statuses == [None, None, None, 200]


def test_a_connection_dropped_in_mid_body(own) -> None:
    own.control.fault("drop_body", fraction=0.25)
    with pytest.raises(httpx.RemoteProtocolError, match="without sending complete message body"):
        listing(own)
    assert len(own.ids()) == 5


def test_a_truncated_body(own) -> None:
    own.control.fault("truncate")
    response = listing(own)
    assert response.status_code == 200
    with pytest.raises(ValueError, match=r"Unterminated|Expecting|delimiter"):
        response.json()


@pytest.mark.parametrize("body", ["", "not json", [], {"sessions": {}}, None])
def test_another_body(own, body: object) -> None:
    own.control.fault("body", body=body)
    response = listing(own)
    assert response.status_code == 200
    assert response.text == body if isinstance(body, str) else response.json() == body


def test_wrong_types(own) -> None:
    usual = own.get("s-1")
    own.control.fault("wrong_types")
    wrong = own.get("s-1")
    assert set(wrong) == set(usual)
    assert all(type(wrong[key]) is not type(usual[key]) for key in usual)
    own.control.fault("wrong_types", fields=["userId", "sessions"])
    assert own.get("s-1") == {**usual, "userId": 3}
    own.control.fault("wrong_types", fields=["sessions"])
    assert isinstance(listing(own).json()["sessions"], str)


def test_a_page_token_loop(own) -> None:
    own.control.fault("repeat_token", count=None)
    token = listing(own, pageSize=2).json()["nextPageToken"]
    for _ in range(3):
        page = listing(own, pageSize=2, pageToken=token).json()
        assert page["nextPageToken"] == token
        assert len(page["sessions"]) == 2


def test_a_token_that_leads_to_an_empty_page(own) -> None:
    own.control.fault("empty_page")
    page = listing(own).json()
    assert len(page["sessions"]) == 5
    empty = listing(own, pageToken=page["nextPageToken"])
    assert (empty.status_code, empty.json()) == (200, {})
    # Gone with the faults: then it is a token like any other wrong one.
    own.control.clear_faults()
    assert listing(own, pageToken=page["nextPageToken"]).status_code == 400


def test_a_delay(own, monkeypatch) -> None:
    waits = []

    async def sleep(seconds: float) -> None:
        waits.append(seconds)

    sleep_by(monkeypatch, sleep)
    own.control.fault("delay", seconds=0.2)
    assert listing(own).status_code == 200
    assert waits == [0.2]


def start_operation(api, **plan):
    api.control.fault("operation", method="POST", plan=plan)
    operation = api.ok(api.call("POST", "/sessions", {"userId": "u"}, sessionId="new"))
    url = f"{api.server.url}/v1beta1/{operation['name']}"
    return operation, lambda: api.ok(api.client.get(url))


def test_a_slow_operation(own) -> None:
    operation, poll = start_operation(own, polls=3)
    assert "done" not in operation
    assert ["done" in poll() for _ in range(5)] == [False, False, False, True, True]
    assert poll()["response"]["name"].endswith("/sessions/new")


def test_an_operation_that_ends_in_an_error(own) -> None:
    error = {"code": 13, "message": "boom"}
    operation, poll = start_operation(own, polls=1, error=error)
    assert "done" not in operation
    poll()
    ended = poll()
    assert (ended["done"], ended["error"]) == (True, error)
    assert "response" not in ended
    assert own.call("GET", "/sessions/new").status_code == 404


def test_a_delete_that_fails_leaves_the_session(own) -> None:
    own.control.fault("operation", method="DELETE", plan={"error": {"code": 8, "message": "no"}})
    operation = own.ok(own.call("DELETE", "/sessions/s-1"))
    assert operation["error"]["code"] == 8
    assert own.get("s-1")


def test_an_operation_that_never_ends(own) -> None:
    _, poll = start_operation(own, never=True)
    assert not any("done" in poll() for _ in range(20))


def test_a_session_that_appears_late(own) -> None:
    start_operation(own, hidden_gets=2)
    assert [own.call("GET", "/sessions/new").status_code for _ in range(3)] == [404, 404, 200]


@pytest.mark.parametrize("plan", [{"nonsense": 1}, {"polls": "x"}, {"polls": -1}, {"error": "x"}])
def test_a_malformed_plan_is_refused(own, plan: dict) -> None:
    with pytest.raises(ControlError):
        own.control.fault("operation", plan=plan)


def test_faults_reach_the_other_services(own) -> None:
    own.control.fault("status", path="^/api/v1/", status=502)
    assert own.client.get(f"{own.server.url}/api/v1/ping").status_code == 502
