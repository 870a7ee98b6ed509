"""From JSON objects to rows: only the columns a statement uses, each field checked when read.

A page is read column by column, which is several times as fast as row by row. A field of the wrong
type raises ProtocolError that names field and URL; unknown fields are ignored.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from json import encoder
from typing import Any, Final, Generic, TypeAlias, TypeVar

from pydantic_core import to_json

from sessions_vtab.contract import times
from sessions_vtab.contract.model import Table
from sessions_vtab.contract.predicate import Value
from sessions_vtab.contract.scan import Row
from sessions_vtab.errors import ProtocolError
from sessions_vtab.fetch.call import Item

_MICROS: Final = 1_000_000
_NONE: Final = type(None)


@dataclass(frozen=True, slots=True)
class DecodeContext:
    """What the items of one answer have in common; backends add fields.

    Attributes:
        what: the answer, for errors: ``Response.what``.
    """

    what: str

    def wrong(self, field: str, expected: str) -> ProtocolError:
        """The error for a field that is not what the API describes."""
        return ProtocolError(
            f"{self.what}: the field {field} should be {expected}. The response was"
            " discarded. Does base_url point to the service itself?"
        )


F = TypeVar("F", bound=DecodeContext)
V = TypeVar("V", bound=Value)

Getter: TypeAlias = Callable[[Item, F], Value]
"""Builds one column of an item."""


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
        columns: the ones to build; all unless given.
    """

    def __init__(
        self,
        table: Table,
        fields: Mapping[str, Getter[F]],
        columns: Iterable[str] | None = None,
    ) -> None:
        used = set(table.names if columns is None else columns)
        self._columns = [
            column_of(fields[name]) if name in used and name in fields else None
            for name in table.names
        ]

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
        values = [item.get(field) for item in items]
        if not set(map(type, values)) <= allowed:
            absent = required and not all(field in item for item in items)
            raise frame.wrong(field, f"{expected}, and is missing" if absent else expected)
        return values

    return OfPage(column)


def json_of(field: str, kind: type[Any] = dict) -> OfPage[DecodeContext, str | None]:
    """A JSON object (or list, or any value) as minified text; NULL if it is absent or null."""
    expected = "an object" if kind is dict else "a list" if kind is list else "a JSON value"
    allowed = {kind, _NONE}

    def column(items: Sequence[Item], frame: DecodeContext) -> Sequence[str | None]:
        values = [item.get(field) for item in items]
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
        values = [item.get(field) for item in items]
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
