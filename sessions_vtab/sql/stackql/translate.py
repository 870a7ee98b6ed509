"""One StackQL statement as one of ours.

The text is kept where it can be: names are replaced in place, conditions stay where they are. Only
INSERT and EXEC are written anew.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from sessions_vtab.errors import MissingParameterError, StatementError, UnsupportedError
from sessions_vtab.sql.headings import has_alias, keep_items
from sessions_vtab.sql.lexer import Kind, Token, classify, name_of, tokenize
from sessions_vtab.sql.parameters import number
from sessions_vtab.sql.shapes import Span, blocks, commas, conjuncts, find, partners
from sessions_vtab.sql.splice import Edit, apply, insert
from sessions_vtab.sql.stackql.dialect import (
    OWN_AFFAIRS,
    Answer,
    Listing,
    Place,
    Query,
    Scope,
    cleaned,
    hints_of,
    is_stackql,
    places,
)
from sessions_vtab.sql.stackql.execute import execute, inlined
from sessions_vtab.sql.stackql.provider import SCOPES, Method, Resource
from sessions_vtab.sql.stackql.show import describe, show

__all__ = ["SchemaFor", "translate"]

SchemaFor = Callable[[Scope], str | None]
"""The schema whose tables are to be used for an engine; None for the default source's."""

_OPTIONAL = frozenset(("filter", "order_by", "page_size", "page_token"))
_DELETE_ANSWER = "DELETE .. RETURNING cannot be combined with AWAIT; leave one of them out."


def translate(text: str, schema_for: SchemaFor = lambda _: None) -> Query | Listing | None:
    """The translation of a statement; None if it is not StackQL.

    Args:
        text: one statement, its placeholders filled in.
        schema_for: chooses among the configured sources.

    Raises:
        MissingParameterError: naming the parameters that the method requires.
        UnknownNameError: a service, resource or method that is not served here.
        UnsupportedError: what StackQL has and this package has not.
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
            return execute(tokens, hints_of(text), schema_for)
        case "REPLACE":
            raise UnsupportedError("REPLACE is not supported; the API has no such method.")
        case verb if verb in OWN_AFFAIRS:
            raise UnsupportedError(f"{verb} manages StackQL itself and is not needed here.")
        case _:
            try:
                query = inlined(text, tokens, schema_for)
                return query or _Statement(text, tokens, schema_for).translated()
            except IndexError:  # A token that the grammar wants is not there.
                raise StatementError("syntax error: the statement is incomplete.") from None


@dataclass(slots=True)
class _Condition:
    """``parameter = value`` or ``parameter IN (..)``, a conjunct of WHERE."""

    name: str
    span: Span
    values: tuple[str, ...]


class _Statement:
    """SELECT, INSERT, UPDATE or DELETE."""

    def __init__(self, text: str, tokens: list[Token], schema_for: SchemaFor) -> None:
        self.text, self.tokens, self.schema_for = text, tokens, schema_for
        self.pairs = partners(tokens)
        self.hints = hints_of(text)
        self.places = places(tokens)
        self.numbering = number(tokens)
        self.edits: list[Edit] = self.numbering.edits(tokens)
        self.names: dict[str, str] = {}
        self.taken: list[Span] = []
        for place in self.places:
            self.names |= place.resource.names
        heading = classify(tokens)
        self.verb, self.at = heading.verb, heading.at

    def translated(self) -> Query:
        match self.verb:
            case "SELECT":
                return self._select()
            case "UPDATE":
                return self._update()
            case "DELETE":
                return self._delete()
            case "INSERT":
                return self._insert()
            case verb:
                raise UnsupportedError(
                    f"{verb} on {self.places[0].resource.name} is not valid StackQL."
                )

    # Parameters in WHERE.

    def _where(self, at: int, end: int) -> Span | None:
        """The condition behind WHERE, at the level of token ``at``."""
        marks = list(find(self.tokens, (at, end), self.pairs, _CLAUSES))
        for number_, mark in enumerate(marks):
            if self.tokens[mark].upper == "WHERE":
                stop = marks[number_ + 1] if number_ + 1 < len(marks) else end
                return (mark + 1, stop)
        return None

    def _conditions(self, where: Span, names: dict[str, str]) -> list[_Condition]:
        """The conjuncts that give a value to a name of the resource."""
        found = []
        for span in conjuncts(self.tokens, where, self.pairs):
            start = span[0] + (2 if self._text(span[0] + 1) == "." else 0)
            name = name_of(self.tokens[start])
            sign = self._text(start + 1).upper()
            alone = not any(find(self.tokens, span, self.pairs, _OR))
            if alone and name.lower() in names and sign in {"=", "==", "IN"}:
                found.append(_Condition(name, span, self._values((start + 2, span[1]))))
        return found

    def _values(self, span: Span) -> tuple[str, ...]:
        """The literals of a value or list; '' stands for what is not known yet."""
        literals = [token for token in self.tokens[slice(*span)] if token.text not in "(),"]
        return tuple(name_of(t) if t.kind is Kind.STRING else "" for t in literals)

    def _require(self, resource: Resource, verb: str, given: Sequence[_Condition]) -> Method:
        """The first method of a verb whose required parameters are all there."""
        names = {condition.name.lower() for condition in given}
        methods = [method for method in resource.methods if method.verb == verb]
        if not methods:
            raise UnsupportedError(f"{resource.name} has no method for {verb}.")
        for method in methods:
            if all(name.lower() in names for name in method.required):
                return method
        missing = [name for name in methods[-1].required if name.lower() not in names]
        raise MissingParameterError(
            "query cannot be executed, missing required parameters:"
            f" {{ {', '.join(missing)} }}; give them in WHERE."
        )

    def _scope(self, given: Sequence[_Condition]) -> Scope:
        known = {
            SCOPES[name]: condition.values[0]
            for condition in given
            for name in SCOPES
            if condition.name.lower() == name.lower() and len(condition.values) == 1
        }
        return Scope(**known)

    def _needed_where(self, at: int, end: int) -> Span:
        where = self._where(at, end)
        if where is None:
            resource = self.places[0].resource.name
            raise MissingParameterError(
                "WHERE clause not supplied, run DESCRIBE METHOD or SHOW METHODS IN"
                f" google.aiplatform.{resource} to see the required parameters."
            )
        return where

    # Names in place.

    def _rename(self, span: Span) -> None:
        """Our names for StackQL's, wherever they stand for a column."""
        for index in range(*span):
            token = self.tokens[index]
            ours = self.names.get(name_of(token).lower())
            if ours is None or token.kind not in (Kind.WORD, Kind.QUOTED):
                continue
            called = self._text(index + 1) == "("
            alias = self.tokens[index - 1].upper == "AS" if index else False
            if not called and not alias and ours != token.text and not self._is_taken(index):
                self.edits.append(Edit(token.start, token.end, ours))

    def _is_taken(self, index: int) -> bool:
        return any(first <= index < end for first, end in self.taken)

    def _tables(self, scope: Scope) -> None:
        """The places as tables of the chosen schema."""
        schema = self.schema_for(scope)
        prefix = "" if schema is None else f'"{schema}".'
        for place in self.places:
            first, last = self.tokens[place.at], self.tokens[place.end - 1]
            self.edits.append(Edit(first.start, last.end, prefix + place.resource.name))
            self.taken.append((place.at, place.end))

    def _items(self, items: Span) -> None:
        """Result columns under StackQL's names."""
        parts = commas(self.tokens, items, self.pairs)
        others = []
        for item in parts:
            token = self.tokens[item[1] - 1]
            plain = item[1] - item[0] == 1 or self._text(item[1] - 2) == "."
            plain = plain and token.kind is not Kind.STRING
            if token.text == "*":
                self._star(item)
            elif plain and name_of(token).lower() in self.names:
                self.edits.append(insert(token.end, f' AS "{name_of(token)}"', rank=-1))
            elif not has_alias(self.tokens, item):
                others.append(item)
        self.edits += keep_items(self.text, self.tokens, others, self.edits)

    def _star(self, item: Span) -> None:
        first, end = item
        label = name_of(self.tokens[first]) if end - first > 1 else None
        wanted = [place for place in self.places if label in (None, place.label)]
        listed = [
            f'"{place.label}"."{column.ours}" AS "{column.name}"'
            for place in wanted
            for column in place.resource.columns
        ]
        span = Edit(self.tokens[first].start, self.tokens[end - 1].end, ", ".join(listed))
        self.edits.append(span)

    # The verbs.

    def _select(self) -> Query:
        scopes = []
        for block in blocks(self.tokens, self.pairs):
            span = block.clauses.get("FROM")
            mine = [p for p in self.places if span and span[0] <= p.at < span[1]]
            mine = [p for p in mine if self._innermost(p.at) == block.at]
            if mine:
                where = block.clauses.get("WHERE") or self._needed_where(block.at, block.at)
                scopes.append(self._read(mine, where, span or where))
        self._tables(scopes[0])
        self._rename((0, len(self.tokens)))
        for block in blocks(self.tokens, self.pairs):
            self._items(block.items)
        return Query(apply(self.text, self.edits), scope=scopes[0])

    def _innermost(self, at: int) -> int:
        found = blocks(self.tokens, self.pairs)
        inside = [block.at for block in found if block.at < at < block.end]
        return max(inside, default=-1)

    def _read(self, mine: Sequence[Place], where: Span, tables: Span) -> Scope:
        """Checks the parameters of the resources in one SELECT; gives each its own conditions."""
        given: list[_Condition] = []
        for place in mine:
            given = self._conditions(where, place.resource.names)
            self._require(place.resource, "SELECT", [*given, *self._joined(place, tables)])
        for condition in given:
            self._condition(mine, condition)
        return self._scope(given)

    def _joined(self, place: Place, tables: Span) -> list[_Condition]:
        """Columns of a place that ON compares: a join gives their values."""
        found = []
        for index in range(tables[0], tables[1] - 2):
            before, behind = self._text(index - 1), self._text(index + 3)
            label = name_of(self.tokens[index]) if self._text(index + 1) == "." else None
            if label == place.label and "=" in (before, behind):
                name = name_of(self.tokens[index + 2])
                found.append(_Condition(name, (index, index + 3), ()))
        return found

    def _condition(self, mine: Sequence[Place], condition: _Condition) -> None:
        """Drops a parameter that is '', and applies an unqualified one to every resource."""
        first, end = condition.span
        ours = self.names[condition.name.lower()]
        start, stop = self.tokens[first].start, self.tokens[end - 1].end
        if ours in _OPTIONAL and condition.values == ("",) and self._is_empty(end - 1):
            self.edits.append(Edit(start, stop, "TRUE"))
            self.taken.append(condition.span)
        elif len(mine) > 1 and self._text(first + 1) != "." and self._is_parameter(mine, condition):
            numbered = [e for e in self.numbering.edits(self.tokens) if start <= e.start < stop]
            behind = self.tokens[first].end
            rest = apply(
                self.text[behind:stop],
                [Edit(e.start - behind, e.end - behind, e.text) for e in numbered],
            )
            every = " AND ".join(f'"{place.label}"."{ours}"{rest}' for place in mine)
            self.edits.append(Edit(start, stop, every))
            self.taken.append(condition.span)

    def _is_parameter(self, mine: Sequence[Place], condition: _Condition) -> bool:
        names = [{name.lower() for name in place.resource.parameters} for place in mine]
        return all(condition.name.lower() in known for known in names)

    def _is_empty(self, index: int) -> bool:
        return self.tokens[index].text == "''"

    def _returning(self, at: int) -> Span | None:
        end = len(self.tokens) - (self.tokens[-1].text == ";")
        mark = next(find(self.tokens, (at, end), self.pairs, _RETURNING), None)
        return None if mark is None else (mark + 1, end)

    def _update(self) -> Query:
        place = self.places[0]
        where = self._needed_where(place.end, len(self.tokens))
        given = self._conditions(where, place.resource.names)
        self._require(place.resource, "UPDATE", given)
        assignments = self._assignments(place)
        for condition in given:
            if self.names[condition.name.lower()] == "update_mask":
                assignments += self._mask(condition)
        if not assignments:
            raise StatementError("UPDATE: every value in SET is '', so there is nothing to send.")
        scope = self._scope(given)
        first, last = self._set_span(place)
        self.taken.append((first, last))
        text = ", ".join(assignments)
        self.edits.append(Edit(self.tokens[first].start, self.tokens[last - 1].end, text))
        self._tables(scope)
        returning = self._returning(place.end)
        self._rename((place.end, len(self.tokens)))
        if returning is not None:
            self._items(returning)
        return Query(apply(self.text, self._outside(first, last)), scope=scope)

    def _outside(self, first: int, last: int) -> list[Edit]:
        """The edits, numbered parameters of the replaced SET left out."""
        start, end = self.tokens[first].start, self.tokens[last - 1].end
        return [e for e in self.edits if not start < e.start < end]

    def _set_span(self, place: Place) -> Span:
        marks = list(find(self.tokens, (place.end, len(self.tokens)), self.pairs, _SET))
        if len(marks) < 2 or self.tokens[marks[0]].upper != "SET":  # noqa: PLR2004
            raise StatementError("syntax error: UPDATE needs SET and WHERE.")
        return (marks[0] + 1, marks[1])

    def _assignments(self, place: Place) -> list[str]:
        """``ours = value`` for each value that is to be sent."""
        found = []
        for first, end in commas(self.tokens, self._set_span(place), self.pairs):
            if self._text(first + 1) != "=":
                raise StatementError(f"syntax error near {self.tokens[first].text} in SET.")
            column = self._body_column(place.resource, name_of(self.tokens[first]))
            if not (end - first == 3 and self._is_empty(end - 1)):  # noqa: PLR2004
                found.append(self._assignment(column, (first + 2, end)))
        return found

    def _assignment(self, column: str, span: Span) -> str:
        value = self._numbered(span)
        constant = span[1] - span[0] == 1 and self.tokens[span[0]].kind in _CONSTANTS
        sent = value if constant else f"coalesce(nullif({value}, ''), {column})"
        return f"{column} = {sent}"

    def _mask(self, condition: _Condition) -> list[str]:
        """Takes updateMask out of WHERE; answers the assignment that carries it."""
        first, end = condition.span
        edit = Edit(self.tokens[first].start, self.tokens[end - 1].end, "TRUE")
        value = self._numbered((first + 2, end))
        self.taken.append(condition.span)
        self.edits = [e for e in self.edits if not edit.start <= e.start < edit.end]
        self.edits.append(edit)
        return [] if self._is_empty(end - 1) else [f"update_mask = {value}"]

    def _numbered(self, span: Span) -> str:
        """The text of some tokens with numbered parameters and our names."""
        start, end = self.tokens[span[0]].start, self.tokens[span[1] - 1].end
        edits = [e for e in self.numbering.edits(self.tokens) if start <= e.start < end]
        return apply(
            self.text[start:end], [Edit(e.start - start, e.end - start, e.text) for e in edits]
        )

    def _body_column(self, resource: Resource, name: str) -> str:
        """Our column for ``data__userId`` (or ``userId``), or for a path parameter."""
        bare = name.removeprefix("data__")
        ours = resource.names.get(bare.lower())
        if ours is None:
            known = ", ".join(f"data__{column.name}" for column in resource.columns)
            raise StatementError(f"{resource.name} has no field {name}; valid fields: {known}.")
        return ours

    def _delete(self) -> Query:
        place = self.places[0]
        where = self._needed_where(place.end, len(self.tokens))
        given = self._conditions(where, place.resource.names)
        self._require(place.resource, "DELETE", given)
        returning = self._returning(place.end)
        scope = self._scope(given)
        self._tables(scope)
        self._rename(where)
        if returning is None:
            return Query(apply(self.text, self.edits), scope=scope)
        if "AWAIT" in self.hints:
            raise UnsupportedError(_DELETE_ANSWER)
        return self._with_operation(returning, scope)

    def _with_operation(self, returning: Span, scope: Scope) -> Query:
        """The statement without RETURNING, whose list is about the operation."""
        items = self._numbered(returning)
        cut = Edit(self.tokens[returning[0] - 2].end, self.tokens[returning[1] - 1].end, "")
        sql = apply(self.text, [*(e for e in self.edits if e.start < cut.start), cut])
        return Query(sql, Answer.OPERATION, items, scope)

    def _insert(self) -> Query:
        place = self.places[0]
        columns, behind = self._columns(place)
        self._require(place.resource, "INSERT", [_Condition(name, (0, 0), ()) for name in columns])
        ours = [self._body_column(place.resource, name) for name in columns]
        opening, closing = place.end, behind - 1
        start, end = self.tokens[opening].start, self.tokens[closing].end
        self.edits.append(Edit(start, end, f"({', '.join(ours)})"))
        self.taken.append((opening, behind))
        scope = self._insert_values(columns, ours, behind)
        self._tables(scope)
        returning = self._returning(behind)
        stop = len(self.tokens) if returning is None else returning[0] - 1
        if len(self.places) > 1:
            self._rename((behind, stop))
        if returning is not None and "AWAIT" not in self.hints:
            return self._with_operation(returning, scope)
        if returning is not None:
            self._rename(returning)
            self._items(returning)
        return Query(apply(self.text, self.edits), scope=scope)

    def _columns(self, place: Place) -> tuple[list[str], int]:
        if place.end not in self.pairs:
            raise StatementError("syntax error: INSERT needs a list of columns.")
        closing = self.pairs[place.end]
        parts = commas(self.tokens, (place.end + 1, closing), self.pairs)
        return [name_of(self.tokens[first]) for first, _ in parts], closing + 1

    def _insert_values(self, columns: Sequence[str], ours: Sequence[str], at: int) -> Scope:
        """'' becomes NULL, which is not sent. Answers the scope of the first row."""
        scope = Scope()
        for number_, row in enumerate(self._rows(at)):
            if len(row) != len(columns):
                raise StatementError("disparity in fields to insert and supplied data")
            for item in row:
                self._blank_is_null(item)
            if number_ == 0:
                given = [
                    _Condition(name, (0, 0), self._values(item))
                    for name, item in zip(columns, row, strict=True)
                    if ours[columns.index(name)] in SCOPES.values()
                ]
                scope = self._scope(given)
        return scope

    def _rows(self, at: int) -> list[list[Span]]:
        """The expressions of VALUES, or of the SELECT."""
        if self._text(at).upper() == "SELECT":
            block = next(b for b in blocks(self.tokens, self.pairs) if b.at == at)
            if block.compound or self.tokens[block.items[0]].text == "*":
                raise UnsupportedError("INSERT: name the columns of one SELECT, without UNION.")
            return [commas(self.tokens, block.items, self.pairs)]
        rows, index = [], at + 1
        while self._text(at).upper() == "VALUES" and index in self.pairs:
            inside = (index + 1, self.pairs[index])
            rows.append(commas(self.tokens, inside, self.pairs))
            index = self.pairs[index] + (2 if self._text(self.pairs[index] + 1) == "," else 1)
        if not rows:
            raise StatementError("syntax error: INSERT needs VALUES or SELECT.")
        return rows

    def _blank_is_null(self, item: Span) -> None:
        first, end = item
        if end - first == 1 and self._is_empty(first):
            self.edits.append(Edit(self.tokens[first].start, self.tokens[first].end, "NULL"))
        elif not (end - first == 1 and self.tokens[first].kind in _CONSTANTS):
            stop = end - 1
            if has_alias(self.tokens, item):
                stop = end - (3 if self.tokens[end - 2].upper == "AS" else 2)
            self.edits.append(insert(self.tokens[first].start, "nullif("))
            self.edits.append(insert(self.tokens[stop].end, ", '')", rank=-1))

    def _text(self, index: int) -> str:
        return self.tokens[index].text if index < len(self.tokens) else ""


_CLAUSES = frozenset(("WHERE", "GROUP", "HAVING", "ORDER", "LIMIT", "RETURNING", ";"))
_RETURNING = frozenset(("RETURNING",))
_OR = frozenset(("OR",))
_SET = frozenset(("SET", "FROM", "WHERE"))
_CONSTANTS = frozenset((Kind.STRING, Kind.NUMBER))
