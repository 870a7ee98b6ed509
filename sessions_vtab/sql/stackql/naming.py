"""Whose column an identifier of a StackQL text is, and StackQL's names replaced by ours.

A resource's columns have other names in our tables. So each identifier is looked up as SQLite does
(https://sqlite.org/src/file/src/resolve.c): in the SELECT that holds it, then in those around it.
Columns of derived tables, common table expressions, ``json_each`` and ordinary tables keep their
names, whatever they are called. The engine that a text names decides which source's tables serve.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from types import MappingProxyType

from sessions_vtab.errors import StatementError
from sessions_vtab.sql.lexer import Edit, Token, TokenKind, name_of
from sessions_vtab.sql.returning import has_alias
from sessions_vtab.sql.shapes import Block, Span, blocks, commas, find
from sessions_vtab.sql.stackql.dialect import EngineScope, ResourceMention, alias_at


def _unknown(_: str) -> None:
    """The columns of a table nothing is known about."""


@dataclass(frozen=True, slots=True)
class Sources:
    """The sources of a connection whose sessions belong to engines.

    Attributes:
        engines: the engine each is configured for, by source name.
        default: the one of them whose tables need no schema; None if the default source has no
            engines.
        columns_of: names of the columns of any other table, by the table's name; None if there is
            no such table.
    """

    engines: Mapping[str, EngineScope] = field(default_factory=lambda: MappingProxyType({}))
    default: str | None = None
    columns_of: Callable[[str], Collection[str] | None] = _unknown

    @property
    def several(self) -> bool:
        """Whether the engine decides where a statement goes."""
        return len(self.engines) > 1

    def named(self, scope: EngineScope) -> str:
        """The source for an engine.

        One that is configured for it, the default first; else the default, which reads the engine
        with its own credential; else the first that has engines. '' if none has.
        """
        fitting = [name for name, own in self.engines.items() if own == scope]
        if self.default in fitting or (self.default is not None and not fitting):
            return self.default or ""
        return next(iter([*fitting, *self.engines]), "")

    def schema(self, source: str) -> str:
        """What stands before a table of a source: its schema, or nothing for the default."""
        return "" if source in ("", self.default) else f'"{source}".'


_NAMED = (TokenKind.WORD, TokenKind.QUOTED)
_JOINS = frozenset(("JOIN", ","))
_ITEM_ENDS = _JOINS | {
    *("ON", "USING", "LEFT", "RIGHT", "FULL", "INNER", "CROSS", "NATURAL"),
}
_SELECT = frozenset(("SELECT",))
_NO_COLUMN_AFTER = frozenset(("AS", "OVER", "WINDOW", "COLLATE"))
_TARGET_CLAUSES = frozenset(("FROM", "WHERE", "SELECT", "VALUES"))
_MERGES = frozenset(("NATURAL", "USING"))


@dataclass(frozen=True, slots=True)
class FromItem:
    """One item of FROM.

    Attributes:
        span: its tokens, alias included, without ON and USING.
        label: how its columns are qualified, in lower case; '' for a derived table without alias.
        place: the resource it is; None for anything else.
        name: of an ordinary table or function; '' for a derived table.
    """

    span: Span
    label: str
    place: ResourceMention | None = None
    name: str = ""


@dataclass(slots=True, eq=False)
class SelectNames:
    """The names that a SELECT, or the UPDATE or DELETE itself, can use.

    Attributes:
        block: its tokens and clauses.
        items: of FROM; of UPDATE and DELETE the target is the first.
        aliases: names of its result columns in lower case, of every SELECT of its compound.
        outer: the frame around it that it may refer to.
    """

    block: Block
    items: list[FromItem] = field(default_factory=list)
    aliases: frozenset[str] = frozenset()
    outer: SelectNames | None = None

    @property
    def span(self) -> Span:
        """The tokens of the SELECT, as their first index and the one after the last."""
        return self.block.at, self.block.end

    @property
    def source(self) -> Span:
        """The tokens of FROM; empty where there is none."""
        return self.block.clauses.get("FROM", (self.block.at, self.block.at))

    @property
    def places(self) -> list[ResourceMention]:
        """The resources among its items."""
        return [item.place for item in self.items if item.place is not None]

    def chain(self) -> Iterator[SelectNames]:
        """This frame and those around it, from the inside."""
        frame: SelectNames | None = self
        while frame is not None:
            yield frame
            frame = frame.outer


class StatementNames:
    """The frames of one statement.

    Attributes:
        frames: of every SELECT, in the order of the text.
        statement: the frame of the UPDATE, DELETE or INSERT itself; None without a target.
    """

    def __init__(
        self,
        tokens: Sequence[Token],
        pairs: dict[int, int],
        places: Sequence[ResourceMention],
        sources: Sources,
        target: ResourceMention | None,
    ) -> None:
        self._tokens, self._pairs, self._sources = tokens, pairs, sources
        self._places = {place.at: place for place in places}
        self._ctes: dict[str, int] = {}
        self._columns: dict[str | int, frozenset[str] | None] = {}
        self._lists: set[int] = set()
        self._skipped: set[int] = set()
        self._bare: dict[int, SelectNames] = {}
        self.statement = None if target is None else self._of_statement(target)
        self.frames: list[SelectNames] = []
        self._collect()

    # Frames.

    def _collect(self) -> None:
        found = blocks(self._tokens, self._pairs)
        for block in found:
            self._read_cte(block)
            self.frames.append(self._frame(block))
        for frame in self.frames:
            frame.outer = self._outer(frame)
            for item in commas(self._tokens, frame.block.items, self._pairs):
                if has_alias(self._tokens, item):
                    self._skipped.add(item[1] - 1)
        for frame in self.frames:
            frame.aliases = self._compound_aliases(frame)
            self._order_terms(frame)

    def _frame(self, block: Block, *before: FromItem) -> SelectNames:
        frame = SelectNames(block, list(before))
        frame.items += self._items(frame.source)
        return frame

    def _of_statement(self, target: ResourceMention) -> SelectNames:
        start, end = target.end, len(self._tokens)
        stops = [*find(self._tokens, (start, end), self._pairs, _TARGET_CLAUSES), end]
        clauses = {}
        if stops[0] < end and self._tokens[stops[0]].upper == "FROM":
            clauses["FROM"] = (stops[0] + 1, stops[1])
        block = Block(start, end, (end, end), clauses, distinct=False, compound=False)
        return self._frame(block, FromItem((target.at, target.end), target.label.lower(), target))

    def _items(self, source: Span) -> Iterator[FromItem]:
        """The items of a FROM clause, from left to right."""
        start, end = source
        marks = [at for at in find(self._tokens, source, self._pairs, _JOINS) if at > start]
        for at in [start, *(mark + 1 for mark in marks)]:
            if at < end:
                yield self._item((at, end))

    def _item(self, span: Span) -> FromItem:
        at, limit = span
        stops = find(self._tokens, (at, limit), self._pairs, _ITEM_ENDS)
        end = next(stops, limit)
        place = self._places.get(at)
        following = at + 5 if place else self._after_name(at)
        alias = alias_at(self._tokens, following) if following < end else None
        if alias is not None:
            self._skipped.update(range(following, end))
        if place is not None:
            return FromItem((at, end), place.label.lower(), place)
        derived = self._tokens[at].text == "("
        name = "" if derived else name_of(self._tokens[self._last_of_name(at)])
        label = name if alias is None else alias
        return FromItem((at, end), label.lower(), None, name)

    def _last_of_name(self, at: int) -> int:
        last = at
        while last + 2 < len(self._tokens) and self._tokens[last + 1].text == ".":
            last += 2
        return last

    def _after_name(self, at: int) -> int:
        """The token after a name with its arguments, or after a derived table."""
        at = at if self._tokens[at].text == "(" else self._last_of_name(at) + 1
        is_open = at < len(self._tokens) and self._tokens[at].text == "("
        return self._pairs.get(at, at) + 1 if is_open else at

    # Columns.

    def columns(self, item: FromItem) -> frozenset[str] | None:
        """Column names, in lower case, of an item that is not a resource; None if unknown."""
        lowered = item.name.lower()
        body = self._ctes.get(lowered) if lowered else item.span[0]
        key = lowered if body is None else body
        if key not in self._columns:
            self._columns[key] = None  # Also the answer for a table that is defined by itself.
            own = self._sources.columns_of(item.name) if body is None else None
            listed = None if own is None else frozenset(one.lower() for one in own)
            self._columns[key] = listed if body is None else self._columns_of_query(body)
        return self._columns[key]

    def _columns_of_query(self, opening: int) -> frozenset[str] | None:
        """The columns that a bracket stands for: those it lists, or of the SELECT in it."""
        closing = self._pairs.get(opening, opening)
        inside = range(opening + 1, closing)
        if opening in self._lists:
            return frozenset(name_of(self._tokens[at]).lower() for at in inside)
        found = find(self._tokens, (opening + 1, closing), self._pairs, _SELECT)
        at = next(found, None)
        frame = next((one for one in self.frames if one.span[0] == at), None)
        return None if frame is None else self.column_names(frame)

    def column_names(self, frame: SelectNames) -> frozenset[str] | None:
        """Names of the result columns of a SELECT in lower case; None if they are not known."""
        found: set[str] = set()
        for first, end in commas(self._tokens, frame.block.items, self._pairs):
            last = self._tokens[end - 1]
            if last.text == "*" and (end - first == 1 or self._tokens[end - 2].text == "."):
                label = name_of(self._tokens[first]).lower() if end - first > 1 else None
                every = self._columns_of_star(frame, label)
                if every is None:
                    return None
                found |= every
            elif last.kind in (*_NAMED, TokenKind.STRING):
                found.add(name_of(last).lower())
        return frozenset(found)

    def _columns_of_star(self, frame: SelectNames, label: str | None) -> frozenset[str] | None:
        found: frozenset[str] = frozenset()
        for item in frame.items:
            if label not in (None, item.label):
                continue
            if item.place is not None:
                theirs = frozenset(one.name.lower() for one in item.place.resource.columns)
            else:
                known = self.columns(item)
                if known is None:
                    return None
                theirs = known
            found |= theirs
        return found

    def _read_cte(self, block: Block) -> None:
        """Notes a common table expression, if a SELECT is the body of one."""
        at = block.at - 2
        while self._text(at).upper() in {"MATERIALIZED", "NOT"}:
            at -= 1
        if self._text(block.at - 1) != "(" or self._text(at).upper() != "AS":
            return
        name, body = at - 1, block.at - 1
        if self._text(name) == ")":
            body = next((one for one, end in self._pairs.items() if end == name), -1)
            if body < 0:
                return  # SQLite will say what is wrong with the brackets.
            self._lists.add(body)
            self._skipped.update(range(body, name))
            name = body - 1
        if self._text(name - 1).upper() in {"WITH", "RECURSIVE", ","}:
            self._skipped.add(name)
            self._ctes[name_of(self._tokens[name]).lower()] = body

    def _outer(self, frame: SelectNames) -> SelectNames | None:
        """The frame that a subquery may refer to: not the one whose derived table it is."""
        at = frame.span[0]
        around = [one for one in self.frames if one.span[0] < at < one.span[1]]
        parent = max(around, key=lambda one: one.span[0], default=None)
        if parent is None:
            parent = self._statement_around(at)
        if parent is not None and self._is_derived(parent, at):
            return None if parent is self.statement else self._outer(parent)
        return parent

    def _statement_around(self, at: int) -> SelectNames | None:
        """The frame of UPDATE or DELETE, for what is in brackets within it."""
        frame = self.statement
        bracketed = any(opening < at < closing for opening, closing in self._pairs.items())
        inside = frame is not None and frame.span[0] < at and bracketed
        return frame if inside else None

    def _is_derived(self, parent: SelectNames, at: int) -> bool:
        return any(
            item.span[0] < at < item.span[1] and self._text(item.span[0]) == "("
            for item in parent.items
        )

    def _compound_aliases(self, frame: SelectNames) -> frozenset[str]:
        """Names by which ORDER BY knows the result columns."""
        if not frame.block.compound:
            return self.column_names(frame) or frozenset()
        around = self._bracket(frame.span[0])
        found: frozenset[str] = frozenset()
        for one in self.frames:
            if one.block.compound:
                same = self._bracket(one.span[0]) == around
                found |= (self.column_names(one) or frozenset()) if same else frozenset()
        return found

    def _bracket(self, at: int) -> int:
        return max((one for one, end in self._pairs.items() if one < at < end), default=-1)

    def _order_terms(self, frame: SelectNames) -> None:
        """Terms of ORDER BY that are one name: an alias comes before a column there."""
        for first, end in commas(
            self._tokens, frame.block.clauses.get("ORDER", (0, 0)), self._pairs
        ):
            following = self._text(first + 1).upper() if first + 1 < end else ""
            if following in {"", "ASC", "DESC", "NULLS", "COLLATE"}:
                self._bare[first] = frame

    # Identifiers.

    @cached_property
    def edits(self) -> list[Edit]:
        """What writes our names for StackQL's, wherever they stand for a resource's column."""
        return [edit for index in range(len(self._tokens)) for edit in self._edit(index)]

    def _edit(self, index: int) -> Iterator[Edit]:
        place = self.place_of(index)
        if place is None:
            return
        token = self._tokens[index]
        ours = place.resource.names[name_of(token).lower()]
        ordering = self._bare.get(index)
        if ordering is not None and ours in ordering.aliases:
            yield Edit(token.start, token.end, f'"{place.label}"."{ours}"')
        elif ours != token.text:
            yield Edit(token.start, token.end, ours)

    def place_of(self, index: int) -> ResourceMention | None:
        """The resource whose column a token names; None for every other token."""
        if not self._may_be_column(index):
            return None
        name = name_of(self._tokens[index]).lower()
        frame = self.frame_at(index)
        if frame is None:
            return None
        if self._text(index - 1) == ".":
            return self.labelled(frame, name_of(self._tokens[index - 2]), name)
        ordering = self._bare.get(index)
        if ordering is not None and name in ordering.aliases:
            return None
        return self._unqualified(frame, name, index)

    def _may_be_column(self, index: int) -> bool:
        token = self._tokens[index]
        if token.kind not in _NAMED or index in self._skipped or index == 0:
            return False
        called = self._text(index + 1) in {"(", "."}
        return not called and self._tokens[index - 1].upper not in _NO_COLUMN_AFTER

    def frame_at(self, index: int) -> SelectNames | None:
        """The innermost frame that holds a token."""
        inside = [one for one in self.frames if one.span[0] < index < one.span[1]]
        frame = max(inside, key=lambda one: one.span[0], default=None)
        if frame is not None:
            return frame
        own = self.statement
        return own if own is not None and own.span[0] <= index else None

    def labelled(self, frame: SelectNames, label: str, name: str) -> ResourceMention | None:
        """The resource behind ``label.name``, seen from a frame."""
        for one in frame.chain():
            for item in one.items:
                if item.label == label.lower():
                    known = item.place is not None and name in item.place.resource.names
                    return item.place if known else None
        return None

    def _unqualified(self, frame: SelectNames, name: str, index: int) -> ResourceMention | None:
        for one in frame.chain():
            mine = [place for place in one.places if name in place.resource.names]
            others = [item for item in one.items if item.place is None]
            theirs = any(name in (self.columns(item) or ()) for item in others)
            merged = any(find(self._tokens, one.source, self._pairs, _MERGES))
            if mine and theirs and not merged:
                raise StatementError(f"ambiguous column name: {self._tokens[index].text}")
            if mine:
                return mine[0]
            if theirs or any(self.columns(item) is None for item in others):
                return None
            if name in one.aliases and not one.source[0] <= index < one.source[1]:
                return None
        return None

    def _text(self, index: int) -> str:
        return self._tokens[index].text if 0 <= index < len(self._tokens) else ""
