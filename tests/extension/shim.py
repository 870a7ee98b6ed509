"""The extension's side of the talk with its Python process: what it asks, in plain Python."""

from __future__ import annotations

from typing import Any

from sessions_vtab.extension.child import HostSession
from sessions_vtab.extension.hosted import PROTOCOL
from sessions_vtab.vtab.table import SourceTable

EQ, IS_NOT_NULL = 2, 70
READS, ONLY_READS, TRANSACTION = 1, 2, 4


def _columns(table: Any) -> list[str]:
    if isinstance(table, SourceTable):
        return list(table.resource.table.names)
    function = table._function
    return [one.name for one in (*function.results, *function.parameters)]


class Shim:
    """Asks as the extension does."""

    def __init__(self) -> None:
        self.session = HostSession(lambda: False)
        self.tables: dict[str, tuple[int, list[str], int]] = {}
        self.cursors = 0
        self.serial = 0
        _, (self.version, self.entries) = self.ask(b"H", PROTOCOL, 3040001, 1)

    def ask(self, kind: bytes, *request: Any) -> tuple[bytes, Any]:
        return self.session.answer(kind, request)

    def result(self, kind: bytes, *request: Any) -> Any:
        answer = self.ask(kind, *request)
        assert answer[0] == b"R"
        return answer[1]

    def table(self, name: str, schema: str = "temp") -> int:
        """The number of a table or function, which is connected on first use."""
        if name not in self.tables:
            ((source, of, kind),) = (
                (one[2], one[3], one[4]) for one in self.entries if one[:2] == (schema, name)
            )
            number, sql, key, _ = self.result(b"C", schema, name, source, of, kind)
            assert sql.startswith("CREATE TABLE x(")
            columns = _columns(self.session._tables[number].table)
            self.tables[name] = number, columns, key
        return self.tables[name][0]

    def place(self, name: str, column: str) -> int:
        self.table(name)
        return self.tables[name][1].index(column)

    def plan(self, name: str, *constraints: Any, columns: int = 1, **more: Any) -> Any:
        """Constraints are column and value; more: ``order``."""
        offered = tuple(
            (self.place(name, column), EQ, 1, 0, "BINARY", value) for column, value in constraints
        )
        return self.result(b"B", self.table(name), offered, more.get("order", ()), 0, columns)

    def scan(self, name: str, words: str, *arguments: Any, **more: Any) -> Any:
        """Begins a scan: with the next cursor and statement unless told otherwise."""
        self.cursors += 1
        self.serial += 1
        return self.ask(
            b"F",
            self.table(name),
            more.get("cursor", self.cursors),
            more.get("serial", self.serial),
            words,
            more.get("columns", 1),
            arguments,
            more.get("positions", ()),
            more.get("flags", READS),
            more.get("text"),
        )

    def insert(self, table: str, serial: int, text: str | None = None, **values: Any) -> None:
        number = self.table(table)
        fields = [values.get(column) for column in self.tables[table][1]]
        self.result(b"U", number, serial, 2, text, (None, None, *fields))

    def step(self, name: str, hook: str, level: int = 0, serial: int = 0) -> None:
        assert self.result(b"T", self.table(name), hook, level, serial) == ()


def memory(shim: Shim) -> Any:
    return shim.session._tables.sources["mem"].backend


def fill(shim: Shim, count: int) -> None:
    rows = memory(shim).tables["sessions"]
    for number in range(count):
        name = f"sessions/s{number:02}"
        rows.rows[name] = dict.fromkeys(rows.table.names) | {
            "name": name,
            "session_id": f"s{number:02}",
            "user_id": "ann" if number % 2 else "bob",
            "labels": '{"env": "prod"}' if number % 3 == 0 else "{}",
        }
