"""The endpoints of a service by name, and their corrections from the configuration of a source.

Where a server has an endpoint at another place than is declared, ``[sources.x.routes]`` replaces
method and path of it. Names follow from the declaration: ``list``, ``get``, ``insert``, ``update``
and ``delete`` of the first table, the same of any other with its name (``list_events``), ``list_``
and a placeholder for what lists its values, and a function's name without the word for a row at its
end (``undelete`` for ``undelete_session()``). What has the same method and path is one endpoint,
whichever of its names corrects it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final, TypeVar

from sessions_vtab.contract.model import PLACEHOLDER, places_of
from sessions_vtab.errors import did_you_mean
from sessions_vtab.fetch import RequestSpec
from sessions_vtab.rest.access import noun
from sessions_vtab.rest.declaration import VERBS, Operation, RestFunction, RestTable

_ROUTE: Final = re.compile(r"([A-Z]+) ((?:/[^/\s:]+)+)(?::[A-Za-z]\w*)?/?", re.ASCII)
_LITERAL: Final = re.compile(r"(?!\.{1,2}$)[A-Za-z0-9._~-]+", re.ASCII)
_CHANGING: Final = ("POST", "PUT", "PATCH", "DELETE")

_O = TypeVar("_O", bound=Operation)


def endpoints_of(
    tables: Sequence[RestTable], functions: Iterable[RestFunction]
) -> dict[str, Operation]:
    """The declared operations by name; several may have the same method and path."""
    found: dict[str, Operation] = {}
    for number, table in enumerate(tables):
        of = f"_{table.table.name}" if number else ""
        operations = {verb: getattr(table, verb) for verb in VERBS}
        found |= {f"{verb}{of}": one for verb, one in operations.items() if one is not None}
        each = {} if table.list is None else table.list.each
        found |= {f"list_{p}": one for p, one in each.items() if isinstance(one, Operation)}
    words = tuple(f"_{noun(one).replace(' ', '_')}" for one in tables)
    for function in functions:
        whole = function.function.name
        short = whole[: -len(next(filter(whole.endswith, words), "")) or None]
        found[whole if short in found else short] = function.operation
    return found


def corrected(
    tables: Sequence[RestTable], functions: Sequence[RestFunction], routes: Mapping[str, str]
) -> tuple[list[RestTable], list[RestFunction]]:
    """The declaration with other methods and paths.

    Args:
        tables: as they are declared.
        functions: likewise.
        routes: route by name of an endpoint, from the configuration.

    Raises:
        ValueError: naming the endpoint, and what its route must be.
    """
    usual = endpoints_of(tables, functions)
    check_names("routes", routes, usual)
    others: dict[str, str] = {}
    for name, given in routes.items():
        declared = usual[name].route
        same = [one for one in usual.values() if one.route == declared]
        route = _checked(name, given, declared, changes=all(one.changes for one in same))
        if others.setdefault(declared, route) != route:
            raise ValueError(
                f"routes.{name} is given twice: {for_people(declared)} has several names"
            )

    def at(operation: _O) -> _O:
        route = others.get(operation.route)
        return operation if route is None else _moved(operation, route)

    def table_at(table: RestTable) -> RestTable:
        found = {verb: getattr(table, verb) for verb in VERBS}
        moved: dict[str, Any] = {verb: one and at(one) for verb, one in found.items()}
        if table.list is not None:
            each = {
                place: at(one) if isinstance(one, Operation) else one
                for place, one in table.list.each.items()
            }
            moved["list"] = replace(moved["list"], each=each)
        return replace(table, **moved)

    moved = [replace(one, operation=at(one.operation)) for one in functions]
    return [table_at(one) for one in tables], moved


def _moved(operation: _O, route: str) -> _O:
    """An operation elsewhere: what it does, and that it must not be repeated, stays as it is."""
    asks, repeatable = not operation.changes, operation.repeatable
    usual = RequestSpec(operation.method, "/", asks=asks, repeatable=repeatable)
    return replace(
        operation, route=route, asks=asks, repeatable=repeatable if usual.may_repeat else False
    )


def check_names(setting: str, given: Iterable[str], known: Iterable[str]) -> None:
    """Raises ValueError for a name that a table of settings does not have."""
    every = tuple(known)
    for name in given:
        if name not in every:
            raise ValueError(
                f"there is no setting {setting}.{name:.40}.{did_you_mean(name, every)} Valid"
                f" names: {', '.join(every)}"
            )


def _checked(name: str, given: str, usual: str, *, changes: bool) -> str:
    """A corrected route with the placeholders as they are declared; ValueError if it is wrong."""
    match, method = _ROUTE.fullmatch(given), usual.partition(" ")[0]
    valid = _CHANGING if changes else dict.fromkeys(("GET", method))
    if match is None or match[1] not in ("GET", *_CHANGING):
        raise ValueError(
            f"routes.{name} must be a method and a path, such as '{for_people(usual)}'"
        )
    if match[1] not in valid:
        does = "changes something" if changes else "only reads"
        raise ValueError(f"routes.{name} {does}, so its method must be {' or '.join(valid)}")
    for segment in match[2].split("/")[1:]:
        if not (_LITERAL.fullmatch(segment) or PLACEHOLDER.fullmatch(segment)):
            raise ValueError(
                f"routes.{name}: {segment!r:.40} is not a valid path segment. Use letters,"
                " digits and '._~-', or a placeholder such as {session}"
            )
    places = places_of(usual)
    whole = {one.removesuffix("_id"): one for one in places} | {one: one for one in places}
    route = PLACEHOLDER.sub(lambda found: f"{{{whole.get(found[1], found[1])}}}", given)
    if sorted(places_of(route)) != sorted(places):
        wanted = ", ".join(for_people(f"{{{one}}}") for one in places)
        must = f"contain each of {wanted} exactly once, and no other" if places else "contain no"
        raise ValueError(f"routes.{name} must {must} placeholder")
    return route


def for_people(route: str) -> str:
    """A route as it is shown, and can be written: ``{session}`` is the session's id."""
    return route.replace("_id}", "}")
