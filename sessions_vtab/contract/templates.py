"""Templates with placeholders, used both ways: to write a resource name, and to read one.

``namespaces/{namespace}/sessions/{session_id}`` is filled with the values of a row, and takes a
name apart again. Placeholders are columns of a table or parameters of a function. In ``{+project}``
a colon stays as it is (https://www.rfc-editor.org/rfc/rfc6570, section 3.2.3): Google's projects
have names such as ``example.com:shop``.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache, lru_cache
from typing import Final, TypeAlias
from urllib.parse import quote, unquote

PLACEHOLDER: Final = re.compile(r"\{\+?(\w+)\}", re.ASCII)

UNADDRESSABLE: Final = frozenset(("", ".", ".."))
"""Texts that no path can have as a segment (RFC 3986, section 5.2.4 removes them)."""

Places: TypeAlias = Mapping[str, str]
"""Values of placeholders by name, not encoded."""


@cache
def places_of(template: str) -> tuple[str, ...]:
    """The names of a template's placeholders, in order."""
    return tuple(PLACEHOLDER.findall(template))


def name_of(template: str, places: Places) -> str:
    """The resource name for some values; each is percent-encoded, whatever it holds."""
    pattern, named = _format(template)
    return pattern % tuple([encoded(places[place], safe) for place, safe in named])


@cache
def _format(template: str) -> tuple[str, tuple[tuple[str, str], ...]]:
    """A template with ``%s``; the placeholders, each with what stays as it is in its value."""
    named = [(found[1], ":" if "+" in found[0] else "") for found in PLACEHOLDER.finditer(template)]
    return PLACEHOLDER.sub("%s", template.replace("%", "%%")), tuple(named)


@lru_cache(maxsize=4096)
def encoded(value: str, safe: str = "") -> str:
    """A value as it stands in a name; most are those of the name before: project, engine."""
    return quote(value, safe=safe)


def parse_name(template: str, name: object) -> dict[str, str] | None:
    """The values in a resource name; None unless it is spelled as ``name_of`` spells it."""
    match = _pattern(template).fullmatch(name) if isinstance(name, str) else None
    if match is None:
        return None
    try:
        found = {one: unquote(text, errors="strict") for one, text in match.groupdict().items()}
    except UnicodeDecodeError:
        return None
    return found if name_of(template, found) == name else None


@cache
def _pattern(template: str) -> re.Pattern[str]:
    """What a name looks like: percent-encoded values hold neither ``/`` nor ``#``."""
    parts = PLACEHOLDER.split(template)
    literals, places = map(re.escape, parts[::2]), parts[1::2]
    groups = [f"(?P<{place}>[^/#]*)" for place in places]
    return re.compile(
        "".join(one + group for one, group in zip(literals, [*groups, ""], strict=True))
    )


def shape(template: str) -> str:
    """A template as an example in an error: ``namespaces/../sessions/..``."""
    return PLACEHOLDER.sub("..", template)
