"""An exchange has an end, and an answer a size: bytes that trickle, 1xx without end, gzip bombs."""

from __future__ import annotations

import gzip
import socket
import threading
import tracemalloc
import zlib
from contextlib import closing, contextmanager

import httpx
import pytest

from sessions_vtab.errors import ProtocolError, UnavailableError, UnknownOutcomeError
from sessions_vtab.fetch import Client, Endpoint, Reader, RequestSpec, Sender, run_job
from sessions_vtab.fetch.exchange import Exchange
from tests.clocks import time_of_attempts

HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"

TRICKLES = {
    "slow bytes": (HEAD + b"Content-Length: 5000\r\n\r\n", b"1"),
    "slow bytes in chunks": (HEAD + b"Transfer-Encoding: chunked\r\n\r\n", b"1\r\n1\r\n"),
    "a slow chunk header": (HEAD + b"Transfer-Encoding: chunked\r\n\r\n5;", b"a"),
    "slow headers": (HEAD + b"X-Long: ", b"a"),
    "endless 1xx": (b"", b"HTTP/1.1 103 Early Hints\r\n\r\n"),
    "nothing": (b"", b""),
}


@contextmanager
def trickling(begin, again, pass_time):
    """A server that sends a beginning, and then a bit every 5 ms for ever; only then time passes."""
    listener = socket.create_server(("127.0.0.1", 0))
    ended, threads = threading.Event(), []

    def serve(connected):
        with connected:
            try:
                connected.recv(65536)
                connected.sendall(begin)
                while not ended.wait(0.005):
                    pass_time(0.005)
                    connected.sendall(again)
            except OSError:
                return

    def accept():
        while True:
            try:
                connected, _ = listener.accept()
            except OSError:
                return
            threads.append(threading.Thread(target=serve, args=(connected,)))
            threads[-1].start()

    accepting = threading.Thread(target=accept)
    accepting.start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        ended.set()
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        for one in (accepting, *threads):
            one.join()


@pytest.fixture
def pass_time(monkeypatch):
    return time_of_attempts(monkeypatch)


@pytest.fixture
def impatient(monkeypatch):
    """Clients whose attempts have 30 ms each; there is no wait between them."""

    @contextmanager
    def make(url, **settings):
        client = Client(Endpoint("prod", url, timeout=0.03, **settings))
        monkeypatch.setattr(client.clock, "wait", lambda *_: False)
        with closing(client):
            yield client

    return make


@pytest.mark.parametrize("trickle", TRICKLES.values(), ids=TRICKLES)
def test_an_exchange_ends_with_its_time_however_the_bytes_come(
    impatient, context, trickle, pass_time
):
    """If each byte began the time anew, this would go on for ever."""
    with (
        trickling(*trickle, pass_time) as url,
        impatient(url) as client,
        pytest.raises(UnavailableError, match=r"no .* 'timeout'"),
    ):
        Reader(client, context).get(RequestSpec("GET", "/a"))
    assert [row["status"] for row in context.requests] == [None] * 5


def test_a_change_without_an_answer_in_time_has_an_unknown_outcome(impatient, context, pass_time):
    with (
        trickling(*TRICKLES["slow bytes"], pass_time) as url,
        impatient(url) as client,
        pytest.raises(UnknownOutcomeError, match="no response in time"),
    ):
        run_job(client, context, lambda sender: sender.send(RequestSpec("POST", "/a", json={})))
    assert len(context.requests) == 1


@pytest.mark.parametrize(
    ("timeout", "used", "seconds"), [(30, 0, 30), (30, 50, 10), (30, 60, 1), (300, 0, 300)]
)
def test_the_last_attempt_has_what_is_left_of_a_minute(client_for, context, timeout, used, seconds):
    client = client_for(lambda _: httpx.Response(200), timeout=timeout)
    call = RequestSpec("GET", "/a")
    exchange = Exchange(Sender(client, context, threading.Event()), call, client.url_of(call))
    exchange._used = used
    assert exchange._seconds() == seconds


def answer(body, encoding="", status=200):
    headers = {"content-type": "application/json"}
    if encoding:
        headers["content-encoding"] = encoding
    stream = httpx.ByteStream(body)
    return httpx.Response(status, headers=headers, stream=stream)


def raw_deflate(data):
    packer = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return packer.compress(data) + packer.flush()


PACKED = {
    "plain": ("", bytes),
    "identity": ("identity", bytes),
    "gzip": ("gzip", gzip.compress),
    "x-gzip": ("X-GZip", gzip.compress),
    "deflate": ("deflate", zlib.compress),
    "deflate as some send it": ("deflate", raw_deflate),
}


@pytest.mark.parametrize("size", [0, 1, 2_500_000])
@pytest.mark.parametrize(("encoding", "pack"), PACKED.values(), ids=PACKED)
def test_a_body_is_decompressed(client_for, context, encoding, pack, size):
    body = b'"' + b"x" * size + b'"'
    client = client_for(lambda _: answer(pack(body), encoding))
    assert Reader(client, context).get(RequestSpec("GET", "/a")).content == body


@pytest.mark.parametrize(("encoding", "pack"), PACKED.values(), ids=PACKED)
@pytest.mark.parametrize("status", [200, 400, 503])
def test_an_answer_has_a_size(client_for, context, encoding, pack, status):
    """It counts after decompression: 1 MB of these bytes would be 1 GB."""
    packed = pack(b" " * 1_000_001)
    client = client_for(lambda _: answer(packed, encoding, status), max_response=1_000_000)
    with pytest.raises(ProtocolError, match=r"^prod\.sessions: .*GET http.*more than 1 MB .*raise"):
        Reader(client, context).get(RequestSpec("GET", "/a"))
    assert [(row["status"], row["error"]) for row in context.requests] == [
        (status, "the response is too long")
    ]


@pytest.mark.parametrize(
    ("method", "status", "error"),
    [
        ("POST", 200, UnknownOutcomeError),
        ("PATCH", 200, UnknownOutcomeError),
        ("POST", 503, UnknownOutcomeError),
        ("POST", 400, ProtocolError),
    ],
)
def test_a_change_answered_at_too_great_length_may_be_done(
    client_for, context, method, status, error
):
    client = client_for(lambda _: answer(b" " * 1001, status=status), max_response=1000)
    with pytest.raises(error, match="max_response_mb"):
        run_job(client, context, lambda sender: sender.send(RequestSpec(method, "/a", json={})))


def test_a_bomb_is_cut_while_it_is_read(client_for, context):
    """60 MB in one chunk of 0.3 MB: no more than the limit and a piece is unpacked."""
    bomb = gzip.compress(b"\0" * 60_000_000, 1, mtime=0)
    client = client_for(lambda _: answer(bomb, "gzip"), max_response=2_000_000)
    tracemalloc.start()
    try:
        with pytest.raises(ProtocolError, match="max_response_mb"):
            Reader(client, context).get(RequestSpec("GET", "/a"))
        assert tracemalloc.get_traced_memory()[1] < 8_000_000
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(
    ("body", "encoding"),
    [
        (gzip.compress(b"[1]", mtime=0)[:-9], "gzip"),
        (b"[1]", "gzip"),
        (b"[1]", "deflate"),
        (gzip.compress(b"[1]", mtime=0), "br"),
        (gzip.compress(gzip.compress(b"[1]", mtime=0), mtime=0), "gzip, gzip"),
    ],
)
def test_what_cannot_be_decompressed_is_no_answer(client_for, context, body, encoding):
    client = client_for(lambda _: answer(body, encoding))
    with pytest.raises(UnavailableError, match="could not be decompressed"):
        Reader(client, context).get(RequestSpec("GET", "/a"))
