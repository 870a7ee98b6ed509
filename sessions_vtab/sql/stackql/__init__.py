"""StackQL's dialect for Google's sessions, translated to our own SQL.

Whether a text is in it is asked of every statement, so it needs none of these modules:

* `translate`: one statement; imported when there is one, as the rest is; `reading`, `writing`,
  `execute`, `show`: its kinds
* `dialect`: comments, the resources of StackQL's registry, and what a translation can be
* `naming`, `scoping`: whose column a name is, and which engines a table is about
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from sessions_vtab.sql.lexer import Token, TokenKind, name_of, tokenize

__all__ = ["ENGINE", "OWN_AFFAIRS", "SERVICE", "is_exec", "is_place", "is_stackql"]

SERVICE = ("google", "aiplatform")
"""The beginning of the names of all resources that are served here."""
ENGINE = frozenset(("project", "location", "reasoning_engine"))
"""The columns that tell whose engine a session is: the scope of the sources that serve StackQL."""

OWN_AFFAIRS = frozenset(("REGISTRY", "SLEEP", "NATIVEQUERY", "PURGE", "REFRESH", "USE"))
"""First words of statements by which StackQL manages itself."""
_FIRST = frozenset(("EXEC", "SHOW", "DESCRIBE")) | OWN_AFFAIRS
_STARTS = re.compile(
    rf"(?:\s|--[^\n]*\n|/\*.*?\*/)*+(?:{'|'.join(sorted(_FIRST))})\b", re.DOTALL | re.IGNORECASE
)


def is_stackql(text: str) -> bool:
    """Whether a text is StackQL: by its first word, ``(EXEC`` or ``google.service.resource``."""
    named = SERVICE[0] in text.lower()
    if not named and not _STARTS.match(text):
        return False
    tokens = tokenize(text)
    if tokens and tokens[0].upper in _FIRST:
        return True
    return named and any(
        is_place(tokens, index) or is_exec(tokens, index) for index in range(len(tokens))
    )


def is_exec(tokens: Sequence[Token], index: int) -> bool:
    """Whether ``(EXEC provider.`` begins there."""
    words = [token.upper for token in tokens[index : index + 4]]
    return words[:2] == ["(", "EXEC"] and words[3:] == ["."]


_BEFORE = frozenset(("FROM", "JOIN", "INTO", "UPDATE", "REPLACE", ","))


def is_place(tokens: Sequence[Token], index: int) -> bool:
    """Whether ``google.service.resource`` begins there, where a table is named."""
    if name_of(tokens[index]).lower() != SERVICE[0] or tokens[index].kind is TokenKind.STRING:
        return False
    dots = [token.text for token in tokens[index + 1 : index + 5 : 2]]
    whole = 0 < index < len(tokens) - 4
    return whole and dots == [".", "."] and tokens[index - 1].upper in _BEFORE
