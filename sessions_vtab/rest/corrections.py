"""Corrections of a service's routes from the configuration of a source.

Where a server has an operation at another place than the API's documentation says, or where the
documentation does not say it, ``[sources.x.routes]`` replaces method and path of that operation.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Final

from sessions_vtab.contract.messages import did_you_mean
from sessions_vtab.contract.templates import PLACEHOLDER, places_of

_ROUTE: Final = re.compile(r"(GET|POST|PUT|PATCH|DELETE) ((?:/[^/\s]+)+)(/?)", re.ASCII)
_LITERAL: Final = re.compile(r"(?!\.{1,2}$)[A-Za-z0-9._~-]+", re.ASCII)


def check_names(setting: str, given: Iterable[str], known: Iterable[str]) -> None:
    """Raises ValueError for a name that a table of settings does not have."""
    every = tuple(known)
    for name in given:
        if name not in every:
            raise ValueError(
                f"there is no setting {setting}.{name:.40}.{did_you_mean(name, every)} Valid"
                f" names: {', '.join(every)}"
            )


def check_routes(given: Mapping[str, str], usual: Mapping[str, str]) -> None:
    """Checks corrected routes.

    Args:
        given: route by operation, from the configuration.
        usual: route by operation, as the service is declared.

    Raises:
        ValueError: naming the operation, and what its route must be.
    """
    check_names("routes", given, usual)
    for name, route in given.items():
        _check_route(name, route, usual[name])


def _check_route(name: str, route: str, usual: str) -> None:
    match = _ROUTE.fullmatch(route)
    if match is None:
        raise ValueError(f"routes.{name} must be a method and a path, such as '{usual}'")
    if usual.startswith("GET ") and match[1] != "GET":
        raise ValueError(f"routes.{name} only reads, so its method must be GET")
    for segment in match[2].split("/")[1:]:
        if not (_LITERAL.fullmatch(segment) or PLACEHOLDER.fullmatch(segment)):
            raise ValueError(
                f"routes.{name}: {segment!r:.40} is not a valid path segment. Use letters,"
                " digits and '._~-', or a placeholder such as {session}"
            )
    if sorted(places_of(route)) != sorted(places_of(usual)):
        places = ", ".join(f"{{{place}}}" for place in places_of(usual))
        raise ValueError(
            f"routes.{name} must contain each of {places} exactly once, and no other placeholder"
        )
