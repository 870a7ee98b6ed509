"""What servers send, read by our connection as httpcore's own reads it, over real sockets."""

from __future__ import annotations

import re
import socket
import ssl
import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from typing import BinaryIO

import httpcore
import httpx
import pytest

from sessions_vtab.errors import StoppedError
from sessions_vtab.fetch.connection import DirectConnection, read_body
from sessions_vtab.fetch.routes import KEEP_ALIVE, Connections
from sessions_vtab.fetch.sockets import TimedBackend, within

TRUSTED = ssl.create_default_context()


class Server:
    """Sends the same bytes after each head of a request.

    Args:
        answer: the bytes; ``|`` is the end of a line.
        hang_up: ends the connection after them.

    Attributes:
        connections: how many were made.
    """

    def __init__(self, answer: str, *, hang_up: bool = False) -> None:
        self._answer = answer.replace("|", "\r\n").encode("latin-1")
        self._hang_up = hang_up
        self.connections = 0

    def serve(self, connected: socket.socket) -> None:
        self.connections += 1
        with connected, suppress(OSError):
            requests = connected.makefile("rb")
            while _request(requests):
                connected.sendall(self._answer)
                if self._hang_up:
                    return


def _request(requests: BinaryIO) -> bytes:
    """The head of the next request, whose body is read, too; b"" if there is none."""
    head = b""
    while (line := requests.readline()) not in {b"\r\n", b""}:
        head += line
    length = re.search(rb"content-length: (\d+)", head, re.IGNORECASE)
    requests.read(int(length[1]) if length else 0)
    return head


@contextmanager
def listening(serve: Callable[[socket.socket], None]) -> Iterator[httpcore.URL]:
    """The URL of a server that gives each connection to a thread."""
    listener = socket.create_server(("127.0.0.1", 0))
    threads: list[threading.Thread] = []

    def accept() -> None:
        with suppress(OSError):
            while True:
                connected, _ = listener.accept()
                threads.append(threading.Thread(target=serve, args=(connected,)))
                threads[-1].start()

    accepting = threading.Thread(target=accept)
    accepting.start()
    try:
        yield httpcore.URL(f"http://127.0.0.1:{listener.getsockname()[1]}/a")
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        for one in (accepting, *threads):
            one.join()


def ours(origin: httpcore.Origin) -> httpcore.ConnectionInterface:
    return DirectConnection(origin, httpcore.SyncBackend(), TRUSTED, KEEP_ALIVE)


def httpcores(origin: httpcore.Origin) -> httpcore.ConnectionInterface:
    return httpcore.HTTPConnection(origin, ssl_context=TRUSTED, keepalive_expiry=KEEP_ALIVE)


def ask(connections: Connections, url: httpcore.URL, method: str = "GET", body: bytes = b""):
    """Status, headers and body of a response, or the class of the error."""
    address = f"http://127.0.0.1:{url.port}/a"
    request = httpx.Request(
        method, address, content=body or None, extensions={"timeout": {"read": 10.0}}
    )
    try:
        response = connections.handle_request(request)
        return response.status_code, response.headers.raw, read_body(response, 10_000)
    except httpx.HTTPError as error:
        return type(error)


def seen(connect, answer: str, *, hang_up: bool, method: str, body: bytes):
    """What two requests got, and how many connections they took."""
    server = Server(answer, hang_up=hang_up)
    with (
        listening(server.serve) as url,
        closing(Connections(connect)) as connections,
    ):
        got = [ask(connections, url, method, body) for _ in range(2)]
    return got, server.connections


OK = "HTTP/1.1 200 OK|Content-Length: 2||{}"


@pytest.mark.parametrize(
    ("answer", "more"),
    [
        (OK, {}),
        (OK, {"method": "POST", "body": b"{}"}),
        ("HTTP/1.1 200 OK|Content-Length: 2||", {"method": "HEAD"}),
        ("HTTP/1.1 204 No Content||", {"method": "DELETE"}),
        ("HTTP/1.1 304 Not Modified|Content-Length: 7||", {}),
        ("HTTP/1.1 200 OK||{}", {"hang_up": True}),
        ("HTTP/1.1 200 OK|Content-Length: 9||{}", {"hang_up": True}),
        ("HTTP/1.1 200 OK|Connection: close|Content-Length: 2||{}", {"hang_up": True}),
        ("HTTP/1.1 200 OK|connection: Keep-Alive, CLOSE|Content-Length: 2||{}", {"hang_up": True}),
        ("HTTP/1.0 200 OK|Content-Length: 2||{}", {"hang_up": True}),
        ("HTTP/1.0 200 OK|Connection: keep-alive|Content-Length: 2||{}", {}),
        ("HTTP/1.1 200|Content-Length: 2||{}", {}),
        ("HTTP/1.1 200 OK|Transfer-Encoding: chunked||2;a=b|{}|0|A: trailer||", {}),
        ("HTTP/1.1 200 OK|Transfer-Encoding: chunked||2|{}|", {"hang_up": True}),
        ("HTTP/1.1 200 OK|Transfer-Encoding: chunked||z|{}|0||", {}),
        ("HTTP/1.1 200 OK|Transfer-Encoding: gzip||{}", {"hang_up": True}),
        ("HTTP/1.1 200 OK|Transfer-Encoding: chunked|Content-Length: 9||2|{}|0||", {}),
        (f"HTTP/1.1 100 Continue||HTTP/1.1 102 Processing||{OK}", {}),
        (f"HTTP/1.1 100 Continue||{OK}", {"method": "POST", "body": b"{}"}),
        ("HTTP/1.1 100 Continue||", {"hang_up": True}),
        ("HTTP/1.1 101 Switching Protocols|Upgrade: h2c||", {"hang_up": True}),
        ("HTTP/1.1 200 OK|X-Long: a| b|Content-Length: 2||{}", {}),
        (f"HTTP/1.1 200 OK|X-A: {'a' * 200_000}|Content-Length: 2||{{}}", {"hang_up": True}),
        ("HTTP/1.1 200 OK|X-A: \xe9\xff|Content-Length: 2||{}", {}),
        ("HTTP/1.1 200 OK|X-A: a\0b|Content-Length: 2||{}", {}),
        ("HTTP/1.1 200 OK|X A: a|Content-Length: 2||{}", {}),
        ("HTTP/1.1 200 OK|Content-Length: -1||{}", {}),
        ("HTTP/2 200 OK|Content-Length: 2||{}", {}),
        ("HTTP/1.1 99 OK|Content-Length: 2||{}", {}),
        ("SSH-2.0-OpenSSH||", {"hang_up": True}),
        ("", {"hang_up": True}),
        ("HTTP/1.1 503 No|Content-Length: 2||{}", {}),
    ],
)
def test_a_response_is_read_as_httpcore_reads_it(answer, more):
    settings = {"hang_up": False, "method": "GET", "body": b""} | more
    assert seen(ours, answer, **settings) == seen(httpcores, answer, **settings)


@pytest.mark.parametrize(
    "answer",
    [
        f"{OK}{OK.replace('{}', '[]')}",
        "HTTP/1.1 204 No Content||{}",
        "HTTP/1.1 304 Not Modified||{}",
        f"HTTP/1.1 200 OK|Transfer-Encoding: chunked||2|{{}}|0||{OK}",
    ],
)
def test_bytes_after_a_response_are_no_response_to_the_next_request(answer):
    """httpcore takes them for one: the rows of another request, or an error without a reason."""
    (first, second), connections = seen(ours, answer, hang_up=False, method="GET", body=b"")
    assert first == second
    assert connections == 2


def test_a_refusal_that_comes_before_the_body_is_sent_is_read():
    def refuse(connected: socket.socket) -> None:
        with connected:
            connected.recv(1)
            connected.sendall(b"HTTP/1.1 413 No\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
            connected.shutdown(socket.SHUT_WR)
            with suppress(OSError):
                while connected.recv(1_000_000):
                    pass

    with listening(refuse) as url, closing(Connections(ours)) as connections:
        got = ask(connections, url, "POST", b"x" * 20_000_000)
    assert got[0] == 413


def test_the_user_stops_what_arrives_all_the_time():
    """No read waits for anything, so that none of them comes to an end without a byte."""

    class Stream(httpcore.NetworkStream):
        def read(self, *_):
            return b"x"

        def get_extra_info(self, _):
            return None

    class Network(httpcore.NetworkBackend):
        def connect_tcp(self, *_args, **_more):
            return Stream()

    def look():
        raise StoppedError

    stream = TimedBackend(Network(), lambda _: None).connect_tcp("h", 80)
    with within(30, look), pytest.raises(StoppedError):
        deque(iter(lambda: stream.read(1), b""), maxlen=0)


@pytest.mark.parametrize("kind", [KeyboardInterrupt, SystemExit, ValueError])
def test_what_interrupts_a_body_ends_its_connection(kind):
    server = Server("HTTP/1.1 200 OK|Content-Length: 9||{}")
    with listening(server.serve) as url, closing(Connections(ours)) as connections:
        place = (b"http", b"127.0.0.1", url.port)
        response = connections.get(place, b"/a", [(b"Host", b"h")], {})
        pieces = iter(response.stream)
        assert next(pieces) == b"{}"
        with pytest.raises(kind):
            pieces.throw(kind())
        response.close()
        assert connections.take(place) is None


def test_an_error_is_not_its_own_cause():
    """Who follows the causes of an error would never come to an end."""

    class Broken(httpcore.SyncBackend):
        def connect_tcp(self, *_args, **_more):
            raise ValueError

    def connect(origin: httpcore.Origin) -> DirectConnection:
        return DirectConnection(origin, Broken(), TRUSTED, KEEP_ALIVE)

    with pytest.raises(ValueError) as caught:  # noqa: PT011  # It has no text.
        Connections(connect).get((b"http", b"h", 80), b"/", [(b"Host", b"h")], {})
    assert caught.value.__cause__ is None


def test_a_connection_whose_tls_fails_is_closed():
    closed = []

    class Stream(httpcore.NetworkStream):
        def start_tls(self, *_args, **_more):
            raise KeyboardInterrupt

        def close(self):
            closed.append(self)

    class Network(httpcore.NetworkBackend):
        def connect_tcp(self, *_args, **_more):
            return Stream()

    def connect(origin: httpcore.Origin) -> DirectConnection:
        return DirectConnection(origin, Network(), TRUSTED, KEEP_ALIVE)

    with pytest.raises(KeyboardInterrupt):
        Connections(connect).get((b"https", b"h", 443), b"/", [(b"Host", b"h")], {})
    assert len(closed) == 1


@pytest.mark.parametrize(
    ("url", "address", "name", "host"),
    [
        ("https://h.example/a", ("h.example", 443), "h.example", "h.example"),
        ("https://h.example:8443/a", ("h.example", 8443), "h.example", "h.example:8443"),
        ("https://[::1]:8443/a", ("::1", 8443), "::1", "[::1]:8443"),
        (
            "https://b\u00fccher.example/a",
            ("xn--bcher-kva.example", 443),
            *["xn--bcher-kva.example"] * 2,
        ),
    ],
)
def test_tls_is_spoken_with_the_host_of_the_url(url, address, name, host):
    asked = []

    class Stream(httpcore.NetworkStream):
        answer = OK.replace("|", "\r\n").encode()

        def start_tls(self, ssl_context, server_hostname=None, timeout=None):
            asked.append(server_hostname)
            return self

        def write(self, buffer, timeout=None):
            asked.append(re.search(rb"Host: (\S+)", buffer)[1].decode())

        def read(self, max_bytes, timeout=None):
            return self.answer

        def get_extra_info(self, info):
            return None

        def close(self):
            pass

    class Network(httpcore.NetworkBackend):
        def connect_tcp(self, host, port, *_args, **_more):
            asked.append((host, port))
            return Stream()

    connections = Connections(lambda one: DirectConnection(one, Network(), TRUSTED, KEEP_ALIVE))
    response = connections.handle_request(httpx.Request("GET", url))
    assert read_body(response, 10) == b"{}"
    assert asked == [address, name, host]
