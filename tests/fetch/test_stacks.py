"""Connections: which one a request takes, what is sent over it, and when one is closed."""

from __future__ import annotations

import socket
import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress

import httpcore
import httpx
import pytest

from sessions_vtab.errors import ConfigurationError, UnavailableError
from sessions_vtab.fetch import Client, Endpoint, Reader, RequestSpec
from sessions_vtab.fetch.connection import DirectConnection, read_body
from sessions_vtab.fetch.routes import KEEP_ALIVE, Connections, Routes, is_plain, open_routes
from sessions_vtab.fetch.sockets import TimedBackend

ANSWER = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}"
FAILED = b"HTTP/1.1 503 No\r\nContent-Length: 0\r\n\r\n"


class Scripted(httpcore.NetworkBackend):
    """A network on which each connection gives the same answer to each request."""

    def __init__(self, answer: bytes = ANSWER) -> None:
        self.answer = answer
        self.streams: list[Stream] = []

    def connect_tcp(self, host, port, timeout=None, local_address=None, socket_options=None):
        self.streams.append(Stream(self.answer))
        return self.streams[-1]


class Stream(httpcore.NetworkStream):
    def __init__(self, answer: bytes) -> None:
        self.answer, self.waiting, self.sent = answer, b"", b""
        self.closed = self.hung_up = False

    def write(self, buffer, timeout=None):
        self.sent += buffer
        if self.sent.endswith(b"\r\n\r\n"):
            self.waiting = self.answer

    def read(self, max_bytes, timeout=None):
        waiting, self.waiting = self.waiting, b""
        return waiting

    def close(self):
        self.closed = True

    def get_extra_info(self, info):
        return self.hung_up if info == "is_readable" else None


@pytest.fixture
def network() -> Scripted:
    return Scripted()


@pytest.fixture
def connections(network) -> Connections:
    trusted = ssl.create_default_context()
    return Connections(lambda origin: DirectConnection(origin, network, trusted, KEEP_ALIVE))


def ask(connections, host="h"):
    """The response, whose body is not read yet."""
    named = host.encode()
    return connections.get((b"http", named, 80), b"/a", [(b"Host", named)], {})


def answered(connections, host="h"):
    response = ask(connections, host)
    read_body(response, 1_000)
    response.close()
    return response


def test_a_request_takes_the_connection_used_last(connections, network):
    open_at_once = [ask(connections) for _ in range(3)]
    for response in open_at_once:
        read_body(response, 1_000)
        response.close()
    for _ in range(5):
        answered(connections)
    assert [stream.sent.count(b"GET /a") for stream in network.streams] == [1, 1, 6]


def test_each_host_has_connections_of_its_own(connections, network):
    for host in ("a", "b", "a", "b"):
        answered(connections, host)
    assert len(network.streams) == 2


def test_a_connection_that_the_server_has_ended_is_not_used(connections, network):
    answered(connections)
    network.streams[0].hung_up = True
    answered(connections)
    assert [stream.closed for stream in network.streams] == [True, False]


def test_connections_that_are_not_needed_are_closed_in_time(connections, network, monkeypatch):
    for response in [ask(connections) for _ in range(3)]:
        read_body(response, 1_000)
        response.close()
    later = time.monotonic() + KEEP_ALIVE + 1
    monkeypatch.setattr("time.monotonic", lambda: later)
    answered(connections)
    assert [stream.closed for stream in network.streams] == [True, True, True, False]


def test_a_body_that_was_not_read_closes_its_connection(connections, network):
    ask(connections).close()
    assert network.streams[0].closed
    answered(connections)
    assert len(network.streams) == 2


def test_after_close_no_connection_stays(connections, network):
    answered(connections, "idle")
    in_use = ask(connections, "used")
    connections.close()
    assert [stream.closed for stream in network.streams] == [True, False]
    read_body(in_use, 1_000)
    in_use.close()
    assert network.streams[1].closed


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (b"", httpx.RemoteProtocolError),
        (b"garbage\r\n\r\n", httpx.RemoteProtocolError),
        (
            b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\n{}",
            httpx.RemoteProtocolError,
        ),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{}", httpx.RemoteProtocolError),
        (b"HTTP/1.1 200 OK\r\nContent-", httpx.RemoteProtocolError),
        (b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: h2c\r\n\r\n", httpx.RemoteProtocolError),
    ],
)
def test_errors_are_those_of_httpx_and_end_the_connection(connections, network, answer, error):
    network.answer = answer
    with pytest.raises(error):
        answered(connections)
    assert network.streams[0].closed


@pytest.mark.parametrize(
    ("answer", "body", "goes_on"),
    [
        ("HTTP/1.1 200 OK|Transfer-Encoding: chunked||2|{}|0||", b"{}", True),
        ("HTTP/1.1 200 OK|Transfer-Encoding: chunked||1|[|1|]|0|A: trailer||", b"[]", True),
        ("HTTP/1.1 204 No Content||", b"", True),
        ("HTTP/1.1 200 OK|Connection: close|Content-Length: 2||{}", b"{}", False),
        ("HTTP/1.0 200 OK||{}", b"{}", False),
        ("HTTP/1.0 200 OK|Content-Length: 2||{}", b"{}", False),
    ],
)
def test_a_body_ends_where_the_protocol_says(connections, network, answer, body, goes_on):
    network.answer = answer.replace("|", "\r\n").encode()
    received = ask(connections)
    assert read_body(received, 1_000) == body
    received.close()
    assert network.streams[0].closed is not goes_on


class Impatient(Stream):
    """Answers the head of a request, and takes no more of it."""

    def write(self, buffer, timeout=None):
        if self.sent:
            raise httpcore.WriteError
        super().write(buffer)


def test_the_answer_to_a_request_that_was_not_taken_whole_is_read(connections, network):
    network.connect_tcp = lambda *_args, **_more: Impatient(FAILED)
    request = httpx.Request("POST", "http://h/a", content=b"much")
    assert connections.handle_request(request).status_code == 503


def test_early_hints_are_read_over(connections, network):
    network.answer = b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n" + ANSWER
    assert answered(connections).status_code == 200


@contextmanager
def recording() -> Iterator[tuple[str, list[bytes]]]:
    """A server that notes the heads of requests, one connection after the other."""
    heads: list[bytes] = []
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        while True:
            try:
                connected, _ = listener.accept()
            except OSError:
                return
            with connected, suppress(OSError):
                while head := connected.recv(65536):
                    heads.append(head)
                    connected.sendall(ANSWER)

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}", heads
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join()


def test_the_short_way_sends_what_httpx_sends(context):
    """The first request of a client goes the long way, since no connection is known yet."""
    with recording() as (url, heads), closing(Client(Endpoint("prod", url))) as client:
        assert client.shortcut(f"{url}/v1") is None
        call = RequestSpec("GET", "/v1/a%2Fb", (("pageSize", 1), ("filter", 'x="é"')))
        for _ in range(2):  # Two statements: in one it would be sent once.
            Reader(client, type(context)()).get(call)
        assert client.shortcut(f"{url}/v1") is not None
    first, second = (sorted(head.lower().split(b"\r\n")) for head in heads)
    assert first == second
    assert heads[0].split(b"\r\n")[0] == heads[1].split(b"\r\n")[0]


PLAIN = [
    "/",
    "/v1beta1/projects/p/locations/us-central1/reasoningEngines/42/sessions",
    "/v1/a%2Fb/c%20d:append?pageSize=100&filter=user_id%3D%22ann%22&orderBy=a+desc",
    "/a?",
    "/a?x=~*_.-",
    "/a.b/c..d",
    "/a//b",
]
ODD = [
    "/a/../b",
    "/./a",
    "/a/..",
    "/é",
    "/a b",
    "/a#b",
    "/a%zz",
    "/a%2",
    "/a\\b",
    '/a?"',
    "?x=1",
    "",
]


@pytest.mark.parametrize("target", PLAIN)
def test_httpx_would_send_a_plain_url_as_it_is_written(target):
    url = f"https://h.example:8443{target}"
    assert is_plain(url, len("https://h.example:8443"))
    # httpx drops an empty query; a server sees no difference.
    assert httpx.URL(url).raw_path.decode().rstrip("?") == target.rstrip("?")


@pytest.mark.parametrize("target", ODD)
def test_any_other_url_is_left_to_httpx(target):
    assert not is_plain(f"https://h{target}", len("https://h"))
    with closing(Client(Endpoint("prod", "https://h"))) as client:
        for _ in range(2):  # The second time the host is known.
            client.url_of(RequestSpec("GET", "/plain"))
            with suppress(ConfigurationError):  # Some are no part of any URL.
                assert not client.url_of(RequestSpec("GET", target)).plain


@pytest.mark.parametrize(
    ("url", "proxied"),
    [
        ("https://us-central1-aiplatform.googleapis.com/v1", True),
        ("http://127.0.0.1:8787/v1", False),
        ("http://[::1]:8787/v1", False),
        ("https://internal.example/", False),
        ("https://internal.example.evil.example/", True),
    ],
)
def test_the_short_way_leads_where_the_long_one_does(monkeypatch, url, proxied):
    for name in ("HTTP_PROXY", "HTTPS_PROXY"):
        monkeypatch.setenv(name, "http://user:pw@proxy.example:3128")
        monkeypatch.delenv(name.lower(), raising=False)
    monkeypatch.setenv("NO_PROXY", "internal.example")
    with closing(open_routes()) as routes:
        for _ in range(2):
            way = routes.shortcut(url)
            assert way.connections is routes.transport_for(httpx.URL(url))
            assert (way.connections in routes._proxied.values()) is proxied
            assert way.host == httpx.URL(url).netloc


def test_a_transport_of_a_test_has_no_short_way():
    routes = Routes(httpx.MockTransport(lambda _: httpx.Response(200)), {})
    assert routes.shortcut("http://h/a") is None


def test_a_proxy_is_asked_for_a_tunnel(context, monkeypatch):
    """The answer is no tunnel: what counts is who was asked, and with which password."""
    with recording() as (proxy, heads):
        monkeypatch.setenv("HTTPS_PROXY", proxy.replace("//", "//ann:pw@"))
        monkeypatch.delenv("https_proxy", raising=False)
        client = Client(Endpoint("prod", "https://service.example"))
        monkeypatch.setattr(client.clock, "wait", lambda *_: False)
        with closing(client), pytest.raises(UnavailableError):
            Reader(client, context).get(RequestSpec("GET", "/a"))
    assert heads[0].startswith(b"CONNECT service.example:443 HTTP/1.1\r\n")
    assert b"Proxy-Authorization: Basic YW5uOnB3\r\n" in heads[0]


class Secured(Stream):
    """A stream whose TLS replaces its socket, as that of ``ssl`` does."""

    def start_tls(self, ssl_context, server_hostname=None, timeout=None):
        return Secured(self.answer)


def test_the_socket_under_tls_is_told_of_too():
    """``Client.close`` ends it; the one before it is closed by then."""
    told: list[httpcore.NetworkStream] = []
    network = Scripted()
    network.connect_tcp = lambda *_args, **_more: Secured(ANSWER)  # type: ignore[method-assign]
    stream = TimedBackend(network, told.append).connect_tcp("h", 443)
    secure = stream.start_tls(ssl.create_default_context(), "h")
    assert told == [stream, secure]


def test_nothing_is_sent_before_tls_speaks_to_the_host(network):
    asked = []

    class Plain(Stream):
        def start_tls(self, ssl_context, server_hostname=None, timeout=None):
            asked.append((ssl_context, server_hostname, self.sent))
            return Secured(self.answer)

    network.connect_tcp = lambda *_args, **_more: Plain(ANSWER)
    trusted = ssl.create_default_context()
    origin = httpcore.Origin(b"https", b"h", 443)
    connection = DirectConnection(origin, network, trusted, KEEP_ALIVE)
    assert (
        connection.handle_request(
            httpcore.Request("GET", "https://h/a", headers={"Host": "h"})
        ).status
        == 200
    )
    assert asked == [(trusted, "h", b"")]


def test_a_connection_that_opens_while_the_client_closes_is_ended():
    client = Client(Endpoint("prod", "http://127.0.0.1:9"))
    client.close()
    ours, other = socket.socketpair()
    with ours, other:
        stream = Stream(b"")
        stream.get_extra_info = lambda _: ours  # type: ignore[method-assign]
        client._remember(stream)
        assert other.recv(1) == b""


@pytest.mark.parametrize(
    ("lines", "read"),
    [
        (b"X-A: one\r\nx-a: two", {"x-a": "one, two"}),
        ("X-A: é".encode(), {"x-a": "é"}),
        ("X-A: é".encode("latin-1"), {"x-a": "é"}),
    ],
    ids=["one name twice", "UTF-8", "neither ASCII nor UTF-8"],
)
def test_headers_are_read_as_httpx_reads_them(connections, network, lines, read):
    network.answer = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n" + lines + b"\r\n\r\n{}"
    received = answered(connections)
    assert received.headers == {"content-length": "2", **read}
    raw = [line.split(b": ") for line in lines.split(b"\r\n")]
    assert dict(httpx.Headers([(name, value) for name, value in raw]).items()) == read
