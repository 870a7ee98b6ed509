"""From SQL values to JSON bodies: each declared column is converted, and checked before it is sent.

A column that is not given is left out of a body.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from sessions_vtab.contract import times
from sessions_vtab.contract.model import Column, ColumnType
from sessions_vtab.contract.predicate import Value
from sessions_vtab.contract.values import load_json
from sessions_vtab.errors import InvalidValueError


@dataclass(frozen=True, slots=True)
class Sent:
    """How a column is sent, where its type does not say it.

    Attributes:
        field: field of the body, or one inside another: ``owner.id``.
        by: makes the JSON value of the column's value, also of NULL in an UPDATE, and of where it
            comes from (``source.table.column``, for errors); raises InvalidValueError.
    """

    field: str
    by: Callable[[Value, str], Any]


Body: TypeAlias = Callable[[Mapping[str, Value], str], Any] | Mapping[str, str | Sent]
"""The JSON body: the field of each column or parameter, or a function of the values, those in the
row's name among them, and of where they come from (``source.table``, for errors)."""


def body_of(
    body: Body | None, values: Mapping[str, Value], where: str, columns: Iterable[Column]
) -> Any:
    """The body of some values.

    Args:
        body: as it is declared; None for none.
        values: canonical, by column or parameter.
        where: the table or function, for errors.
        columns: the columns or parameters, for their types; a placeholder need not be one.
    """
    if not isinstance(body, Mapping):
        return None if body is None else body(values, where)
    kinds, made = {one.name: one.type for one in columns}, dict[str, Any]()
    for name, sent in body.items():
        if name in values:
            value, what = values[name], f"{where}.{name}"
            if isinstance(sent, Sent):
                _put(made, sent.field, sent.by(value, what))
            else:
                _put(made, sent, _by_type(kinds.get(name), value, what))
    return made


def _put(body: dict[str, Any], field: str, value: Any) -> None:
    """Sets a field of a body, inside others if its name has dots."""
    *outer, last = field.split(".")
    for one in outer:
        body = body.setdefault(one, {})
    body[last] = value


def _by_type(kind: ColumnType | None, value: Value, what: str) -> Any:
    if value is None:
        return None
    if kind is ColumnType.JSON:
        return load_json(value, what)
    return bool(value) if kind is ColumnType.BOOLEAN else value


def refused(what: str, why: str) -> InvalidValueError:
    """The error for a value that is not sent: ``refused("t.votes", "must be a number")``."""
    return InvalidValueError(f"{what} {why}. Nothing was sent.")


def json_object(value: Value, what: str) -> dict[str, Any]:
    """The JSON object that a text holds; InvalidValueError for anything else."""
    loaded = load_json(value, what)
    if not isinstance(loaded, dict):
        raise refused(what, f"must be a JSON object, not {value!r:.60}")
    return loaded


def json_array(value: Value, what: str) -> list[Any]:
    """The JSON array that a text holds; InvalidValueError for anything else."""
    loaded = load_json(value, what)
    if not isinstance(loaded, list):
        raise refused(what, f"must be a JSON array ('[]' for none), not {value!r:.60}")
    return loaded


def rfc3339(value: Value, what: str) -> str:
    """A time as services write it, in UTC."""
    return times.to_rfc3339(times.require(value, what))
