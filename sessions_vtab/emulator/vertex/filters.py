"""The filter language of AIP-160: from text to a tree (Vertex contract, section 5).

    expression = sequence {AND sequence}         sequence = factor {factor}
    factor     = term {OR term}                  term     = [NOT | -] simple
    simple     = restriction | "(" expression ")"
    restriction = member operator value          member   = name {"." name}

OR binds tighter than AND, and terms written side by side are joined by AND. What the service does
with bare words and functions is not documented for these lists, so both are refused.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import NoReturn, TypeAlias

from sessions_vtab.emulator.vertex.messages import ApiError, found_errors

KEYWORDS = ("AND", "OR", "NOT")
_MAX_NESTING = 50
_TOKEN = re.compile(
    r"""(?P<space>\s+)
      | "(?P<double>(?:[^"\\]|\\.)*)"
      | '(?P<single>(?:[^'\\]|\\.)*)'
      | (?P<operator><=|>=|!=|<|>|=|:)
      | (?P<punctuation>[().,])
      | (?P<text>[^\s()"'<>=!:.,]+)""",
    re.VERBOSE | re.DOTALL,
)
_UNIT = re.compile(r"\\(.)|(.)", re.DOTALL)
_ESCAPED = "\"'\\*"


@dataclass(frozen=True, slots=True)
class Value:
    r"""The right side of a restriction.

    Attributes:
        parts: The text, split at its wildcards `*`; `\*` is not a wildcard.
        quote: `"`, `'` or, for a bare word, nothing.
    """

    parts: tuple[str, ...]
    quote: str

    @property
    def literal(self) -> str | None:
        """The text, or None if it has wildcards."""
        return self.parts[0] if len(self.parts) == 1 else None

    @property
    def is_star(self) -> bool:
        """Whether it is the bare `*` of a presence test."""
        return not self.quote and self.parts == ("", "")


@dataclass(frozen=True, slots=True)
class Restriction:
    """`path operator value`."""

    path: tuple[str, ...]
    operator: str
    value: Value


@dataclass(frozen=True, slots=True)
class AndTerms:
    """Terms joined by AND."""

    terms: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class OrTerms:
    """Terms joined by OR."""

    terms: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class NotTerm:
    """A negated term."""

    term: Node


Node: TypeAlias = "Restriction | AndTerms | OrTerms | NotTerm"


def bad_filter(reason: str) -> ApiError:
    """Return the 400 for a filter; the service's own words are not recorded."""
    return found_errors(("filter", f"Invalid filter: {reason}."))


@dataclass(frozen=True, slots=True)
class FilterToken:
    """A lexical unit; `spaced` says whether white space (or nothing at all) precedes it."""

    kind: str
    text: str
    spaced: bool


_END = FilterToken("end", "", True)


def parse_filter(text: str) -> Node | None:
    """Return the tree of a filter, None for an empty one.

    Raises:
        ApiError: 400 INVALID_ARGUMENT: it does not follow the grammar.
    """
    tokens = _tokens(text)
    if not tokens:
        return None
    parser = _FilterParser(tokens)
    node = parser.expression()
    if parser.current is not _END:
        raise bad_filter(f"unexpected {parser.current.text!r}")
    return node


def require_documented(text: str, operators: tuple[str, ...]) -> None:
    """Refuse whatever Google's reference does not show: the mode `--strict-filters`.

    That is `member operator "string"`, once or joined by a written-out AND.

    Raises:
        ApiError: 400 INVALID_ARGUMENT.
    """
    words = [_strict_word(token, operators) for token in _tokens(text)]
    restriction = r"f(?:\.f)?os"
    if words and not re.fullmatch(rf"{restriction}(?:&{restriction})*", "".join(words)):
        raise bad_filter("not supported (strict filters)")


def _strict_word(token: FilterToken, operators: tuple[str, ...]) -> str:
    """Return one letter for a token: the alphabet of the pattern above."""
    if token.kind == "text":
        if token.text in KEYWORDS:
            return "&" if token.text == "AND" else "?"
        return "?" if token.text.startswith("-") else "f"
    if token.kind == "operator":
        return "o" if token.text in operators else "?"
    if token.kind == "double":
        return "s"
    return token.text


def _tokens(text: str) -> list[FilterToken]:
    tokens = []
    spaced, position = True, 0
    while position < len(text):
        match = _TOKEN.match(text, position)
        if match is None or match.lastgroup is None:
            raise bad_filter(f"cannot read {text[position : position + 20]!r}")
        if match.lastgroup != "space":
            tokens.append(FilterToken(match.lastgroup, match[match.lastgroup], spaced))
        spaced, position = match.lastgroup == "space", match.end()
    return tokens


class _FilterParser:
    """Recursive descent over the tokens, one method for each rule of the grammar."""

    def __init__(self, tokens: list[FilterToken]) -> None:
        self._tokens = tokens
        self._index = 0
        self._nesting = 0

    @property
    def current(self) -> FilterToken:
        """The next token."""
        return self._tokens[self._index] if self._index < len(self._tokens) else _END

    def _take(self) -> FilterToken:
        token = self.current
        self._index += 1
        return token

    def _at_keyword(self, word: str) -> bool:
        return self.current.kind == "text" and self.current.text == word

    def _take_keyword(self, word: str) -> bool:
        if not self._at_keyword(word):
            return False
        if not self.current.spaced:
            self._fail()
        self._take()
        if not self.current.spaced:
            self._fail()
        return True

    def _take_mark(self, mark: str) -> bool:
        if self.current.kind == "punctuation" and self.current.text == mark:
            self._take()
            return True
        return False

    def _fail(self) -> NoReturn:
        found = "end" if self.current is _END else repr(self.current.text)
        raise bad_filter(f"unexpected {found}")

    def expression(self) -> Node:
        """Read `sequence {AND sequence}`."""
        terms = [self._sequence()]
        while self._take_keyword("AND"):
            terms.append(self._sequence())
        return _joined(AndTerms, terms)

    def _sequence(self) -> Node:
        terms = [self._factor()]
        while not (self._at_keyword("AND") or self._at_keyword("OR") or self._at_end()):
            if not self.current.spaced:
                self._fail()
            terms.append(self._factor())
        return _joined(AndTerms, terms)

    def _at_end(self) -> bool:
        return self.current is _END or (
            self.current.kind == "punctuation" and self.current.text == ")"
        )

    def _factor(self) -> Node:
        terms = [self._term()]
        while self._take_keyword("OR"):
            terms.append(self._term())
        return _joined(OrTerms, terms)

    def _term(self) -> Node:
        if self._take_keyword("NOT") or self._take_minus():
            return NotTerm(self._simple())
        return self._simple()

    def _take_minus(self) -> bool:
        """Take a leading `-`, which the lexer leaves at the front of a word."""
        token = self.current
        if token.kind != "text" or not token.text.startswith("-"):
            return False
        if token.text == "-":
            self._take()
        else:
            self._tokens[self._index] = FilterToken("text", token.text[1:], token.spaced)
        return True

    def _simple(self) -> Node:
        if not self._take_mark("("):
            return self._restriction()
        self._nesting += 1
        if self._nesting > _MAX_NESTING:
            raise bad_filter("nested too deeply")
        node = self.expression()
        if not self._take_mark(")"):
            self._fail()
        self._nesting -= 1
        return node

    def _restriction(self) -> Node:
        path = [self._name()]
        while self._take_mark("."):
            path.append(self._name())
        if self.current.kind != "operator":
            self._fail()
        operator = self._take().text
        return Restriction(tuple(path), operator, self._value())

    def _name(self) -> str:
        """Read a part of a member: a word that is not a keyword, or (a map key) a string."""
        token = self.current
        if token.kind == "text" and token.text not in KEYWORDS:
            return self._take().text
        if token.kind in {"double", "single"} and "*" not in token.text:
            return "".join(_string(self._take()).parts)
        return self._fail()

    def _value(self) -> Value:
        token = self.current
        if token.kind in {"double", "single"}:
            return _string(self._take())
        if token.kind != "text" or token.text in KEYWORDS:
            self._fail()
        words = [self._take().text]
        while self._take_mark("."):
            if self.current.kind != "text":
                self._fail()
            words.append(self._take().text)
        return Value(tuple(".".join(words).split("*")), "")


def _joined(kind: type[AndTerms | OrTerms], terms: list[Node]) -> Node:
    return terms[0] if len(terms) == 1 else kind(tuple(terms))


def _string(token: FilterToken) -> Value:
    """Return the value of a quoted string; it may escape quotes, the backslash and the star."""
    parts = [""]
    for escaped, plain in _UNIT.findall(token.text):
        if plain == "*":
            parts.append("")
        elif escaped and escaped not in _ESCAPED:
            raise bad_filter("unknown escape \\" + escaped)
        else:
            parts[-1] += escaped or plain
    return Value(tuple(parts), '"' if token.kind == "double" else "'")
