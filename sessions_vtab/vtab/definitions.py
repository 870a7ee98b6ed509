"""What may not be created or dropped, refused before SQLite runs the statement.

From inside ``xCreate`` and ``xDestroy`` APSW hands an error to ``sys.unraisablehook``, and the
caller gets an SQLError without the reason.
"""

from __future__ import annotations

from collections.abc import Sequence

from sessions_vtab.sql.lexer import Heading, Token, name_of, tokenize
from sessions_vtab.vtab.function import FUNCTION_MODULE
from sessions_vtab.vtab.host import Host
from sessions_vtab.vtab.table import MODULE, foreign_create

__all__ = ["require_definable"]


def require_definable(host: Host, text: str, heading: Heading) -> None:
    """Checks a CREATE or DROP of the user's.

    Raises:
        UnsupportedError: it would make a virtual table of our modules.
        QueuedWritesError: it would drop a table that has rows waiting to be sent.
    """
    if heading.explain or heading.verb not in {"CREATE", "DROP"}:
        return
    tokens = tokenize(text)[heading.at + 1 :]
    words = [token.upper for token in tokens]
    if heading.verb == "CREATE" and words[:2] == ["VIRTUAL", "TABLE"] and "USING" in words:
        module = [name_of(token) for token in tokens[words.index("USING") + 1 :][:1]]
        if module and module[0].lower() in {MODULE, FUNCTION_MODULE}:
            raise foreign_create(module[0])
    elif heading.verb == "DROP" and words[:1] == ["TABLE"]:
        behind = 3 if words[1:3] == ["IF", "EXISTS"] else 1
        host.unit.require_droppable(*_name(tokens[behind:]))


def _name(tokens: Sequence[Token]) -> tuple[str | None, str]:
    """Schema, if there is one, and name of a table, as SQLite compares them."""
    parts = [name_of(token).lower() for token in tokens[:3]]
    if parts[1:2] == ["."]:
        return parts[0], "".join(parts[2:])
    return None, "".join(parts[:1])
