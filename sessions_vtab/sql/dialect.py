"""Our SQL as sqlglot knows it by name, for tools that ask it by the name of an SQLAlchemy dialect.

JupySQL writes its own queries for the dialect ``sessions``; without this, sqlglot has none of that
name, and ``%sqlcmd explore`` sends ``OFFSET .. FETCH NEXT``, which SQLite cannot read. sqlglot
finds the class by the entry point ``sqlglot.dialects`` and its name.
"""

from __future__ import annotations

from sqlglot.dialects.sqlite import SQLite


class Sessions(SQLite):
    """SQLite's grammar."""
