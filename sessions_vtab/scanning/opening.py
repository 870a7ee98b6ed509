"""Sources, tables and columns by name."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace

from sessions_vtab import registry
from sessions_vtab.config import load, parse_source
from sessions_vtab.contract.backend import Backend, Resource, Source
from sessions_vtab.contract.model import Column, Table
from sessions_vtab.errors import (
    UnknownNameError,
    UnsupportedError,
    did_you_mean,
    no_source,
    no_table,
)

_paced: dict[tuple[int, str, int], Backend] = {}
"""Backends with a rate limit, by process and settings. See ``opened``."""


def resolved(source: str | Source) -> Source:
    """A source from its URL, or from its name in the user's configuration file; read-only.

    Raises:
        ConfigurationError: naming the setting.
        UnknownNameError: there is no source of that name.
    """
    return replace(_resolved(source), read_only=True)


def _resolved(source: str | Source) -> Source:
    if isinstance(source, Source):
        return source
    if "://" in source:
        return parse_source(source)
    known = {name.lower(): one for name, one in load().sources.items()}
    if source.lower() not in known:
        raise no_source(source, [one.name for one in known.values()])
    return known[source.lower()]


def paced(source: Source, requests_per_minute: int | None) -> Source:
    """The source with a limit of its read requests, or its own if that is lower.

    Raises:
        UnsupportedError: the limit is below one request per minute.
    """
    if requests_per_minute is None:
        return source
    if requests_per_minute < 1:
        raise UnsupportedError(
            f"{source.name}: requests_per_minute must be at least 1, not {requests_per_minute}."
        )
    least = min(requests_per_minute, source.rate_limit.get("read", requests_per_minute))
    return replace(source, rate_limit={**source.rate_limit, "read": least})


@contextmanager
def opened(source: Source) -> Iterator[Backend]:
    """The backend of a source inside the block.

    A source with a rate limit stays open until the process ends: the limit counts the requests of
    all parts that the process reads, one after the other.
    """
    if source.rate_limit:
        key = (os.getpid(), repr(source), id(source.transport))
        backend = _paced.get(key)
        if backend is None:
            backend = _paced[key] = registry.opened(source)
        yield backend
        return
    backend = registry.opened(source)
    try:
        yield backend
    finally:
        backend.close()


def resource_of(source: Source, backend: Backend, table: str) -> Resource:
    """The table of a name; raises UnknownNameError if there is none."""
    if table not in backend.resources:
        raise no_table(source.name, table, backend.resources)
    return backend.resources[table]


def columns_of(where: str, table: Table, names: Sequence[str] | None) -> tuple[Column, ...]:
    """The columns of some names; those of ``SELECT *`` for None.

    Args:
        where: ``source.table``, for errors.
        table: the table.
        names: hidden columns may be among them, but not parameters, which have no value to read.

    Raises:
        UnknownNameError: there is no such column.
        UnsupportedError: a column is a parameter, or none are wanted.
    """
    if names is None:
        return table.visible
    if not names:
        raise UnsupportedError(f"{where}: no column was given. Leave columns out to read them all.")
    for name in names:
        if name not in table.positions:
            known = [column.name for column in table.columns if not column.parameter]
            raise UnknownNameError(
                f"{where} has no column {name!r:.60}.{did_you_mean(name, known)}"
            )
        if table.column(name).parameter:
            raise UnsupportedError(f"{where}.{name} is a parameter, so it cannot be read.")
    return tuple(table.column(name) for name in dict.fromkeys(names))
