"""One StackQL statement as one of ours, and as the statement rewriter executes it.

The text is kept where it can be: names are replaced in place, conditions stay where they are. Only
INSERT and EXEC are written anew.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from sessions_vtab.contract.backend import Backend
from sessions_vtab.contract.model import quoted
from sessions_vtab.contract.predicate import literal
from sessions_vtab.errors import StatementError, UnsupportedError
from sessions_vtab.sql.dialects import Surroundings, Translated
from sessions_vtab.sql.lexer import apply, tokenize
from sessions_vtab.sql.stackql import ENGINE, OWN_AFFAIRS, is_stackql
from sessions_vtab.sql.stackql.dialect import (
    EngineScope,
    ResultShape,
    StaticResult,
    Translation,
    cleaned,
    hints_of,
)
from sessions_vtab.sql.stackql.execute import execute, inlined
from sessions_vtab.sql.stackql.naming import Sources
from sessions_vtab.sql.stackql.reading import TranslatedText
from sessions_vtab.sql.stackql.show import describe, show
from sessions_vtab.sql.stackql.writing import delete, insert_into, update

_NOTHING_KNOWN: Mapping[int, str] = MappingProxyType({})
_ANY = Sources()


def translate(
    text: str, sources: Sources = _ANY, values: Mapping[int, str] = _NOTHING_KNOWN
) -> Translation | StaticResult | None:
    """The translation of a statement; None if it is not StackQL.

    Args:
        text: one statement, its placeholders filled in.
        sources: the configured sources to choose from.
        values: of the parameters that choose a source, by number, where they are known already.

    Raises:
        MissingParameterError: naming the parameters that the method requires.
        UnknownNameError: a service, resource or method that is not served here.
        UnsupportedError: what StackQL has and this package has not; a write to engines of several
            sources; a table whose engine is not known before the statement runs although it
            chooses the source.
        StatementError: a text that StackQL would not parse.
    """
    if not is_stackql(text):
        return None
    text = cleaned(text)
    tokens = tokenize(text)
    match tokens[0].upper:
        case "SHOW":
            return show(text, tokens)
        case "DESCRIBE":
            return describe(tokens)
        case "EXEC":
            return execute(tokens, hints_of(text), sources)
        case "REPLACE":
            raise UnsupportedError("REPLACE is not supported; the API has no such method.")
        case verb if verb in OWN_AFFAIRS:
            raise UnsupportedError(f"{verb} manages StackQL itself and is not needed here.")
        case _:
            try:
                query = inlined(text, tokens, sources)
                return query or _statement(TranslatedText(text, tokens, sources, values))
            except IndexError:  # A token that the grammar wants is not there.
                raise StatementError("syntax error: the statement is incomplete.") from None


def _statement(text: TranslatedText) -> Translation:
    """SELECT, INSERT, UPDATE or DELETE; another table than a resource may be the target."""
    place = text.target
    if place is None:
        text.read()
        return text.query(apply(text.text, text.edits))
    match text.verb:
        case "UPDATE":
            return update(text, place)
        case "DELETE":
            return delete(text, place)
        case _:
            return insert_into(text, place)


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
