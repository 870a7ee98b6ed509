"""The columns of ``events`` that are read from its documents, as a SQL function of the store."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Any, Final

import apsw

from sessions_vtab.contract.agent_events import FACTS, Documents
from sessions_vtab.contract.model import Column
from sessions_vtab.contract.predicate import Value

__all__ = ["DOCUMENTS", "add_function", "calls", "expressions", "facts_of"]

DOCUMENTS: Final = Documents._fields
"""The columns that the others are read from."""

_FUNCTION: Final = "event_fact"


def add_function(connection: apsw.Connection) -> None:
    """Adds ``event_fact(column, actions, event_metadata, raw_event)`` to a connection."""
    connection.create_scalar_function(_FUNCTION, _fact, 4, deterministic=True)


def expressions(alias: str) -> dict[str, str]:
    """The SQL of each column, for the events with an alias.

    Most events have few of the documents; asking for those that matter first costs no call.
    """
    documents = {name: f"{alias}.{name}" for name in DOCUMENTS}
    found = {}
    for name, call in calls(documents).items():
        looked_at = [one for one in DOCUMENTS if one in FACTS[name].documents]
        absent = " AND ".join(f"{alias}.{one} IS NULL" for one in looked_at)
        found[name] = f"(iif({absent}, NULL, {call}))"
    return found


def calls(documents: Mapping[str, str]) -> dict[str, str]:
    """The SQL of each column where events have their documents elsewhere.

    Args:
        documents: SQL of each document; one that no event has is left out.
    """
    found = {}
    for name, fact in FACTS.items():
        looked_at = fact.documents & documents.keys()
        given = ", ".join(documents[one] if one in looked_at else "NULL" for one in DOCUMENTS)
        found[name] = f"{_FUNCTION}('{name}', {given})" if looked_at else "NULL"
    return found


def facts_of(columns: Iterable[Column], row: Mapping[str, Value]) -> tuple[Value, ...]:
    """The values of such columns for an event that is being written."""
    documents = Documents(*(_loaded(row.get(name)) for name in DOCUMENTS))
    return tuple(FACTS[column.name](documents) for column in columns)


def _fact(*arguments: Any) -> Any:
    column, *documents = arguments
    return FACTS[column](Documents(*map(_loaded, documents)))


def _loaded(text: Any) -> Any:
    return _parsed(text) if isinstance(text, str) else None


# The columns of a row are built one after the other from the same texts.
@lru_cache(maxsize=8)
def _parsed(text: str) -> Any:
    """The JSON value of a text; None if another program wrote something else into the file."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None
