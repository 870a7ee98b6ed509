"""One StackQL statement as one of ours.

The text is kept where it can be: names are replaced in place, conditions stay where they are. Only
INSERT and EXEC are written anew.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from types import MappingProxyType

from sessions_vtab.errors import StatementError, UnsupportedError
from sessions_vtab.sql.lexer import apply, tokenize
from sessions_vtab.sql.stackql.dialect import (
    EngineScope,
    StaticResult,
    Translation,
    cleaned,
    hints_of,
)
from sessions_vtab.sql.stackql.execute import execute, inlined
from sessions_vtab.sql.stackql.naming import Sources
from sessions_vtab.sql.stackql.reading import TranslatedText
from sessions_vtab.sql.stackql.recognition import OWN_AFFAIRS, is_stackql
from sessions_vtab.sql.stackql.show import describe, show
from sessions_vtab.sql.stackql.writing import delete, insert_into, update

__all__ = ["translate"]

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
    prefix = partial(_prefix, sources)
    match tokens[0].upper:
        case "SHOW":
            return show(text, tokens)
        case "DESCRIBE":
            return describe(tokens)
        case "EXEC":
            return execute(tokens, hints_of(text), prefix)
        case "REPLACE":
            raise UnsupportedError("REPLACE is not supported; the API has no such method.")
        case verb if verb in OWN_AFFAIRS:
            raise UnsupportedError(f"{verb} manages StackQL itself and is not needed here.")
        case _:
            try:
                query = inlined(text, tokens, prefix)
                return query or _statement(TranslatedText(text, tokens, sources, values))
            except IndexError:  # A token that the grammar wants is not there.
                raise StatementError("syntax error: the statement is incomplete.") from None


def _prefix(sources: Sources, scope: EngineScope) -> str:
    return sources.schema(sources.named(scope))


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
