"""Reading an answer's body: decompressed here, and cut off while it is read once it is too long.

httpx decompresses a chunk as a whole, and a chunk of 64 KiB can hold 64 MiB of zeros.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Iterator

import httpx

from sessions_vtab.fetch import deadline
from sessions_vtab.fetch.routes import Received

ENCODINGS = "gzip, deflate"
"""What ``read_body`` understands, as Accept-Encoding says it."""

_PIECE = 1024 * 1024
"""Bytes that are decompressed at once."""

_GZIP = 16 + zlib.MAX_WBITS
_IDENTITY = frozenset(("", "identity"))


class TooLongError(Exception):
    """The body is longer than it may be; what was read of it is gone."""


def read_body(response: httpx.Response | Received, most: int) -> bytes:
    """The body of an answer whose head has been read.

    Args:
        response: the answer.
        most: bytes it may have when decompressed.

    Raises:
        TooLongError: it has more.
        httpx.DecodingError: it cannot be decompressed.
        httpx.HTTPError: it did not arrive completely, or in time.
    """
    pieces, size = [], 0
    for piece in _decoded(_arriving(response), response.headers.get("content-encoding", "")):
        size += len(piece)
        if size > most:
            raise TooLongError
        pieces.append(piece)
    return pieces[0] if len(pieces) == 1 else b"".join(pieces)


def _arriving(response: httpx.Response | Received) -> Iterator[bytes]:
    """The bytes as they come; answers of a test's transport are looked at, too."""
    if not isinstance(response.stream, httpx.SyncByteStream):
        raise httpx.StreamError("the body cannot be read")
    for chunk in response.stream:
        deadline.check()
        yield chunk


def _decoded(chunks: Iterable[bytes], encoding: str) -> Iterator[bytes]:
    encoding = encoding.strip().lower()
    if encoding in _IDENTITY:
        yield from chunks
        return
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
