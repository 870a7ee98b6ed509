"""From JSON objects to columns: how each declared field becomes a value of its column's type."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from string import ascii_letters, digits
from typing import Any, Final

from sessions_vtab.contract.model import ColumnType, Table
from sessions_vtab.contract.predicate import Value
from sessions_vtab.contract.templates import encoded, name_of, places_of
from sessions_vtab.errors import ProtocolError
from sessions_vtab.fetch import Item, Response
from sessions_vtab.fetch.rows import (
    DecodeContext,
    Getter,
    OfPage,
    RowDecoder,
    column_of,
    flag_of,
    json_of,
    number_of,
    text_of,
    time_of,
)
from sessions_vtab.rest.access import parent_column
from sessions_vtab.rest.declaration import RestFrame, RestTable

_PLAIN: Final = f"{ascii_letters}{digits}_.~-\n".encode()
"""What ids that are the same percent-encoded consist of, one a line."""

_MOST_MADE: Final = 64

_BY_TYPE: Final[Mapping[ColumnType, Callable[[str], Getter[DecodeContext]]]] = {
    ColumnType.TEXT: text_of,
    ColumnType.JSON: lambda field: json_of(field, object),
    ColumnType.TIME: time_of,
    ColumnType.BOOLEAN: flag_of,
    ColumnType.INTEGER: lambda field: number_of(field, int),
    ColumnType.REAL: lambda field: number_of(field, int, float),
    ColumnType.BLOB: text_of,
}


class Decoder:
    """How the items of one table are read.

    Args:
        table: the declaration.
        owner: the table whose items its rows are in: its parent, or the table itself.

    Attributes:
        columns: makes the value of each column of an item.
    """

    def __init__(self, table: RestTable, owner: RestTable) -> None:
        self._name = table.name
        self._made: dict[frozenset[str], RowDecoder[RestFrame]] = {}
        own = places_of(table.name)
        self.columns: dict[str, Getter[RestFrame]] = {
            **{one: _placed(one) for one in own if one in table.table.positions},
            **{name: self._getter(table, name, field) for name, field in table.fields.items()},
        }
        self._ids = {one: self.columns[one] for one in own if one in table.fields}
        held = (table.fields[one] for one in self._ids)
        self._id_fields = tuple(field for field in held if isinstance(field, str))
        self._head, _, tail = table.name.rpartition(f"{{{own[-1]}}}")
        only = not tail and tuple(self._ids) == own[-1:]
        self._only_id = column_of(self._ids[own[-1]]) if only else None
        self.columns.setdefault("name", OfPage(self._names))
        if table.parent:
            parent = owner.name
            self.columns[parent_column(table, owner)] = _same(
                lambda frame: name_of(parent, frame.places)
            )

    def rows(self, table: Table, columns: frozenset[str]) -> RowDecoder[RestFrame]:
        """What makes rows with some columns; a statement asks for the same ones at each key."""
        made = self._made.get(columns)
        if made is None:
            if len(self._made) >= _MOST_MADE:
                self._made.clear()
            made = self._made[columns] = RowDecoder(table, self.columns, columns)
        return made

    def names(self, item: Item) -> bool:
        """Whether an item says which one it is."""
        return all(field in item for field in self._id_fields)

    def require_ids(self, item: Item, frame: RestFrame) -> None:
        """Raises ProtocolError for an item that does not say which one it is."""
        for get in self._ids.values():
            get(item, frame)

    def places(self, item: Item, frame: RestFrame) -> dict[str, str]:
        """The values of the placeholders of an item's name: its own, else those of the request."""
        own = {name: get(item, frame) for name, get in self._ids.items()}
        return {**frame.places, **{name: str(value) for name, value in own.items()}}

    def _names(self, items: Sequence[Item], frame: RestFrame) -> list[str]:
        """The items' resource names: most often the request's places and one id of their own."""
        if self._only_id is None:
            return [name_of(self._name, self.places(item, frame)) for item in items]
        ids: Sequence[Any] = self._only_id(items, frame)
        prefix = name_of(self._head, frame.places)
        return [prefix + one for one in (ids if _are_plain(ids) else map(encoded, map(str, ids)))]

    def _getter(
        self, table: RestTable, name: str, field: str | Getter[RestFrame]
    ) -> Getter[RestFrame]:
        if not isinstance(field, str):
            return field
        required = name in table.table.filled or name in places_of(table.name)
        return getter_of(field, table.table.column(name).type, required=required)


def getter_of(
    field: str | Getter[RestFrame], kind: ColumnType, *, required: bool = False
) -> Getter[RestFrame]:
    """What makes a value of some type; a text or a time may be required."""
    if not isinstance(field, str):
        return field
    if required and kind is ColumnType.TEXT:
        return text_of(field, required=True)
    if required and kind is ColumnType.TIME:
        return time_of(field, required=True)
    return _BY_TYPE[kind](field)


def _are_plain(ids: Sequence[Any]) -> bool:
    """Whether all ids are texts that are the same percent-encoded."""
    try:
        joined = "\n".join(ids)
    except TypeError:
        return False
    plain = joined.isascii() and not joined.encode().translate(None, _PLAIN)
    return plain and joined.count("\n") < max(1, len(ids))


def _same(value_of: Callable[[RestFrame], Value]) -> OfPage[RestFrame, Value]:
    """A column that has the same value in every row of a page."""
    return OfPage(lambda items, frame: [value_of(frame)] * len(items))


def _placed(name: str) -> OfPage[RestFrame, Value]:
    return _same(lambda frame: frame.places.get(name))


def items_inside(table: RestTable, item: Item, frame: RestFrame) -> list[Item]:
    """The items of a table's rows inside an item of its parent."""
    if callable(table.inside):
        return list(table.inside(item, frame))
    return objects_of(item, table.inside, frame)


def objects_of(
    item: Item, field: str, frame: DecodeContext, *, required: bool = False
) -> list[Item]:
    """The objects in a field that is a list; absent or null holds none, unless it is required.

    Raises:
        ProtocolError: the field holds anything else.
    """
    found: Any = item.get(field)
    if found is None and not required:
        return []
    if not isinstance(found, list) or not all(isinstance(one, dict) for one in found):
        raise frame.wrong(field, "a list of objects")
    return found


def texts_in(response: Response) -> list[str]:
    """A response that is a list of texts."""
    if not isinstance(response.json, list) or not all(
        isinstance(one, str) for one in response.json
    ):
        raise ProtocolError(f"{response.what} should be a list of texts.")
    return response.json
