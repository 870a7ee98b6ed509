"""URLs of engines.

=============================================  ====================================================
``sessions://``                                what the user's configuration says
``sessions+BACKEND://LOCATION?KEY=VALUE``      one source: after ``sessions+`` stands the source as
                                               it is written everywhere
``sessions+local:////var/lib/sessions.db``     a file; three slashes for a relative path
``sessions+local:///:memory:``                 a store that lives as long as its connection
``sessions+vertex://PROJECT/LOCATION/ENGINE``  likewise for every other backend
``sessions://?source=prod=vertex://..&..``     several sources, percent-encoded: ``engine_url``
=============================================  ====================================================

Beside the settings of the source, a URL takes ``writable=1``, ``dry_run=1``, ``statement_timeout``
(seconds a statement may take), ``max_rows``, ``config`` (the configuration file) and ``default``
(name of the source whose tables need no prefix). A secret in a URL is refused before there is an
engine whose ``url`` could show it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final
from urllib.parse import quote

from sqlalchemy.engine.url import URL, make_url
from sqlalchemy.exc import ArgumentError

from sessions_vtab.config import parse_source
from sessions_vtab.contract.backend import Source
from sessions_vtab.errors import SessionsError, did_you_mean

MEMORY: Final = ":memory:"
"""The location of a store that every connection has for itself."""

_BARE: Final = "sessions"

# SQLAlchemy 2.1 decodes the path of a URL, its forerunners do not.
_DECODED: Final = make_url("a:///%20").database == " "


def engine_url(
    *sources: str,
    default: str | None = None,
    config: str | None = None,
    writable: bool = False,
    statement_timeout: float | None = None,
    max_rows: int | None = None,
) -> URL:
    """The URL of an engine over several sources.

    Args:
        sources: as everywhere: ``prod=vertex://PROJECT/LOCATION/ENGINE``. Without any, those of the
            configuration.
        default: name of the source whose tables need no prefix; otherwise the first.
        config: path of the configuration file.
        writable: writes, and functions that act, are allowed.
        statement_timeout: seconds a statement may take.
        max_rows: rows a statement may give before it is an error.

    Raises:
        ArgumentError: a source is wrong.
    """
    options = {
        "default": default,
        "config": config,
        "writable": "1" if writable else None,
        "statement_timeout": None if statement_timeout is None else f"{statement_timeout:g}",
        "max_rows": None if max_rows is None else str(max_rows),
    }
    query: dict[str, str | tuple[str, ...]] = {k: v for k, v in options.items() if v is not None}
    if sources:
        query["source"] = sources
    url = URL.create(_BARE, query=query)
    sources_of(url)
    return url


def connect_arguments(url: URL) -> dict[str, Any]:
    """What ``dbapi.connect`` is called with.

    Raises:
        ArgumentError: naming what is wrong with the URL, never showing it.
    """
    options, _ = _parted(url)
    found: dict[str, Any] = {
        _OPTIONS[key][0]: _converted(key, value) for key, value in options.items()
    }
    found["read_only"] = not found.pop("writable", False)
    sources = _texts(url)
    _parsed(sources)
    return {**found, "sources": sources or None}


def sources_of(url: URL) -> list[Source]:
    """The sources that a URL names.

    Raises:
        ArgumentError: one of them is wrong.
    """
    return _parsed(_texts(url))


def _texts(url: URL) -> list[str]:
    """The sources as texts, in the form that ``config`` reads."""
    if url.username is not None or url.password is not None:
        raise ArgumentError(
            "A URL must not contain a user or password. Name an environment variable"
            " (api_key_env=NAME) or a file (api_key_file=PATH) instead."
        )
    _, rest = _parted(url)
    _, plus, backend = url.drivername.partition("+")
    if plus:
        return [f"{backend}://{_location(url)}{_query(rest)}"]
    given = rest.pop("source", ())
    for key in rest:
        known = ("source", *_OPTIONS)
        raise ArgumentError(
            f"sessions:// has no setting {key!r:.40}.{did_you_mean(key, known)} Settings of a"
            " source belong in the source's own URL:"
            " sessions+BACKEND://LOCATION?KEY=VALUE."
        )
    if url.host or url.port or url.database:
        raise ArgumentError(
            "sessions:// reads its sources from the configuration or from source=..; for a"
            " single source, use sessions+BACKEND://LOCATION."
        )
    return [given] if isinstance(given, str) else list(given)


def _parsed(texts: Iterable[str]) -> list[Source]:
    try:
        return [parse_source(text) for text in texts]
    except SessionsError as error:
        raise ArgumentError(str(error)) from None


def _location(url: URL) -> str:
    """What stands between ``://`` and ``?``, percent-encoded."""
    path = url.database
    if url.host is None and url.port is None and path == MEMORY:
        return MEMORY
    encoded = "" if path is None else "/" + (quote(path, safe="/:") if _DECODED else path)
    port = "" if url.port is None else f":{url.port}"
    return f"{url.host or ''}{port}{encoded}"


def _query(settings: Mapping[str, Any]) -> str:
    pairs = [
        f"{quote(key, safe='.')}={quote(value, safe='/:')}"
        for key, values in settings.items()
        for value in ([values] if isinstance(values, str) else values)
    ]
    return "?" + "&".join(pairs) if pairs else ""


def _parted(url: URL) -> tuple[dict[str, str], dict[str, Any]]:
    """The settings of the engine, and the others."""
    options: dict[str, str] = {}
    rest: dict[str, Any] = {}
    for key, value in url.query.items():
        if key not in _OPTIONS:
            rest[key] = value
        elif isinstance(value, str):
            options[key] = value
        else:
            raise ArgumentError(f"{key} is given twice.")
    return options, rest


def _converted(key: str, value: str) -> Any:
    _, convert, form = _OPTIONS[key]
    try:
        return convert(value)
    except (KeyError, ValueError):
        raise ArgumentError(f"{key} must be {form}.") from None


def _flag(value: str) -> bool:
    return {"1": True, "true": True, "yes": True, "0": False, "false": False, "no": False}[
        value.lower()
    ]


def _seconds(value: str) -> float:
    seconds = float(value)
    if not (math.isfinite(seconds) and seconds > 0):
        raise ValueError(value)
    return seconds


def _count(value: str) -> int:
    count = int(value)
    if count < 0:
        raise ValueError(value)
    return count


# Setting of a URL: argument of ``dbapi.connect``, how it is read, how it is written.
_OPTIONS: Final[Mapping[str, tuple[str, Callable[[str], Any], str]]] = {
    "writable": ("writable", _flag, "1 or 0"),
    "dry_run": ("dry_run", _flag, "1 or 0"),
    "statement_timeout": ("timeout", _seconds, "a number of seconds above 0"),
    "max_rows": ("max_rows", _count, "a whole number of at least 0"),
    "config": ("config", str, "a path"),
    "default": ("default", str, "the name of a source"),
}
