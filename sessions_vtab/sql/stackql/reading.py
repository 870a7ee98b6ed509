"""The tables that a StackQL statement reads: their sources, conditions and result columns."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby

from sessions_vtab.errors import MissingParameterError, UnsupportedError
from sessions_vtab.sql.lexer import Edit, Token, TokenKind, apply, classify, insert, name_of
from sessions_vtab.sql.parameters import number
from sessions_vtab.sql.returning import has_alias, keep_items
from sessions_vtab.sql.shapes import Span, commas, conjuncts, find, partners
from sessions_vtab.sql.stackql.dialect import (
    SCOPES,
    ResourceMention,
    ResultShape,
    Translation,
    hints_of,
    places,
)
from sessions_vtab.sql.stackql.naming import FromItem, SelectNames, Sources, StatementNames
from sessions_vtab.sql.stackql.scoping import (
    Conditions,
    ParameterCondition,
    ParameterValue,
    SourceFinder,
    required,
)

_OPTIONAL = frozenset(("filter", "order_by", "page_size", "page_token"))
_CHANGES = frozenset(("INSERT", "UPDATE", "DELETE"))
_CLAUSES = frozenset(("WHERE", "GROUP", "HAVING", "ORDER", "LIMIT", "RETURNING", ";"))
_USING = frozenset(("USING",))
_PATH = frozenset(name.lower() for name in SCOPES)

Chosen = Mapping[str, Sequence[tuple[ParameterValue, ...]]]
"""The engines of a table by the source that each belongs to."""


class TranslatedText:
    """A statement that is being translated.

    Attributes:
        text: as it came, without StackQL's comments.
        tokens: of it.
        pairs: its brackets.
        hints: words of the hint after the verb.
        places: the resources it names.
        verb: in capitals.
        target: the resource that it changes; None for a query, or where it changes another table.
        edits: what has to change so far.
    """

    def __init__(
        self, text: str, tokens: list[Token], sources: Sources, values: Mapping[int, str]
    ) -> None:
        self.text, self.tokens, self._sources = text, tokens, sources
        self.pairs = partners(tokens)
        self.hints = hints_of(text)
        self.places = places(tokens)
        kind = classify(tokens)
        self.verb = kind.verb
        if self.verb not in {"SELECT", *_CHANGES}:
            raise UnsupportedError(
                f"{self.verb} on {self.places[0].resource.name} is not valid StackQL."
            )
        self.target = self._changed(kind.at)
        self._numbering = number(tokens)
        self._names = StatementNames(tokens, self.pairs, self.places, sources, self.target)
        self.reader = Conditions(tokens, self.pairs, self._numbering.numbers, values)
        self.routes = SourceFinder(sources, self._names, tokens)
        self.edits: list[Edit] = [*self._numbering.edits(tokens), *self._names.edits]

    def _changed(self, verb: int) -> ResourceMention | None:
        """The resource behind UPDATE, DELETE FROM or INSERT INTO."""
        at = verb + 1
        while self.verb != "UPDATE" and self.word(at - 1) not in {"INTO", "FROM", ""}:
            at += 1
        changes = self.verb in _CHANGES
        return next((one for one in self.places if changes and one.at == at), None)

    def query(
        self, sql: str, answer: ResultShape = ResultShape.ROWS, items: str = ""
    ) -> Translation:
        """The translation, with all that was found out about the statement."""
        return Translation(sql, answer, items, frozenset(self.routes.asks), self._numbering)

    # Tokens and edits.

    def word(self, index: int) -> str:
        """A token in capitals; '' after the last."""
        return self.tokens[index].upper if index < len(self.tokens) else ""

    def is_empty(self, index: int) -> bool:
        """Whether a token is the text '', which StackQL does not send."""
        return self.tokens[index].text == "''"

    def edited(self, span: Span) -> str:
        """The text of some tokens with numbered parameters and our names."""
        start, end = self._range(span)
        inside = [e for e in self.edits if start <= e.start and e.end <= end]
        return apply(
            self.text[start:end], [Edit(e.start - start, e.end - start, e.text) for e in inside]
        )

    def replace(self, span: Span, text: str) -> None:
        """Puts a text in place of some tokens, whatever was to change among them."""
        start, end = self._range(span)
        self.edits = [e for e in self.edits if not start <= e.start < end]
        self.edits.append(Edit(start, end, text))

    def _range(self, span: Span) -> tuple[int, int]:
        return self.tokens[span[0]].start, self.tokens[span[1] - 1].end

    # What is read.

    def where(self, at: int, end: int) -> Span:
        """The condition after WHERE, at the level of token ``at``.

        Raises:
            MissingParameterError: there is none.
        """
        marks = list(find(self.tokens, (at, end), self.pairs, _CLAUSES))
        for place, mark in enumerate(marks):
            if self.tokens[mark].upper == "WHERE":
                return (mark + 1, marks[place + 1] if place + 1 < len(marks) else end)
        raise MissingParameterError(
            "WHERE clause not supplied, run DESCRIBE METHOD or SHOW METHODS IN"
            f" google.aiplatform.{self.places[0].resource.name} to see the required parameters."
        )

    def read(self, without_headings: int = -1) -> None:
        """Every SELECT of the statement: names, parameters, sources, column names.

        Args:
            without_headings: index of the SELECT whose result columns need no names.
        """
        wheres = {}
        for frame in self._names.frames:
            wheres[frame.span] = self._noted(frame) if frame.places else ()
        for frame in self._names.frames:
            self._spell_out(frame)
            self._place(frame, wheres[frame.span])
        for frame in self._names.frames:
            if frame.block.at != without_headings:
                self.items(frame.block.items, frame)

    def _noted(self, frame: SelectNames) -> Sequence[ParameterCondition]:
        """The conditions of a SELECT, once its resources have what they require."""
        where = frame.block.clauses.get("WHERE") or self.where(frame.span[0], frame.span[0])
        return self.note(frame.places, self.reader.of(frame, where), "SELECT")

    def note(
        self, mine: Sequence[ResourceMention], conditions: Sequence[ParameterCondition], verb: str
    ) -> Sequence[ParameterCondition]:
        """Checks the parameters of resources and remembers what they are given."""
        for place in mine:
            names = [one.name for one in conditions if one.concerns(place)]
            required(place, verb, names)
            self.routes.note(place, conditions)
        return conditions

    def _place(self, frame: SelectNames, conditions: Sequence[ParameterCondition]) -> None:
        """The resources of a SELECT as tables of their sources."""
        divided = {}
        for place in frame.places:
            chosen = self.routes.sources_of(self.routes.engines(place), place.label)
            if len(chosen) > 1:
                divided[place.at] = self._divided(place, chosen, conditions, frame)
            else:
                self.table(place, next(iter(chosen)))
        for condition in conditions:
            if condition.filters:
                self._condition(frame.places, condition, divided)
        for place in frame.places:
            if place.at in divided:
                label = "" if place.aliased else f' AS "{place.label}"'
                self.replace((place.at, place.end), f"({divided[place.at]}){label}")

    def _spell_out(self, frame: SelectNames) -> None:
        """USING as ON, where a resource's column has another name than the other side's."""
        for mark in find(self.tokens, frame.source, self.pairs, _USING):
            inside = (mark + 2, self.pairs.get(mark + 1, mark + 1))
            names = [self.tokens[at] for at, _ in commas(self.tokens, inside, self.pairs)]
            sides = [item for item in frame.items if item.span[0] < mark]
            are_places = {item.place is not None for item in sides}
            right = sides[-1] if len(are_places) > 1 else None
            if right is None or not right.label:
                continue
            terms = []
            for name in map(name_of, names):
                left = next((one for one in sides if self._has(one, name)), sides[0])
                terms.append(f"{_spelled(left, name)} = {_spelled(right, name)}")
            self.replace((mark, inside[1] + 1), f"ON {' AND '.join(terms)}")

    def _has(self, item: FromItem, name: str) -> bool:
        known = item.place.resource.names if item.place else self._names.columns(item)
        return known is None or name.lower() in known

    def table(self, place: ResourceMention, source: str) -> None:
        """A resource as the table of a source."""
        name = self._sources.schema(source) + place.resource.name
        self.replace((place.at, place.end), name)

    def _divided(
        self,
        place: ResourceMention,
        chosen: Chosen,
        conditions: Sequence[ParameterCondition],
        frame: SelectNames,
    ) -> str:
        """A resource whose engines belong to several sources: the rows of each, put together."""
        columns = ", ".join(f'"{one}"' for one in dict.fromkeys(place.resource.names.values()))
        moved = [one for one in conditions if one.concerns(place) and self._moves(place, one)]
        others = [
            f" AND {place.resource.names[one.name]}{self._rest(one)}"
            for one in moved
            if one.name not in _PATH
        ]
        others += [f" AND ({text})" for text in self._repeated(frame, moved)]
        arms = []
        for source, engines in chosen.items():
            table = f'{self._sources.schema(source)}{place.resource.name} AS "{place.label}"'
            arms += [
                f"SELECT {columns} FROM {table} WHERE {path}{''.join(others)}"
                for path in _paths(engines)
            ]
        return " UNION ALL ".join(arms)

    def _repeated(self, frame: SelectNames, moved: Sequence[ParameterCondition]) -> Iterator[str]:
        """Further conditions, which are repeated where a source can see them.

        Only where every column is the one resource's; they are checked again where they stand.
        """
        where = frame.block.clauses.get("WHERE")
        if where is None or frame.outer is not None or len(frame.items) > 1:
            return
        spans = {one.span for one in moved}
        for span in conjuncts(self.tokens, where, self.pairs):
            inside = range(*span)
            alias = any(
                name_of(self.tokens[at]).lower() in frame.aliases
                and self._names.place_of(at) is None
                for at in inside
            )
            if (
                span not in spans
                and not alias
                and not any(self.word(at) == "SELECT" for at in inside)
            ):
                yield self.edited(span)

    def _moves(self, place: ResourceMention, condition: ParameterCondition) -> bool:
        """Whether a condition gives constants to a parameter, so that it may stand elsewhere."""
        texts = [one.text for one in condition.values or ()]
        constant = condition.values is not None and all(texts) and texts != ["''"]
        return constant and condition.filters and condition.name in place.resource.given

    def _rest(self, condition: ParameterCondition) -> str:
        """A condition without its column."""
        first, end = condition.span
        return " " + self.edited((first + (1 if condition.label is None else 3), end))

    def _condition(
        self,
        every: Sequence[ResourceMention],
        condition: ParameterCondition,
        divided: Mapping[int, str],
    ) -> None:
        """Drops a parameter that is '', and applies an unqualified one to every resource."""
        mine = [place for place in every if condition.concerns(place)]
        if not mine:
            return
        ours = mine[0].resource.names[condition.name]
        only = condition.span[1] - 1
        blank = condition.values is not None and len(condition.values) == 1 and self.is_empty(only)
        if ours in _OPTIONAL and blank:
            self.replace(condition.span, "TRUE")
        elif any(self._is_moved(place, condition, divided) for place in mine) or (
            len(mine) > 1 and all(condition.name in place.resource.given for place in mine)
        ):
            rest = self._rest(condition)
            parts = []
            for place in mine:
                column = f'"{place.label}"."{ours}"'
                # Its SELECTs have the condition; NULL rows of an outer join fail it here as well.
                moved = "TRUE" if ours in _OPTIONAL else f"{column} IS NOT NULL"
                is_moved = self._is_moved(place, condition, divided)
                parts.append(moved if is_moved else column + rest)
            self.replace(condition.span, " AND ".join(parts))

    def _is_moved(
        self, place: ResourceMention, condition: ParameterCondition, divided: Mapping[int, str]
    ) -> bool:
        return place.at in divided and self._moves(place, condition)

    # Result columns.

    def items(self, items: Span, frame: SelectNames | None = None) -> None:
        """Result columns under StackQL's names."""
        frame = frame or self._names.statement
        others = []
        for item in commas(self.tokens, items, self.pairs):
            last = item[1] - 1
            token = self.tokens[last]
            plain = item[1] - item[0] == 1 or self.tokens[last - 1].text == "."
            if plain and token.text == "*":
                self._star(item, frame)
            elif plain and token.kind is not TokenKind.STRING and self._names.place_of(last):
                self.edits.append(insert(token.end, f' AS "{name_of(token)}"', rank=-1))
            elif not has_alias(self.tokens, item):
                others.append(item)
        self.edits += keep_items(self.text, self.tokens, others, self.edits)

    def _star(self, item: Span, frame: SelectNames | None) -> None:
        """StackQL's columns for those of the resources; the others stay as they are."""
        every = [] if frame is None else frame.items
        label = name_of(self.tokens[item[0]]).lower() if item[1] - item[0] > 1 else None
        wanted = [one for one in every if label in (None, one.label)]
        if not any(one.place for one in wanted) or frame is None:
            return
        shared = self._shared(frame)
        listed = [text for one in wanted for text in self._columns(one, one is every[0], shared)]
        self.replace(item, ", ".join(listed))

    def _columns(self, item: FromItem, first: bool, shared: frozenset[str]) -> Iterator[str]:
        if item.place is None:
            yield f'"{item.label or self._labelled(item)}".*'
            return
        for column in item.place.resource.columns:
            if first or column.name.lower() not in shared:
                yield f'"{item.place.label}"."{column.ours}" AS "{column.name}"'

    def _labelled(self, item: FromItem) -> str:
        """A label for a derived table that has none."""
        label = f"derived_{item.span[0]}"
        self.edits.append(insert(self.tokens[item.span[1] - 1].end, f' AS "{label}"', rank=-1))
        return label

    def _shared(self, frame: SelectNames) -> frozenset[str]:
        """Names in USING: ``*`` has those columns once."""
        found: set[str] = set()
        for mark in find(self.tokens, frame.source, self.pairs, _USING):
            inside = range(mark + 2, self.pairs.get(mark + 1, mark + 1))
            found.update(name_of(self.tokens[at]).lower() for at in inside)
        return frozenset(found)


def _spelled(item: FromItem, name: str) -> str:
    """A column of an item, by the name that it has in our text."""
    ours = item.place.resource.names.get(name.lower(), name) if item.place else name
    return f'"{item.label}"."{ours}"'


def _paths(engines: Sequence[tuple[ParameterValue, ...]]) -> Iterator[str]:
    """Conditions on the path columns: one for all engines of a project and location."""
    project, location, engine = SCOPES.values()

    def key(one: tuple[ParameterValue, ...]) -> tuple[str, str]:
        return one[0].text, one[1].text

    for (first, second), group in groupby(sorted(engines, key=key), key):
        ids = ", ".join(one[2].text for one in group)
        yield f"{project} = {first} AND {location} = {second} AND {engine} IN ({ids})"
