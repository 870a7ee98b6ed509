"""SQLite's tokens, scripts cut into statements, and edits of a text at token positions.

The rules are those of SQLite's own tokenizer (https://sqlite.org/src/file/src/tokenize.c): four
styles of quoted identifiers, ``1_000``, ``0x1F``, blobs, ``?``, ``?3``, ``:a``, ``@a``,
``$a::b(x)``, comments that end with the text.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from enum import IntEnum
from typing import NamedTuple


class TokenKind(IntEnum):
    """What a token is."""

    WORD = 1
    """A keyword or an unquoted identifier: SQLite decides by its place."""
    QUOTED = 2
    """An identifier in ``"double"``, `` `back` `` or ``[square]`` quotes."""
    STRING = 3
    NUMBER = 4
    BLOB = 5
    PARAMETER = 6
    OPERATOR = 7
    """Operators and punctuation."""
    ILLEGAL = 8
    """What SQLite refuses: an unclosed quote, ``1a``, a stray character."""


class Token(NamedTuple):
    """One token: ``text`` as written, ``upper`` in capitals if it is a word, else as written."""

    kind: TokenKind
    text: str
    start: int
    end: int
    upper: str


# Beyond ASCII every character may be in a name. Written as what may not: a set with the last of all
# characters in it takes 2 ms to compile, which the whole pattern would do six times at each start.
_IN_NAME = r"[^\x00-\#%-/:-@\[-^`{-\x7f]"
_BEGINS_NAME = r"[^\x00-@\[-^`{-\x7f]"


@functools.cache
def _pattern() -> re.Pattern[str]:
    """A token and the blanks and comments in front of it; its group is its kind."""
    return re.compile(
        rf"""
        (?:[ \t\n\f\r\ufeff]|--[^\n]*+|/\*(?:.*?\*/|.*\Z))*+
        (?: (?P<WORD>(?![xX]'){_BEGINS_NAME}{_IN_NAME}*+)
        | (?P<OPERATOR>[(),;+*/%&~]|==?|->?>?|\|\|?|<[=><]?|>[=>]?|!=|\.(?![0-9]))
        | (?P<STRING>'[^']*+(?:''[^']*+)*+')
        | (?P<PARAMETER>\?[0-9]*+|[$@:\#](?:{_IN_NAME}|::)++(?:\([^)\s]*\))?)
        | (?P<NUMBER>(?:0[xX][0-9a-fA-F]+(?:_[0-9a-fA-F]+)*
            |(?:[0-9]+(?:_[0-9]+)*(?:\.(?:[0-9]+(?:_[0-9]+)*)?)?|\.[0-9]+(?:_[0-9]+)*)
             (?:[eE][+-]?[0-9]+(?:_[0-9]+)*)?)(?!{_IN_NAME}))
        | (?P<QUOTED>"[^"]*+(?:""[^"]*+)*+"|`[^`]*+(?:``[^`]*+)*+`|\[[^]]*+\])
        | (?P<BLOB>[xX]'(?:[0-9a-fA-F]{{2}})*+')
        | (?P<ILLEGAL>[xX]?['"`\[].*\Z|[0-9.](?:{_IN_NAME}|\.)*|.)
        | \Z)""",
        re.VERBOSE | re.DOTALL,
    )


@functools.cache
def _kinds() -> tuple[TokenKind, ...]:
    """The kind of each group."""
    return (TokenKind.WORD, *(TokenKind[name] for name in _pattern().groupindex))


def tokenize(text: str) -> list[Token]:
    """The tokens of a text, without blanks and comments. Never fails: see ``TokenKind.ILLEGAL``."""
    tokens = []
    make, kinds, word = tuple.__new__, _kinds(), _pattern().groupindex["WORD"]
    for match in _pattern().finditer(text):
        group = match.lastindex
        if group is None:
            break
        found = match[group]
        start, end = match.span(group)
        upper = found.upper() if group == word else found
        tokens.append(make(Token, (kinds[group], found, start, end, upper)))
    return tokens


def name_of(token: Token) -> str:
    """The name that an identifier token stands for, without its quotes."""
    if token.kind is TokenKind.QUOTED or token.kind is TokenKind.STRING:
        quote = token.text[0]
        inner = token.text[1:-1]
        return inner if quote == "[" else inner.replace(quote * 2, quote)
    return token.text


class Statement(NamedTuple):
    """One statement of a script.

    Attributes:
        text: from its first token to its ``;``.
        line: line of its first token in the script, from 1.
        start: index of its first character in the script.
    """

    text: str
    line: int
    start: int


def split(script: str, complete: Callable[[str], bool] | None = None) -> Iterator[Statement]:
    """The statements of a script; comments and lone ``;`` between them are left out.

    Args:
        script: any number of statements.
        complete: whether a text that ends in ``;`` is a whole statement (``apsw.complete``, which
            knows the bodies of triggers); without it a ``;`` always ends one.
    """
    first: Token | None = None
    line, counted = 1, 0
    last = 0
    for token in tokenize(script):
        ends = token.text == ";"
        if first is None:
            if ends:
                continue
            first = token
            line += script.count("\n", counted, token.start)
            counted = token.start
        last = token.end
        if ends and (complete is None or complete(script[first.start : last])):
            yield Statement(script[first.start : last], line, first.start)
            first = None
    if first is not None:
        yield Statement(script[first.start : last], line, first.start)


class StatementKind(NamedTuple):
    """What kind of statement this is, read from its keywords.

    Attributes:
        explain: ``EXPLAIN``, ``EXPLAIN QUERY PLAN`` or empty.
        verb: the statement's verb in capitals (SELECT, VALUES, INSERT, REPLACE, UPDATE, DELETE,
            CREATE, BEGIN, ..); for WITH the verb after the common table expressions. Empty for
            a text without tokens.
        at: index of the verb's token.
        first: index of the first token after EXPLAIN.
    """

    explain: str
    verb: str
    at: int
    first: int

    @property
    def reads(self) -> bool:
        """Whether it is a query."""
        return self.verb in {"SELECT", "VALUES"}

    @property
    def changes(self) -> bool:
        """Whether it is INSERT, REPLACE, UPDATE or DELETE."""
        return self.verb in {"INSERT", "REPLACE", "UPDATE", "DELETE"}


_VERBS = frozenset(("SELECT", "VALUES", "INSERT", "REPLACE", "UPDATE", "DELETE"))


def classify(tokens: Sequence[Token]) -> StatementKind:
    """The kind of a statement."""
    explain, first = _explain(tokens)
    at = first
    if at < len(tokens) and tokens[at].upper == "WITH":
        at = _after_with(tokens, at)
    verb = tokens[at].upper if at < len(tokens) and tokens[at].kind is TokenKind.WORD else ""
    return StatementKind(explain, verb, at, first)


def _explain(tokens: Sequence[Token]) -> tuple[str, int]:
    words = [token.upper for token in tokens[:3]]
    if words[:3] == ["EXPLAIN", "QUERY", "PLAN"]:
        return "EXPLAIN QUERY PLAN", 3
    return ("EXPLAIN", 1) if words[:1] == ["EXPLAIN"] else ("", 0)


def _after_with(tokens: Sequence[Token], start: int) -> int:
    depth = 0
    for index in range(start, len(tokens)):
        text = tokens[index].text
        if text == "(":
            depth += 1
        elif text == ")":
            depth -= 1
        elif depth == 0 and tokens[index].upper in _VERBS and tokens[index - 1].text == ")":
            return index
    return start


class Edit(NamedTuple):
    """Replaces ``text[start:end]``.

    Edits are ordered by place; at one place by ``rank``, insertions first. What is inserted after
    a token has a negative rank, so that it stays with that token.
    """

    start: int
    end: int
    text: str
    rank: int = 0


def insert(at: int, text: str, rank: int = 0) -> Edit:
    """An edit that only inserts."""
    return Edit(at, at, text, rank)


def apply(text: str, edits: Iterable[Edit]) -> str:
    """The edited text; the same object if there are no edits.

    Edits that lie within a range another edit replaces are swallowed by it.
    """
    ordered = sorted(edits, key=lambda edit: (edit.start, edit.rank, edit.end))
    if not ordered:
        return text
    pieces = []
    done = 0
    for edit in ordered:
        if edit.start < done:
            continue
        pieces.append(text[done : edit.start])
        pieces.append(edit.text)
        done = edit.end
    pieces.append(text[done:])
    return "".join(pieces)
