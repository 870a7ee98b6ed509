"""Google Vertex AI Agent Engine: sessions and their events, over REST.

Here are the settings of a source, its hosts and credentials, and its functions. ``tables`` declares
tables, operations and columns; ``filters`` are conditions as filter text; ``reading`` and
``writing`` what the service does differently than others.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, ClassVar, Final, Literal, Self, cast

from pydantic import model_validator

from sessions_vtab import rest
from sessions_vtab.backends.vertex import reading, tables, writing
from sessions_vtab.contract.functions import FUNCTIONS

_API_KEY = "x-goog-api-key"
_TOKEN = "GOOGLE_OAUTH_ACCESS_TOKEN"  # noqa: S105  # The variable's name.

# https://cloud.google.com/resource-manager/docs/creating-managing-projects; a number is valid too,
# and projects created for a domain have the form "example.com:name".
_PATTERNS: Final = {
    "project": r"[a-z0-9](?:[a-z0-9.:-]{0,61}[a-z0-9])?",
    "location": r"[a-z]+(?:-[a-z]+[0-9]+)?",
    "reasoning_engine": r"[a-z0-9](?:[a-z0-9_-]{0,61}[a-z0-9])?",
    "session_id": r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?",
    "event_id": r"[A-Za-z0-9](?:[A-Za-z0-9_-]{0,126}[A-Za-z0-9])?",
}
_VALID: Final = {name: re.compile(text, re.ASCII).fullmatch for name, text in _PATTERNS.items()}
_OPERATION: Final = re.compile(r"(?:[A-Za-z0-9.:_-]+/)*operations/[A-Za-z0-9_-]+", re.ASCII)

# proto3 leaves an empty list out: an empty page is {}, or a token alone (contract, section 2).
_BESIDE: Final = frozenset(("nextPageToken",))

_URLS: Final = (
    "vertex://PROJECT/LOCATION/ENGINE",
    "vertex://PROJECT/LOCATION",
    "vertex:///ENGINE?api_key_env=NAME",
)
_EXPRESS: Final = (
    "A source without a project and a location uses an API key. Put the key there, or name another"
    f" variable with api_key_env, or write {_URLS[0]} to use your Google login."
)
_FORMS: Final = (
    f"Write the URL as {_URLS[0]}; as {_URLS[1]}, where the table reasoning_engines lists the"
    f" engines and WHERE names one; or as {_URLS[2]}, with an API key."
)


class _Options(rest.RestOptions):
    """The backend's own settings, as written in a URL or in TOML."""

    api_version: Literal["v1", "v1beta1"] = "v1beta1"
    project: str | None = None
    location: str | None = None
    reasoning_engine: str | None = None
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


def host_of(location: str | None) -> str:
    """Returns the host name that serves a location."""
    if location is None or location == "global":
        return "aiplatform.googleapis.com"
    if location in {"us", "eu"}:
        return f"aiplatform.{location}.rep.googleapis.com"
    return f"{location}-aiplatform.googleapis.com"


class VertexBackend(rest.RestBackend):
    """Sessions and events of the engines of one project and location.

    Attributes:
        express: whether the service is reached with an API key, without project and location.
    """

    name = "vertex"
    title = "Vertex AI Agent Engine"
    urls = _URLS
    options = _Options
    settings: _Options
    readers = {
        "sessions": reading.SessionsTable,
        "events": reading.Events,
        "event_parts": reading.EventParts,
    }
    writers = {"sessions": writing.SessionWriter, "events": writing.EventWriter}
    hosts = (
        r"(?:[a-z]+-[a-z]+[0-9]+-)?aiplatform\.googleapis\.com",
        r"aiplatform\.(?:us|eu)\.rep\.googleapis\.com",
    )
    meanings = (
        (rest.ResponseMatcher(400, r"already exists"), rest.ConflictError),
        (rest.ResponseMatcher(400, r"API key (?:not valid|expired)"), rest.CredentialError),
    )
    statuses = {
        403: "The role roles/aiplatform.user on the project is sufficient.",
        404: "If the engine is what is missing: the table reasoning_engines of a source"
        " vertex://PROJECT/LOCATION lists them.",
        429: "This is a quota of the project and region; requests of this source are slowed down"
        " from now on.",
    }

    documented = {"write": tables.WRITES, writing.APPEND: tables.APPENDS}

    # Agent Engine documents no number for reads of sessions; this is Vertex AI's general one, for
    # each project and region: https://docs.cloud.google.com/vertex-ai/docs/quotas.
    reads_per_minute: ClassVar[int | None] = 600

    def declare(self) -> Sequence[rest.RestTable]:
        return tables.tables_of(self.settings.api_version, express=self.express)

    # The place of a source

    def located(self) -> dict[str, str]:
        """The options and the environment give places, too."""
        project, location, engine = self._scope()
        self.express = project is None
        self.location = tables.SCOPE[2:] if self.express else tables.SCOPE
        used = dict(zip(tables.SCOPE, (project, location, engine), strict=True))
        self._check_options(used)
        scope = {name: value for name, value in used.items() if value is not None}
        try:
            return self.allowed(scope)
        except rest.InvalidValueError as error:
            raise rest.ConfigurationError(f"{error} {_FORMS}") from None

    def _scope(self) -> tuple[str | None, str | None, str | None]:
        """Returns project, location and engine from location text, options or environment.

        A text of one part is the region if ``project`` is a setting, as in a TOML table, where
        ``location`` is that text. Otherwise it is the engine.
        """
        source, options = self.source, self.settings
        match [part for part in source.location.split("/") if part]:
            case [project, location, engine]:
                return project, location, engine
            case [project, location]:
                return project, location, options.reasoning_engine
            case [location] if options.project:
                return options.project, location, options.reasoning_engine
            case [engine] if engine.isdigit() or source.location.startswith("/"):
                return None, None, engine
            case [alone]:
                raise rest.ConfigurationError(
                    f"Source {source.name}: {alone!r:.60} alone is not enough. For a project, add"
                    f" the location and the engine. {_FORMS}"
                )
            case []:
                project_id = options.project or os.environ.get("GOOGLE_CLOUD_PROJECT")
                region = options.location or os.environ.get("GOOGLE_CLOUD_LOCATION")
                if project_id and region:
                    return project_id, region, options.reasoning_engine
        raise rest.ConfigurationError(
            f"Source {source.name}: the location in the URL is incomplete, or has too many parts."
            f" {_FORMS} Or set GOOGLE_CLOUD_PROJECT and GOOGLE_CLOUD_LOCATION."
        )

    def _check_options(self, used: Mapping[str, str | None]) -> None:
        """Raises ConfigurationError if an option contradicts the location text."""
        for name, value in used.items():
            given = getattr(self.settings, name)
            if given not in {None, value}:
                raise rest.ConfigurationError(
                    f"Source {self.source.name}: {name} is {given!r:.60} in the settings but"
                    f" {value!r:.60} in the location. Keep only one."
                )
        if self.express and self.settings.api_version == "v1":
            raise rest.ConfigurationError(
                f"Source {self.source.name}: api_version v1 has no sessions with an API key."
                f" Remove api_version, or write {_URLS[0]}."
            )

    def fits(self, place: str, value: str) -> bool:
        """Text from SQL is matched before it is part of a request."""
        return place not in _VALID or _VALID[place](value) is not None

    # Requests

    def base_url(self) -> str:
        return self.settings.base_url or f"https://{host_of(self.scope.get('location'))}"

    def credential(self) -> tuple[rest.Auth, bool]:
        """None for an emulator on this machine."""
        options = self.settings
        if options.secret is not None:
            return rest.ApiKey(_API_KEY, options.secret), True
        if options.token_env or options.token_file:
            return rest.Bearer(rest.Secret(options.token_env or "", options.token_file or "")), True
        if options.base_url and _is_local(options.base_url):
            return rest.NO_AUTH, False
        if self.express:
            usual = rest.Secret(variable="GOOGLE_API_KEY", hint=_EXPRESS)
            return rest.ApiKey(_API_KEY, usual), False
        if os.environ.get(_TOKEN):
            return rest.Bearer(rest.Secret(variable=_TOKEN)), False
        return rest.Google(), False

    def call(
        self, operation: rest.Operation, places: Mapping[str, Any], **more: Any
    ) -> rest.RequestSpec:
        """Each location has a host of its own."""
        if isinstance(operation, rest.List):
            more["beside"] = _BESIDE
        return operation.call(places, origin=self._origin(places), **more)

    def finished(
        self, response: rest.Response, places: rest.Places, sender: rest.Sender
    ) -> rest.Response:
        """The response with its operation as it is once it is done."""
        operation = rest.finish_operation(
            sender, response, lambda one: self._status_call(one, places)
        )
        return replace(response, content=rest.dump_json(operation).encode())

    def _status_call(self, operation: Mapping[str, Any], places: rest.Places) -> rest.RequestSpec:
        """Gets an operation by its name; ProtocolError if the name is not valid."""
        name = operation.get("name")
        if not isinstance(name, str) or ".." in name or not _OPERATION.fullmatch(name):
            raise rest.ProtocolError(
                f"Source {self.source.name}: {rest.plain(repr(name), 100)} is not a valid operation"
                " name, so it was not requested."
            )
        segments = (self.settings.api_version, *name.split("/"))
        return rest.RequestSpec("GET", rest.path(*segments), origin=self._origin(places))

    def _origin(self, places: Mapping[str, Any]) -> str:
        """Scheme and host for a location; '' for the source's own ``base_url``."""
        return "" if self.settings.base_url else f"https://{host_of(places.get('location'))}"

    # Writing

    def in_order(self, writes: Iterable[rest.Write]) -> list[rest.Write]:
        """All writes about one session are sent in their order."""
        return list(writes)

    def send(self, writes: Sequence[rest.Write], context: rest.Context) -> Iterable[rest.Outcome]:
        """Equal events are told apart by how many came before."""
        events = cast("writing.EventWriter", self.writing["events"])
        events.before = writing.equal_before(writes)
        return super().send(writes, context)

    # Functions

    def declare_functions(self) -> Sequence[rest.RestFunction]:
        one = next(table.get for table in self.declare() if table.get is not None)
        route = one.route.replace("GET", "POST")
        return (
            rest.RestFunction(
                FUNCTIONS["compact_session"],
                rest.Operation(f"{route}:compact", body=self._compaction),
                {
                    "operation": rest.text_of("name"),
                    "done": lambda item, _: int(bool(item.get("done"))),
                },
            ),
        )

    def own_functions(self) -> Sequence[tuple[rest.Function, rest.Routine]]:
        """An append whose response was lost is looked for."""
        return [(FUNCTIONS["append_event"], self._append_event)]

    def act(
        self, _: str, call: rest.RequestSpec, places: rest.Places, sender: rest.Sender
    ) -> rest.Response:
        """An operation is waited for."""
        return self.finished(sender.send(call), places, sender)

    def _append_event(self, arguments: rest.Arguments, context: rest.Context) -> Iterator[rest.Row]:
        values = dict(arguments)
        places = self.resolve(values.pop("session", None))
        writer = cast("writing.EventWriter", self.writing["events"])
        change = writer.append_to(places, values, f"{self.source.name}.append_event")
        response, found = rest.run_job(
            self.client, context, lambda sender: writer.append(change, sender, find=True)
        )
        name = event_id = None
        if found is not None:
            event = writer.resource.decoder.places(found.item, found.frame)
            name, event_id = rest.name_of(writer.spec.name, event), event["event_id"]
        text = None if response is None else rest.dump_json(response.object())
        yield name, event_id, rest.name_of(self.main.spec.name, places), text

    def _compaction(self, given: Mapping[str, rest.Value], where: str) -> dict[str, object]:
        if self.express:  # Contract, section 1.
            raise rest.UnsupportedError(
                f"{where}: the service cannot compact sessions with an API key. Use a source"
                f" with a project: {_URLS[0]}."
            )
        fields = {"summarization": "summarization", "event_editing": "eventEditing"}
        chosen = {field: given[name] for name, field in fields.items() if given.get(name)}
        if not chosen:
            raise rest.MissingParameterError(
                f"{where}: set summarization or event_editing, or both, to 'AUTO'."
            )
        if any(mode != "AUTO" for mode in chosen.values()):
            raise rest.refused(f"{where}: summarization and event_editing", "must be 'AUTO'")
        return {"compaction": {field: {"mode": mode} for field, mode in chosen.items()}}


def _is_local(base_url: str) -> bool:
    try:
        return rest.is_loopback(rest.origin_of(base_url).host)
    except rest.ConfigurationError:
        return False  # Site.of reports the error.
