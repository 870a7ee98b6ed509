"""Decides from tokens alone whether a statement needs to be parsed with sqlglot.

Importing sqlglot takes a tenth of a second and reading a statement with it half a millisecond, so a
statement is not read where nothing could be pushed: without any condition, or where SQLite offers
each condition to the virtual table by itself.
"""

from __future__ import annotations

from collections.abc import Sequence

from sessions_vtab.contract.model import ColumnType
from sessions_vtab.sql.lexer import StatementKind, Token, TokenKind, name_of
from sessions_vtab.sql.names import Catalog, OurTable
from sessions_vtab.sql.shapes import blocks, find

_CONDITIONAL = frozenset(("WHERE", "ON", "USING", "NATURAL", "HAVING"))
_COMPARISONS = frozenset(("=", "==", "<", "<=", ">", ">=", "<>", "!="))
_VALUES = (TokenKind.STRING, TokenKind.NUMBER, TokenKind.PARAMETER)
_ENDS = frozenset((";", "GROUP", "ORDER", "LIMIT"))
_NAMES = (TokenKind.WORD, TokenKind.QUOTED)


def needs_parsing(tokens: Sequence[Token], catalog: Catalog) -> bool:
    """Whether a statement must be parsed: it may have something to push, check or refuse.

    Args:
        tokens: of one statement that reads our tables.
        catalog: what its names mean.
    """
    if any(_is_called(tokens, place, catalog) for place in range(1, len(tokens))):
        return True
    conditions = [token.upper for token in tokens if token.upper in _CONDITIONAL]
    return bool(conditions) and not (conditions == ["WHERE"] and _is_plain(tokens, catalog))


def may_move(
    tokens: Sequence[Token], kind: StatementKind, pairs: dict[int, int], catalog: Catalog
) -> bool:
    """Whether a condition may move to where SQLite does not pass it: a subquery's, or a join's.

    That is into a view of ours, into a subquery that groups rows, to the side of a subquery where a
    table has a request made for each session, to a table beside a RIGHT or FULL JOIN, or to
    both sides of one whose rows are told apart by ``coalesce``. Several extremes are written as
    queries, too.

    Args:
        tokens: of one statement that reads our tables or views.
        kind: of the statement.
        pairs: its brackets.
        catalog: what its names mean.
    """
    words = [token.upper for token in tokens]
    if words.count("MAX") + words.count("MIN") > 1:
        return True
    if (_CONDITIONAL | _COMPARING).isdisjoint(words):
        return False
    if not _KEEPING.isdisjoint(words) and "JOIN" in words:
        return True
    selects = blocks(tokens, pairs)
    inner = selects if kind.verb in {"UPDATE", "DELETE"} else selects[1:]
    if catalog.view_names.isdisjoint(name_of(token).lower() for token in tokens):
        return (bool(inner) and _names_costly(tokens, catalog)) or any(
            _GROUPS.intersection((*one.clauses, *words[one.at + 1 : one.items[0]])) for one in inner
        )
    froms = [one.clauses.get("FROM", (0, 0)) for one in selects]
    joined = any(any(find(tokens, one, pairs, _JOINS)) for one in froms)
    return bool(inner) or joined or not _LISTING.isdisjoint(words)


def _names_costly(tokens: Sequence[Token], catalog: Catalog) -> bool:
    """Whether a table is named of which some reads make a request for each session."""
    for place, token in enumerate(tokens):
        if token.kind in _NAMES and name_of(token).lower() in catalog.table_names:
            qualified = place > 1 and tokens[place - 1].text == "."
            schema = name_of(tokens[place - 2]) if qualified else None
            found = catalog.resolve(schema, name_of(token))
            if found is not None and found.fans_out:
                return True
    return False


_COMPARING = frozenset(("IN", "EXISTS", "EXCEPT", "INTERSECT"))
_KEEPING = frozenset(("RIGHT", "FULL", "COALESCE", "IFNULL"))
_JOINS = frozenset((",", "JOIN"))
_GROUPS = frozenset(("GROUP", "DISTINCT"))
_LISTING = frozenset(("OR", "VALUES"))


def _is_called(tokens: Sequence[Token], place: int, catalog: Catalog) -> bool:
    """Whether a table is given arguments, which it does not take; not the columns of an INSERT."""
    if tokens[place].text != "(" or name_of(tokens[place - 1]).lower() not in catalog.table_names:
        return False
    before = [one.upper for one in tokens[max(place - 4, 0) : place - 1]]
    if before[-1:] == ["."]:
        before = before[:-2]
    return before[-1:] != ["INTO"]


def _is_plain(tokens: Sequence[Token], catalog: Catalog) -> bool:
    """Whether it is ``SELECT .. FROM one table WHERE column = value AND ..`` and no more."""
    words = [token.upper for token in tokens]
    if words[0] != "SELECT" or words.count("SELECT") > 1 or words.count("FROM") != 1:
        return False
    start, end = words.index("FROM") + 1, words.index("WHERE")
    table, label = _item(tokens[start:end], catalog)
    if table is None:
        return False
    place = end
    while words[place] in {"WHERE", "AND"}:
        place = _after_comparison(tokens, place + 1, table, label)
        if place >= len(tokens):
            return place == len(tokens)  # Else something else was found.
    return words[place] in _ENDS


def _item(tokens: Sequence[Token], catalog: Catalog) -> tuple[OurTable | None, str]:
    """The table of ``schema.name AS alias``, and what its columns can be qualified with."""
    parts = [name_of(one) for one in tokens if one.kind in _NAMES or one.text == "."]
    schema = parts[0] if parts[1:2] == ["."] else None
    match parts if schema is None else parts[2:]:
        case _ if len(parts) < len(tokens):
            return None, ""
        case [name]:
            return catalog.resolve(schema, name), name.lower()
        case [name, alias] | [name, "AS" | "as", alias]:
            return catalog.resolve(schema, name), alias.lower()
        case _:
            return None, ""


def _after_comparison(tokens: Sequence[Token], place: int, table: OurTable, label: str) -> int:
    """The index after ``column = value``, or an index past the end if something else is there."""
    nowhere = len(tokens) + 1
    if [one.text for one in tokens[place + 1 : place + 2]] == ["."]:
        if name_of(tokens[place]).lower() != label:
            return nowhere
        place += 2
    match tokens[place : place + 3]:
        case [column, operator, value] if (
            column.kind in _NAMES
            and operator.text in _COMPARISONS
            and value.kind in _VALUES
            # What is compared with a time has to be one, which is checked when it is read.
            and table.table.positions.get(name_of(column)) is not None
            and table.table.column(name_of(column)).type is not ColumnType.TIME
        ):
            return place + 3
        case _:
            return nowhere
