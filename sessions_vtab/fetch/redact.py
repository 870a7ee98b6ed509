"""What may be shown: secrets cut, control characters escaped, length bounded."""

from __future__ import annotations

import re
from collections.abc import Iterable

__all__ = ["CUT", "plain", "redact"]

CUT = "[cut]"
"""What stands in place of a secret."""

_SHOWN = 500

# Credentials by name, in a query or a header: API keys, OAuth tokens, and the signatures of
# presigned S3, Google and Azure URLs.
_NAMED = re.compile(
    r"(?i)\b((?:x-amz-(?:signature|credential|security-token)|x-goog-(?:signature|credential"
    r"|api-key)|x-api-key|api[_-]?key|access_token|refresh_token|client_secret|oauth_token|key|sig"
    r"|signature|password|awsaccesskeyid|policy)=)[^&\s\"'#]+"
)
_HEADER = re.compile(r"(?i)\b((?:bearer|basic)\s+)[\w.~+/=-]{4,}")
_USER = re.compile(r"(?i)\b(https?://)[^/@\s]+@")


def redact(text: str, secrets: Iterable[str] = ()) -> str:
    """The text without secrets: the given ones, and whatever looks like a credential."""
    for secret in secrets:
        if secret:
            text = text.replace(secret, CUT)
    if "@" in text:
        text = _USER.sub(rf"\1{CUT}@", text)
    lowered = text.lower()
    if "bearer" in lowered or "basic" in lowered:
        text = _HEADER.sub(rf"\1{CUT}", text)
    return _NAMED.sub(rf"\1{CUT}", text)


def plain(text: str, limit: int = _SHOWN) -> str:
    """Text of a server, safe to print: one line, control characters escaped, at most ``limit``."""
    shown = "".join(
        character if character.isprintable() else repr(character)[1:-1]
        for character in text[: limit + 1]
    )
    return shown if len(shown) <= limit else shown[: limit - 1] + "…"
