"""The options of the data source, checked."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any, Final

from sessions_vtab.contract.messages import did_you_mean
from sessions_vtab.contract.source import Source
from sessions_vtab.errors import ConfigurationError
from sessions_vtab.scanning.opening import resolved

__all__ = ["OPTIONS", "ReaderOptions", "parsed"]

OPTIONS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "url": "source URL or name, or a JSON list of several whose tables become one",
        "path": "the table, also as load('events')",
        "where": "condition on the table, in SQL",
        "sessionsWhere": "condition on the sessions whose rows are read, in SQL",
        "columns": "comma-separated columns; default those of SELECT *",
        "sessionsPerPartition": "sessions of a partition; default 100",
        "concurrency": "requests in flight of one task; default 16",
        "requestsPerMinute": "limit of all tasks together; requires tasks",
        "tasks": "tasks that run at the same time, which share the limit",
        "overlap": "seconds that a stream looks back for sessions; default 300",
    }
)
"""What can be set, in any case, with its meaning."""

_SIZE, _CONCURRENCY, _OVERLAP = 100, 16, 300
_MOST_CONCURRENT: Final = 256


@dataclass(frozen=True, slots=True)
class ReaderOptions:
    """The options of one read.

    Attributes:
        sources: by the text that named each, in order.
        table: name of the table.
        where: condition on the table; '' for none.
        sessions_where: condition on its sessions; None for none.
        columns: names of columns; None for those of ``SELECT *``.
        size: sessions of a partition.
        per_minute: limit of each task's requests per minute; None for none.
        overlap: seconds, see ``OPTIONS``.
    """

    sources: Mapping[str, Source]
    table: str
    where: str = ""
    sessions_where: str | None = None
    columns: tuple[str, ...] | None = None
    size: int = _SIZE
    per_minute: int | None = None
    overlap: int = _OVERLAP


def parsed(given: Mapping[str, str], *, speculation: bool | None = None) -> ReaderOptions:
    """The options of a read. Sources are looked up here, on the driver.

    Args:
        given: by name, in any case.
        speculation: whether Spark starts copies of slow tasks (``spark.speculation``); None where
            that is not known.

    Raises:
        ConfigurationError: an option is unknown, missing or wrong.
        UnknownNameError: there is no source of that name.
    """
    held = {name.lower(): value for name, value in given.items()}
    _refuse_unknown(held)
    for name in ("url", "path"):
        if not held.get(name):
            example = ".option('url', 'vertex://..')" if name == "url" else ".load('events')"
            raise _wrong(name, f"is missing; add {example}")
    concurrency = _number(held, "concurrency", _CONCURRENCY, most=_MOST_CONCURRENT)
    sources = {one: replace(resolved(one), concurrency=concurrency) for one in _texts(held["url"])}
    return ReaderOptions(
        sources,
        held["path"],
        held.get("where", ""),
        held.get("sessionswhere"),
        tuple(map(str.strip, held["columns"].split(","))) if held.get("columns") else None,
        _number(held, "sessionsPerPartition", _SIZE),
        _share(held, speculation),
        _number(held, "overlap", _OVERLAP, least=0),
    )


def _refuse_unknown(held: Mapping[str, str]) -> None:
    known = {name.lower() for name in OPTIONS}
    for name in held:
        if name not in known:
            meant = did_you_mean(name, list(OPTIONS))
            raise ConfigurationError(
                f"The sessions data source has no option {name!r:.60}.{meant}"
                f" Options: {', '.join(OPTIONS)}."
            )


def _texts(url: str) -> tuple[str, ...]:
    if not url.lstrip().startswith("["):
        return (url,)
    try:
        urls: Any = json.loads(url)
    except ValueError:
        urls = None
    if not (isinstance(urls, list) and urls and all(isinstance(one, str) for one in urls)):
        raise _wrong("url", "must be a URL, or a JSON list of URLs")
    if len(set(urls)) < len(urls):
        raise _wrong("url", "contains one source twice")
    return tuple(urls)


def _number(
    held: Mapping[str, str], name: str, default: int, *, least: int = 1, most: int | None = None
) -> int:
    text = held.get(name.lower(), str(default)).strip()
    if text.isascii() and text.isdigit() and least <= int(text) <= (most or int(text)):
        return int(text)
    limits = f"of at least {least}" if most is None else f"from {least} to {most}"
    raise _wrong(name, f"must be a whole number {limits}, not {text!r:.40}")


def _share(held: Mapping[str, str], speculation: bool | None) -> int | None:
    """The part of the limit that one task has."""
    if "requestsperminute" not in held:
        if "tasks" in held:
            raise _wrong("tasks", "requires requestsPerMinute, which the tasks share")
        return None
    if "tasks" not in held:
        raise _wrong("requestsPerMinute", "requires tasks, the number of tasks that share it")
    limit = _number(held, "requestsPerMinute", 0)
    tasks = _number(held, "tasks", 0)
    if limit < tasks:
        raise _wrong("requestsPerMinute", f"must be at least 1 for each of the {tasks} tasks")
    if speculation is None:
        raise _wrong(
            "requestsPerMinute",
            "requires sessions_vtab.spark.register(spark), which checks spark.speculation",
        )
    if speculation:
        raise _wrong(
            "requestsPerMinute",
            "cannot be kept while spark.speculation is on, because Spark then starts copies of"
            " tasks. Turn it off",
        )
    return limit // tasks


def _wrong(name: str, problem: str) -> ConfigurationError:
    return ConfigurationError(f"The option {name} of the sessions data source {problem}.")
