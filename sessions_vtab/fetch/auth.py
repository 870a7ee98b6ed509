"""Credentials as values: where they come from and how they are sent; read only when needed.

A scheme says which headers a request gets. Its secrets are known to it alone, and ``secrets()``
lists those it has read, so that they can be cut from everything that is shown.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol, TypeVar

from sessions_vtab.contract.messages import install_command
from sessions_vtab.errors import CredentialError, MissingExtraError, SessionsError, UnavailableError

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
