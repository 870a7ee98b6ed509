"""Tables of sources beside ordinary ones with the same rows, in one connection of a host."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, TypeAlias

from sessions_vtab import Connection
from sessions_vtab.contract.model import quoted
from sessions_vtab.testing.hostile import NATIVE_TABLES
from sessions_vtab.testing.oracle import (
    Comparison,
    Known,
    difference,
    native_declaration,
    read_known,
)

_TABLE = re.compile(r"\{([a-z_]+)\}")


Rows: TypeAlias = Mapping[tuple[str, str], Known]
"""What a source has in a table."""


def rows_of(ours: Connection) -> Rows:
    """The rows of sessions and events of every source, read through the product itself."""
    found = {}
    for source in ours.sources.values():
        for table in ("sessions", "events"):
            known = read_known(ours, source.name, source.backend.resources[table], {})
            assert known is not None
            found[source.name, table] = known
    return found


class Pair:
    """A connection with the extension, in which ``main`` has the oracle's tables.

    The oracle is of the same SQLite: every version has errors of its own.

    Args:
        connection: of a host, with the extension loaded.
        sources: table to the source that it is read from.
        rows: of each table, by its source.
        error: what the host's errors are.
    """

    def __init__(
        self, connection: Any, sources: Mapping[str, str], rows: Rows, error: type[Exception]
    ) -> None:
        self.connection = connection
        self.sources = sources
        self._error = error
        self.asked = 0
        self.rows = 0
        for table, source in sources.items():
            known = rows[source, table]
            declared = native_declaration(known.table)
            create = declared.replace("CREATE TABLE ", "CREATE TABLE main.", 1)
            connection.execute(create).fetchall()
            places = ", ".join("?" * len(known.table.columns))
            into = f"INSERT INTO main.{quoted(table)} VALUES ({places})"
            connection.executemany(into, known.rows)
        for statement in NATIVE_TABLES.strip().split(";\n"):
            connection.execute(statement).fetchall()

    def check(self, sql: str, values: tuple[Any, ...], how: Comparison, unlimited: str) -> None:
        """Raises AssertionError if the answers to a statement differ.

        Args:
            sql: with placeholders for the tables.
            values: of its parameters.
            how: how the answers are compared.
            unlimited: the statement without its LIMIT.
        """
        expected = self._answer(self._native(sql), values)
        got = self._answer(self._ours(sql), values)
        self.asked += 1
        if isinstance(expected, str) or isinstance(got, str):
            assert isinstance(expected, str), f"{self._ours(sql)}\n{values!r:.500}\n{got}"
            return  # SQLite refuses the statement, whatever the tables are.
        self.rows += len(expected)
        subset = how is Comparison.SUBSET
        allowed = self._answer(self._native(unlimited), values) if subset else ()
        assert not isinstance(allowed, str)
        wrong = difference(got, expected, how, allowed=allowed)
        assert wrong is None, f"{self._ours(sql)}\n{values!r:.500}\n{wrong}"

    def _answer(self, sql: str, values: tuple[Any, ...]) -> Any:
        """The rows, or the error."""
        try:
            return self.connection.execute(sql, values).fetchall()
        except self._error as error:
            return str(error)

    def _ours(self, sql: str) -> str:
        return _TABLE.sub(lambda match: f"{self.sources[match[1]]}.{match[1]}", sql)

    def _native(self, sql: str) -> str:
        return _TABLE.sub(lambda match: f"main.{match[1]}", sql)
