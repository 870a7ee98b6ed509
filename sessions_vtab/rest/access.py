"""What a declared table can do: ways to read it and writes, as the planner wants to know them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TypeAlias

from sessions_vtab.contract.capability import (
    EQUALITY,
    RANGE,
    AccessPath,
    Capability,
    Filter,
    Within,
    Writes,
)
from sessions_vtab.contract.model import Places, Table, name_of, parse_name, places_of
from sessions_vtab.contract.predicate import Compare, Member, Op, Predicate, Value, fields
from sessions_vtab.rest.declaration import Delete, Get, Insert, List, RestTable, Update

_ONE = frozenset((Op.EQ,))
_ANY = EQUALITY | RANGE | {Op.NE, Op.IS_NULL, Op.IS_NOT_NULL}
"""Every operator: a condition on the column of hidden rows decides whether they are asked for."""

Parse: TypeAlias = Callable[[str, object], dict[str, str] | None]
"""The values in a name, by its template; None if no row can have that name."""

_GET_COST, _LIST_COST = 50, 100

# SQLite believes that a table without statistics has 2^20 rows, and a list of keys mostly has none.
# Reading by each of them, and sorting what comes, has to cost less than a fan-out: there are mostly
# few keys, and those of all sessions cost no more requests.
_FAN_OUT_COST = 10_000_000


def parent_column(table: RestTable, owner: RestTable) -> str:
    """The column that holds the name of a row's parent; '' for a table without one.

    It is ``session_name`` for ``sessions``, or what ``under`` says.
    """
    if not table.parent:
        return ""
    named = (column for column, template in table.under.items() if template == owner.name)
    return next(named, f"{table.parent.removesuffix('s')}_name")


def noun(table: RestTable) -> str:
    """What one row of a table is called in messages: ``upload session`` for ``upload_sessions``."""
    return table.table.name.removesuffix("s").replace("_", " ")


def named_by(table: RestTable, owner: RestTable) -> dict[str, str]:
    """Columns beside ``name`` whose value says which row of the parent it is, with templates."""
    if not table.parent:
        return {}
    return {parent_column(table, owner): owner.name, **table.under}


def capability_of(
    table: RestTable,
    owner: RestTable,
    given: Mapping[str, str],
    location: Sequence[str] = (),
    parse: Parse = parse_name,
) -> Capability:
    """The capability that follows from a declaration.

    Args:
        table: the table.
        owner: the table whose operations read it: its parent, or itself.
        given: placeholders that the source's location gives.
        location: those that it can give: a table whose rows are the values of one lists them.
        parse: takes a name apart.
    """
    paths = (*_gets(table, owner, given, parse), *_lists(table, owner, given))
    return Capability(
        paths,
        _writes(table, owner),
        rows=table.rows,
        hint=table.hint or owner.hint,
        follows=table.follows,
        hides=table.hides,
        forms=table.forms,
        made_from=table.made_from,
        enumerates=next((one for one in places_of(table.name)[-1:] if one in location), ""),
        absent=_absent(table, owner),
    )


def _absent(table: RestTable, owner: RestTable) -> frozenset[str]:
    """The columns that neither a field nor a placeholder fills, and that no write takes."""
    filled = {"name", parent_column(table, owner), *table.fields, *places_of(table.name)}
    filled |= {*_insert_columns(table, owner), *_columns(table.update)}
    return frozenset(
        column.name
        for column in table.table.columns
        if not (column.parameter or column.write_only or column.name in filled)
    )


def _gets(
    table: RestTable, owner: RestTable, given: Mapping[str, str], parse: Parse
) -> Iterator[AccessPath]:
    operation = table.list if table.sublist else owner.get
    if operation is None:
        return
    many, verb = bool(table.parent), _verb(table)
    takes = _narrowing(operation) if table.sublist or not many else ()
    shown = (*_shown(table), *takes)
    own = table.list if table.sublist else None
    way = AccessPath(
        verb,
        filters=takes,
        orders=() if own is None else own.orders,
        page_cap=None if own is None else own.pages.cap,
        cost=_GET_COST if own is None else _LIST_COST,
        call=operation.route,
        rows_per_key=table.per_parent if many else None,
        grouped=parent_column(table, owner),
        grouped_id=places_of(owner.name)[-1] if many else "",
    )
    yield replace(
        way,
        name=f"{verb} by name",
        keys=("name",),
        filters=shown,
        # Rows inside another come together with their neighbours, and a DELETE takes the first row
        # of what is said to be one.
        unique=not many,
        rows_per_key=None,
        within=_within(table, owner, table.name, parse),
    )
    for column, template in named_by(table, owner).items():
        within = _within(table, owner, template, parse)
        yield replace(way, name=_path_name(verb, column), keys=(column,), within=within)
    # In the order of the name: a path may have its placeholders in another one.
    places = tuple(filter(operation.places.__contains__, places_of(owner.name)))
    if set(places[-1:]) | set(places).difference(given) <= table.table.positions.keys():
        within = _within_places(owner, places[-1]) if _is_listed(table, owner) else None
        yield _by_places(
            replace(way, filters=shown, unique=not many, within=within), table, places, given
        )


def _by_places(
    way: AccessPath, table: RestTable, places: Sequence[str], given: Mapping[str, str]
) -> AccessPath:
    """A way to read by the placeholders of an operation, the last one first."""
    keys = tuple(one for one in reversed(places) if one == places[-1] or one not in given)
    # Several values of a scope are several requests, whose rows do not overlap; but one row is
    # unique only within one scope.
    ops = _ONE if way.unique else EQUALITY
    scope = tuple(
        Filter(one, ops, exact=True)
        for one in places
        if one != keys[0] and one in table.table.positions
    )
    return replace(way, keys=keys, filters=(*scope, *way.filters))


def _within(table: RestTable, owner: RestTable, template: str, parse: Parse) -> Within | None:
    """What holds the rows of a name: all rows of its parent, which come together; or the list."""
    column, inside = parent_column(table, owner), bool(table.parent) and template != owner.name
    places = () if owner.list is None else owner.list.places

    def held(name: Value) -> Mapping[str, Value] | None:
        found = parse(template, name)
        if found is None:
            return None
        if inside:
            return {column: name_of(owner.name, found)}
        return {**_of_item(owner, found), **{one: found[one] for one in places if one in found}}

    if inside:
        return Within(_path_name(_verb(table), column), held, through=True)
    return Within("list", held) if _is_listed(table, owner) else None


def _within_places(owner: RestTable, place: str) -> Within:
    """What holds the rows of a value of the last placeholder, where the others are given."""
    if owner.list is None or owner.list.of_item is None:
        return Within("list")
    return Within("list", lambda value: _of_item(owner, {place: str(value)}))


def _of_item(owner: RestTable, places: Places) -> Mapping[str, str]:
    """What is known of the list that an item is on, beside what its name says."""
    of_item = None if owner.list is None else owner.list.of_item
    return {} if of_item is None else of_item(places)


def _is_listed(table: RestTable, owner: RestTable) -> bool:
    """Whether the list of a table, or of its parents, has the very rows that a GET returns."""
    whole = owner.list is not None and owner.list.whole
    return whole and (not table.parent or bool(table.inside and table.listed))


def _verb(table: RestTable) -> str:
    return "list" if table.sublist else "get"


def _path_name(verb: str, column: str) -> str:
    return f"{verb} by {column.replace('_', ' ')}"


def _lists(table: RestTable, owner: RestTable, given: Mapping[str, str]) -> Iterator[AccessPath]:
    if owner.list is None:
        return
    spec, places = owner.list, owner.list.places
    keys = tuple(one for one in places if one not in given and one not in spec.each)
    if not all(key in table.table.positions for key in keys):
        return
    fans_out = bool(table.parent) and not (table.listed and table.inside)
    own = places_of(owner.name)
    # With ``each`` it is read for each value of a place, though no key has several.
    one_list = (fans_out or not table.parent) and {*keys, *given}.issuperset(places)
    yield AccessPath(
        "fan-out" if fans_out else "list",
        keys,
        (
            *(
                Filter(one, EQUALITY, exact=one in own)
                for one in places
                if one in table.table.positions and (one in own or one not in keys)
            ),
            *(_narrowing(table.list) if table.list is not None else ()),
            *_shown(table),
        ),
        orders=() if table.parent else spec.orders,
        ascending=() if table.parent else spec.ascending,
        ordered_by=() if table.parent else spec.ordered_by,
        page_cap=spec.pages.cap,
        cost=_FAN_OUT_COST if fans_out else _LIST_COST,
        call=_fan_out(table, owner) if fans_out else spec.route,
        fans_out=fans_out,
        grouped=parent_column(table, owner) if fans_out else "",
        grouped_id=own[-1] if one_list else "",
    )


def _narrowing(operation: Get | List) -> tuple[Filter, ...]:
    """The conditions that narrow what an operation reads."""
    filters = operation.filters if isinstance(operation, List) else {}
    exact = isinstance(operation, List) and operation.exact
    return (*(Filter(column, _ONE, exact=exact) for column in filters), *operation.takes)


def _fan_out(table: RestTable, owner: RestTable) -> str:
    """The calls of a fan-out, for people."""
    if table.list is not None and owner.list is not None:
        return f"{owner.list.route}, then {table.list.route}"
    return owner.get.route if owner.get is not None else ""


def _shown(table: RestTable) -> tuple[Filter, ...]:
    return () if table.hides is None else (Filter(table.hides.column, _ANY),)


def _writes(table: RestTable, owner: RestTable) -> Writes:
    operations = {"insert": table.insert, "update": table.update, "delete": table.delete}
    return Writes(
        _insert_columns(table, owner),
        _required(table),
        frozenset(_columns(table.update)),
        delete=table.delete is not None,
        hints=table.hints,
        calls={action: one.route for action, one in operations.items() if one is not None},
        per_minute=table.per_minute,
    )


def _required(table: RestTable) -> tuple[str, ...]:
    """Required columns; those of the name are left to the writer, as ``name`` may give them."""
    insert, own = table.insert, places_of(table.name)
    return () if insert is None else tuple(one for one in insert.required if one not in own)


def _insert_columns(table: RestTable, owner: RestTable) -> frozenset[str]:
    """The columns of the body, and those that say which row it is, unless the service does."""
    insert = table.insert
    if insert is None:
        return frozenset()
    body = frozenset(_columns(insert))
    if places_of(table.name)[-1] not in {*body, *insert.places}:  # The service makes it.
        return body.union(insert.places).intersection(table.table.names)
    named = {"name", parent_column(table, owner), *places_of(table.name)}
    columns = {*named, *insert.places, *body}
    return frozenset(columns).intersection(table.table.names)


def _columns(operation: Insert | Update | Delete | None) -> tuple[str, ...]:
    if not isinstance(operation, Insert | Update):
        return ()
    body = tuple(operation.body) if isinstance(operation.body, Mapping) else ()
    return (*operation.columns, *body)


def described(spec: RestTable, owner: RestTable, location: Sequence[str]) -> Table:
    """The table with what the declaration says of its columns: scopes, and names in columns."""
    # What tells the rows of a table apart is no scope of that table.
    scopes = set(location) - set(places_of(spec.name)[-1:])
    columns = tuple(replace(one, scope=one.name in scopes) for one in spec.table.visible)
    hidden = tuple(replace(one, scope=one.name in scopes) for one in spec.table.hidden)
    templates = {"name": spec.name, **named_by(spec, owner)}
    return replace(spec.table, visible=columns, hidden=hidden, templates=templates)


def admits(term: Predicate, column: str) -> bool:
    """Whether a condition is about a flag and can be true where it is 1."""
    if all(field.column != column for field in fields(term)):
        return False
    match term:
        case Compare(_, Op.EQ, operand):
            return operand == 1
        case Member(_, operands, False):
            return 1 in operands
        case _:
            return True
