"""The ``sqlite3`` of another Python, as a module of this one: pysqlite's connections in a process.

Pythons differ in whether their ``sqlite3`` loads extensions; that of the system, which has the SQLite
of the system, often does where the one that runs the tests does not.
"""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any


class RemoteError(Exception):
    """What the other side's ``sqlite3.Error`` says."""


class Rows:
    """A cursor whose rows have all come."""

    def __init__(self, rows: list[list[Any]], description: list[list[Any]] | None) -> None:
        self._rows = [tuple(row) for row in rows]
        self.description = description

    def fetchall(self) -> list[tuple[Any, ...]]:
        return self._rows


class Remote:
    """A process of that Python."""

    def __init__(self, python: str) -> None:
        self._process = subprocess.Popen(
            [python, "-I", __file__], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def ask(self, *request: Any) -> Any:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        print(json.dumps(request), file=self._process.stdin, flush=True)
        good, answer = json.loads(self._process.stdout.readline())
        if not good:
            raise RemoteError(answer)
        return answer

    def connect(self, path: str, library: str) -> RemoteConnection:
        return RemoteConnection(self, self.ask("connect", path, library))

    def close(self) -> None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        self._process.wait(20)
        self._process.stdout.close()


class RemoteConnection:
    """One of its connections."""

    def __init__(self, remote: Remote, number: int) -> None:
        self._remote = remote
        self._number = number

    def execute(self, sql: str, values: Any = ()) -> Rows:
        return Rows(*self._remote.ask("execute", self._number, sql, list(values)))

    def executemany(self, sql: str, values: Any) -> None:
        self._remote.ask("executemany", self._number, sql, [list(one) for one in values])

    def enable_load_extension(self, enable: bool) -> None:
        self._remote.ask("enable", self._number, enable)

    @property
    def in_transaction(self) -> bool:
        return bool(self._remote.ask("in_transaction", self._number))

    def close(self) -> None:
        self._remote.ask("close", self._number)


def _serve() -> None:
    import sqlite3  # noqa: PLC0415  # The Python that runs the tests may have none.

    connections: dict[int, sqlite3.Connection] = {}

    def connect(path: str, library: str) -> int:
        connection = sqlite3.connect(path, isolation_level=None, uri=True)
        connection.enable_load_extension(True)
        connection.execute("SELECT load_extension(?)", (library,)).fetchall()
        connections[len(connections)] = connection
        return len(connections) - 1

    def execute(number: int, sql: str, values: list[Any]) -> Any:
        cursor = connections[number].execute(sql, values)
        return cursor.fetchall(), cursor.description

    def executemany(number: int, sql: str, values: list[Any]) -> None:
        connections[number].executemany(sql, values)

    does = {
        "version": lambda: sqlite3.sqlite_version,
        "connect": connect,
        "execute": execute,
        "executemany": executemany,
        "enable": lambda number, enable: connections[number].enable_load_extension(enable),
        "in_transaction": lambda number: connections[number].in_transaction,
        "close": lambda number: connections[number].close(),
    }
    for line in sys.stdin:
        name, *arguments = json.loads(line)
        try:
            answer = True, does[name](*arguments)
        except sqlite3.Error as error:
            answer = False, str(error)
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    _serve()
