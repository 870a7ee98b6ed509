"""From JSON objects to columns: how each declared field becomes a value of its column's type."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from sessions_vtab.contract.model import ColumnType
from sessions_vtab.contract.templates import name_of, places_of
from sessions_vtab.fetch import Item
from sessions_vtab.fetch.rows import Frame, Getter, flag_of, json_of, number_of, text_of, time_of
from sessions_vtab.rest.access import parent_column
from sessions_vtab.rest.declaration import RestFrame, RestTable

__all__ = ["Decoder"]

_BY_TYPE: Final[Mapping[ColumnType, Callable[[str], Getter[Frame]]]] = {
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
        own = places_of(table.name)
        self.columns: dict[str, Getter[RestFrame]] = {
            **{one: _placed(one) for one in own if one in table.table.positions},
            **{name: self._getter(table, name, field) for name, field in table.fields.items()},
        }
        self._ids = {one: self.columns[one] for one in own if one in table.fields}
        held = (table.fields[one] for one in self._ids)
        self._id_fields = tuple(field for field in held if isinstance(field, str))
        self.columns["name"] = lambda item, frame: name_of(self._name, self.places(item, frame))
        if table.parent:
            parent = owner.name
            self.columns[parent_column(table, owner)] = lambda _, frame: name_of(
                parent, frame.places
            )

    def names(self, item: Item) -> bool:
        """Whether an item says which one it is."""
        return all(field in item for field in self._id_fields)

    def places(self, item: Item, frame: RestFrame) -> dict[str, str]:
        """The values of the placeholders of an item's name: its own, else those of the request."""
        own = {name: get(item, frame) for name, get in self._ids.items()}
        return {**frame.places, **{name: str(value) for name, value in own.items()}}

    def _getter(
        self, table: RestTable, name: str, field: str | Getter[RestFrame]
    ) -> Getter[RestFrame]:
        if not isinstance(field, str):
            return field
        kind = table.table.column(name).type
        if name in places_of(table.name) and kind is ColumnType.TEXT:
            return text_of(field, required=True)
        return _BY_TYPE[kind](field)


def _placed(name: str) -> Getter[RestFrame]:
    def get(_: Item, frame: RestFrame) -> str | None:
        return frame.places.get(name)

    return get


def items_inside(table: RestTable, item: Item, frame: RestFrame) -> list[Item]:
    """The items of a table's rows inside an item of its parent; absent or null holds none.

    Raises:
        ProtocolError: the field holds anything but a list of objects.
    """
    if callable(table.inside):
        return list(table.inside(item, frame))
    found: Any = item.get(table.inside)
    if found is None:
        return []
    if not isinstance(found, list) or not all(isinstance(one, dict) for one in found):
        raise frame.wrong(table.inside, "a list of objects")
    return found
