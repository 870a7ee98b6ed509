"""What may not be created, dropped or copied, refused before SQLite runs the statement.

From inside ``xCreate`` and ``xDestroy`` APSW hands an error to ``sys.unraisablehook``, and the
caller gets an SQLError without the reason.
"""

from __future__ import annotations

from collections.abc import Sequence

from sessions_vtab.errors import UnsupportedError
from sessions_vtab.sql.lexer import StatementKind, Token, name_of, tokenize
from sessions_vtab.vtab.host import Host
from sessions_vtab.vtab.modules import FUNCTION_MODULE, MODULE, foreign_create

__all__ = ["require_copyable", "require_definable"]


def require_copyable(host: Host, schema: str, what: str) -> None:
    """Raises UnsupportedError for a page-by-page copy of a schema that has tables of sources.

    The copy would have no rows: only definitions, which no other program can even drop.

    Args:
        host: of the connection.
        schema: the schema that would be copied, or copied into.
        what: the statement or command.
    """
    if schema.lower() in {"main", *(name.lower() for name in host.sources)}:
        raise UnsupportedError(
            f"{what} copies the definitions of virtual tables, not the rows of their sources."
            " Nothing was written. Write a copy with sessions-vtab snapshot FILE; for one table:"
            " ATTACH 'FILE' AS copy; CREATE TABLE copy.sessions AS SELECT * FROM sessions."
        )


def require_definable(host: Host, text: str, kind: StatementKind) -> None:
    """Checks a CREATE, DROP or VACUUM INTO of the user's.

    Raises:
        UnsupportedError: it would make a virtual table of our modules, or copy them.
        QueuedWritesError: it would drop a table that has rows waiting to be sent.
    """
    if kind.explain or kind.verb not in {"CREATE", "DROP", "VACUUM"}:
        return
    tokens = tokenize(text)[kind.at + 1 :]
    words = [token.upper for token in tokens]
    if kind.verb == "VACUUM" and "INTO" in words[:2]:
        schema = name_of(tokens[0]) if words[0] != "INTO" else "main"
        require_copyable(host, schema, "VACUUM INTO")
    if kind.verb == "CREATE" and words[:2] == ["VIRTUAL", "TABLE"] and "USING" in words:
        module = [name_of(token) for token in tokens[words.index("USING") + 1 :][:1]]
        if module and module[0].lower() in {MODULE, FUNCTION_MODULE}:
            raise foreign_create(module[0])
    elif kind.verb == "DROP" and words[:1] == ["TABLE"]:
        behind = 3 if words[1:3] == ["IF", "EXISTS"] else 1
        host.unit.require_droppable(*_name(tokens[behind:]))


def _name(tokens: Sequence[Token]) -> tuple[str | None, str]:
    """Schema, if there is one, and name of a table, as SQLite compares them."""
    parts = [name_of(token).lower() for token in tokens[:3]]
    if parts[1:2] == ["."]:
        return parts[0], "".join(parts[2:])
    return None, "".join(parts[:1])
