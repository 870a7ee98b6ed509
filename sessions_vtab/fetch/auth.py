"""Credentials as values: where they come from, how they are sent, and that nothing shows them.

A scheme says which headers a request gets. Its secrets are read only when needed and known to it
alone, and ``secrets()`` lists those it has read, so that ``redact`` can cut them from everything
that is shown.
"""

from __future__ import annotations

import os
import re
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol, TypeVar
from urllib.parse import unquote_to_bytes

from sessions_vtab.errors import (
    CredentialError,
    MissingExtraError,
    SessionsError,
    UnavailableError,
    install_command,
)

T = TypeVar("T")

_TOKEN = "GOOGLE_OAUTH_ACCESS_TOKEN"  # noqa: S105  # The variable's name.
_CLOUD_SCOPE = "https://www.googleapis.com/auth/cloud-platform"


class Auth(Protocol):
    """A way to authenticate with a service."""

    def headers(self) -> Mapping[str, str]:
        """The headers that carry the credential; raises CredentialError if there is none."""

    def ready(self) -> bool:
        """Whether ``headers`` can answer without asking a service for a token."""

    def refresh(self, sent: Mapping[str, str]) -> bool:
        """After a 401: tries to get another credential; returns whether there is one.

        Args:
            sent: the ``headers()`` that were refused. Of requests that ran side by side one gets
                the new credential, and the others find it there.
        """

    def secrets(self) -> tuple[str, ...]:
        """Every secret read so far."""

    def describe(self) -> str:
        """What is sent, without secrets: ``API key from $GOOGLE_API_KEY``."""


def asked(where: str, ask: Callable[[], T]) -> T:
    """What a credential answers; its errors say for which source and table it was asked."""
    try:
        return ask()
    except SessionsError as error:
        raise type(error)(f"{where}: {error}") from None


@dataclass(frozen=True, slots=True)
class Secret:
    """A secret by its place: an environment variable or a file. Holds only the place.

    Attributes:
        variable: name of the environment variable, '' for none.
        file: path of the file, '' for none; its first line counts.
        hint: what to do if it is not there, in sentences.
    """

    variable: str = ""
    file: str = ""
    hint: str = ""

    def __str__(self) -> str:
        return f"${self.variable}" if self.variable else self.file

    def read(self) -> str:
        """The secret itself; raises CredentialError naming the place."""
        value = self._read()
        if not value:
            missing = self.variable and self.variable not in os.environ
            state = "The environment variable is not set." if missing else "It is empty."
            words = f"There is no credential in {self}. {state}"
            raise CredentialError(f"{words} {self.hint}".rstrip())
        if not (value.isascii() and value.isprintable()) or " " in value:
            raise CredentialError(
                f"The credential in {self} contains whitespace or characters that are not"
                " allowed in a header."
            )
        return value

    def _read(self) -> str:
        if self.variable:
            return os.environ.get(self.variable, "").strip()
        try:
            text = Path(self.file).expanduser().read_text("utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            reason = error.strerror if isinstance(error, OSError) else "it is not text"
            raise CredentialError(f"The credential in {self} cannot be read: {reason}.") from None
        return text.splitlines()[0].strip() if text else ""


@dataclass(frozen=True, slots=True)
class NoAuth:
    """No credential.

    Attributes:
        reason: why, for errors that a credential might have avoided.
    """

    reason: str = ""

    def headers(self) -> Mapping[str, str]:
        """None."""
        return {}

    def ready(self) -> bool:
        """Yes."""
        return True

    def refresh(self, sent: Mapping[str, str]) -> bool:  # noqa: ARG002
        """There is nothing to refresh."""
        return False

    def secrets(self) -> tuple[str, ...]:
        """None."""
        return ()

    def describe(self) -> str:
        """'no credential'."""
        return "no credential"


NO_AUTH = NoAuth()


@dataclass(slots=True)
class _Held:
    """The current value of a secret, and all values read so far, for redaction."""

    current: str = ""
    known: set[str] = field(default_factory=set)


@dataclass(frozen=True, slots=True)
class ApiKey:
    """A secret in a header of its own.

    Attributes:
        header: such as ``X-API-Key``.
        secret: where it is found.
        prefix: text before it in the header.
    """

    header: str
    secret: Secret
    prefix: str = ""
    _held: _Held = field(default_factory=_Held, repr=False, compare=False)

    def headers(self) -> Mapping[str, str]:
        """The one header."""
        if not self._held.current:
            self._take(self.secret.read())
        return {self.header: self.prefix + self._held.current}

    def ready(self) -> bool:
        """Yes: it is on this machine."""
        return True

    def refresh(self, sent: Mapping[str, str]) -> bool:
        """Reads it again, unless that was done since; whether it is another one."""
        if self.headers() == sent:
            self._take(self.secret.read())
        return self.headers() != sent

    def secrets(self) -> tuple[str, ...]:
        """What was read so far."""
        return tuple(self._held.known)

    def describe(self) -> str:
        """Header and place."""
        return f"{self.header} from {self.secret}"

    def _take(self, value: str) -> None:
        self._held.known.add(value)
        self._held.current = value


def Bearer(secret: Secret) -> ApiKey:  # noqa: N802  # Reads as the scheme it makes.
    """``Authorization: Bearer`` with a secret (RFC 6750)."""
    return ApiKey("Authorization", secret, "Bearer ")


class Google:
    """Google's application-default credentials, refreshed as they expire (extra ``vertex``).

    https://google.aip.dev/auth/4110. ``x-goog-user-project`` goes along where the credentials
    name a quota project.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._credentials: Any = None
        self._known: set[str] = set()

    def __repr__(self) -> str:
        return "Google()"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Google)

    def __hash__(self) -> int:
        return hash(Google)

    def headers(self) -> Mapping[str, str]:
        """Authorization with a token that is valid now."""
        with self._lock:
            if self._credentials is None:
                self._credentials = _application_default()
            if not self._credentials.valid:
                self._renew()
            return self._applied()

    def ready(self) -> bool:
        """Whether there is a token that is valid, and nobody is about to replace it."""
        known = self._credentials
        return known is not None and bool(known.valid) and not self._lock.locked()

    def refresh(self, sent: Mapping[str, str]) -> bool:
        """Asks for a new token, unless that was done; CredentialError if the login has ended."""
        with self._lock:
            if self._applied() == sent:
                self._renew()
            return self._applied() != sent

    def secrets(self) -> tuple[str, ...]:
        """The tokens had so far."""
        return tuple(self._known)

    def describe(self) -> str:
        """Which kind of credential it is."""
        return "Google application-default credentials"

    def _applied(self) -> dict[str, str]:
        headers: dict[str, str] = {}
        self._credentials.apply(headers)
        self._known.add(str(self._credentials.token))
        return headers

    def _renew(self) -> None:
        from google.auth.exceptions import GoogleAuthError, TransportError  # noqa: PLC0415
        from google.auth.transport.requests import Request  # noqa: PLC0415

        try:
            self._credentials.refresh(Request())
        except TransportError:
            raise UnavailableError(
                "The Google token must be renewed, but Google's login service cannot be"
                " reached. Check the network and its proxy. Nothing was sent."
            ) from None
        except GoogleAuthError as error:
            raise CredentialError(
                f"Google refused to renew the login ({type(error).__name__}). {_log_in()} again."
            ) from None


def _log_in() -> str:
    """How to log in with Google, also for those who do not have its command yet."""
    from shutil import which  # noqa: PLC0415  # Only errors need it.

    command = "run 'gcloud auth application-default login'"
    if which("gcloud"):
        return command.capitalize()
    return f"Install the Google Cloud CLI (https://cloud.google.com/sdk/docs/install) and {command}"


def _application_default() -> Any:
    try:
        import google.auth  # noqa: PLC0415
        from google.auth.exceptions import DefaultCredentialsError  # noqa: PLC0415
    except ImportError:
        raise MissingExtraError(
            "Google credentials require two packages. Run:"
            f" {install_command('google-auth', 'requests')}. Otherwise, set {_TOKEN}, or give an"
            " API key with api_key_env."
        ) from None
    try:
        credentials, _ = google.auth.default(scopes=[_CLOUD_SCOPE])
    except DefaultCredentialsError:
        raise CredentialError(
            f"No Google application-default credentials were found. {_log_in()}, set"
            f" {_TOKEN}, or give an API key with api_key_env."
        ) from None
    return credentials


# What may be shown: secrets cut, control characters escaped, length bounded

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
