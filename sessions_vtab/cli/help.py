"""The reference, made from the contract's own documentation and what the sources declare."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Final

from sessions_vtab.cli.display import by_operators
from sessions_vtab.cli.pages import (
    ALIASES,
    TOPICS,
    Block,
    Code,
    Grid,
    Heading,
    Page,
    Prose,
    service_pages,
)
from sessions_vtab.contract import tables
from sessions_vtab.contract.agent_views import VIEWS, View, views_of
from sessions_vtab.contract.backend import Resource
from sessions_vtab.contract.capability import AccessPath, Filter, Writes
from sessions_vtab.contract.functions import FUNCTIONS
from sessions_vtab.contract.model import Column, ColumnType, Function, Table
from sessions_vtab.errors import UnknownNameError, did_you_mean
from sessions_vtab.vtab import logs
from sessions_vtab.vtab.host import OpenSource

_VIEWS: Final[Mapping[str, View]] = {view.name: view for view in VIEWS}

_NARROW: Final = 56
_PUSHED: Final = (
    "Every source of agents' events has it in its own schema, and the default source without a"
    " prefix; a snapshot has it too. Conditions on session_id and session_name with = or IN and a"
    " list of values are passed on, so that only those sessions are read"
)


_OF_ONE_SERVICE: Final = (
    " What only one service has is shown with a source of that service (--source URL)."
)
_TABLES: Final[Mapping[str, tuple[Table, tuple[Column, ...]]]] = MappingProxyType(
    {
        table.name: (table, tuple(further.values()))
        for table, further in (
            (tables.SESSIONS, tables.SESSION_COLUMNS),
            (tables.EVENTS, tables.EVENT_COLUMNS),
            (tables.EVENT_PARTS, {}),
            (tables.UPLOAD_SESSIONS, tables.UPLOAD_SESSION_COLUMNS),
            (tables.UPLOAD_SESSION_FILES, {}),
            (tables.FILES, {}),
            (tables.PARTICIPANTS, {}),
            (tables.REASONING_ENGINES, {}),
            (logs.HTTP_REQUESTS, {}),
            (logs.WRITES, {}),
            (logs.DRY_RUN, {}),
        )
    }
)
"""Each table with the columns that only some sources have."""

_TYPES: Final = MappingProxyType(
    {ColumnType.BOOLEAN: "0 or 1", ColumnType.JSON: "JSON", ColumnType.BLOB: "text or blob"}
)


@dataclass(frozen=True, slots=True)
class Reference:
    """What the reference is made for.

    Attributes:
        sources: the configured sources; none gives the part that holds for all.
        command: how a topic is asked for: ``sessions-vtab help`` or ``.help``.
        complete: with the columns that no configured source has.
        read_only: no source may be written, whatever its own settings say.
    """

    sources: Sequence[OpenSource] = ()
    command: str = "sessions-vtab help"
    complete: bool = False
    read_only: bool = False


def topics(reference: Reference) -> list[str]:
    """Everything help can be asked about."""
    own = (name for s in reference.sources for name in s.backend.resources)
    names = (source.name for source in reference.sources)
    functions = _known_functions(reference)
    return list(dict.fromkeys((*_TABLES, *own, *_VIEWS, *functions, *_topics(), *names)))


def _topics() -> dict[str, Page]:
    """Pages by topic, in the order of the reference."""
    return {one.title: one for one in (*TOPICS.values(), *service_pages())}


def page(topic: str, reference: Reference) -> Page:
    """The page of a table, function, topic or source, in any case, with or without prefix.

    With a source before it, a table or function is shown as that source has it.

    Raises:
        UnknownNameError: there is none; the message suggests a near one.
    """
    prefix, _, wanted = topic.lower().rpartition(".")
    own = [source for source in reference.sources if source.name.lower() == prefix]
    if own and wanted in own[0].backend.resources:
        table = own[0].backend.resources[wanted].table
        return _table_page(table, (), replace(reference, sources=own))
    functions = _known_functions(replace(reference, sources=own or reference.sources))
    if wanted in functions:
        return _function_page(functions[wanted], reference)
    known = _known_tables(reference)
    topic_page = _topics().get(ALIASES.get(wanted, wanted))
    if topic_page and wanted not in known:
        named = [one for one in reference.sources if one.name.lower() == wanted]
        configured = [block for one in named for block in _source_page(one).blocks]
        return replace(topic_page, blocks=(*topic_page.blocks, *configured))
    if wanted in known:
        return _table_page(*known[wanted], reference)
    if wanted in _VIEWS:
        return _view_page(_VIEWS[wanted], reference)
    for source in reference.sources:
        if source.name.lower() == wanted:
            return _source_page(source)
    meant = did_you_mean(wanted, topics(reference)) or _OF_ONE_SERVICE
    raise UnknownNameError(
        f"There is no help on {topic!r:.60}.{meant} All topics: {reference.command}"
    )


def _source_page(source: OpenSource) -> Page:
    backend = source.backend
    shown = (("backend", backend.name), ("tables", ", ".join(backend.resources)))
    functions = ("functions", ", ".join(backend.routines) or "none")
    about = (Prose(backend.about),) if backend.about else ()
    names = ", ".join(view.name for view in views_of(backend))
    views = (("views", names),) if names else ()
    grid = Grid(("what", "which"), (*shown, *views, functions))
    return Page(source.name, (*about, grid, *_endpoints(backend.endpoints)))


def _endpoints(endpoints: Mapping[str, str]) -> tuple[Block, ...]:
    """What the setting ``routes`` of a source can correct."""
    if not endpoints:
        return ()
    corrected = Prose(
        "If the service has one of these elsewhere, the setting routes says where: routes.NAME ="
        " 'METHOD /path', with the same placeholders (see the topic sources)."
    )
    return Heading("Endpoints"), corrected, Grid(("name", "usual"), tuple(endpoints.items()))


def index(reference: Reference) -> Page:
    """What there is to ask about."""
    known = _known_tables(reference)
    return Page(
        "sessions_vtab: SQL over session APIs",
        (
            Prose(f"For details of one of these: {reference.command} NAME"),
            Heading("Tables"),
            Grid(("table", "a row"), tuple((name, t.doc) for name, (t, _) in known.items())),
            Heading("Views"),
            Grid(("view", "a row"), tuple((name, view.doc) for name, view in _VIEWS.items())),
            Heading("Functions"),
            Grid(
                ("function", "what it does"),
                tuple((one.name, one.doc) for one in _known_functions(reference).values()),
            ),
            Heading("Topics"),
            Prose(", ".join(_topics())),
        ),
    )


def all_pages(reference: Reference) -> list[Page]:
    """The whole reference."""
    return [index(reference), *(page(topic, reference) for topic in topics(reference))]


def _known_tables(reference: Reference) -> dict[str, tuple[Table, tuple[Column, ...]]]:
    """The schema's tables, and those that only a configured source has."""
    known = dict(_TABLES)
    for source in reference.sources:
        for name, resource in source.backend.resources.items():
            table, further = known.get(name, (resource.table, ()))
            present = {column.name for column in (*table.columns, *further)}
            more = (one for one in resource.table.columns if one.name not in present)
            known[name] = (table, (*further, *more))
    return known


def _known_functions(reference: Reference) -> dict[str, Function]:
    """The shared functions as the configured sources have them, and the sources' own."""
    own: dict[str, Function] = {}
    for source in reference.sources:
        for name in source.backend.routines:
            own.setdefault(name, source.backend.functions[name])
    return {**FUNCTIONS, **own}


# Tables


def _table_page(table: Table, further: tuple[Column, ...], reference: Reference) -> Page:
    holders = [
        (source, source.backend.resources[table.name])
        for source in reference.sources
        if table.name in source.backend.resources
    ]
    blocks: list[Block] = [
        Prose(table.doc),
        Heading("Columns"),
        _columns(column for column in table.columns if not column.name.startswith("_")),
    ]
    if holders and not reference.complete:
        further = tuple(column for column in further if _holding(column, holders))
    if further:
        blocks += [
            Heading("Additional columns, in sources that have them"),
            _further(further, holders),
        ]
    for source, resource in holders:
        read_only = reference.read_only or source.settings.read_only
        writes = _writes(resource.capability.writes, read_only)
        rows = (*writes, *_absent(resource), *_reads(resource))
        blocks += [Heading(f"In the source {source.name}"), Grid(("what", "how"), rows)]
    if table.example:
        blocks += [Heading("Example"), Code(f"{table.example};")]
    return Page(table.name, tuple(blocks))


def _columns(columns: Iterable[Column], required: Sequence[str] = ()) -> Grid:
    rows = tuple(
        (column.name, _type(column), _noted(column, column.name in required)) for column in columns
    )
    return Grid(("column", "type", "meaning"), rows)


def _type(column: Column) -> str:
    return _TYPES.get(column.type, column.type.value)


def _noted(column: Column, required: bool) -> str:
    notes = [
        note
        for note, holds in (
            ("required", required),
            ("hidden", column.hidden),
            ("not filtered by an API", column.derived),
            ("parameter", column.parameter),
        )
        if holds
    ]
    return f"{column.doc} ({', '.join(notes)})" if notes else column.doc


def _further(columns: Iterable[Column], holders: Sequence[tuple[OpenSource, Resource]]) -> Grid:
    if not holders:
        return _columns(columns)
    rows = tuple(
        (column.name, _type(column), _holding(column, holders) or "-", _noted(column, False))
        for column in columns
    )
    return Grid(("column", "type", "in", "meaning"), rows)


def _holding(column: Column, holders: Sequence[tuple[OpenSource, Resource]]) -> str:
    """The sources whose table has the column."""
    names = []
    for source, resource in holders:
        if column.name in resource.table.positions:
            hidden = resource.table.column(column.name).hidden
            names.append(f"{source.name}, hidden" if hidden else source.name)
    return "; ".join(names)


def _absent(resource: Resource) -> Iterator[tuple[str, str]]:
    """The columns that the source has nothing for, in the order of the table."""
    absent = resource.capability.absent
    if absent:
        yield "always NULL", ", ".join(name for name in resource.table.names if name in absent)


def _writes(writes: Writes, read_only: bool) -> Iterator[tuple[str, str]]:
    if read_only:
        yield "writes", "none: the source is read-only"
        return
    required = f"; required: {', '.join(writes.required)}" if writes.required else ""
    yield (
        "INSERT",
        _names(writes.insert) + required if writes.insert else _refused(writes, "insert"),
    )
    yield "UPDATE", _names(writes.update) if writes.update else _refused(writes, "update")
    yield "DELETE", "yes" if writes.delete else _refused(writes, "delete")


def _names(columns: frozenset[str]) -> str:
    return ", ".join(sorted(columns))


def _refused(writes: Writes, action: str) -> str:
    hint = writes.hint(action)
    return f"no: {hint}" if hint else "no"


def _reads(resource: Resource) -> Iterator[tuple[str, str]]:
    """One row for each way of reading: what it needs, narrows by and sorts by."""
    for path in resource.capability.paths:
        words = filter(None, _path_words(path, resource.table))
        yield f"read: {path.name}", "; ".join(words) or "all rows"


def _path_words(path: AccessPath, table: Table) -> Iterator[str]:
    yield path.call
    yield f"needs {', '.join(path.keys)}" if path.keys else ""
    yield ", ".join(_filter_words(path.filters, table))
    yield f"sorts by {_columns_words(path.orders, table)}" if path.orders else ""
    yield f"pages of {path.page_cap}" if path.page_cap else ""


def _filter_words(filters: Sequence[Filter], table: Table) -> Iterator[str]:
    """Conditions it takes; columns that take the same ones together."""
    for ops, named in by_operators(filters).items():
        what = _columns_words(named, table)
        yield f"any condition on {what}" if ops == "any" else f"{what} {ops}"


def _columns_words(named: Sequence[str], table: Table) -> str:
    """Names of columns; those of ``SELECT *`` are ``every column`` if all are among them."""
    visible = {column.name for column in table.visible}
    if not visible <= set(named):
        return ", ".join(named)
    keys = [name for name in named if "->>" in name]
    return ", ".join(["every column", *keys])


# Views and functions


def _view_page(view: View, reference: Reference) -> Page:
    user = any(column.name == "user_id" for column in view.columns)
    passed = f"{_PUSHED}; so are those on user_id." if user else f"{_PUSHED}."
    blocks: list[Block] = [Prose(view.doc), Prose(passed), Heading("Columns")]
    if view.like:
        blocks.append(Prose(f"Those of {view.like} in the same source; see its page."))
    else:
        blocks.append(_columns(view.columns))
    holders = [
        source.name
        for source in reference.sources
        if view.name in {one.name for one in views_of(source.backend)}
    ]
    if holders:
        blocks.append(Prose(f"In: {', '.join(holders)}."))
    return Page(view.name, (*blocks, Heading("Example"), Code(f"{view.example};")))


def _function_page(function: Function, reference: Reference) -> Page:
    holders = [s.name for s in reference.sources if function.name in s.backend.routines]
    kind = (
        "It has side effects; see the topic functions." if function.effect else "It is read-only."
    )
    where = f" Available in: {', '.join(holders)}." if holders else ""
    return Page(
        function.name,
        (
            # On lines for the narrowest terminal: code is not wrapped later.
            Code(textwrap.fill(function.signature, _NARROW, subsequent_indent=" " * 4)),
            Prose(f"{function.doc} {kind}{where}"),
            Heading("Parameters"),
            _columns(function.parameters, function.required),
            Heading("Results"),
            _columns(function.results),
            *((Heading("Example"), Code(f"{function.example};")) if function.example else ()),
        ),
    )
