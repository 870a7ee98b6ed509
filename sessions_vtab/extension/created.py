"""What a load creates in the host's connection.

The tables of the default source are in ``temp`` under their own names, those of every other with
its name before theirs (``prod_sessions``): tools list what is in ``temp`` and ``main``. So that SQL
is the same as in the product's own shell, every source is an attached schema, too. A function is
an eponymous table, which has no schema: the statement's text says whose it is.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TypeAlias

from sessions_vtab.contract.model import Function
from sessions_vtab.vtab.contents import NameKind, contents
from sessions_vtab.vtab.host import OpenSource

__all__ = ["Entry", "created", "functions_of"]

Entry: TypeAlias = tuple[str, str, str, str, int]
"""Schema, name there, source, table of the source or CREATE VIEW statement, kind."""


def created(
    sources: Mapping[str, OpenSource], default: OpenSource, logs: OpenSource
) -> list[Entry]:
    """Everything to create, in order.

    Args:
        sources: by name.
        default: the one whose tables need no prefix.
        logs: the source of the connection's logs.
    """
    named = [(one, "" if one is default else f"{one.name}_") for one in sources.values()]
    return [
        *(entry for one, prefix in named for entry in _tables("temp", one, prefix)),
        *_tables("temp", logs, ""),
        *(entry for one in sources.values() for entry in _tables(one.name, one, "")),
        *(("", name, "", name, int(NameKind.FUNCTION)) for name in sorted(_routines(sources))),
        *(entry for one, prefix in named for entry in _views(one, prefix)),
    ]


def functions_of(
    sources: Mapping[str, OpenSource], default: OpenSource, name: str
) -> tuple[Function, dict[str, OpenSource]]:
    """A function, and the sources that have it: the default's, if there are several of the name.

    Raises:
        KeyError: no source has it.
    """
    having = {key: one for key, one in sources.items() if name in one.backend.routines}
    first = default if default.name in having else next(iter(having.values()), default)
    function = first.backend.functions[name]
    same = {key: one for key, one in having.items() if one.backend.functions[name] == function}
    return function, same


def _tables(schema: str, source: OpenSource, prefix: str) -> Iterator[Entry]:
    for kind, name, _ in contents(source.backend):
        if kind is NameKind.TABLE:
            yield schema, prefix + name, source.name, name, int(kind)


def _views(source: OpenSource, prefix: str) -> Iterator[Entry]:
    """In temp only: SQLite refuses views of other schemas over tables that are direct only."""
    for kind, name, view in contents(source.backend):
        if view is not None:
            yield "temp", prefix + name, source.name, view.create("temp", "", prefix), int(kind)


def _routines(sources: Mapping[str, OpenSource]) -> set[str]:
    return {name for source in sources.values() for name in source.backend.routines}
