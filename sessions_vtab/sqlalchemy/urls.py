"""From SQLAlchemy's URL to the arguments of ``dbapi.connect``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final
from urllib.parse import quote

from sqlalchemy.engine import URL

from sessions_vtab.errors import ConfigurationError

__all__ = ["connect_arguments", "in_memory"]

_OWN: Final = frozenset(
    ("writable", "name", "timeout_s", "max_rows", "source", "config", "default")
)
_MEMORY: Final = "/:memory:"
_TRUE: Final = frozenset(("1", "true", "yes", "on"))
_FALSE: Final = frozenset(("0", "false", "no", "off"))


def connect_arguments(url: URL) -> dict[str, Any]:
    """Keyword arguments of ``dbapi.connect``.

    Raises:
        ConfigurationError: a user name, a password, or a value that its parameter does not take.
    """
    if url.username is not None or url.password is not None:
        raise ConfigurationError(
            "User and password do not belong in the URL. Name an environment variable"
            " (api_key_env=NAME) or a file (api_key_file=PATH)."
        )
    query = url.query
    one = {name: _single(name, value) for name, value in query.items() if name != "source"}
    arguments: dict[str, Any] = {
        "read_only": not _flag("writable", one.get("writable", "0")),
        "guarded": True,
        "config": one.get("config"),
        "default": one.get("default"),
        "timeout": _number("timeout_s", one.get("timeout_s"), float),
        "max_rows": _number("max_rows", one.get("max_rows"), int),
    }
    settings = {name: value for name, value in one.items() if name not in _OWN}
    backend = url.drivername.partition("+")[2]
    if backend:
        arguments["url"] = _source(url, backend, one.get("name"), settings)
    elif settings or url.host or url.database:
        raise ConfigurationError(
            "sessions:// takes sources in source=..; write sessions+BACKEND://.. for one with"
            " settings of its own."
        )
    arguments["sources"] = _several(query.get("source"))
    return arguments


def in_memory(url: URL) -> bool:
    """Whether the data is gone with the connection."""
    return url.drivername == "sessions+local" and _location(url) in {_MEMORY, ":memory:"}


def _source(url: URL, backend: str, name: str | None, settings: Mapping[str, str]) -> str:
    location = _location(url)
    location = ":memory:" if location == _MEMORY else location
    pairs = "&".join(f"{quote(key, safe='.')}={quote(value)}" for key, value in settings.items())
    return f"{f'{name}=' if name else ''}{backend}://{location}{f'?{pairs}' if pairs else ''}"


def _location(url: URL) -> str:
    """What stands between ``://`` and ``?``."""
    host = (url.host or "") + (f":{url.port}" if url.port is not None else "")
    return host if url.database is None else f"{host}/{url.database}"


def _several(source: str | Sequence[str] | None) -> list[str]:
    if source is None:
        return []
    return [source] if isinstance(source, str) else list(source)


def _single(name: str, value: str | Sequence[str]) -> str:
    if isinstance(value, str):
        return value
    raise ConfigurationError(f"{name} is given twice.")


def _flag(name: str, value: str) -> bool:
    if value.lower() not in _TRUE | _FALSE:
        raise ConfigurationError(f"{name} is 1 or 0.")
    return value.lower() in _TRUE


def _number(name: str, value: str | None, kind: type[int | float]) -> float | None:
    try:
        number = None if value is None else kind(value)
    except ValueError:
        number = -1
    if number is not None and number <= 0:
        raise ConfigurationError(f"{name} is a number above 0.")
    return number
