"""Threads, sockets and proxies, with real connections."""

from __future__ import annotations

import gc
import socket
import sys
import threading
from contextlib import closing, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import httpx
import pytest

from sessions_vtab.errors import SessionsError, UnavailableError, UnsupportedError
from sessions_vtab.fetch import Client, ClientHandle, Endpoint, Reader, RequestSpec, shared_client
from sessions_vtab.fetch.routes import open_routes
from sessions_vtab.fetch.scope import scope_of
from tests.clocks import time_of_attempts
from tests.waiting import wait_for

DESCRIPTORS = Path("/proc/self/fd")


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    # Head and body in one packet: the second one would wait for the client's acknowledgement.
    wbufsize = -1

    def do_GET(self):
        self.server.paths.append(self.path)
        behaviour = getattr(self, self.path.strip("/").split("?")[0].split("/")[0], self.fine)
        behaviour()

    def answer(self, body=b"{}", length=None, **headers):
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body) if length is None else length))
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(body)

    def fine(self):
        self.answer()

    def cookie(self):
        self.server.cookies.append(self.headers.get("Cookie"))
        self.answer(Set_Cookie="id=1; Path=/")

    def hang(self):
        self.server.release.wait(20)
        self.answer()

    def five(self):
        """A list of five pages, at ``/five/back`` from its other end."""
        number = int(self.path.partition("pageToken=")[2] or 0)
        more = f', "nextPageToken": "{number + 1}"' if number < 4 else ""
        shown = 4 - number if "/back" in self.path else number
        self.answer(f'{{"rows": [{{"n": {shown}}}]{more}}}'.encode())

    def cut(self):
        cut = len(self.server.paths) < 3
        self.answer(b'{"rows": [{"n": 1}]}', length=500 if cut else None)
        if cut:
            self.close_connection = True

    def log_message(self, *_):
        pass


class Server(ThreadingHTTPServer):
    def handle_error(self, *_):
        """A client that has gone is what many tests are about."""


@contextmanager
def serving():
    server = Server(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    server.paths, server.cookies, server.release = [], [], threading.Event()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield server, f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.release.set()
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture(autouse=True)
def _others(monkeypatch):
    """Threads of connections that fixtures of the session hold do not count."""
    monkeypatch.setattr(sys.modules[__name__], "BEFORE", set(threading.enumerate()))


BEFORE: set[threading.Thread] = set()


def ours():
    return [
        thread
        for thread in threading.enumerate()
        if thread not in BEFORE and thread.name.startswith("sessions_vtab-")
    ]


def open_files():
    gc.collect()
    return len(list(DESCRIPTORS.iterdir()))


@pytest.fixture
def server():
    with serving() as running:
        yield running


def lists(count, place="l"):
    return [RequestSpec("GET", f"/{place}/{n}", items="rows", listing=True) for n in range(count)]


@pytest.mark.skipif(not DESCRIPTORS.is_dir(), reason="counts descriptors in /proc")
def test_close_leaves_no_thread_and_no_socket(server, context):
    running, url = server
    before = open_files()
    with closing(Client(Endpoint("prod", url))) as client:
        reader = Reader(client, context)
        pending = [reader.shared.start(call, reader.context) for call in lists(40, "hang")]
        wait_for(lambda: len(running.paths) == 16)
        assert len(ours()) == 16
        assert len(client._sockets) == 16
        running.release.set()
        for one in pending:
            reader.shared.finish(one, reader.context)
        client.close()
        client.close()
    assert ours() == []
    wait_for(lambda: open_files() <= before)  # The test server's own ends go when it notices.


def test_connections_are_reused(server, context):
    with closing(Client(Endpoint("prod", server[1], concurrency=1))) as client:
        for call in lists(20):
            Reader(client, context).get(call)
        assert len(client._sockets) == 1


def test_close_ends_threads_that_wait_for_an_answer(server, context):
    client = Client(Endpoint("prod", server[1]))
    pending = [scope_of(client, context).start(call, context) for call in lists(3, "hang")]
    wait_for(lambda: len(server[0].paths) == 3)
    client.close()
    assert ours() == []
    for one in pending:
        with pytest.raises(SessionsError):
            one.future.result(0)


def test_a_request_whose_response_is_cut_off_is_repeated(server, context):
    with closing(Client(Endpoint("prod", server[1]))) as client:
        response = Reader(client, context).get(lists(1, "cut")[0])
        assert response.items() == [{"n": 1}]
    assert len(server[0].paths) == 3
    assert [row["status"] for row in context.requests] == [None, None, 200]


def test_the_timeout_of_the_source_is_used(server, context, monkeypatch):
    time_of_attempts(monkeypatch)
    client = Client(Endpoint("prod", server[1], timeout=0.05))
    monkeypatch.setattr(client.clock, "wait", lambda *_: False)
    with closing(client), pytest.raises(UnavailableError, match="no response in time"):
        Reader(client, context).get(lists(1, "hang")[0])
    # Not what the server saw: on a busy machine the time is up before it reads a request.
    assert [row["status"] for row in context.requests] == [None] * 5


def test_a_refused_connection_is_an_error_with_a_hint(context, monkeypatch):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}"
        with closing(Client(Endpoint("prod", url))) as client:
            monkeypatch.setattr(client.clock, "wait", lambda *_: False)
            with pytest.raises(UnavailableError, match="base_url is correct"):
                Reader(client, context).get(RequestSpec("GET", "/a"))


def test_cookies_are_not_kept(server, context):
    with closing(Client(Endpoint("prod", server[1], concurrency=1))) as client:
        for n in range(2):
            Reader(client, context).get(RequestSpec("GET", f"/cookie/{n}"))
    assert server[0].cookies == [None, None]


def test_netrc_is_not_read(server, context, monkeypatch, tmp_path):
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login ann password hunter2\n")
    monkeypatch.setenv("NETRC", str(netrc))
    got = []
    monkeypatch.setattr(Handler, "fine", lambda self: (got.append(self.headers), self.answer())[1])
    with closing(Client(Endpoint("prod", server[1]))) as client:
        Reader(client, context).get(RequestSpec("GET", "/a"))
    assert got[0].get("Authorization") is None


@pytest.fixture
def proxies(monkeypatch):
    for name in ("http_proxy", "https_proxy", "no_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy.example:3128")
    monkeypatch.setenv("HTTP_PROXY", "proxy.example:3128")
    monkeypatch.setenv("NO_PROXY", "internal.example,.corp.example")


@pytest.mark.parametrize(
    ("url", "proxied"),
    [
        ("https://us-central1-aiplatform.googleapis.com/v1", True),
        ("http://example.com/", True),
        ("http://127.0.0.1:8787/v1", False),
        ("http://localhost:8787/v1", False),
        ("http://[::1]:8787/v1", False),
        ("https://internal.example/", False),
        ("https://a.corp.example/", False),
        ("https://notinternal.example/", True),
    ],
)
def test_the_environment_s_proxies_are_used_except_for_loopback(proxies, url, proxied):
    with closing(open_routes()) as routes:
        chosen = routes.transport_for(httpx.URL(url))
        assert (chosen in routes._proxied.values()) is proxied


def test_loopback_works_behind_a_dead_proxy(proxies, server, context):
    with closing(Client(Endpoint("prod", server[1]))) as client:
        assert Reader(client, context).get(RequestSpec("GET", "/a")).status == 200


def test_equal_sites_share_one_client_until_the_last_lease_ends(server, context):
    endpoint = Endpoint("prod", server[1])
    first, second = (
        ClientHandle(shared_client(endpoint)),
        ClientHandle(shared_client(Endpoint("prod", server[1]))),
    )
    other = ClientHandle(shared_client(Endpoint("prod", server[1], timeout=5)))
    assert first.client is second.client is not other.client
    old = first.client
    Reader(old, context).get(RequestSpec("GET", "/a"))
    first.close()
    first.close()
    assert Reader(second.client, context).get(RequestSpec("GET", "/b")).status == 200
    with pytest.raises(UnsupportedError, match=r"^prod is closed\.$"):
        _ = first.client
    second.close()
    other.close()
    assert ours() == []
    with closing(ClientHandle(shared_client(endpoint))) as again:
        assert again.client is not old
