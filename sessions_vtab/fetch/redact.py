"""What may be shown: secrets cut, control characters escaped, length bounded."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from urllib.parse import unquote_to_bytes

CUT = "[cut]"
"""What stands in place of a secret."""

_SHOWN = 500
_LEAST = 8
"""Characters of a secret that are cut where a text begins or ends within it; fewer occur by chance,
and give too little away."""
_END = re.compile(rb"((?:%[0-9A-Fa-f]?)?)(?:\Z|\.\.\.|\xe2\x80\xa6)")
"""Where a text was cut off, perhaps within an escape."""
_UNIT = re.compile(rb"%([0-9A-Fa-f]{2})|.", re.DOTALL)
_ENCODED = re.compile(rb"%[0-9A-Fa-f]{2}")

# Credentials by name, in a query or a header: API keys, OAuth tokens, and the signatures of
# presigned S3, Google and Azure URLs.
_NAMED = re.compile(
    r"(?i)\b((?:x-amz-(?:signature|credential|security-token)|x-goog-(?:signature|credential"
    r"|api-key)|x-api-key|api[_-]?key|access_token|refresh_token|client_secret|oauth_token|key|sig"
    r"|signature|password|awsaccesskeyid|policy)=)[^&\s\"'#]+"
)
_HINTS = ("sig", "key", "token", "secret", "password", "credential", "policy")
"""One of these is in whatever ``_NAMED`` finds, in small letters. Looking for them costs a tenth of
its search."""
_OF_A_PAGE = "pagetoken="
_HEADER = re.compile(r"(?i)\b((?:bearer|basic)\s+)[\w.~+/=-]{4,}")
_USER = re.compile(r"(?i)\b(https?://)[^/@\s]+@")


def redact(text: str, secrets: Iterable[str] = ()) -> str:
    """The text without secrets: the given ones, and whatever looks like a credential.

    A secret is also found percent-encoded, wholly or in part and more than once, with ``+`` for a
    space, as in a form, and where the text begins or ends in the middle of it: services shorten
    what they repeat.
    """
    for secret in secrets:
        for spelled in dict.fromkeys((secret, secret.replace(" ", "+"))):
            if spelled:
                text = _without(text, spelled)
    if "@" in text:
        text = _USER.sub(rf"\1{CUT}@", text)
    lowered = text.lower()
    if "bearer" in lowered or "basic" in lowered:
        text = _HEADER.sub(rf"\1{CUT}", text)
    hinted = lowered.replace(_OF_A_PAGE, "")
    if any(map(hinted.__contains__, _HINTS)):
        text = _NAMED.sub(rf"\1{CUT}", text)
    return text


def _without(text: str, secret: str) -> str:
    known, shown = _unquoted(secret), _unquoted(text)
    if known[:_LEAST] not in shown and known[-_LEAST:] not in shown:
        return text  # Nearly every text: this runs for each URL that is logged.
    data, starts = _decoded(text)
    pieces, at = [], 0
    for begin, end in _places(data, known):
        pieces += [text[at : starts[begin]], CUT]
        at = starts[end]
    return "".join((*pieces, text[at:]))


def _unquoted(text: str) -> bytes:
    """A text without its percent-encoding, decoded until nothing is left to decode."""
    data = text.encode("utf-8", "replace")
    while b"%" in data and (further := unquote_to_bytes(data)) != data:
        data = further
    return data


def _decoded(text: str) -> tuple[bytes, list[int]]:
    """As ``_unquoted``, and where in the text each byte begins (and the end)."""
    pieces = [character.encode("utf-8", "replace") for character in text]
    data = b"".join(pieces)
    starts = [place for place, piece in enumerate(pieces) for _ in piece]
    while _ENCODED.search(data):
        found = [(match.start(), match[1]) for match in _UNIT.finditer(data)]
        data = b"".join(
            bytes((int(code, 16),)) if code else data[at : at + 1] for at, code in found
        )
        starts = [starts[at] for at, _ in found]
    return data, [*starts, len(text)]


def _places(data: bytes, secret: bytes) -> Iterator[tuple[int, int]]:
    """Where a secret is, in order: its rest at the beginning, all of it, its first part at the end.

    A text also ends where the service shortened it.
    """
    at = rest = _rest_at_start(data, secret)
    if rest:
        yield 0, rest
    begin = data.find(secret[:_LEAST], at)
    while begin >= 0:
        end = begin + _common(data[begin : begin + len(secret)], secret)
        whole = end - begin == len(secret)
        cut = _END.match(data, end)
        if whole or cut:
            at = end if whole or cut is None else cut.end(1)
            yield begin, at
        else:
            at = begin + 1
        begin = data.find(secret[:_LEAST], at)


def _rest_at_start(data: bytes, secret: bytes) -> int:
    """Number of bytes at the beginning that are the last of a secret, at least ``_LEAST``.

    The text may begin within an escape: its first or second digit is then not decoded.
    """
    found = data[: len(secret) + 1].rfind(secret[-_LEAST:])
    end = found + _LEAST
    fits = any(secret[1:].endswith(data[skipped:end]) for skipped in range(min(3, found + 1)))
    return end if found >= 0 and fits else 0


def _common(one: bytes, other: bytes) -> int:
    """Number of bytes that both begin with."""
    pairs = enumerate(zip(one, other, strict=False))
    return next((place for place, (a, b) in pairs if a != b), min(len(one), len(other)))


def plain(text: str, limit: int = _SHOWN) -> str:
    """Text of a server, safe to print: one line, control characters escaped, at most ``limit``."""
    shown = "".join(
        character if character.isprintable() else repr(character)[1:-1]
        for character in text[: limit + 1]
    )
    return shown if len(shown) <= limit else shown[: limit - 1] + "…"
