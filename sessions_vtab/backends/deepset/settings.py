"""A source's settings: ``deepset://WORKSPACE?..``, validated."""

from __future__ import annotations

import os
import re
from typing import ClassVar, Final

from sessions_vtab.contract.source import Source
from sessions_vtab.errors import ConfigurationError, InvalidValueError
from sessions_vtab.fetch import Auth, Bearer, Secret, Site, path
from sessions_vtab.fetch.options import KeyOptions, validated

__all__ = ["URLS", "Settings", "site_of"]

_PROVIDER = (r"api\.(?:cloud|us)\.deepset\.ai",)
_BASE_URL = "https://api.cloud.deepset.ai"

# deepset-cloud-sdk's URL includes the version, haystack-enterprise-sdk's does not.
_VERSION = re.compile(r"/+(?:api/+)?v1/*$")

_KEYS = ("DEEPSET_API_KEY", "API_KEY")

_REMEDIES = {
    402: (
        "Upload sessions are not included in deepset Cloud's free plan. Use a workspace of an"
        " organisation on another plan."
    ),
    403: (
        "The API key is missing or invalid, or it has no access to this workspace. Check the"
        " key and the workspace."
    ),
    404: (
        "Check the id, the workspace and base_url. SELECT session_id FROM upload_sessions"
        " lists the existing sessions."
    ),
    406: (
        "A user can have at most 10 open upload sessions. List them with SELECT session_id"
        " FROM upload_sessions WHERE status = 'OPEN', then close one with UPDATE"
        " upload_sessions SET status = 'CLOSED' WHERE session_id = '..' or"
        " close_upload_session('..')."
    ),
    409: (
        "The upload session is already closed or has expired. Open another one with INSERT"
        " INTO upload_sessions."
    ),
    422: "The service rejected a value in the request. Nothing was changed.",
}


URLS: Final = ("deepset://WORKSPACE",)
"""The forms of a source's URL."""


class _Options(KeyOptions):
    """The backend's own settings, as written in a URL or in TOML."""

    urls: ClassVar[tuple[str, ...]] = URLS

    base_url: str = _BASE_URL
    workspace: str | None = None


class Settings:
    """The validated settings of a source.

    Attributes:
        source: the configured source.
        options: the backend's own settings, validated.
        workspace: the default workspace, used unless a statement names another.
    """

    def __init__(self, source: Source) -> None:
        self.source = source
        self.options = validated(source, _Options)
        self.workspace = _workspace(source, self.options)


def site_of(settings: Settings) -> Site:
    """Returns the host that requests are sent to, with the credential to use.

    Raises:
        ConfigurationError: ``base_url`` is not a valid URL.
        CredentialError: the named credential must not be sent to that host.
    """
    return Site.of(
        settings.source,
        _VERSION.sub("", settings.options.base_url),
        _credential(settings.options),
        provider=_PROVIDER,
        named=settings.options.secret is not None,
        remedies=_REMEDIES,
    )


def _credential(options: _Options) -> Auth:
    """The named API key, or else the first of the SDK's variables that is set."""
    found = next((name for name in _KEYS if os.environ.get(name)), _KEYS[0])
    return Bearer(options.secret or Secret(variable=found))


def _workspace(source: Source, options: _Options) -> str:
    workspace = source.location or options.workspace
    if not workspace:
        raise ConfigurationError(
            f"Source {source.name}: no workspace is given. Write the URL as deepset://WORKSPACE."
        )
    try:
        path(workspace)
    except InvalidValueError:
        raise ConfigurationError(
            f"Source {source.name}: {workspace!r:.80} is not a valid workspace name."
        ) from None
    return workspace
