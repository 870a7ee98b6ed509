"""Where a source's requests may go, and how they are made: its settings, checked and as one value.

The rules of who gets the credential are here and nowhere else: the provider's own hosts, loopback,
or a ``base_url`` of a source in the user's own configuration file that names the credential;
never over plain http, except loopback.
"""

from __future__ import annotations

import re
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address
from typing import Self, TypeVar
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from sessions_vtab.contract.backend import Source
from sessions_vtab.errors import ConfigurationError, CredentialError, SessionsError, did_you_mean
from sessions_vtab.fetch.auth import NO_AUTH, Auth, NoAuth, Secret
from sessions_vtab.fetch.call import ResponseMatcher

_HOST = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?|\[[0-9A-Fa-f:.]+\]", re.ASCII)
_NAT64 = IPv6Network("64:ff9b::/96")
"""RFC 6052; a network's own prefix for it (RFC 8215, 64:ff9b:1::/48) is not global."""
_PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True, slots=True)
class Origin:
    """Scheme, host (lower case, without brackets) and port of a URL."""

    scheme: str
    host: str
    port: int

    @property
    def loopback(self) -> bool:
        """Whether it is this machine."""
        return is_loopback(self.host)


def origin_of(url: str) -> Origin:
    """The origin of an http or https URL.

    Raises:
        ConfigurationError: it is not one, or it holds a user name or a password.
    """
    # urlsplit drops blanks in front, tabs and line ends without a word; others read them.
    if not url.isprintable() or " " in url:
        raise ConfigurationError("The URL contains whitespace or control characters.")
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise ConfigurationError("The URL is malformed.") from None
    host = parts.hostname or ""
    if parts.scheme not in _PORTS or not _HOST.fullmatch(f"[{host}]" if ":" in host else host):
        raise ConfigurationError("The URL is not an http:// or https:// URL with a host.")
    if "@" in parts.netloc:
        raise ConfigurationError(
            "The URL contains a user name or password. Use api_key_env or api_key_file instead."
        )
    return Origin(parts.scheme, host, _PORTS[parts.scheme] if port is None else port)


def is_loopback(host: str) -> bool:
    """Whether a host is this machine, by its text alone."""
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


@dataclass(frozen=True)
class Endpoint:
    """How the requests of one source are made.

    Attributes:
        source: the source's name, for errors.
        base_url: scheme, host and path before every call's path.
        auth: the credential.
        provider: regular expressions, each for whole hosts that belong to the provider.
        entrusted: ``auth`` may also go to ``base_url`` if that is neither the provider's nor
            loopback: the source is from the user's own file and names the credential.
        timeout: seconds to wait for an answer, from the first byte sent to the last one received.
        concurrency: requests in flight at once.
        max_response: most bytes of one answer, decompressed.
        cache_ttl: seconds an answer may be reused across statements, 0 for never.
        limits: requests a minute by kind of call, in force from the start.
        documented: the service's quotas per minute by kind. They are a whole project's: no limit
            for one process, but after a 429 such a kind is counted by the minute.
        meanings: refusals of this service that mean something more exact than their status.
        hints: what to do about a status, added to the error's text.
        once_more: statuses that are rarely a passing trouble here: such a call is sent once more,
            not until all attempts are used up.
    """

    source: str
    base_url: str
    auth: Auth = NO_AUTH
    provider: tuple[str, ...] = ()
    entrusted: bool = False
    timeout: float = 30.0
    concurrency: int = 16
    cache_ttl: float = 0.0
    limits: tuple[tuple[str, int], ...] = ()
    documented: tuple[tuple[str, int], ...] = ()
    meanings: tuple[tuple[ResponseMatcher, type[SessionsError]], ...] = ()
    hints: tuple[tuple[int, str], ...] = ()
    once_more: tuple[int, ...] = ()
    max_response: int = 64_000_000

    @classmethod
    def of(
        cls,
        source: Source,
        base_url: str,
        auth: Auth = NO_AUTH,
        *,
        provider: tuple[str, ...] = (),
        named: bool = False,
        documented: Mapping[str, int] | None = None,
        meanings: tuple[tuple[ResponseMatcher, type[SessionsError]], ...] = (),
        hints: Mapping[int, str] | None = None,
    ) -> Endpoint:
        """The endpoint of a source.

        Args:
            source: the configured source.
            base_url: validated here.
            auth: the credential.
            provider: regular expressions for whole host names.
            named: the source itself names the credential (``api_key_env`` and the like).
            documented: requests a minute by kind.
            meanings: see the class.
            hints: see the class.

        Raises:
            ConfigurationError: ``base_url`` is not a valid URL.
            CredentialError: a named credential would go out over plain http.
        """
        endpoint = cls(
            source.name,
            base_url.rstrip("/"),
            auth,
            provider,
            named and source.from_file,
            source.timeout,
            source.concurrency,
            source.cache_ttl,
            tuple(sorted(source.rate_limit.items())),
            tuple(sorted((documented or {}).items())),
            meanings,
            tuple(sorted((hints or {}).items())),
            max_response=source.max_response_mb * 1_000_000,
        )
        endpoint._check_base(named=named)
        return endpoint

    def _check_base(self, *, named: bool) -> None:
        try:
            origin = origin_of(self.base_url)
        except ConfigurationError as error:
            raise ConfigurationError(
                f"Source {self.source}: base_url is not valid. {error}"
            ) from None
        if urlsplit(self.base_url).query or urlsplit(self.base_url).fragment:
            raise ConfigurationError(f"Source {self.source}: base_url must not contain ? or #.")
        if named:
            self.credential_for(origin)

    @cached_property
    def origin(self) -> Origin:
        """Scheme, host and port of ``base_url``."""
        return origin_of(self.base_url)

    def is_provider(self, host: str) -> bool:
        """Whether a host belongs to the provider."""
        return any(re.fullmatch(pattern, host) for pattern in self.provider)

    def check_origin(self, origin: Origin) -> None:
        """Raises ConfigurationError unless requests of this source may go there at all."""
        if origin == self.origin:
            return
        secure = origin.scheme == "https" and origin.port == _PORTS["https"]
        if secure and self.is_provider(origin.host):
            return
        raise ConfigurationError(
            f"Source {self.source}: {origin.host!r:.100} is not a host of this source."
            " Nothing was sent."
        )

    def credential_for(self, origin: Origin) -> Auth:
        """The credential that may go to a host; NoAuth, with the reason, if none may.

        Raises:
            CredentialError: it would go out over plain http.
        """
        if isinstance(self.auth, NoAuth) or origin.loopback:
            return self.auth
        if not (self.is_provider(origin.host) or self.entrusted):
            return NoAuth(
                f"{self.auth.describe()} is not sent to {origin.host}. Only a source in the"
                " configuration file that names its credential (api_key_env, api_key_file)"
                " may send it to another host."
            )
        if origin.scheme != "https":
            raise CredentialError(
                f"Source {self.source}: base_url uses plain http, so {self.auth.describe()}"
                " would be readable in transit. Use https."
            )
        return self.auth


def check_target(url: str, endpoint: Endpoint) -> Origin:
    """The origin of a presigned URL that a service handed out, if data may go there.

    https on a public address, or the loopback host that the source itself uses. The name is
    resolved here, since a public name can point at a private address.

    Raises:
        ConfigurationError: naming the host.
    """
    try:
        origin = origin_of(url)
    except ConfigurationError as error:
        message = (
            f"Source {endpoint.source}: the upload target is not valid. {error} Nothing was sent."
        )
        raise ConfigurationError(message) from None
    if origin.loopback and endpoint.origin.loopback:
        return origin
    if origin.scheme != "https":
        raise ConfigurationError(
            f"Source {endpoint.source}: the upload target {origin.host!r:.100} is not https."
            " Nothing was sent."
        )
    if not all(_is_public(address) for address in _addresses(origin, endpoint)):
        raise ConfigurationError(
            f"Source {endpoint.source}: the upload target {origin.host!r:.100} is a private"
            " address. Nothing was sent."
        )
    return origin


def _addresses(origin: Origin, endpoint: Endpoint) -> list[str]:
    try:
        found = socket.getaddrinfo(origin.host, origin.port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):  # The latter of a label that no name can have.
        raise ConfigurationError(
            f"Source {endpoint.source}: the upload target {origin.host!r:.100} cannot be resolved."
            " Nothing was sent."
        ) from None
    return [str(entry[4][0]) for entry in found]


def _is_public(address: str) -> bool:
    """Whether data may go to an address: one host on the public internet, not behind a gateway.

    An IPv6 address can stand for an IPv4 one, which is then what counts.
    """
    found = ip_address(address.partition("%")[0])
    inner = _embedded(found) if isinstance(found, IPv6Address) else None
    if inner is not None:
        return _is_public(str(inner))
    local = isinstance(found, IPv6Address) and found.is_site_local  # Global, says ``ipaddress``.
    return found.is_global and not (local or found.is_multicast or found.is_reserved)


def _embedded(address: IPv6Address) -> IPv4Address | None:
    """The IPv4 address that an IPv6 one leads to: mapped, 6to4, Teredo, or through a NAT64."""
    if address in _NAT64:
        return IPv4Address(int(address) & 0xFFFF_FFFF)
    teredo = address.teredo
    return address.ipv4_mapped or address.sixtofour or (teredo[1] if teredo else None)


# Settings


class Options(BaseModel):
    """Base of the settings of a backend; an unknown one is an error."""

    model_config = ConfigDict(extra="forbid")


class KeyOptions(Options):
    """Settings that name an API key: by environment variable, or by file.

    Attributes:
        api_key_env: name of the variable.
        api_key_file: path of the file.
    """

    api_key_env: str | None = None
    api_key_file: str | None = None

    @model_validator(mode="after")
    def _one_credential(self) -> Self:
        if self.api_key_env and self.api_key_file:
            msg = "api_key_env and api_key_file give two credentials; keep only one"
            raise ValueError(msg)
        return self

    @property
    def secret(self) -> Secret | None:
        """Where the key is; None if none is named."""
        if not (self.api_key_env or self.api_key_file):
            return None
        return Secret(self.api_key_env or "", self.api_key_file or "")


class OpenOptions(Options):
    """Settings of a source whose service takes no credential.

    Attributes:
        base_url: where the service is.
        api_prefix: the API's own path below it.
        routes: method and path of endpoints that are elsewhere, by name.
    """

    base_url: str | None = None
    api_prefix: str = ""
    routes: dict[str, str] = Field(default_factory=dict)

    @property
    def secret(self) -> Secret | None:
        """Where the credential is; None if none is named."""
        return None


class RestOptions(KeyOptions, OpenOptions):
    """Settings that most REST sources have: those of ``OpenOptions``, and an API key."""


O = TypeVar("O", bound=Options)  # noqa: E741  # As F for frames.


def validated(source: Source, model: type[O], form: str = "") -> O:
    """The options of a source as a model; ``form`` is what its URL looks like, for errors.

    Raises:
        ConfigurationError: naming source and setting, without its value.
    """
    try:
        return model.model_validate(dict(source.options))
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
    known = tuple(model.model_fields)
    key = ".".join(map(str, first["loc"]))
    reason = str(first["msg"]).removeprefix("Value error, ")
    if first["type"] == "extra_forbidden":
        reason = f"there is no such setting.{did_you_mean(key, known)}"
    elif first["type"] == "missing":
        reason = f"this setting is required{f'. Write the URL as {form}' if form else ''}"
    end = "" if reason.endswith((".", "?")) else "."
    raise ConfigurationError(
        f"Source {source.name}: {f'{key}: ' if key else ''}{reason}{end}"
        f" Settings of {source.backend}: {', '.join(known)}."
    )


def with_prefix(base_url: str, prefix: str) -> str:
    """A base URL that ends with the API's own path, whether or not it was given with it."""
    base, tail = base_url.rstrip("/"), prefix.strip("/")
    if not tail or base.endswith(f"/{tail}"):
        return base
    return f"{base}/{tail}"
