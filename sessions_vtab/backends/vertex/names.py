"""Resource names of Agent Engine (engines, sessions, events, operations), and their hosts.

Text from SQL or from a response is matched here before it becomes part of a request.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from sessions_vtab.errors import InvalidValueError
from sessions_vtab.fetch import plain

__all__ = [
    "PROVIDER_HOSTS",
    "Engine",
    "EventRef",
    "SessionRef",
    "host_of",
    "is_operation",
    "is_session_id",
    "parse_engine",
    "parse_event",
    "parse_session",
]

# https://cloud.google.com/resource-manager/docs/creating-managing-projects; a number is valid too,
# and projects created for a domain have the form "example.com:name".
_PROJECT = re.compile(r"[a-z0-9](?:[a-z0-9.:-]{0,61}[a-z0-9])?", re.ASCII)
_LOCATION = re.compile(r"[a-z]+(?:-[a-z]+[0-9]+)?", re.ASCII)
_ENGINE = re.compile(r"[a-z0-9](?:[a-z0-9_-]{0,61}[a-z0-9])?", re.ASCII)
_SESSION = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?", re.ASCII)
_EVENT = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9_-]{0,126}[A-Za-z0-9])?", re.ASCII)
_OPERATION = re.compile(r"(?:[A-Za-z0-9.:_-]+/)*operations/[A-Za-z0-9_-]+", re.ASCII)

_PARTS = {"project": _PROJECT, "location": _LOCATION, "reasoning_engine": _ENGINE}

_MULTI_REGIONS = ("us", "eu")
PROVIDER_HOSTS = (
    r"(?:[a-z]+-[a-z]+[0-9]+-)?aiplatform\.googleapis\.com",
    r"aiplatform\.(?:us|eu)\.rep\.googleapis\.com",
)
"""Regular expressions for the service's hosts; each must match the whole host name."""


@dataclass(frozen=True, slots=True)
class Engine:
    """One reasoning engine; without project and location in express mode (API key)."""

    project: str | None
    location: str | None
    engine: str

    @property
    def segments(self) -> tuple[str, ...]:
        """The path segments of the engine's resource name."""
        own = ("reasoningEngines", self.engine)
        if self.project is None or self.location is None:
            return own
        return ("projects", self.project, "locations", self.location, *own)

    @property
    def name(self) -> str:
        """The engine's full resource name, with the project spelled as given here."""
        return "/".join(self.segments)

    def check(self, where: str) -> Engine:
        """Returns this engine if every part of its name is valid.

        Raises:
            InvalidValueError: a part is not valid; the error names it.
        """
        parts = (self.project, self.location, self.engine)
        for (part, pattern), value in zip(_PARTS.items(), parts, strict=True):
            if value is not None and not pattern.fullmatch(value):
                raise InvalidValueError(
                    f"{where}: {plain(repr(value), 80)} is not a valid {part}. Nothing was sent."
                )
        return self


@dataclass(frozen=True, slots=True)
class SessionRef:
    """One session of one engine."""

    engine: Engine
    session_id: str

    @property
    def name(self) -> str:
        """The full resource name."""
        return f"{self.engine.name}/sessions/{self.session_id}"


@dataclass(frozen=True, slots=True)
class EventRef:
    """One event of one session."""

    session: SessionRef
    event_id: str

    @property
    def name(self) -> str:
        """The full resource name."""
        return f"{self.session.name}/events/{self.event_id}"


def is_session_id(text: str) -> bool:
    """Whether an id is valid for a session: at most 63 of ``[a-z0-9-]``, no hyphen at the ends."""
    return _SESSION.fullmatch(text) is not None


def is_operation(name: object) -> bool:
    """Whether a text is a valid operation name, so that it may become part of a request."""
    return isinstance(name, str) and ".." not in name and _OPERATION.fullmatch(name) is not None


def parse_engine(name: object) -> Engine | None:
    """Returns the engine of a full name; None if it is not a valid engine name."""
    return _parse_engine(name) if isinstance(name, str) else None


def parse_session(name: object) -> SessionRef | None:
    """Returns the session of a full name; None if it is not a valid session name."""
    if not isinstance(name, str):
        return None
    head, _, session_id = name.rpartition("/sessions/")
    engine = _parse_engine(head)
    return SessionRef(engine, session_id) if engine and is_session_id(session_id) else None


def parse_event(name: object) -> EventRef | None:
    """Returns the event of a full name; None if it is not a valid event name."""
    if not isinstance(name, str):
        return None
    head, _, event_id = name.rpartition("/events/")
    session = parse_session(head)
    return EventRef(session, event_id) if session and _EVENT.fullmatch(event_id) else None


def _parse_engine(name: str) -> Engine | None:
    match name.split("/"):
        case ["projects", project, "locations", location, "reasoningEngines", engine]:
            found = Engine(project, location, engine)
        case ["reasoningEngines", engine]:
            found = Engine(None, None, engine)
        case _:
            return None
    try:
        return found.check("name")
    except InvalidValueError:
        return None


def host_of(location: str | None) -> str:
    """Returns the host name that serves a location."""
    if location is None or location == "global":
        return "aiplatform.googleapis.com"
    if location in _MULTI_REGIONS:
        return f"aiplatform.{location}.rep.googleapis.com"
    return f"{location}-aiplatform.googleapis.com"
