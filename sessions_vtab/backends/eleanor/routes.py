"""Where the ten operations are: method and path of each, and the names of fields in bodies.

All of it is assumed, none documented; a source's ``routes`` and ``fields`` replace single entries.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from sessions_vtab.fetch import path
from sessions_vtab.spec.near import did_you_mean

__all__ = ["FIELDS", "ROUTES", "Route", "fields_of", "routes_of"]

_ONE: Final = "/sessions/{namespace}/{session}"

ROUTES: Final[Mapping[str, str]] = MappingProxyType(
    {
        "create": "POST /sessions/{namespace}",
        "list": "GET /sessions/{namespace}",
        "get": f"GET {_ONE}",
        "update": f"PUT {_ONE}",
        "delete": f"DELETE {_ONE}",
        "undelete": f"POST {_ONE}/undelete",
        "truncate": f"POST {_ONE}/truncate",
        "integrate": f"POST {_ONE}/integrate",
        "bind": f"PUT {_ONE}/participants/{{participant}}",
        "unbind": f"DELETE {_ONE}/participants/{{participant}}",
    }
)
"""Operation to method and path below ``api_prefix``."""

FIELDS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "session": "session",
        "sessions": "sessions",
        "task_id": "task_id",
        "session_id": "name",
        "pkid": "pkid",
        "description": "description",
        "enabled": "enabled",
        "managed": "managed",
        "auto_created": "auto_created",
        "deleted": "deleted",
        "settings": "settings",
        "create_time": "create_ts",
        "participants": "participants",
        "participant": "name",
        "participant_type": "participant_type",
    }
)
"""Column to field of a body; ``session`` and ``sessions`` are where an answer holds them."""

_OPTIONAL: Final = ("user_id", "display_name", "labels", "state", "update_time", "expire_time")
"""Columns that are NULL unless ``fields`` says where they are."""

_WRAPPERS: Final = ("session", "sessions")

_READS: Final = ("list", "get")
_ROUTE: Final = re.compile(r"(GET|POST|PUT|PATCH|DELETE) ((?:/[^/\s]+)+)(/?)", re.ASCII)
_LITERAL: Final = re.compile(r"(?!\.{1,2}$)[A-Za-z0-9._~-]+", re.ASCII)
_PLACE: Final = re.compile(r"\{(\w+)\}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Route:
    """Method and path of one operation.

    Attributes:
        method: HTTP method.
        segments: of the path: literal text, or a place such as ``{session}``.
        slash: ``/`` if the path ends with one.
    """

    method: str
    segments: tuple[str, ...]
    slash: str = ""

    def path(self, **values: str) -> str:
        """The path with its places filled, each as one segment whatever it holds.

        Raises:
            InvalidValueError: a value cannot be a segment.
        """
        filled = (self._filled(segment, values) for segment in self.segments)
        return path(*filled, verb=self.slash)

    def _filled(self, segment: str, values: Mapping[str, str]) -> str:
        place = _PLACE.fullmatch(segment)
        return values[place.group(1)] if place else segment


def routes_of(given: Mapping[str, str]) -> Mapping[str, Route]:
    """All routes, those given in place of the assumed ones.

    Raises:
        ValueError: naming the operation and what its route has to be.
    """
    _check_names("routes", given, tuple(ROUTES))
    return {name: _parsed(name, text) for name, text in {**ROUTES, **given}.items()}


def fields_of(given: Mapping[str, str]) -> Mapping[str, str]:
    """All fields, those given in place of the assumed ones.

    Raises:
        ValueError: naming the column.
    """
    _check_names("fields", given, (*FIELDS, *_OPTIONAL))
    for column, field in given.items():
        if not field.strip() and column not in _WRAPPERS:
            raise ValueError(f"fields.{column} must be the name of a field")
    return {**FIELDS, **given}


def _check_names(table: str, given: Mapping[str, str], known: tuple[str, ...]) -> None:
    for name in given:
        if name not in known:
            raise ValueError(
                f"there is no setting {table}.{name:.40}.{did_you_mean(name, known)} Valid"
                f" names: {', '.join(known)}"
            )


def _parsed(name: str, text: str) -> Route:
    match = _ROUTE.fullmatch(text)
    usual = ROUTES[name]
    if match is None:
        raise ValueError(f"routes.{name} must be a method and a path, such as '{usual}'")
    method, segments, slash = match[1], tuple(match[2].split("/")[1:]), match[3]
    if name in _READS and method != "GET":
        raise ValueError(f"routes.{name} only reads, so its method must be GET")
    for segment in segments:
        if not (_LITERAL.fullmatch(segment) or _PLACE.fullmatch(segment)):
            raise ValueError(
                f"routes.{name}: {segment!r:.40} is not a valid path segment. Use letters,"
                " digits and '._~-', or a placeholder such as {session}"
            )
    _check_places(name, _PLACE.findall(text), _PLACE.findall(usual))
    return Route(method, segments, slash)


def _check_places(name: str, given: list[str], needed: list[str]) -> None:
    if sorted(given) != sorted(needed):
        places = ", ".join(f"{{{place}}}" for place in needed)
        raise ValueError(
            f"routes.{name} must contain each of {places} exactly once, and no other placeholder"
        )
