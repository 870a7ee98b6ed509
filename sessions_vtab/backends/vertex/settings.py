"""A source's settings: ``vertex://PROJECT/LOCATION/ENGINE?..``, validated."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import ClassVar, Final, Literal, Self

from pydantic import model_validator

from sessions_vtab.backends.vertex.names import PROVIDER_HOSTS, Engine, host_of
from sessions_vtab.backends.vertex.tables import APPENDS, WRITES
from sessions_vtab.contract.source import Source
from sessions_vtab.errors import (
    ConfigurationError,
    ConflictError,
    CredentialError,
    InvalidValueError,
)
from sessions_vtab.fetch import (
    NO_AUTH,
    Answer,
    ApiKey,
    Auth,
    Bearer,
    Google,
    Secret,
    Site,
    is_loopback,
    origin_of,
)
from sessions_vtab.fetch.options import Options, validated

__all__ = ["APPEND", "URLS", "Settings", "site_of"]

APPEND = "append"
"""Kind of the calls that append events, which have a separate quota."""

_API_KEY = "x-goog-api-key"
_TOKEN = "GOOGLE_OAUTH_ACCESS_TOKEN"  # noqa: S105  # The variable's name.


_MEANINGS = (
    (Answer(400, r"already exists"), ConflictError),
    (Answer(400, r"API key (?:not valid|expired)"), CredentialError),
)
_REMEDIES = {
    403: "The role roles/aiplatform.user on the project is sufficient.",
    429: (
        "This is a quota of the project and region; requests of this source are slowed down"
        " from now on."
    ),
}


URLS: Final = (
    "vertex://PROJECT/LOCATION/ENGINE",
    "vertex://PROJECT/LOCATION",
    "vertex:///ENGINE?api_key_env=NAME",
)
"""The forms of a source's URL."""

_EXPRESS: Final = (
    "A source without a project and a location uses an API key. Put the key there, or name another"
    f" variable with api_key_env, or write {URLS[0]} to use your Google login."
)
_FORMS: Final = (
    f"Write the URL as {URLS[0]}; as {URLS[1]}, where the table reasoning_engines lists the engines"
    f" and WHERE names one; or as {URLS[2]}, with an API key."
)


class _Options(Options):
    """The backend's own settings, as written in a URL or in TOML."""

    urls: ClassVar[tuple[str, ...]] = URLS

    base_url: str | None = None
    api_version: Literal["v1", "v1beta1"] = "v1beta1"
    project: str | None = None
    location: str | None = None
    reasoning_engine: str | None = None
    api_key_env: str | None = None
    api_key_file: str | None = None
    token_env: str | None = None
    token_file: str | None = None

    @model_validator(mode="after")
    def _one_credential(self) -> Self:
        names = ("api_key_env", "api_key_file", "token_env", "token_file")
        given = [name for name in names if getattr(self, name)]
        if len(given) > 1:
            msg = f"{' and '.join(given)} give two credentials; keep only one"
            raise ValueError(msg)
        return self


class Settings:
    """The validated settings of a source.

    Attributes:
        source: the configured source.
        options: the backend's own settings, validated.
        project: default project; None in express mode.
        location: default location; None in express mode.
        engine: id of the default engine; None if WHERE must name it.
        express: whether the service is reached with an API key, without project and location.
    """

    def __init__(self, source: Source) -> None:
        self.source = source
        self.options = validated(source, _Options)
        self.project, self.location, self.engine = _scope(source, self.options)
        self.express = self.project is None
        self._check_options()
        if self.engine is not None or not self.express:
            self._check()

    @property
    def scope(self) -> Mapping[str, str]:
        """The values of the scope columns, as far as the source has them."""
        values = {
            "project": self.project,
            "location": self.location,
            "reasoning_engine": self.engine,
        }
        return {name: value for name, value in values.items() if value is not None}

    @property
    def version(self) -> str:
        """The first segment of every path."""
        return self.options.api_version

    def origin(self, location: str | None) -> str:
        """Returns scheme and host for a location; '' for the source's own ``base_url``."""
        return "" if self.options.base_url else f"https://{host_of(location)}"

    def _check_options(self) -> None:
        """Raises ConfigurationError if an option contradicts the location text."""
        used = {
            "project": self.project,
            "location": self.location,
            "reasoning_engine": self.engine,
        }
        for name, value in used.items():
            given = getattr(self.options, name)
            if given not in {None, value}:
                raise ConfigurationError(
                    f"Source {self.source.name}: {name} is {given!r:.60} in the settings but"
                    f" {value!r:.60} in the location. Keep only one."
                )
        if self.express and self.version == "v1":
            raise ConfigurationError(
                f"Source {self.source.name}: api_version v1 has no sessions with an API key."
                " Remove api_version, or write vertex://PROJECT/LOCATION/ENGINE."
            )

    def _check(self) -> None:
        try:
            Engine(self.project, self.location, self.engine or "0").check(
                f"Source {self.source.name}"
            )
        except InvalidValueError as error:
            raise ConfigurationError(str(error)) from None


def site_of(settings: Settings) -> Site:
    """Returns the host that requests are sent to, with the credential to use.

    Raises:
        ConfigurationError: ``base_url`` is not a valid URL.
        CredentialError: the named credential must not be sent to that host.
    """
    options = settings.options
    base = options.base_url or f"https://{host_of(settings.location)}"
    named = _named_credential(settings)
    return Site.of(
        settings.source,
        base,
        named or _usual_credential(settings),
        provider=PROVIDER_HOSTS,
        named=named is not None,
        documented={"write": WRITES, APPEND: APPENDS},
        meanings=_MEANINGS,
        remedies=_REMEDIES,
    )


def _scope(source: Source, options: _Options) -> tuple[str | None, str | None, str | None]:
    """Returns project, location and engine from location text, options or environment.

    A text of one part is the region if ``project`` is a setting, as in a TOML table, where
    ``location`` is that text. Otherwise it is the engine.
    """
    parts = source.location.split("/") if source.location else []
    match [part for part in parts if part]:
        case [project, location, engine]:
            return project, location, engine
        case [project, location]:
            return project, location, options.reasoning_engine
        case [location] if options.project:
            return options.project, location, options.reasoning_engine
        case [engine] if engine.isdigit() or source.location.startswith("/"):
            return None, None, engine
        case [alone]:
            raise ConfigurationError(
                f"Source {source.name}: {alone!r:.60} alone is not enough. For a project, add the"
                f" location and the engine. {_FORMS}"
            )
        case []:
            project_id = options.project or os.environ.get("GOOGLE_CLOUD_PROJECT")
            region = options.location or os.environ.get("GOOGLE_CLOUD_LOCATION")
            if project_id and region:
                return project_id, region, options.reasoning_engine
    raise ConfigurationError(
        f"Source {source.name}: the location in the URL is incomplete, or has too many parts."
        f" {_FORMS} Or set GOOGLE_CLOUD_PROJECT and GOOGLE_CLOUD_LOCATION."
    )


def _named_credential(settings: Settings) -> Auth | None:
    options = settings.options
    if options.api_key_env or options.api_key_file:
        return ApiKey(_API_KEY, Secret(options.api_key_env or "", options.api_key_file or ""))
    if options.token_env or options.token_file:
        return Bearer(Secret(options.token_env or "", options.token_file or ""))
    return None


def _usual_credential(settings: Settings) -> Auth:
    """The credential from the provider's usual place; none for an emulator on this machine."""
    base = settings.options.base_url
    if base and _is_local(base):
        return NO_AUTH
    if settings.express:
        return ApiKey(_API_KEY, Secret(variable="GOOGLE_API_KEY", hint=_EXPRESS))
    if os.environ.get(_TOKEN):
        return Bearer(Secret(variable=_TOKEN))
    return Google()


def _is_local(base_url: str) -> bool:
    try:
        return is_loopback(origin_of(base_url).host)
    except ConfigurationError:
        return False  # Site.of reports the error.
