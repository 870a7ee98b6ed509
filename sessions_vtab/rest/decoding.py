"""From JSON objects to rows: only the columns a statement uses, each field checked when read.

A page is read column by column, which is several times as fast as row by row. A field of the wrong
type raises ProtocolError that names field and URL; unknown fields are ignored. A ``Decoder`` has
what makes the columns of a declared table, by the types of its fields.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from json import encoder
from string import ascii_letters, digits
from typing import Any, Final, Generic, TypeVar

from pydantic_core import to_json

from sessions_vtab.contract import times
from sessions_vtab.contract.model import ColumnType, Table, encoded, name_of, places_of
from sessions_vtab.contract.predicate import Value
from sessions_vtab.contract.scan import Row
from sessions_vtab.errors import ProtocolError
from sessions_vtab.fetch import Item, Response, field_of
from sessions_vtab.rest.access import parent_column
from sessions_vtab.rest.declaration import DecodeContext, F, Getter, RestFrame, RestTable

_MICROS: Final = 1_000_000
_NONE: Final = type(None)


V = TypeVar("V", bound=Value)


@dataclass(frozen=True, slots=True)
class OfPage(Generic[F, V]):
    """A ``Getter`` that builds its column of a whole page at once.

    Attributes:
        column: the column's values for items of one answer.
    """

    column: Callable[[Sequence[Item], F], Sequence[V]]

    def __call__(self, item: Item, frame: F) -> V:
        """The value of one item."""
        return self.column((item,), frame)[0]


class RowDecoder(Generic[F]):
    """Makes rows of one table with the columns that a scan uses.

    Args:
        table: gives the order of columns.
        fields: how each column is built; columns without an entry are NULL.
        columns: the ones to build; all unless given. A row ends after the last of them.
    """

    def __init__(
        self,
        table: Table,
        fields: Mapping[str, Getter[F]],
        columns: Iterable[str] | None = None,
    ) -> None:
        used = set(table.names if columns is None else columns)
        made = [
            column_of(fields[name]) if name in used and name in fields else None
            for name in table.names
        ]
        width = max((at + 1 for at, name in enumerate(table.names) if name in used), default=1)
        self._columns = made[:width]

    def __call__(self, item: Item, frame: F) -> Row:
        """One row."""
        return self.page((item,), frame)[0]

    def page(self, items: Sequence[Item], frame: F) -> list[Row]:
        """The rows of a page."""
        nulls = [None] * len(items)
        columns = [nulls if one is None else one(items, frame) for one in self._columns]
        return list(zip(*columns, strict=True))


def column_of(getter: Getter[F]) -> Callable[[Sequence[Item], F], Sequence[Value]]:
    """What builds a getter's column of a whole page."""
    if isinstance(getter, OfPage):
        return getter.column
    return lambda items, frame: [getter(item, frame) for item in items]


def field_of_all(field: str, items: Sequence[Item]) -> list[Any]:
    """A field of each item, or one inside another, ``owner.id``; None where there is none."""
    if "." in field:
        return [field_of(item, field) for item in items]
    return [item.get(field) for item in items]


def value_of(field: str) -> Getter[Any]:
    """A value that an item has as the column has it, since it was made here."""
    return lambda item, _: item.get(field)


def text_of(field: str, *, required: bool = False) -> OfPage[DecodeContext, str | None]:
    """Text; NULL if it is absent or null, unless it is required."""
    return _typed(field, "text", (str,), required=required)


def null_if(empty: str, getter: OfPage[F, str | None]) -> OfPage[F, str | None]:
    """The same column; NULL also where its value is ``empty``, which the service sends for none."""
    read = getter.column

    def column(items: Sequence[Item], frame: F) -> Sequence[str | None]:
        return [None if text == empty else text for text in read(items, frame)]

    return OfPage(column)


def flag_of(field: str) -> OfPage[DecodeContext, int | None]:
    """A boolean as 0 or 1; NULL if it is absent or null."""
    read = _typed(field, "true or false", (bool,)).column

    def column(items: Sequence[Item], frame: DecodeContext) -> Sequence[int | None]:
        return [None if value is None else int(value) for value in read(items, frame)]

    return OfPage(column)


def number_of(field: str, *kinds: type[float]) -> OfPage[DecodeContext, int | float | None]:
    """A number of one of the types that JSON has; NULL if it is absent or null."""
    return _typed(field, "a whole number" if float not in kinds else "a number", kinds)


def _typed(
    field: str, expected: str, kinds: tuple[type, ...], *, required: bool = False
) -> OfPage[DecodeContext, Any]:
    """A value of one of some types, as it is."""
    allowed = {*kinds} if required else {*kinds, _NONE}

    def column(items: Sequence[Item], frame: DecodeContext) -> Sequence[Any]:
        values = field_of_all(field, items)
        if not set(map(type, values)) <= allowed:
            absent = required and None in values and not all(field in item for item in items)
            raise frame.wrong(field, f"{expected}, and is missing" if absent else expected)
        return values

    return OfPage(column)


def json_of(field: str, kind: type[Any] = dict) -> OfPage[DecodeContext, str | None]:
    """A JSON object (or list, or any value) as minified text; NULL if it is absent or null."""
    expected = "an object" if kind is dict else "a list" if kind is list else "a JSON value"
    allowed = {kind, _NONE}

    def column(items: Sequence[Item], frame: DecodeContext) -> Sequence[str | None]:
        values = field_of_all(field, items)
        if kind is not object and not set(map(type, values)) <= allowed:
            raise frame.wrong(field, expected)
        try:
            return encode_all(values)
        except ValueError:
            raise frame.wrong(field, f"{expected} without infinite numbers") from None

    return OfPage(column)


# Times

_MICROSECONDS: Final = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z", re.ASCII).fullmatch
_AS_ZEROS: Final = bytes.maketrans(b"123456789", b"000000000")


def time_of(field: str, *, required: bool = False) -> OfPage[DecodeContext, str | None]:
    """ISO 8601 text, UTC if it has no offset, as canonical text.

    Args:
        field: of an item.
        required: it is never absent or null; else NULL if it is.
    """

    def value_of(value: Any, frame: DecodeContext) -> str | None:
        text = None if value is None else _time_text(value)
        if text is None and (required or value is not None):
            raise frame.wrong(field, "a time")
        return text

    def column(items: Sequence[Item], frame: DecodeContext) -> Sequence[str | None]:
        values = field_of_all(field, items)
        whole = _all_microseconds(values)
        # Where some are absent, the others are converted here: a call for each would cost as much.
        return whole or [
            f"{value[:10]} {value[11:26]}"
            if isinstance(value, str) and _MICROSECONDS(value)
            else value_of(value, frame)
            for value in values
        ]

    return OfPage(column)


def _time_text(value: Any) -> str | None:
    """Canonical text of a time; None if it is not a valid time."""
    if not isinstance(value, str):
        return None
    instant = times.parse(value)
    return None if instant is None else times.to_text(instant)


def _all_microseconds(values: Sequence[Any]) -> list[str] | None:
    """Converts a whole page of times in the most usual form; None if one has another."""
    try:
        joined = "\n".join(values)
    except TypeError:
        return None
    if not (values and joined.isascii()):
        return None
    if joined.encode().translate(_AS_ZEROS) != _usual(len(values)):
        return None
    return joined.replace("T", " ").replace("Z", "").split("\n")


@lru_cache(maxsize=128)
def _usual(count: int) -> bytes:
    """As many times in the usual form, one per line, with every digit a zero."""
    return b"\n".join([b"0000-00-00T00:00:00.000000Z"] * count)


def epoch_of(
    field: str, *, whole: bool = True, per_second: int = 1
) -> OfPage[DecodeContext, str | None]:
    """Seconds since 1970 as canonical text; NULL if it is absent or null.

    Args:
        field: of an item.
        whole: the API has whole numbers; else a fraction is allowed, of which six digits count.
        per_second: 1 000 where the API has milliseconds.
    """
    kinds, unit = (
        (int,) if whole else (int, float),
        "seconds" if per_second == 1 else "milliseconds",
    )
    expected = f"{'whole ' if whole else ''}{unit} since 1970"
    read = _typed(field, expected, kinds).column

    def column(items: Sequence[Item], frame: DecodeContext) -> Sequence[str | None]:
        values = read(items, frame)
        try:
            return [
                None
                if value is None
                else times.to_text(round(value * _MICROS) * 1_000 // per_second)
                for value in values
            ]
        except (ValueError, OverflowError):
            raise frame.wrong(field, "a time between the years 1 and 9999") from None

    return OfPage(column)


# JSON

# Texts in which pydantic writes a number otherwise than ``json`` does (0.00001 for 1e-05, 1e-7 for
# 1e-07), or that are not JSON; each with a letter of it, which is found ten times as fast. In a
# string such a text only costs time.
_SIGNS: Final = ((b".", b"0.0000"), (b"-", b"e-"), (b"I", b"Infinity"), (b"N", b"NaN"))
_OTHERWISE: Final = re.compile("0[.]0000|e-|Infinity|NaN").search
_BETWEEN: Final = "\0"


def make_encoder() -> Callable[[Any], str]:
    """Returns a function from JSON values to minified text; ValueError for an infinite number.

    ``JSONEncoder.encode`` creates a new C encoder for each value, which costs more than encoding a
    small value. The encoder created here is reused.
    """
    make: Any = getattr(encoder, "c_make_encoder", None)
    if make is None:
        return json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode
    pieces = make(None, _refuse, encoder.encode_basestring, None, ":", ",", False, False, False)
    return lambda value: "".join(pieces(value, 0))


def _refuse(value: object) -> Any:
    raise TypeError(f"{type(value).__name__} is not a JSON value")


_encode: Final = make_encoder()


def encode_all(values: Sequence[Any]) -> list[str | None]:
    """JSON values as by ``make_encoder``, several times as fast for a page; None stays None.

    Raises:
        ValueError: an infinite number, or NaN.
    """
    # One call for the page: a string of its own between two values shows where one ends.
    mixed = [_BETWEEN] * (2 * len(values))
    mixed[::2] = values
    try:
        whole = to_json(mixed)
    except ValueError:  # Nested more deeply than pydantic allows.
        return _one_by_one(values)
    texts = whole[1:-1].decode().split(',"\\u0000",')
    if len(texts) != len(values):  # None at all, or one of them holds that string, too.
        return _one_by_one(values)
    texts[-1] = texts[-1].removesuffix(',"\\u0000"')
    if any(letter in whole and sign in whole for letter, sign in _SIGNS):
        pairs = zip(texts, values, strict=True)
        texts = [_encode(value) if _OTHERWISE(text) else text for text, value in pairs]
    return [None if text == "null" else text for text in texts]


def _one_by_one(values: Sequence[Any]) -> list[str | None]:
    return [None if value is None else _encode(value) for value in values]


# Declared tables

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
        return all(field_of(item, field) is not None or field in item for field in self._id_fields)

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
    found: Any = field_of(item, field)
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
