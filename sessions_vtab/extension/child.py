"""The process behind the loadable extension: serves the tables to the connections of its host.

The extension starts it and passes one socket for each database connection over file descriptor 3.
Each connection has a thread, and sources of its own.
"""

from __future__ import annotations

import array
import os
import signal
import socket
import threading
from typing import Final

from sessions_vtab.extension.link import ERROR, SocketLink, code_of, decoded, text_of
from sessions_vtab.extension.session import HostSession

__all__ = ["main", "serve"]

_DESCRIPTORS: Final = 4096
_UNANSWERED: Final = (b"D", b"X")
_CANCEL: Final = b"K"


def main(descriptor: int) -> None:
    """Serves connections until the host ends.

    Args:
        descriptor: of the socket that the others come over.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # What the host had open: a pipe of its own would stay open with this process.
    os.closerange(descriptor + 1, _DESCRIPTORS)
    control = socket.socket(fileno=descriptor)
    while True:
        data, ancillary, _, _ = control.recvmsg(1, socket.CMSG_SPACE(array.array("i").itemsize))
        if not data:
            # Also with threads that wait for a service: nobody wants their answers any more.
            os._exit(0)
        for level, kind, raw in ancillary:
            if (level, kind) == (socket.SOL_SOCKET, socket.SCM_RIGHTS):
                (one,) = array.array("i", raw)
                link = SocketLink(socket.socket(fileno=one))
                threading.Thread(target=serve, args=(link,), daemon=True).start()


def serve(link: SocketLink) -> None:
    """Answers the requests of one connection until its host closes it."""
    session = HostSession(link.waiting)
    try:
        while True:
            kind, payload = link.read()
            if kind != _CANCEL:  # That came too late: the answer is on its way.
                _answer(link, session, kind, payload)
    except (OSError, EOFError):
        return
    finally:
        session.close()
        link.close()


def _answer(link: SocketLink, session: HostSession, kind: bytes, payload: bytes) -> None:
    try:
        answer = session.answer(kind, decoded(payload))
    except Exception as error:  # noqa: BLE001  # Everything is SQLite's to report.
        answer = ERROR, (code_of(error), text_of(error))
    if kind not in _UNANSWERED:
        link.write(*answer)
