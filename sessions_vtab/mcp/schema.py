"""The tables and functions of the sources as text for a prompt."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

from sessions_vtab.cli.display import operators
from sessions_vtab.cli.help import Reference, SourceHelp, page
from sessions_vtab.cli.pages import markdown
from sessions_vtab.contract.backend import Resource
from sessions_vtab.contract.capability import AccessPath
from sessions_vtab.contract.model import Column, Function
from sessions_vtab.vtab.host import OpenSource

__all__ = ["describe", "overview", "schema_text"]

_RULES: Final = """\
-- SQL is SQLite's. Each source is a schema; the tables of the default source need no prefix.
-- Times are UTC text, compared as instants: create_time > datetime('now', '-1 day').
-- JSON columns hold text: labels->>'env'. Tool calls are rows of event_parts, without JSON.
-- (hidden) columns are not part of SELECT *; name them in SELECT or WHERE.
-- Conditions after "sent:" are checked by the service; any other works, but reads more pages."""


def describe(sources: Mapping[str, OpenSource], topic: str, *, read_only: bool) -> str:
    """The page of the reference on a table, function, source or topic, as Markdown.

    Raises:
        UnknownNameError: there is none; the message suggests a near one.
    """
    known = [
        SourceHelp(name, opened.backend, read_only or opened.settings.read_only)
        for name, opened in sources.items()
    ]
    return markdown(page(topic, Reference(known, command="describe")))


def overview(sources: Mapping[str, OpenSource], default: str) -> str:
    """The tables and functions of each source, a line each."""
    return "\n".join(line for name in sources for line in _listed(sources[name], name == default))


def _listed(source: OpenSource, default: bool) -> Iterator[str]:
    backend = source.backend
    yield f"{source.name} ({backend.name}{', default' if default else ''})"
    for name, resource in backend.resources.items():
        yield f"  {name}: {resource.table.doc}"
    for name in backend.routines:
        yield f"  {_signature(backend.functions[name])}: {backend.functions[name].doc}"


def schema_text(sources: Mapping[str, OpenSource], default: str) -> str:
    """All tables with columns and what each source checks itself, short enough for a prompt."""
    texts = [_RULES]
    for name, source in sources.items():
        texts.append(f"-- Source {name}{' (default)' if name == default else ''}.")
        texts += [_table(name, resource) for resource in source.backend.resources.values()]
        functions = [source.backend.functions[name] for name in source.backend.routines]
        texts += [f"-- Function {_signature(one)}: {one.doc}" for one in functions]
    return "\n".join(texts) + "\n"


def _signature(function: Function) -> str:
    return f"{function.name}({', '.join(column.name for column in function.parameters)})"


def _table(source: str, resource: Resource) -> str:
    table = resource.table
    columns = [_column(one) for one in table.columns if not one.name.startswith("_")]
    sent = [f"-- sent: {words}" for words in map(_sent, resource.capability.paths) if words]
    lines = [f"CREATE TABLE {source}.{table.name} ( -- {table.doc}", *columns, ");", *sent]
    return "\n".join(lines)


def _column(column: Column) -> str:
    hidden = " (hidden)" if column.hidden else ""
    return f"  {column.name} {column.type.value}, --{hidden} {column.doc}"


def _sent(path: AccessPath) -> str:
    """What a way of reading lets the service check, such as ``user_id = IN; sorted by ..``."""
    words = [f"{name} =" for name in path.keys]
    grouped: dict[str, list[str]] = {}
    for one in path.filters:
        name = f"{one.column}->>'..'" if one.keyed else one.column
        grouped.setdefault(operators(one.ops), []).append(name)
    words += [f"{', '.join(names)} {ops}" for ops, names in grouped.items()]
    if path.orders:
        words.append(f"ORDER BY {', '.join(path.orders)}")
    return "; ".join(words)
