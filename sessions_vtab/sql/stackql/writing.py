"""INSERT, UPDATE and DELETE of a StackQL resource as statements about our tables."""

from __future__ import annotations

from collections.abc import Sequence

from sessions_vtab.errors import StatementError, UnsupportedError
from sessions_vtab.sql.lexer import Edit, TokenKind, apply, insert, name_of
from sessions_vtab.sql.returning import has_alias
from sessions_vtab.sql.shapes import Span, blocks, commas, find
from sessions_vtab.sql.stackql.dialect import (
    SCOPES,
    ProviderResource,
    ResourceMention,
    ResultShape,
    Translation,
)
from sessions_vtab.sql.stackql.reading import TranslatedText
from sessions_vtab.sql.stackql.scoping import ParameterCondition, required

_RETURNING = frozenset(("RETURNING",))
_SET = frozenset(("SET", "FROM", "WHERE"))
_CONSTANTS = frozenset((TokenKind.STRING, TokenKind.NUMBER))
_DELETE_ANSWER = "DELETE .. RETURNING cannot be combined with AWAIT; leave one of them out."


def update(text: TranslatedText, place: ResourceMention) -> Translation:
    """UPDATE: what is '' in SET is not sent; ``updateMask`` moves from WHERE into SET."""
    source, given = _changed(text, place, "UPDATE")
    text.read()
    assignments = _assignments(text, place)
    for condition in given:
        if place.resource.names.get(condition.name) == "update_mask":
            assignments += _mask(text, condition)
    if not assignments:
        raise StatementError("UPDATE: every value in SET is '', so there is nothing to send.")
    text.replace(_set_span(text, place), ", ".join(assignments))
    text.table(place, source)
    returning = _returning(text, place.end)
    if returning is not None:
        text.items(returning)
    return text.query(apply(text.text, text.edits))


def delete(text: TranslatedText, place: ResourceMention) -> Translation:
    """DELETE: what it returns is the operation."""
    source, _ = _changed(text, place, "DELETE")
    text.read()
    text.table(place, source)
    returning = _returning(text, place.end)
    if returning is None:
        return text.query(apply(text.text, text.edits))
    if "AWAIT" in text.hints:
        raise UnsupportedError(_DELETE_ANSWER)
    return _with_operation(text, returning)


def insert_into(text: TranslatedText, place: ResourceMention) -> Translation:
    """INSERT: '' is not sent; what it returns is the operation, or with AWAIT the session."""
    columns, following = _columns(text, place)
    required(place, "INSERT", [name.lower() for name in columns])
    ours = [_body_column(place.resource, name) for name in columns]
    text.read(without_headings=following)
    text.replace((place.end, following), f"({', '.join(ours)})")
    rows = _rows(text, following)
    text.table(place, _source_of_rows(text, ours, rows))
    for item in (item for row in rows for item in row):
        _blank_is_null(text, item)
    returning = _returning(text, following)
    if returning is not None and "AWAIT" not in text.hints:
        return _with_operation(text, returning)
    if returning is not None:
        text.items(returning)
    return text.query(apply(text.text, text.edits))


def _changed(
    text: TranslatedText, place: ResourceMention, verb: str
) -> tuple[str, Sequence[ParameterCondition]]:
    """The source of an UPDATE or DELETE, and the conditions on its table."""
    where = text.where(place.end, len(text.tokens))
    conditions = [one for one in text.reader.filters(where) if one.concerns(place)]
    given = text.note([place], conditions, verb)
    chosen = text.routes.sources_of(text.routes.engines(place), verb)
    return text.routes.only(chosen, verb), given


def _returning(text: TranslatedText, at: int) -> Span | None:
    end = len(text.tokens) - (text.tokens[-1].text == ";")
    mark = next(find(text.tokens, (at, end), text.pairs, _RETURNING), None)
    return None if mark is None else (mark + 1, end)


def _with_operation(text: TranslatedText, returning: Span) -> Translation:
    """The statement without RETURNING, whose list is about the operation."""
    first, last = returning[0] - 2, returning[1] - 1
    cut = Edit(text.tokens[first].end, text.tokens[last].end, "")
    items = text.text[text.tokens[returning[0]].start : cut.end]
    kept = [e for e in text.edits if e.end <= cut.start]
    return text.query(apply(text.text, [*kept, cut]), ResultShape.OPERATION, items)


# UPDATE.


def _set_span(text: TranslatedText, place: ResourceMention) -> Span:
    marks = list(find(text.tokens, (place.end, len(text.tokens)), text.pairs, _SET))
    if len(marks) < 2 or text.tokens[marks[0]].upper != "SET":  # noqa: PLR2004
        raise StatementError("syntax error: UPDATE needs SET and WHERE.")
    return (marks[0] + 1, marks[1])


def _assignments(text: TranslatedText, place: ResourceMention) -> list[str]:
    """``ours = value`` for each value that is to be sent."""
    found = []
    for first, end in commas(text.tokens, _set_span(text, place), text.pairs):
        if text.word(first + 1) != "=":
            raise StatementError(f"syntax error near {text.tokens[first].text} in SET.")
        column = _body_column(place.resource, name_of(text.tokens[first]))
        if not (end - first == 3 and text.is_empty(end - 1)):  # noqa: PLR2004
            found.append(f"{column} = {_value(text, column, (first + 2, end))}")
    return found


def _value(text: TranslatedText, column: str, span: Span) -> str:
    """What a column is set to: itself for '', which is not sent; NULL clears it."""
    value = text.edited(span)
    token = text.tokens[span[0]]
    literal = token.kind in _CONSTANTS or token.upper == "NULL"
    if span[1] - span[0] == 1 and literal:
        return value
    return f"CASE {value} WHEN '' THEN {column} ELSE {value} END"


def _mask(text: TranslatedText, condition: ParameterCondition) -> list[str]:
    """Takes updateMask out of WHERE; returns the assignment that carries it."""
    first, end = condition.span
    column = first if condition.label is None else first + 2
    value = text.edited((column + 2, end))
    text.replace(condition.span, "TRUE")
    return [] if text.is_empty(end - 1) else [f"update_mask = {value}"]


def _body_column(resource: ProviderResource, name: str) -> str:
    """Our column for ``data__userId`` (or ``userId``), or for a path parameter."""
    bare = name.removeprefix("data__")
    ours = resource.names.get(bare.lower())
    if ours is None:
        known = ", ".join(f"data__{column.name}" for column in resource.columns)
        raise StatementError(f"{resource.name} has no field {name}; valid fields: {known}.")
    return ours


# INSERT.


def _columns(text: TranslatedText, place: ResourceMention) -> tuple[list[str], int]:
    """The names of the list of columns, and the token after it."""
    if place.end not in text.pairs:
        raise StatementError("syntax error: INSERT needs a list of columns.")
    closing = text.pairs[place.end]
    parts = commas(text.tokens, (place.end + 1, closing), text.pairs)
    return [name_of(text.tokens[first]) for first, _ in parts], closing + 1


def _rows(text: TranslatedText, at: int) -> list[list[Span]]:
    """The expressions of VALUES, or of the SELECT."""
    if text.word(at) == "SELECT":
        block = next(b for b in blocks(text.tokens, text.pairs) if b.at == at)
        if block.compound or text.tokens[block.items[0]].text == "*":
            raise UnsupportedError("INSERT: name the columns of one SELECT, without UNION.")
        return [commas(text.tokens, block.items, text.pairs)]
    rows, index = [], at + 1
    while text.word(at) == "VALUES" and index in text.pairs:
        inside = (index + 1, text.pairs[index])
        rows.append(commas(text.tokens, inside, text.pairs))
        index = text.pairs[index] + (2 if text.word(text.pairs[index] + 1) == "," else 1)
    if not rows:
        raise StatementError("syntax error: INSERT needs VALUES or SELECT.")
    return rows


def _source_of_rows(
    text: TranslatedText, ours: Sequence[str], rows: Sequence[Sequence[Span]]
) -> str:
    """The one source that all rows are for.

    Raises:
        StatementError: a row has another number of values than there are columns.
        UnsupportedError: they are for several, or it is not known for which.
    """
    chosen: dict[str, object] = {}
    for row in rows:
        if len(row) != len(ours):
            raise StatementError("disparity in fields to insert and supplied data")
        engines = [
            text.routes.followed(text.reader.value((item[0], _after_value(text, item))))
            for item in (row[ours.index(column)] for column in SCOPES.values())
        ]
        known = None if None in engines else tuple(one for one in engines if one is not None)
        chosen |= text.routes.sources_of(known, "INSERT")
    return text.routes.only(chosen, "INSERT")


def _after_value(text: TranslatedText, item: Span) -> int:
    """The token after an expression, which may have an alias."""
    end = item[1]
    if not has_alias(text.tokens, item):
        return end
    return end - (2 if text.tokens[end - 2].upper == "AS" else 1)


def _blank_is_null(text: TranslatedText, item: Span) -> None:
    """'' becomes NULL, which is not sent."""
    first, end = item
    single = end - first == 1
    if single and text.is_empty(first):
        text.replace(item, "NULL")
    elif not (single and text.tokens[first].kind in _CONSTANTS):
        last = _after_value(text, item) - 1
        text.edits.append(insert(text.tokens[first].start, "nullif("))
        text.edits.append(insert(text.tokens[last].end, ", '')", rank=-1))
