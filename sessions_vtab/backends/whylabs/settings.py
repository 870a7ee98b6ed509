"""A source's settings: ``whylabs://?base_url=..``, validated."""

from __future__ import annotations

import os

from sessions_vtab.errors import ConfigurationError, NotFoundError
from sessions_vtab.fetch import Answer, ApiKey, NoAuth, Secret, Site
from sessions_vtab.fetch.options import KeyOptions, validated
from sessions_vtab.spec.source import Source

__all__ = ["KEY_VARIABLE", "Settings", "may_ask", "site_of"]

KEY_VARIABLE = "WHYLABS_API_KEY"
_ENDPOINT = "WHYLABS_API_ENDPOINT"
_PROVIDER = (r"(?:api|songbird\.development)\.whylabsapp\.com",)

# Answers without a JSON body: those with one are told apart where the call is made.
_REMEDIES = {
    403: (
        "The key is unknown, has expired, or belongs to another organisation. Session routes"
        " may also refuse ordinary keys."
    ),
    404: (
        "This server has no session routes. WhyLabs' hosted platform has been shut down, and"
        " the open-source server (whylabs-oss) was published without them. Set"
        " base_url to a server that still has /v0/sessions, or to the emulator"
        " (sessions-vtab emulator)."
    ),
    429: (
        "The limit applies per key, or per address for requests without a key. It recovers slowly."
    ),
}
_MEANINGS = ((Answer(410), NotFoundError),)


class _Options(KeyOptions):
    """The backend's own settings, as a URL or TOML has them."""

    base_url: str | None = None
    org_id: str | None = None


class Settings:
    """What the rest of the backend knows about its source.

    Attributes:
        source: the configured source.
        options: its validated settings.
        base_url: where the service is; there is no default, since the hosted platform has ended.
    """

    def __init__(self, source: Source) -> None:
        self.source = source
        self.options = validated(source, _Options)
        if source.location:
            raise ConfigurationError(
                f"Source {source.name}: whylabs has no location. Write the URL as"
                " whylabs://?base_url=.."
            )
        base_url = self.options.base_url or os.environ.get(_ENDPOINT)
        if not base_url:
            raise ConfigurationError(
                f"Source {source.name}: base_url is required. Write the URL as"
                f" whylabs://?base_url=https://.., or set {_ENDPOINT}. WhyLabs' own hosts"
                " have been shut down, so there is no default."
            )
        self.base_url = base_url

    @property
    def has_key(self) -> bool:
        """Whether a key is named, or in its usual place."""
        return self.options.secret is not None or bool(os.environ.get(KEY_VARIABLE))


def site_of(settings: Settings) -> Site:
    """Where the source's requests go, and with which credential.

    Raises:
        ConfigurationError: ``base_url`` is not a valid URL.
        CredentialError: a named credential must not go there.
    """
    secret = settings.options.secret
    return Site.of(
        settings.source,
        settings.base_url,
        ApiKey("X-API-Key", secret or Secret(variable=KEY_VARIABLE)),
        provider=_PROVIDER,
        named=secret is not None,
        meanings=_MEANINGS,
        remedies=_REMEDIES,
    )


def may_ask(settings: Settings, site: Site) -> bool:
    """Whether a request that needs the key can succeed: there is a key, and it may go there."""
    return settings.has_key and not isinstance(site.credential_for(site.origin), NoAuth)
