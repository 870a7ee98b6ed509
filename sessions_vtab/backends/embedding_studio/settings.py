"""A source's settings: ``embedding_studio://?base_url=..``, validated."""

from __future__ import annotations

from dataclasses import replace
from typing import ClassVar, Final

from sessions_vtab.contract.source import Source
from sessions_vtab.errors import ConfigurationError
from sessions_vtab.fetch import Site
from sessions_vtab.fetch.options import Options, validated, with_prefix

__all__ = ["URLS", "site_of"]

_IN_FRONT = (
    "Embedding Studio needs no credential, and its sources have none. The request was refused"
    " by something in front of it, such as a proxy. Check base_url."
)
_REMEDIES = {
    400: (
        "Times must lie between 12 hours before and 5 minutes after the service's clock;"
        " without a time, the service uses its own. Nothing in this request was"
        " stored."
    ),
    401: _IN_FRONT,
    403: _IN_FRONT,
    404: "Register the session first with INSERT INTO sessions, or check base_url.",
    500: (
        "The service failed. It fails on every read whose result includes a session without a"
        " search_query; exclude that session by its session_number."
    ),
}


URLS: Final = ("embedding_studio://?base_url=https://HOST",)
"""The forms of a source's URL."""


class _Options(Options):
    """The backend's own settings; the service uses no credential."""

    urls: ClassVar[tuple[str, ...]] = URLS

    base_url: str
    api_prefix: str = "/api/v1"


def site_of(source: Source) -> Site:
    """Returns the host that the source's requests are sent to.

    Raises:
        ConfigurationError: a setting is missing or not valid; the error names it.
    """
    if source.location:
        raise ConfigurationError(
            f"Source {source.name}: write the URL as embedding_studio://?base_url=.., with"
            " nothing before the '?'."
        )
    options = validated(source, _Options)
    site = Site.of(source, with_prefix(options.base_url, options.api_prefix), remedies=_REMEDIES)
    # A 500 of this service is an uncaught exception that will most likely occur again.
    return replace(site, once_more=(500,))
