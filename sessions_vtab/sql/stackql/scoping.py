"""Which engines each table of a StackQL text is about, from the values given to its parameters.

A resource's path parameters are ordinary columns of WHERE. Here their values are collected for each
table of its own, because every engine may belong to another source, with another host and another
credential.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import product
from typing import Final

from sessions_vtab.errors import MissingParameterError, UnsupportedError
from sessions_vtab.sql.lexer import Token, TokenKind, name_of
from sessions_vtab.sql.shapes import Span, commas, conjuncts, find
from sessions_vtab.sql.stackql.dialect import SCOPES, EngineScope, ResourceMention
from sessions_vtab.sql.stackql.naming import SelectNames, Sources, StatementNames


@dataclass(frozen=True, slots=True)
class ParameterValue:
    """A value that a parameter is given.

    Attributes:
        text: as SQL, parameters numbered.
        known: what it is; None if only SQLite knows.
        number: of the parameter whose value it is; 0 for none.
        column: token indexes of the column whose value it is.
    """

    text: str
    known: str | None = None
    number: int = 0
    column: Span | None = None


@dataclass(frozen=True, slots=True)
class ParameterCondition:
    """``parameter = value`` or ``parameter IN (..)``, joined by AND.

    Attributes:
        name: of the parameter, in lower case.
        label: qualifier as written, in lower case; None without one.
        span: its tokens.
        values: one of which it must have; None if they are not written there.
        filters: it stands in WHERE, from where it may be moved.
    """

    name: str
    label: str | None
    span: Span
    values: tuple[ParameterValue, ...] | None
    filters: bool = True

    def concerns(self, place: ResourceMention) -> bool:
        """Whether it is about a resource; without a qualifier it is about each that has it."""
        mine = self.label in (None, place.label.lower())
        return mine and self.name in place.resource.names


Engines = tuple[tuple[ParameterValue, ...], ...] | None
"""The values of each path parameter; None if they are not known before the statement runs."""


_OR = frozenset(("OR",))
_ON = frozenset(("ON", "USING"))
_ENDS: Final = frozenset(
    ("JOIN", ",", "LEFT", "RIGHT", "FULL", "INNER", "CROSS", "NATURAL", "ON", "USING")
)


class Conditions:
    """Reads the conditions of one statement.

    Args:
        tokens: of the statement.
        pairs: its brackets.
        numbers: number of the parameter at each parameter token.
        values: of the parameters by number, as far as they are known.
    """

    def __init__(
        self,
        tokens: Sequence[Token],
        pairs: dict[int, int],
        numbers: Mapping[int, int],
        values: Mapping[int, str],
    ) -> None:
        self._tokens, self._pairs = tokens, pairs
        self._numbers, self._values = numbers, values

    def filters(self, where: Span) -> list[ParameterCondition]:
        """The conditions of a WHERE clause."""
        return list(self._conjuncts(where, filters=True))

    def of(self, frame: SelectNames, where: Span) -> list[ParameterCondition]:
        """The conditions of WHERE, then those of ON and USING, of one SELECT."""
        found = self.filters(where)
        for mark in find(self._tokens, frame.source, self._pairs, _ON):
            if self._tokens[mark].upper == "USING":
                found += self._shared(frame, mark + 1)
            else:
                ends = find(self._tokens, (mark + 1, frame.source[1]), self._pairs, _ENDS)
                span = (mark + 1, next(ends, frame.source[1]))
                found += self._conjuncts(span, filters=False)
        return found

    def _conjuncts(self, where: Span, *, filters: bool) -> Iterator[ParameterCondition]:
        for span in conjuncts(self._tokens, where, self._pairs):
            if any(find(self._tokens, span, self._pairs, _OR)):
                continue
            yield from self._read(span, filters=filters)
            if not filters:
                yield from self._turned(span)

    def _read(self, span: Span, *, filters: bool) -> Iterator[ParameterCondition]:
        first, end = span
        qualified = first + 2 < end and self._tokens[first + 1].text == "."
        column = first + 2 if qualified else first
        sign = self._tokens[column + 1].upper if column + 1 < end else ""
        named = self._tokens[column].kind in (TokenKind.WORD, TokenKind.QUOTED)
        if named and sign in {"=", "==", "IN"} and (qualified or filters):
            label = name_of(self._tokens[first]).lower() if qualified else None
            values = self._listed((column + 2, end), is_list=sign == "IN")
            name = name_of(self._tokens[column]).lower()
            yield ParameterCondition(name, label, span, values, filters)

    def _turned(self, span: Span) -> Iterator[ParameterCondition]:
        """``a.x = b.y`` of ON, read from the right."""
        first, end = span
        if end - first == 7 and self._tokens[first + 3].text in {"=", "=="}:  # noqa: PLR2004
            label = name_of(self._tokens[first + 4]).lower()
            column = self.value((first, first + 3))
            name = name_of(self._tokens[first + 6]).lower()
            yield ParameterCondition(name, label, span, (column,), filters=False)

    def _shared(self, frame: SelectNames, opening: int) -> Iterator[ParameterCondition]:
        """USING (..): each resource has the value of the first item that has the column."""
        inside = (opening + 1, self._pairs.get(opening, opening))
        for at, _ in commas(self._tokens, inside, self._pairs):
            name = name_of(self._tokens[at]).lower()
            for place in frame.places:
                value = ParameterValue("", column=(at, at + 1))
                yield ParameterCondition(
                    name, place.label.lower(), (at, at + 1), (value,), filters=False
                )

    def _listed(self, span: Span, *, is_list: bool) -> tuple[ParameterValue, ...] | None:
        if not is_list:
            return (self.value(span),)
        first, end = span
        if self._tokens[first].text != "(" or self._pairs.get(first) != end - 1:
            return None
        if first + 1 < end and self._tokens[first + 1].upper in {"SELECT", "VALUES", "WITH"}:
            return None
        return tuple(
            self.value(item) for item in commas(self._tokens, (first + 1, end - 1), self._pairs)
        )

    def value(self, span: Span) -> ParameterValue:
        """The value of an expression."""
        first, end = span
        while end - first > 2 and self._pairs.get(first) == end - 1:  # noqa: PLR2004
            first, end = first + 1, end - 1
        token = self._tokens[first]
        if end - first == 1 and token.kind in (TokenKind.STRING, TokenKind.NUMBER):
            return ParameterValue(token.text, name_of(token))
        if end - first == 1 and token.kind is TokenKind.PARAMETER:
            number = self._numbers[first]
            return ParameterValue(f"?{number}", self._values.get(number), number)
        column = end - first in (1, 3) and token.kind in (TokenKind.WORD, TokenKind.QUOTED)
        return ParameterValue("", column=(first, end) if column else None)


@dataclass(slots=True)
class SourceFinder:
    """Finds the sources of the tables of one statement.

    Attributes:
        sources: to choose from.
        names: whose column is whose.
        tokens: of the statement.
        asks: numbers of parameters that choose a source and whose values are not known yet.
    """

    sources: Sources
    names: StatementNames
    tokens: Sequence[Token]
    given: dict[int, list[ParameterCondition]] = field(default_factory=dict)
    asks: set[int] = field(default_factory=set)

    def note(self, place: ResourceMention, conditions: Sequence[ParameterCondition]) -> None:
        """Remembers the conditions on one table."""
        self.given[place.at] = [one for one in conditions if one.concerns(place)]

    def engines(self, place: ResourceMention) -> Engines:
        """The values of the path parameters of a table."""
        found = [self._values(place, name.lower(), frozenset()) for name in SCOPES]
        return None if None in found else tuple(one for one in found if one is not None)

    def _values(
        self, place: ResourceMention, name: str, seen: frozenset[tuple[int, str]]
    ) -> tuple[ParameterValue, ...] | None:
        """The values of a parameter; those of another table's where the two are compared."""
        if (place.at, name) in seen:
            return None
        seen |= {(place.at, name)}
        for condition in self.given.get(place.at, ()):
            if condition.name == name and condition.values is not None:
                followed = [self.followed(value, seen) for value in condition.values]
                if None not in followed:
                    return tuple(value for one in followed for value in one or ())
        return None

    def followed(
        self, value: ParameterValue, seen: frozenset[tuple[int, str]] = frozenset()
    ) -> tuple[ParameterValue, ...] | None:
        """What a value may be: itself, or the values of the column that it is."""
        if value.known is not None or value.number:
            return (value,)
        if value.column is None:
            return None
        last = value.column[1] - 1
        name = name_of(self.tokens[last]).lower()
        candidates = [self.names.place_of(last)]
        frame = self.names.frame_at(last)
        if last == value.column[0] and frame is not None:
            candidates += frame.places  # Of USING, which is a column of each.
        for place in candidates:
            found = None if place is None else self._values(place, name, seen)
            if found is not None:
                return found
        return None

    def sources_of(
        self, engines: Engines, what: str
    ) -> dict[str, list[tuple[ParameterValue, ...]]]:
        """The engines of a table by the source they belong to; one source where that is certain.

        Raises:
            UnsupportedError: which of several sources is not known before the statement runs.
        """
        if not self.sources.several:
            return {self.sources.named(EngineScope()): []}
        if engines is None:
            listed = ", ".join(self.sources.engines)
            raise UnsupportedError(
                f"{what}: {', '.join(SCOPES)} must be literals or parameters, because they choose"
                f" between the sources {listed}. Or use a source's own table, such as"
                f" {next(iter(self.sources.engines))}.sessions. Nothing was sent."
            )
        chosen: dict[str, list[tuple[ParameterValue, ...]]] = {}
        for engine in product(*engines):
            self.asks.update(value.number for value in engine if value.known is None)
            scope = EngineScope(*(value.known or "" for value in engine))
            chosen.setdefault(self.sources.named(scope), []).append(engine)
        return chosen or {self.sources.named(EngineScope()): []}

    def only(self, chosen: Mapping[str, object], what: str) -> str:
        """The one source of a write.

        Raises:
            UnsupportedError: there are several, which are named.
        """
        if len(chosen) > 1 and not self.asks:
            raise UnsupportedError(
                f"{what}: the engines belong to the sources {', '.join(sorted(chosen))}. Write one"
                " statement per engine. Nothing was sent."
            )
        return next(iter(chosen))


def required(place: ResourceMention, verb: str, given: Sequence[str]) -> None:
    """Checks that some method of a verb has all its parameters.

    Args:
        place: the table.
        verb: SELECT, INSERT, UPDATE or DELETE.
        given: names in lower case.

    Raises:
        UnsupportedError: the resource has no method for the verb.
        MissingParameterError: naming what is missing.
    """
    resource = place.resource
    methods = [method for method in resource.methods if method.verb == verb]
    if not methods:
        raise UnsupportedError(f"{resource.name} has no method for {verb}.")
    if any(all(name.lower() in given for name in one.required) for one in methods):
        return
    missing = [name for name in methods[-1].required if name.lower() not in given]
    raise MissingParameterError(
        "query cannot be executed, missing required parameters:"
        f" {{ {', '.join(missing)} }}; give them in WHERE."
    )
