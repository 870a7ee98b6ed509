"""A configured source: a backend with a name and settings, as ``config`` hands it over."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from types import MappingProxyType
from typing import Any


@dataclass(frozen=True, slots=True)
class Source:
    """Settings of one source. Holds no secret: those are named by ``api_key_env`` and the like.

    Attributes:
        name: what SQL calls it: the schema its tables are in.
        backend: the backend's name.
        location: what a URL has between ``backend://`` and ``?``, percent-decoded: a project path,
            a workspace, a file. Empty where there is none.
        options: the backend's own settings by name, not validated yet.
        read_only: writes and functions with side effects are refused.
        max_writes: most rows one statement may write; None if nobody has set it: then as many as
            the engine allows (1 000 for a service, any number for a store on this machine).
        max_requests: most HTTP requests one statement may make.
        scopes: values that scope columns may take in WHERE, by column; absent columns are free.
        cache_ttl: seconds an answer may be reused across statements; 0 for never.
        rate_limit: requests a minute, by class of request (``read``, ``write``, ``append``).
        timeout: seconds to wait for an answer, from the first byte sent to the last one received.
        concurrency: requests in flight at once.
        max_response_mb: most megabytes (of 1 000 000 bytes) of one answer, decompressed.
        from_file: it was read from the user's own configuration file. Only then may a credential
            it names go to a ``base_url`` that is neither the provider's own host nor loopback.
        implementation: the backend's class, where a program gave that instead of a name.
        transport: where requests go instead of the network, in tests; an ``httpx.BaseTransport``.
    """

    name: str
    backend: str
    location: str = ""
    options: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))
    read_only: bool = False
    max_writes: int | None = None
    max_requests: int = 10_000
    scopes: Mapping[str, tuple[str, ...]] = field(default_factory=lambda: MappingProxyType({}))
    cache_ttl: float = 0.0
    rate_limit: Mapping[str, int] = field(default_factory=lambda: MappingProxyType({}))
    timeout: float = 30.0
    concurrency: int = 16
    max_response_mb: int = 64
    from_file: bool = False
    implementation: Any = field(default=None, repr=False, compare=False)
    transport: Any = field(default=None, repr=False, compare=False)

    def __reduce__(self) -> tuple[Callable[[dict[str, Any]], Source], tuple[dict[str, Any]]]:
        """Read-only mappings cannot be pickled; a source has to be, to be read elsewhere."""
        return _restored, ({one.name: _plain(getattr(self, one.name)) for one in fields(self)},)


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _plain(held) for key, held in value.items()}
    return value


def _restored(settings: dict[str, Any]) -> Source:
    return Source(**{key: _sealed(value) for key, value in settings.items()})


def _sealed(value: Any) -> Any:
    """Read-only again, as ``config`` hands settings over."""
    return MappingProxyType(value) if isinstance(value, dict) else value
