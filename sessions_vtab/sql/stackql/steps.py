"""A StackQL statement as the front door executes it."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import NamedTuple

from sessions_vtab.contract.declare import quoted
from sessions_vtab.contract.predicate import literal
from sessions_vtab.sql.parameters import Numbering
from sessions_vtab.sql.stackql.dialect import EngineScope, ResultShape, StaticResult
from sessions_vtab.sql.stackql.naming import Sources
from sessions_vtab.sql.stackql.recognition import ENGINE
from sessions_vtab.sql.stackql.translate import translate

__all__ = ["Translated", "translated"]


class Translated(NamedTuple):
    """The statement in our own SQL, and what answers in place of its rows.

    Attributes:
        sql: the statement.
        numbering: parameters of the original, by which its bindings are counted; None for those of
            ``sql``.
        asks: numbers of the parameters whose values choose its sources.
        operation: what is selected of the long-running operation; empty for nothing.
        despatched: the answer is that the operation was despatched, once the rows have been read.
    """

    sql: str
    numbering: Numbering | None = None
    asks: frozenset[int] = frozenset()
    operation: str = ""
    despatched: bool = False


def translated(
    text: str,
    engines: Mapping[str, Mapping[str, str]],
    home: str,
    columns_of: Callable[[str], Collection[str] | None],
    values: Mapping[int, str],
) -> Translated | None:
    """What to execute for a text; None if it is not StackQL.

    Args:
        text: one statement.
        engines: the scope of each source whose sessions belong to engines, by source name.
        home: the source whose tables need no schema.
        columns_of: names of the columns of any other table.
        values: of the parameters that choose a source, as far as they are known.

    Raises:
        SessionsError: as ``translate``.
    """
    scopes = {name: _engine_of(scope) for name, scope in engines.items()}
    sources = Sources(scopes, home if home in scopes else None, columns_of)
    found = translate(text, sources, values)
    if found is None:
        return None
    if isinstance(found, StaticResult):
        return Translated(_selecting(found))
    return Translated(
        found.sql,
        found.numbering,
        found.asks,
        found.items if found.answer is ResultShape.OPERATION else "",
        found.answer is ResultShape.MESSAGE,
    )


def _engine_of(scope: Mapping[str, str]) -> EngineScope:
    return EngineScope(**{name: scope.get(name, "") for name in ENGINE})


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
