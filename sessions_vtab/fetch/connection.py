"""One connection: HTTP/1.1 over a socket, on which no wait is longer than an attempt may take.

httpcore makes the sockets, and h11 knows the protocol: framing, 1xx responses, what may not be.
What stands between the two is written here: httpcore's own, made for every way to use a connection,
costs a quarter of the CPU time of a request.

Bodies are decompressed here, and cut off while they are read once they are too long: httpx
decompresses a chunk as a whole, and a chunk of 64 KiB can hold 64 MiB of zeros.
"""

from __future__ import annotations

import socket
import ssl
import time
import zlib
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final, NamedTuple, TypeAlias

import h11
import httpcore
import httpx

from sessions_vtab.fetch.sockets import shut, time_left

Headers: TypeAlias = list[tuple[bytes, bytes]]

# Requests and responses

_AT_ONCE: Final = 64 * 1024
"""Bytes that are read from a socket at once."""

_LONGEST_HEAD: Final = 100 * 1024
"""Bytes of the head of a response, as in httpcore."""


class Answer(NamedTuple):
    """A response whose body has yet to be read.

    Attributes:
        status: the HTTP status.
        headers: as they came.
        body: its bytes as they come; closing it before their end closes the connection.
        stream: what it comes over.
    """

    status: int
    headers: Headers
    body: Iterator[bytes]
    stream: httpcore.NetworkStream


class DirectConnection(httpcore.ConnectionInterface):
    """A connection to an origin itself, not through a proxy; for one request at a time.

    Args:
        origin: scheme, host and port.
        network: makes its socket when the first request is sent.
        certificates: whom it trusts; offers http/1.1 and nothing else.
        keep_alive: seconds for which it may be idle.
    """

    def __init__(
        self,
        origin: httpcore.Origin,
        network: httpcore.NetworkBackend,
        certificates: ssl.SSLContext,
        keep_alive: float,
    ) -> None:
        self._origin = origin
        self._network = network
        self._certificates = certificates
        self._keep_alive = keep_alive
        self._stream: httpcore.NetworkStream | None = None
        self._state = h11.Connection(h11.CLIENT, max_incomplete_event_size=_LONGEST_HEAD)
        self._idle_until: float | None = None
        self._checked: tuple[Headers, Any] | None = None

    def handle_request(self, request: httpcore.Request) -> httpcore.Response:
        """The response, whose body has yet to be read; after an error it has to be closed.

        Raises:
            httpcore.TimeoutException, httpcore.NetworkError, httpcore.ProtocolError: there is none.
        """
        body: Any = request.stream
        timeouts = request.extensions.get("timeout", {})
        self.send(request.method, request.url.target, request.headers, body, timeouts)
        answer = self.answer(timeouts)
        return httpcore.Response(
            answer.status,
            headers=answer.headers,
            content=answer.body,
            extensions={"network_stream": answer.stream},
        )

    def send(
        self,
        method: bytes,
        target: bytes,
        headers: Headers,
        body: Iterable[bytes],
        timeouts: Mapping[str, float | None],
    ) -> None:
        """The first half of ``handle_request``, without the cost of httpcore's classes."""
        self._idle_until = None
        stream = self._stream or self._open(timeouts.get("connect"))
        try:
            head = h11.Request(method=method, target=target, headers=self._as_h11(headers))
            self._send(stream, head, body, timeouts.get("write"))
        except httpcore.WriteError:
            pass  # Who refuses a request may answer before it has read all of it.
        except h11.LocalProtocolError as error:
            raise httpcore.LocalProtocolError(str(error)) from error

    def _as_h11(self, headers: Headers) -> Any:
        """Headers as h11 has checked them: once for all requests that have the same ones."""
        if self._checked is None or self._checked[0] != headers:
            self._checked = headers, h11.Request(method="GET", target="/", headers=headers).headers
        return self._checked[1]

    def answer(self, timeouts: Mapping[str, float | None]) -> Answer:
        """The second half: the response to what was sent."""
        stream, wait = self._stream, timeouts.get("read")
        if stream is None:
            raise httpcore.LocalProtocolError("Nothing was sent.")
        event = self._event(stream, wait)
        while isinstance(event, h11.InformationalResponse):
            event = self._event(stream, wait)
        if not isinstance(event, h11.Response):
            raise httpcore.RemoteProtocolError("The connection ended before a response.")
        raw = event.headers.raw_items()
        return Answer(event.status_code, raw, self._body(stream, wait), stream)

    def _open(self, timeout: float | None) -> httpcore.NetworkStream:
        host = self._origin.host.decode("ascii")
        # Noted before it speaks TLS, too: ``close`` has to find it if that fails.
        stream = self._stream = self._network.connect_tcp(host, self._origin.port, timeout)
        if self._origin.scheme == b"https":
            stream = self._stream = stream.start_tls(self._certificates, host, timeout)
        return stream

    def _send(
        self,
        stream: httpcore.NetworkStream,
        head: h11.Request,
        body: Iterable[bytes],
        timeout: float | None,
    ) -> None:
        stream.write(self._state.send(head) or b"", timeout)
        for chunk in filter(None, body):
            stream.write(self._state.send(h11.Data(data=chunk)) or b"", timeout)
        end = self._state.send(h11.EndOfMessage())
        if end:
            stream.write(end, timeout)

    def _event(self, stream: httpcore.NetworkStream, timeout: float | None) -> Any:
        """What the server says next."""
        while True:
            try:
                event = self._state.next_event()
            except h11.RemoteProtocolError as error:
                raise httpcore.RemoteProtocolError(str(error)) from error
            if event is not h11.NEED_DATA:
                return event
            data = stream.read(_AT_ONCE, timeout)
            if not data and self._state.their_state is h11.SEND_RESPONSE:
                raise httpcore.RemoteProtocolError("The server ended the connection.")
            self._state.receive_data(data)

    def _body(self, stream: httpcore.NetworkStream, timeout: float | None) -> Iterator[bytes]:
        """The bytes of the response's body as they come; then the connection is idle."""
        try:
            while isinstance(event := self._event(stream, timeout), h11.Data):
                yield bytes(event.data)
        except BaseException:  # Also of who closes the generator before its end.
            self.close()
            raise
        state = self._state
        done = state.our_state is h11.DONE and state.their_state is h11.DONE
        # What came with the response and is no part of it would be read as the next response.
        if done and not state.trailing_data[0]:
            state.start_next_cycle()
            self._idle_until = time.monotonic() + self._keep_alive
        else:
            self.close()

    def close(self) -> None:
        """Closes the socket."""
        self._idle_until = None
        if self._stream is not None:
            self._stream.close()

    def is_idle(self) -> bool:
        """Whether the next request can use it."""
        return self._idle_until is not None

    def has_expired(self) -> bool:
        """Whether it was idle for too long, or the server has hung up: its end can be read."""
        if self._idle_until is None:
            return False
        return time.monotonic() > self._idle_until or self.is_readable()

    def is_readable(self) -> bool:
        """Whether the server has sent something that was not read, if only its end."""
        return self._stream is not None and bool(self._stream.get_extra_info("is_readable"))


class Received(NamedTuple):
    """A response whose body has yet to be read, as ``httpx.Response`` is one.

    Attributes:
        status_code: the HTTP status.
        headers: names in lower case.
        stream: the body.
        extensions: of httpcore.
    """

    status_code: int
    headers: Mapping[str, str]
    stream: httpx.SyncByteStream
    extensions: Mapping[str, Any]

    def close(self) -> None:
        """Gives the connection back."""
        self.stream.close()


# Bodies

ENCODINGS = "gzip, deflate"
"""What ``read_body`` understands, as Accept-Encoding says it."""

_PIECE = 1024 * 1024
"""Bytes that are decompressed at once."""

_SERVER_ERROR: Final = 500
_GZIP = 16 + zlib.MAX_WBITS
_IDENTITY = frozenset(("", "identity"))


class TooLongError(Exception):
    """The body is longer than it may be; what was read of it is gone."""


def read_body(response: httpx.Response | Received, most: int) -> bytes:
    """The body of an answer whose head has been read; its connection is then given back.

    Some servers close the connection after an error of theirs without saying so. The next request
    would be lost on it, and a POST that is lost is of unknown outcome, so it is ended here.

    Args:
        response: the answer.
        most: bytes it may have when decompressed.

    Raises:
        TooLongError: it has more.
        httpx.DecodingError: it cannot be decompressed.
        httpx.HTTPError: it did not arrive completely, or in time.
    """
    try:
        return _whole(response, most)
    finally:
        if response.status_code >= _SERVER_ERROR:
            stream = response.extensions.get("network_stream")
            connected = None if stream is None else stream.get_extra_info("socket")
            if isinstance(connected, socket.socket):
                shut(connected)
        response.close()


def _whole(response: httpx.Response | Received, most: int) -> bytes:
    if not isinstance(response.stream, httpx.SyncByteStream):
        raise httpx.StreamError("the body cannot be read")
    encoding = response.headers.get("content-encoding", "").strip().lower()
    plain = encoding in _IDENTITY
    pieces, size = [], 0
    for piece in response.stream if plain else _decompressed(response.stream, encoding):
        time_left(None, httpcore.ReadTimeout)  # The stream of a test's transport does not look.
        size += len(piece)
        if size > most:
            raise TooLongError
        pieces.append(piece)
    return pieces[0] if len(pieces) == 1 else b"".join(pieces)


def _decompressed(chunks: Iterable[bytes], encoding: str) -> Iterator[bytes]:
    if encoding not in {"gzip", "x-gzip", "deflate"}:
        raise httpx.DecodingError(f"the content encoding {encoding!r:.40} was not asked for")
    decoder: zlib._Decompress | None = None
    try:
        for chunk in chunks:
            if decoder is None and chunk:
                decoder = zlib.decompressobj(_window(encoding, chunk))
            while chunk and decoder is not None:
                yield decoder.decompress(chunk, _PIECE)
                chunk = decoder.unconsumed_tail  # noqa: PLW2901  # What did not fit in a piece.
    except zlib.error as error:
        raise httpx.DecodingError(str(error)) from None
    if decoder is not None and not decoder.eof:
        raise httpx.DecodingError("the compressed body is cut off")


def _window(encoding: str, first: bytes) -> int:
    """The parameter of zlib; "deflate" is its own format, but some send only what is inside."""
    if encoding != "deflate":
        return _GZIP
    return zlib.MAX_WBITS if first[0] & 0x0F == zlib.DEFLATED else -zlib.MAX_WBITS
