"""From JSON objects to rows: only the columns a statement uses, each field checked when read.

A field of the wrong type raises ProtocolError that names field and URL; unknown fields are ignored.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final, Generic, TypeAlias, TypeVar

from sessions_vtab.contract import times
from sessions_vtab.contract.model import Table
from sessions_vtab.contract.predicate import Value
from sessions_vtab.contract.scan import Row
from sessions_vtab.contract.values import dump_json
from sessions_vtab.errors import ProtocolError
from sessions_vtab.fetch.call import Item

__all__ = [
    "Frame",
    "Getter",
    "RowMaker",
    "epoch_of",
    "flag_of",
    "json_of",
    "number_of",
    "text_of",
    "time_of",
]

_MICROS: Final = 1_000_000


@dataclass(frozen=True, slots=True)
class Frame:
    """What the items of one answer have in common; backends add fields.

    Attributes:
        what: the answer, for errors: ``Reply.what``.
    """

    what: str

    def wrong(self, field: str, expected: str) -> ProtocolError:
        """The error for a field that is not what the API describes."""
        return ProtocolError(
            f"{self.what}: the field {field} should be {expected}. The response was"
            " discarded. Does base_url point to the service itself?"
        )


F = TypeVar("F", bound=Frame)

Getter: TypeAlias = Callable[[Item, F], Value]
"""Builds one column of an item."""


class RowMaker(Generic[F]):
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
        self._getters = tuple(
            fields.get(name, _null) if name in used else _null for name in table.names
        )

    def __call__(self, item: Item, frame: F) -> Row:
        """One row."""
        return tuple([getter(item, frame) for getter in self._getters])

    def page(self, items: Iterable[Item], frame: F) -> list[Row]:
        """The rows of a page."""
        return [self(item, frame) for item in items]


def text_of(field: str, *, required: bool = False) -> Callable[[Item, Frame], str | None]:
    """Text; NULL if it is absent or null, unless it is required."""

    def get(item: Item, frame: Frame) -> str | None:
        value = item.get(field)
        if isinstance(value, str) or (value is None and not required):
            return value
        raise frame.wrong(field, "text")

    return get


def flag_of(field: str) -> Callable[[Item, Frame], int | None]:
    """A boolean as 0 or 1; NULL if it is absent or null."""

    def get(item: Item, frame: Frame) -> int | None:
        value = item.get(field)
        if value is None:
            return None
        if not isinstance(value, bool):
            raise frame.wrong(field, "true or false")
        return int(value)

    return get


def number_of(field: str, *kinds: type[float]) -> Callable[[Item, Frame], int | float | None]:
    """A number of one of the types that JSON has; NULL if it is absent or null."""

    def get(item: Item, frame: Frame) -> int | float | None:
        value = item.get(field)
        if value is None:
            return None
        if isinstance(value, bool) or not isinstance(value, kinds):
            raise frame.wrong(field, "a whole number" if float not in kinds else "a number")
        return value

    return get


def json_of(field: str, kind: type[Any] = dict) -> Callable[[Item, Frame], str | None]:
    """A JSON object (or list, or any value) as minified text; NULL if it is absent or null."""
    expected = "an object" if kind is dict else "a list" if kind is list else "a JSON value"

    def get(item: Item, frame: Frame) -> str | None:
        value = item.get(field)
        if value is None:
            return None
        if not isinstance(value, kind):
            raise frame.wrong(field, expected)
        try:
            return dump_json(value)
        except ValueError:
            raise frame.wrong(field, f"{expected} without infinite numbers") from None

    return get


def time_of(field: str) -> Callable[[Item, Frame], str | None]:
    """ISO 8601 text, UTC if it has no offset, as canonical text; NULL if it is absent or null."""

    def get(item: Item, frame: Frame) -> str | None:
        value = item.get(field)
        if value is None:
            return None
        instant = times.parse(value) if isinstance(value, str) else None
        if instant is None:
            raise frame.wrong(field, "a time")
        return times.to_text(instant)

    return get


def epoch_of(field: str, *, whole: bool = True) -> Callable[[Item, Frame], str | None]:
    """Seconds since 1970 as canonical text; NULL if it is absent or null.

    Args:
        field: of an item.
        whole: the API has whole seconds; else a fraction is allowed, of which six digits count.
    """
    expected = "whole seconds since 1970" if whole else "seconds since 1970"

    def get(item: Item, frame: Frame) -> str | None:
        value = item.get(field)
        if value is None:
            return None
        if isinstance(value, bool) or not isinstance(value, int if whole else int | float):
            raise frame.wrong(field, expected)
        try:
            return times.to_text(round(value * _MICROS) * 1_000)
        except (ValueError, OverflowError):
            raise frame.wrong(field, "a time between the years 1 and 9999") from None

    return get


def _null(item: Item, frame: Frame) -> Value:  # noqa: ARG001
    return None
