"""Answers that are no success become the error that says what to do."""

from __future__ import annotations

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import httpx
import pytest

from sessions_vtab import connect
from sessions_vtab.errors import (
    ConflictError,
    CredentialError,
    ForbiddenError,
    InvalidValueError,
    NotFoundError,
    ProtocolError,
    RefusedError,
    ThrottledError,
    UnavailableError,
    UnknownOutcomeError,
)
from sessions_vtab.fetch import Reader, RequestSpec, ResponseMatcher, run_job

SAID = {"error": {"code": 1, "message": "Because so.", "status": "X"}}


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, RefusedError),
        (401, CredentialError),
        (402, RefusedError),
        (403, ForbiddenError),
        (404, NotFoundError),
        (409, ConflictError),
        (410, NotFoundError),
        (412, ConflictError),
        (422, RefusedError),
        (429, ThrottledError),
        (408, UnavailableError),
        (500, UnavailableError),
        (503, UnavailableError),
    ],
)
def test_a_status_has_its_error(sender_for, status, kind):
    with pytest.raises(kind) as caught:
        sender_for(lambda _: httpx.Response(status, json=SAID)).send(RequestSpec("GET", "/a"))
    assert type(caught.value) is kind
    assert str(caught.value).startswith(
        f"prod.sessions: GET http://127.0.0.1:9/a returned {status}"
    )
    assert "Because so" in str(caught.value)
    if kind is not CredentialError:
        assert caught.value.status == status


@pytest.mark.parametrize(
    "body",
    [
        {"error": {"message": "THE REASON"}},
        {"errors": ["THE REASON"]},
        {"detail": [{"msg": "THE REASON"}]},
        {"detail": "THE REASON"},
        {"message": "THE REASON"},
        {"error": "THE REASON"},
        "THE REASON",
    ],
)
def test_the_service_s_own_words_are_found(sender_for, body):
    with pytest.raises(RefusedError, match="THE REASON"):
        sender_for(lambda _: httpx.Response(400, json=body)).send(RequestSpec("GET"))


@pytest.mark.parametrize(
    ("call", "status", "told"),
    [
        (
            RequestSpec("GET", anonymous=True),
            401,
            "is sent without a credential, as the service documents",
        ),
        (RequestSpec("GET", anonymous=True), 403, "The credential lacks permission"),
        (RequestSpec("GET"), 403, "THE ROLE"),
        (RequestSpec("POST", target="http://127.0.0.1:9/put"), 403, "they may have expired"),
        (RequestSpec("GET"), 413, "Send less data in one row"),
        (RequestSpec("GET"), 451, r"Because so\.$"),
    ],
)
def test_what_to_do_fits_the_call(sender_for, call, status, told):
    sender = sender_for(lambda _: httpx.Response(status, json=SAID), hints=((403, "THE ROLE."),))
    with pytest.raises((RefusedError, CredentialError), match=told):
        sender.send(call)


@pytest.mark.parametrize(
    ("wait", "told"),
    [("7", "after 7 seconds"), ("Wed, 15 Nov 2023 07:28:00 GMT", "after Wed, .* 07:28:00 GMT.$")],
)
def test_retry_after_is_part_of_the_error(sender_for, wait, told):
    answer = httpx.Response(503, headers={"Retry-After": wait})
    with pytest.raises(UnavailableError, match=told):
        sender_for(lambda _: answer).send(RequestSpec("GET"))


def test_a_failure_after_a_possible_write_quotes_the_service(sender_for):
    with pytest.raises(
        UnknownOutcomeError, match=r"500 .*: Because so. The service may or may not"
    ):
        sender_for(lambda _: httpx.Response(500, json=SAID)).send(RequestSpec("POST"))


@pytest.mark.parametrize(
    "call",
    [
        RequestSpec("GET", "/a", query=(("filter", "x" * 70_000),)),
        RequestSpec("POST", f"/{'x' * 70_000}"),
        RequestSpec("POST", target=f"http://127.0.0.1:9/{'x' * 70_000}"),
    ],
)
def test_a_value_that_makes_a_url_too_long_is_an_error_of_the_statement(sender_for, call):
    sender = sender_for(lambda _: httpx.Response(200, json={}))
    with pytest.raises(
        InvalidValueError, match=r"^prod.sessions: .* too long\. .* Nothing was sent"
    ):
        sender.send(call)
    assert sender.sent == 0


def test_a_backend_can_say_what_a_refusal_means(sender_for):
    meanings = ((ResponseMatcher(400, "already exists"), ConflictError),)
    body = {"error": {"message": "It already exists."}}
    with pytest.raises(ConflictError):
        sender_for(lambda _: httpx.Response(400, json=body), meanings=meanings).send(
            RequestSpec("GET")
        )


def test_a_declared_404_is_a_missing_row(sender_for):
    call = RequestSpec("GET", "/a", missing=(ResponseMatcher(404, r"^Session .* not found"),))
    body = {"error": {"message": "Session s1 not found."}}
    reply = sender_for(lambda _: httpx.Response(404, json=body)).send(call)
    assert reply.missing
    assert reply.items() == []
    assert reply.object() == {}


@pytest.mark.parametrize(
    "response",
    [
        httpx.Response(404, json={"error": {"message": "The engine does not exist."}}),
        httpx.Response(404, html="<html>Session s1 not found</html>"),
        httpx.Response(404, text="Session s1 not found"),
        httpx.Response(404),
        httpx.Response(410, json={"error": {"message": "Session s1 not found."}}),
    ],
)
def test_any_other_404_is_an_error(sender_for, response):
    call = RequestSpec("GET", "/a", missing=(ResponseMatcher(404, r"Session .* not found"),))
    with pytest.raises(RefusedError):
        sender_for(lambda _: response).send(call)


def test_an_html_404_hints_at_a_wrong_base_url(sender_for):
    page = "<html><style>b{}</style><title>Error 404</title><script>x()</script></html>"
    with pytest.raises(NotFoundError, match=r"Error 404\. The service has no such URL"):
        sender_for(lambda _: httpx.Response(404, html=page)).send(RequestSpec("GET"))


@pytest.mark.parametrize(
    "response",
    [
        httpx.Response(200, content=b'{"sessions": [{"na', headers={"content-type": "x/json"}),
        httpx.Response(200, html="<html>log in</html>"),
        httpx.Response(200, content=b"[" * 100_000),
        httpx.Response(200, content=b"\xff\xfe{"),
    ],
)
def test_a_success_without_json_is_an_error_and_for_a_write_an_unknown_outcome(
    sender_for, response
):
    with pytest.raises(
        ProtocolError, match=r"^prod[.]sessions: .*GET .*the response was discarded"
    ):
        sender_for(lambda _: response).send(RequestSpec("GET"))
    with pytest.raises(UnknownOutcomeError, match="accepted the request"):
        sender_for(lambda _: response).send(RequestSpec("POST", json={}))


@pytest.mark.parametrize("content", [b"", b" \n", b"null"])
@pytest.mark.parametrize("items", ["sessions", ""])
def test_an_empty_response_is_not_an_empty_page(sender_for, content, items):
    call = RequestSpec("GET", "/a", items=items, listing=True)
    reply = sender_for(lambda _: httpx.Response(200, content=content)).send(call)
    with pytest.raises(
        ProtocolError, match=r"^prod[.]sessions: .*GET http://127\.0\.0\.1:9/a .*is empty"
    ):
        reply.items()


@pytest.mark.parametrize(
    "body", [[], "x", 1, {"sessions": 5}, {"sessions": ["x"]}, {"sessions": {}}]
)
def test_rows_of_the_wrong_type_are_an_error_that_names_the_url(sender_for, body):
    reply = sender_for(lambda _: httpx.Response(200, json=body)).send(
        RequestSpec("GET", "/a", items="sessions", listing=True)
    )
    with pytest.raises(ProtocolError, match=r"http://127\.0\.0\.1:9/a"):
        reply.items()


DEEP: list[object] = []
for _ in range(100_000):
    DEEP = [DEEP]


@pytest.mark.parametrize("body", [DEEP, {"a": float("nan")}, {"a": "\ud83d"}, {"a": object()}])
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_body_that_cannot_be_written_is_an_error_of_the_statement(
    client_for, context, method, body
):
    sent = []
    client = client_for(sent.append)
    with pytest.raises(InvalidValueError, match=r"^prod\.sessions: .*/a cannot be .*Nothing was"):
        run_job(client, context, lambda sender: sender.send(RequestSpec(method, "/a", json=body)))
    assert sent == []


FOREIGN = [MemoryError(), RecursionError(), OverflowError("too large"), KeyError("x")]


@pytest.mark.parametrize("error", FOREIGN, ids=lambda error: type(error).__name__)
@pytest.mark.parametrize(
    ("method", "kind"),
    [("GET", UnavailableError), ("PUT", UnknownOutcomeError), ("POST", UnknownOutcomeError)],
)
def test_an_exception_of_python_in_an_exchange_has_a_place_and_a_cause(
    client_for, context, method, kind, error
):
    def fail(_):
        raise error

    client = client_for(fail)
    says = rf"^prod\.sessions: {method} http.*/a failed: {type(error).__name__}"
    with pytest.raises(kind, match=says):
        run_job(client, context, lambda sender: sender.send(RequestSpec(method, "/a")))
    if method == "GET":
        with pytest.raises(kind, match=says) as raised:
            Reader(client, context).get(RequestSpec("GET", "/a"))
        assert raised.value.__cause__ is error
    assert [row["status"] for row in context.requests] == [None] * len(context.requests)


def test_an_answer_that_is_too_deep_is_no_answer(client_for, context):
    body = b"[" * 100_000 + b"]" * 100_000
    headers = {"content-type": "application/json"}
    client = client_for(lambda _: httpx.Response(200, content=body, headers=headers))
    says = r"^prod\.sessions: the response to GET .* nested too deeply.*Does base_url"
    with pytest.raises(ProtocolError, match=says):
        Reader(client, context).get(RequestSpec("GET", "/a"))


def test_a_pool_that_takes_no_more_work_says_so(client_for, context):
    """At the end of the process, for instance, when a generator is closed late."""
    client = client_for(lambda _: httpx.Response(200, json={}))
    client.pool.shutdown()
    with pytest.raises(UnavailableError, match=r"^prod: no thread can send .*Nothing was sent"):
        Reader(client, context).get(RequestSpec("GET", "/a"))


@pytest.fixture(scope="module")
def plain_server():
    """The URL of a server that does not speak TLS, without its scheme."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), BaseHTTPRequestHandler)
    server.RequestHandlerClass.log_message = lambda *_: None
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("https://{server}", "the host does not answer by TLS"),
        ("http://nosuch.invalid", "the host is unknown"),
        ("http://127.0.0.1:9", "the connection was refused"),
    ],
)
def test_a_service_that_is_not_reached_is_told_with_the_reason(plain_server, url, reason):
    source = f"x=embedding_studio://?base_url={url.format(server=plain_server)}"
    with (
        connect(source, config="/dev/null") as db,
        pytest.raises(UnavailableError, match=f"{reason}.* base_url is correct"),
    ):
        db.execute("SELECT * FROM sessions WHERE batch_id = 'b'").fetchall()


@pytest.mark.parametrize(
    ("timeout", "reason"),
    [(30.0, r"no connection within 5 s\."), (2.0, r"no connection within 2 s \(.* 'timeout'\)\.")],
)
def test_a_host_that_does_not_answer_is_told_with_the_time_it_had(sender_for, timeout, reason):
    def silent(request):
        raise httpx.ConnectTimeout("", request=request)

    with pytest.raises(UnavailableError, match=reason):
        sender_for(silent, timeout=timeout).send(RequestSpec("GET", "/a"))


@pytest.mark.parametrize("body", [b"{}", b"[]", b"null"])
def test_a_refusal_that_says_nothing_is_not_quoted(sender_for, body):
    headers = {"content-type": "application/json", "location": "/b"}
    sender = sender_for(lambda _: httpx.Response(302, content=body, headers=headers))
    with pytest.raises(RefusedError, match=r"302 Found\. Redirects are not followed"):
        sender.send(RequestSpec("GET", "/a"))
