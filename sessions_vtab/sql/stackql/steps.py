"""A StackQL statement as the statement rewriter executes it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from sessions_vtab.contract.backend import Backend
from sessions_vtab.contract.model import quoted
from sessions_vtab.contract.predicate import literal
from sessions_vtab.sql.dialects import Surroundings, Translated
from sessions_vtab.sql.stackql.dialect import EngineScope, ResultShape, StaticResult
from sessions_vtab.sql.stackql.naming import Sources
from sessions_vtab.sql.stackql.recognition import ENGINE
from sessions_vtab.sql.stackql.translate import translate

__all__ = ["translated"]

_DESPATCHED: Final = "SELECT 'The operation was despatched successfully' AS message"


def translated(text: str, known: Surroundings, values: Mapping[int, str]) -> Translated | None:
    """What to execute for a text; None if it is not StackQL.

    Args:
        text: one statement.
        known: the connection; of its sources those count whose sessions belong to engines.
        values: of the parameters that choose a source, as far as they are known.

    Raises:
        SessionsError: as ``translate``.
    """
    scopes = {
        name: EngineScope(**{column: one.scope.get(column, "") for column in ENGINE})
        for name, one in known.backends.items()
        if _has_engines(one)
    }
    home = known.catalog.resolve(None, "sessions")
    default = home.source if home is not None and home.source in scopes else None
    found = translate(text, Sources(scopes, default, known.columns_of), values)
    if found is None:
        return None
    if isinstance(found, StaticResult):
        return Translated(_selecting(found))
    despatched = found.answer is ResultShape.MESSAGE
    after = _DESPATCHED if despatched else ""
    if found.answer is ResultShape.OPERATION and found.items:
        after = f"SELECT {found.items} FROM {known.operations}"
    return Translated(found.sql, found.numbering, found.asks, after, despatched)


def _has_engines(backend: Backend) -> bool:
    resource = backend.resources.get("sessions")
    return resource is not None and resource.table.positions.keys() >= ENGINE


def _selecting(listing: StaticResult) -> str:
    """A SELECT of constant rows."""
    rows = ", ".join(f"({', '.join(map(literal, row))})" for row in listing.rows)
    names = [f"column{place} AS {quoted(name)}" for place, name in enumerate(listing.columns, 1)]
    if not listing.rows:
        nulls = ", ".join(f"NULL AS {quoted(name)}" for name in listing.columns)
        text = f"SELECT {nulls} WHERE 0"
    else:
        text = f"SELECT {', '.join(names)} FROM (VALUES {rows})"
    return f"SELECT * FROM ({text}) WHERE ({listing.where})" if listing.where else text
