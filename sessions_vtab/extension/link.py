"""Frames on the socket of one database connection; ``bridge.h`` describes them."""

from __future__ import annotations

import marshal
import select
import socket
import struct
from typing import Any, Final

import apsw

from sessions_vtab.errors import SessionsError, StoppedError

__all__ = [
    "PROTOCOL",
    "RESULT",
    "RUN_FIRST",
    "SocketLink",
    "code_of",
    "decoded",
    "encoded",
    "text_of",
]

PROTOCOL: Final = 1
"""Of requests and answers; the C side has the same number."""

RESULT: Final = b"R"
ERROR: Final = b"E"
RUN_FIRST: Final = b"J"

_VERSION: Final = 2  # Of marshal: with binary floats, without references.
_HEAD: Final = struct.Struct("<IB3x")


def encoded(kind: bytes, value: Any) -> bytes:
    """A frame.

    Args:
        kind: one letter.
        value: None, bools, 64-bit integers, floats, texts, blobs, and tuples and lists of them.
    """
    payload = marshal.dumps(value, _VERSION)
    return _HEAD.pack(len(payload), kind[0]) + payload


def decoded(payload: bytes) -> Any:
    """The value of a frame from the process that started this one."""
    return marshal.loads(payload)  # noqa: S302  # Both ends of the socket are this package's.


class SocketLink:
    """The end of a socket whose other end is in the host.

    Args:
        end: the socket; closed with this.
    """

    def __init__(self, end: socket.socket) -> None:
        self._socket = end
        self._poll = select.poll()
        self._poll.register(end, select.POLLIN)

    def read(self) -> tuple[bytes, bytes]:
        """Kind and payload of the next frame.

        Raises:
            EOFError: the host has closed its end.
            OSError: the socket is broken.
        """
        size, kind = _HEAD.unpack(self._exactly(_HEAD.size))
        return bytes((kind,)), self._exactly(size)

    def write(self, kind: bytes, value: Any) -> None:
        """Sends a frame.

        Raises:
            OSError: the host has gone.
        """
        self._socket.sendall(encoded(kind, value))

    def waiting(self) -> bool:
        """Whether something came while a request is being answered: a cancel, or the end."""
        return bool(self._poll.poll(0))

    def close(self) -> None:
        """Closes the socket."""
        self._socket.close()

    def _exactly(self, size: int) -> bytes:
        data = bytearray()
        while len(data) < size:
            part = self._socket.recv(size - len(data))
            if not part:
                raise EOFError
            data += part
        return bytes(data)


def code_of(error: BaseException) -> int:
    """SQLite's code for an error."""
    if isinstance(error, StoppedError | apsw.InterruptError):
        return int(apsw.SQLITE_INTERRUPT)
    return int(apsw.SQLITE_ERROR)


def text_of(error: BaseException) -> str:
    """What SQLite reports of an error."""
    if isinstance(error, StoppedError | apsw.InterruptError):
        return "interrupted"
    said = str(error) if isinstance(error, SessionsError) else f"{type(error).__name__}: {error}"
    return " ".join((said, *getattr(error, "__notes__", ())))
