"""Sockets without TLS: what is read and written, and what it means that it is not."""

from __future__ import annotations

import socket
import struct
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager

import httpcore
import pytest

from sessions_vtab.fetch.sockets import TimedBackend

_MORE_THAN_A_BUFFER = 32 * 1024 * 1024


@contextmanager
def connected() -> Iterator[tuple[httpcore.NetworkStream, socket.socket]]:
    """Our end of a connection, and the server's."""
    backend = TimedBackend(httpcore.SyncBackend(), lambda _: None)
    with socket.create_server(("127.0.0.1", 0)) as server:
        ours = backend.connect_tcp("127.0.0.1", server.getsockname()[1], 30)
        other, _ = server.accept()
        with closing(ours), other:
            yield ours, other


def test_what_is_longer_than_a_buffer_is_written_whole():
    with connected() as (ours, other):
        received = bytearray()

        def read() -> None:
            while piece := other.recv(1 << 20):
                received.extend(piece)

        thread = threading.Thread(target=read)
        thread.start()
        ours.write(bytes(_MORE_THAN_A_BUFFER), 30)
        ours.get_extra_info("socket").shutdown(socket.SHUT_WR)
        thread.join()
    assert len(received) == _MORE_THAN_A_BUFFER


def test_what_has_come_is_read_and_the_end_is_empty():
    with connected() as (ours, other):
        other.sendall(b"abc")
        other.close()
        assert ours.read(2, 30) + ours.read(2, 30) == b"abc"
        assert ours.read(2, None) == b""


@pytest.mark.parametrize(
    ("step", "error"),
    [
        (lambda ours: ours.read(1, 0), httpcore.ReadTimeout),
        (lambda ours: ours.write(bytes(_MORE_THAN_A_BUFFER), 0), httpcore.WriteTimeout),
    ],
    ids=["nothing to read", "no room to write"],
)
def test_a_wait_ends_with_its_time(step, error):
    with connected() as (ours, _), pytest.raises(error):
        step(ours)


@pytest.mark.parametrize(
    ("step", "error"),
    [
        (lambda ours: ours.read(1, 30), httpcore.ReadError),
        (lambda ours: ours.write(bytes(_MORE_THAN_A_BUFFER), 30), httpcore.WriteError),
    ],
    ids=["read", "write"],
)
def test_a_connection_that_was_reset_is_an_error(step, error):
    with connected() as (ours, other):
        other.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        other.close()
        with pytest.raises(error):
            step(ours)


def test_a_thread_that_waits_is_woken_by_the_end_of_its_socket():
    """As ``Client.close`` ends it."""
    with connected() as (ours, _):
        thread = threading.Thread(target=lambda: ours.read(1, None))
        thread.start()
        ours.get_extra_info("socket").shutdown(socket.SHUT_RDWR)
        thread.join(30)
        assert not thread.is_alive()
