"""Sources from URLs, from a TOML file and from the environment, as validated settings.

One string form is used everywhere::

    [NAME=]backend://location?key=value&table.key=value

and one file, which says the same and more::

    default = "prod"
    init = "PRAGMA cache_size = -20000"
    audit = "/var/log/sessions-vtab.jsonl"

    [sources.prod]
    backend = "vertex"
    location = "my-project/us-central1/42"
    scopes = {project = ["my-project"]}

    [sources.own]
    url = "local:///home/ann/sessions.db"

    [views]
    recent = "SELECT session_id FROM sessions ORDER BY update_time DESC LIMIT 20"

    [extension]
    writable = true

The file is ``config``, else ``$SESSIONS_VTAB_CONFIG``, else ``config.toml`` in the user's
configuration folder; never one in the working directory, since whoever can write there could
send credentials elsewhere. Secrets are in neither form: they are named by ``.._env`` or ``.._file``
settings, or come from the provider's usual place.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final, NamedTuple, NoReturn, TypeAlias

from sessions_vtab import registry
from sessions_vtab.contract.backend import Backend, Source
from sessions_vtab.errors import ConfigurationError, UnknownNameError, did_you_mean
from sessions_vtab.settings import (
    GENERIC,
    check_identifier,
    check_source_name,
    refuse_secrets,
    user_folder,
)

VARIABLE: Final = "SESSIONS_VTAB_CONFIG"
"""Environment variable that names the configuration file."""

SourceLike: TypeAlias = "str | Source | Mapping[str, Any] | type[Backend]"
"""A source as text, as settings, as a table of the file would have it, or as a backend's class.

In a mapping, ``backend`` may be a class, too, and ``transport`` an ``httpx.BaseTransport`` that its
requests go to instead of the network.
"""

_MOST_SOURCES: Final = 120
"""SQLite attaches at most 125 databases (https://sqlite.org/limits.html); the user may want some.
"""

_FORM: Final = "[NAME=]backend://location?key=value"
_TOP_LEVEL: Final = ("default", "init", "audit", "views", "extension", "sources")
_OTHERS_MAY_WRITE: Final = 0o002


class Configuration(NamedTuple):
    """What a connection is made of.

    Attributes:
        sources: the configured sources by name, at least one.
        default: name of the source whose tables need no prefix.
        views: start-up TEMP views: name to SELECT.
        init: SQL to run when the connection is made.
        file: the configuration file, for errors; empty if there is none.
        audit: file that every write is noted in; None for none.
        writable_extension: whether programs that load the SQLite extension may write.
    """

    sources: Mapping[str, Source]
    default: str
    views: Mapping[str, str] = MappingProxyType({})
    init: tuple[str, ...] = ()
    audit: str | None = None
    file: str = ""
    writable_extension: bool = False


def load(
    url: str | None = None,
    sources: Mapping[str, SourceLike] | Sequence[str | Source] | None = None,
    default: str | None = None,
    config: str | os.PathLike[str] | None = None,
) -> Configuration:
    """The configuration of a connection.

    Args:
        url: one source as text.
        sources: further ones: a sequence of texts, or a mapping of names to texts or tables.
        default: name of the default source. Otherwise the first source given here, else the file's
            ``default``, else the file's first source, else ``local``.
        config: the file; ``os.devnull`` for none.

    Returns:
        Sources given here are added to those of the file; the same name replaces.

    Raises:
        ConfigurationError: naming file, table and key, or the source and its setting.
        UnknownNameError: there is no such backend, or no source named as the default.
    """
    path = _file(config)
    table = {} if path is None else _read(path)
    where = "" if path is None else str(path)
    filed = _filed_sources(table.get("sources", {}), where)
    given = _given_sources(url, sources)
    merged = {key: value for key, value in filed.items() if key not in _folded(given)} | {
        source.name.lower(): source for source in given
    }
    if not merged:
        merged = {"local": Source("local", "local")}
    if len(merged) > _MOST_SOURCES:
        raise ConfigurationError(
            f"{len(merged)} sources are configured, but one connection"
            f" can have at most {_MOST_SOURCES}."
        )
    wanted = default or (given[0].name if given else _default_of(table, where))
    return Configuration(
        MappingProxyType({source.name: source for source in merged.values()}),
        _chosen(wanted, merged),
        MappingProxyType(_views(table.get("views", {}), where)),
        _init(table.get("init", ()), where),
        _audit(table.get("audit"), where),
        where,
        _writable(table.get("extension", {}), where),
    )


def parse_source(text: str) -> Source:
    """A source from ``[NAME=]backend://location?key=value&..``.

    The name is the backend's unless given. Values are percent-decoded; ``scopes`` and
    ``rate_limit`` and a backend's own tables are written ``table.key=value``.

    Raises:
        ConfigurationError: naming the setting. The text itself is never shown: it may hold what
            it should not.
        UnknownNameError: there is no such backend.
    """
    from urllib.parse import unquote  # noqa: PLC0415  # The default source needs no parsing.

    head, separator, rest = text.strip().partition("://")
    if not separator:
        forms = [url for one in registry.BUILT_IN for url in registry.backend_class(one).urls[:1]]
        raise ConfigurationError(
            f"A source is written as {_FORM}. The given text has no '://' in it. Forms:"
            f" {', '.join(forms)}."
        )
    name, equals, backend = head.rpartition("=")
    location, _, query = rest.partition("?")
    _known_backend(backend, "")
    where = f"Source {name or backend}"
    _refuse_parts(location, query, where)
    return _source(
        check_source_name(name if equals else backend, "Source name"),
        backend,
        unquote(location),
        _query_settings(query, where),
        where,
    )


def default_file(environment: Mapping[str, str], platform: str, home: Path) -> Path:
    """Where the user's configuration file is, whether or not it exists."""
    return user_folder("config", environment, platform, home) / "config.toml"


# Text


def _refuse_parts(location: str, query: str, where: str) -> None:
    if "@" in location.split("/", 1)[0]:
        raise ConfigurationError(
            f"{where}: a URL must not contain a user or password. Name an environment"
            " variable (api_key_env=NAME) or a file (api_key_file=PATH) instead; write"
            " a literal @ as %40."
        )
    if "#" in location or "#" in query:
        raise ConfigurationError(f"{where}: write a literal # in a URL as %23.")


def _query_settings(query: str, where: str) -> dict[str, Any]:
    """The settings behind the ``?``; ``table.key`` as nested dictionaries."""
    from urllib.parse import unquote  # noqa: PLC0415

    settings: dict[str, Any] = {}
    for pair in filter(None, query.split("&")):
        raw, equals, value = pair.partition("=")
        key = unquote(raw)
        if not (key and equals):
            raise ConfigurationError(
                f"{where}: settings are written as key=value, but one has no '='."
            )
        if not value:
            raise ConfigurationError(f"{where}: {key} has no value.")
        _put(settings, key, unquote(value), where)
    return settings


def _put(settings: dict[str, Any], key: str, value: str, where: str) -> None:
    table, dot, last = key.partition(".")
    target = settings.setdefault(table, {}) if dot else settings
    if not isinstance(target, dict) or (last if dot else key) in target:
        raise ConfigurationError(f"{where}: {key} is given twice.")
    target[last if dot else key] = value


# File


def _file(config: str | os.PathLike[str] | None) -> Path | None:
    """The file to read, or None if there is none; one that was asked for has to exist."""
    asked = config or os.environ.get(VARIABLE)
    if asked:
        return Path(asked).expanduser()
    home = os.path.expanduser("~")  # noqa: PTH111  # Unlike Path, no error without a home.
    usual = default_file(os.environ, sys.platform, Path(home))
    return usual if usual.is_absolute() and usual.exists() else None


def _read(path: Path) -> dict[str, Any]:
    import tomllib  # noqa: PLC0415  # Only who has a file pays for it.

    try:
        _refuse_foreign(path)
        table = tomllib.loads(path.read_text("utf-8-sig"))
    except FileNotFoundError:
        raise ConfigurationError(f"{path!s} does not exist.") from None
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"{path!s} cannot be read: {_reason(error)}.") from None
    except tomllib.TOMLDecodeError as error:
        raise ConfigurationError(f"{path!s} is not valid TOML: {error}.") from None
    for key in table.keys() - set(_TOP_LEVEL):
        _fail(str(path), f"unknown key {key}.{did_you_mean(key, _TOP_LEVEL)}")
    refuse_secrets({"init": table.get("init"), "views": table.get("views")}, str(path))
    return table


def _refuse_foreign(path: Path) -> None:
    """Refuses a file that other users could write: it decides where credentials are sent."""
    status = path.stat()
    if sys.platform == "win32" or not path.is_file():
        return
    if status.st_mode & _OTHERS_MAY_WRITE:
        raise ConfigurationError(f"{path!s} is writable by everyone; run chmod o-w on it first.")
    user = os.geteuid()
    if user != 0 and status.st_uid not in (0, user):
        raise ConfigurationError(f"{path!s} belongs to another user and was not read.")


def _filed_sources(table: Any, where: str) -> dict[str, Source]:
    """The file's sources by their names in lower case, as SQLite compares them."""
    if not isinstance(table, Mapping):
        _fail(where, "sources must be a table: [sources.NAME].")
    found: dict[str, Source] = {}
    for name, settings in table.items():
        source = _from_table(name, settings, f"{where}: [sources.{name}]")
        if name.lower() in found:
            _fail(where, f"two sources are named {name}; SQL names are not case-sensitive.")
        found[name.lower()] = replace(source, from_file=True)
    return found


def _from_table(name: str, settings: Any, where: str) -> Source:
    if not isinstance(settings, Mapping):
        _fail(where, "a source must be a table with url, or with backend and location.")
    check_source_name(name, where)
    rest = dict(settings)
    url, backend = rest.pop("url", None), rest.pop("backend", None)
    if isinstance(url, str) and backend is None:
        return _from_url_key(name, url, rest, where)
    if not isinstance(backend, str | None):
        _fail(where, f"backend must be a Backend class or the name of one, not {backend!r:.60}.")
    if backend is None or url is not None:
        _fail(where, "a source needs either url, or backend and location.")
    location = rest.pop("location", "")
    if not isinstance(location, str):
        _fail(where, "location must be text.")
    _known_backend(backend, where)
    return _source(name, backend, location, rest, where)


def _from_url_key(name: str, url: str, rest: dict[str, Any], where: str) -> Source:
    """A source from ``url`` with further keys; a setting given in both places is an error."""
    try:
        parsed = parse_source(url)
    except ConfigurationError as error:
        raise type(error)(f"{where} url: {error}") from None
    except UnknownNameError as error:
        raise UnknownNameError(f"{where} url: {error}") from None
    if not rest:
        return replace(parsed, name=name)
    _, _, query = url.partition("?")
    settings = _query_settings(query, where)
    for key in rest.keys() & settings.keys():
        _fail(where, f"{key} is set both in the url and beside it.")
    return _source(name, parsed.backend, parsed.location, settings | rest, where)


def _default_of(table: Mapping[str, Any], where: str) -> str | None:
    default = table.get("default")
    if default is not None and not isinstance(default, str):
        _fail(where, "default must be the name of a source.")
    return default


def _views(table: Any, where: str) -> dict[str, str]:
    if not isinstance(table, Mapping):
        _fail(where, "views must be a table: [views] name = 'SELECT ..'.")
    for name, text in table.items():
        check_identifier(name, f"{where}: [views]")
        if not isinstance(text, str):
            _fail(where, f"[views] {name} must be the text of a SELECT.")
    return dict(table)


def _init(value: Any, where: str) -> tuple[str, ...]:
    statements = tuple(value) if isinstance(value, list | tuple) else (value,)
    if not all(isinstance(statement, str) for statement in statements):
        _fail(where, "init must be SQL text, or an array of SQL texts.")
    return statements


def _audit(path: Any, where: str) -> str | None:
    if path is None:
        return None
    if not isinstance(path, str) or not Path(path).expanduser().is_absolute():
        _fail(where, "audit must be the absolute path of a file, starting with / or ~.")
    return path


def _writable(table: Any, where: str) -> bool:
    if not isinstance(table, Mapping):
        _fail(where, "extension must be a table: [extension] writable = true.")
    for key in table.keys() - {"writable"}:
        _fail(where, f"[extension] unknown key {key}.{did_you_mean(key, ('writable',))}")
    writable = table.get("writable", False)
    if not isinstance(writable, bool):
        _fail(where, "[extension] writable must be true or false.")
    return writable


# Both


def _given_sources(
    url: str | None, sources: Mapping[str, SourceLike] | Sequence[str | Source] | None
) -> list[Source]:
    given = [] if url is None else [parse_source(url)]
    if isinstance(sources, Mapping):
        given += [_named(name, source) for name, source in sources.items()]
    elif isinstance(sources, str):
        raise ConfigurationError(
            "sources must be a sequence of URLs or a mapping; pass a single URL as url."
        )
    else:
        given += [s if isinstance(s, Source) else parse_source(s) for s in sources or ()]
    for source in given:
        if sum(other.name.lower() == source.name.lower() for other in given) > 1:
            raise ConfigurationError(
                f"Two sources are named {source.name}; rename one by writing"
                f" NAME={source.backend}://.."
            )
    return given


def _named(name: str, source: SourceLike) -> Source:
    check_source_name(name, "sources")
    if isinstance(source, Source):
        return replace(source, name=name)
    if isinstance(source, str):
        return replace(parse_source(source), name=name)
    where = f"Source {name}"
    given = {"backend": source} if isinstance(source, type) else dict(source)
    transport = given.pop("transport", None)
    if isinstance(given.get("backend"), type):
        made = _of_class(name, given, where)
    else:
        made = _from_table(name, given, where)
    return replace(made, transport=transport)


def _of_class(name: str, settings: dict[str, Any], where: str) -> Source:
    """A source whose backend is given as a class, which needs no name that others know."""
    backend, location = settings.pop("backend"), settings.pop("location", "")
    if not issubclass(backend, Backend) or not isinstance(getattr(backend, "name", None), str):
        raise ConfigurationError(
            f"{backend.__name__} must be a Backend class with a name: its name in URLs."
        )
    made = _source(name, backend.name, str(location), settings, where)
    return replace(made, implementation=backend)


def _source(
    name: str, backend: str, location: str, settings: Mapping[str, Any], where: str
) -> Source:
    refuse_secrets({"location": location, **settings}, where)
    options = {key: value for key, value in settings.items() if key not in GENERIC}
    generic = {
        key: convert(settings[key], f"{where}: {key}")
        for key, convert in GENERIC.items()
        if key in settings
    }
    return Source(name, backend, location, MappingProxyType(options), **generic)


def _known_backend(name: str, where: str) -> None:
    if name in registry.BUILT_IN:
        return
    if name not in registry.names():
        problem = f"{where}: there is no backend" if where else "There is no backend"
        raise UnknownNameError(f"{problem} {name!r:.40}.{registry.meant(name)}")


def _chosen(wanted: str | None, merged: Mapping[str, Source]) -> str:
    if wanted is None:
        return next(iter(merged.values())).name
    if wanted.lower() not in merged:
        known = [source.name for source in merged.values()]
        raise UnknownNameError(
            f"The default source is {wanted!r:.60}, which is not configured."
            f"{did_you_mean(wanted, known)} Sources: {', '.join(known)}."
        )
    return merged[wanted.lower()].name


def _folded(sources: Iterable[Source]) -> set[str]:
    return {source.name.lower() for source in sources}


def _reason(error: OSError | UnicodeDecodeError) -> str:
    return error.strerror or str(error) if isinstance(error, OSError) else "it is not UTF-8 text"


def _fail(where: str, message: str) -> NoReturn:
    raise ConfigurationError(f"{where}: {message}" if where else message)
