"""Table-valued functions: one module for all, a table for each source that has the function."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

import apsw

from sessions_vtab.contract.backend import Context
from sessions_vtab.contract.declare import declare_function, quoted
from sessions_vtab.contract.model import Function
from sessions_vtab.contract.predicate import Value
from sessions_vtab.contract.scan import Row
from sessions_vtab.contract.values import accept
from sessions_vtab.contract.write import OutcomeState
from sessions_vtab.errors import (
    InvalidValueError,
    MissingParameterError,
    SessionsError,
    StatementError,
    UnknownOutcomeError,
    UnsupportedError,
)
from sessions_vtab.sql.effects import effect_of, mentioned
from sessions_vtab.sql.lexer import classify, tokenize
from sessions_vtab.sql.shapes import partners
from sessions_vtab.vtab.blame import blame
from sessions_vtab.vtab.host import Host, OpenSource
from sessions_vtab.vtab.logs import failure
from sessions_vtab.vtab.stopping import as_sqlite_says
from sessions_vtab.vtab.table import foreign_create
from sessions_vtab.vtab.waiting import missed

__all__ = ["FUNCTION_MODULE", "FunctionModule"]

FUNCTION_MODULE: Final = "sessions_vtab_function"
"""Name of the module of functions."""


class FunctionModule:
    """``VTModule`` of all functions: the table's name is the function, the argument its source."""

    def __init__(self, host: Host) -> None:
        self._host = host

    def Create(
        self, connection: apsw.Connection, module: str, schema: str, name: str, *arguments: str
    ) -> tuple[str, FunctionTable]:
        """Makes a function; refuses what is not one of our own statements."""
        if not self._host.installing:
            raise foreign_create(module)
        return self.Connect(connection, module, schema, name, *arguments)

    def Connect(
        self, connection: apsw.Connection, _module: str, schema: str, name: str, *arguments: str
    ) -> tuple[str, FunctionTable]:
        """Connects a function that exists."""
        (source_name,) = arguments
        source = self._host.sources[source_name]
        function = source.backend.functions[name]
        if function.effect:
            # Not in views and triggers, which would run it unseen.
            connection.vtab_config(apsw.SQLITE_VTAB_DIRECTONLY)
        return declare_function(function), FunctionTable(self._host, source, function, schema)


class FunctionTable:
    """``VTTable`` of a function: its hidden columns are the parameters.

    Args:
        host: the connection's state.
        source: whose function it is.
        function: the function.
        schema: the schema it was created in.
    """

    def __init__(self, host: Host, source: OpenSource, function: Function, schema: str) -> None:
        self._host = host
        self._schema = schema
        self._source = source
        self._function = function
        self._width = len(function.results)

    def BestIndexObject(self, info: apsw.IndexInfo) -> bool:
        """Takes every parameter; refuses a join order in which one is not known yet."""
        self._host.statements.preparing()
        places = self._parameters(info)
        if any(not info.get_aConstraint_usable(index) for index in places.values()):
            return False
        self._require(places)
        for argument, (_, index) in enumerate(sorted(places.items()), 1):
            info.set_aConstraintUsage_argvIndex(index, argument)
            info.set_aConstraintUsage_omit(index, True)
        names = [self._function.parameters[place].name for place in sorted(places)]
        info.idxStr = ",".join(names)
        info.estimatedCost = 1000.0
        info.estimatedRows = 1
        return True

    def Open(self) -> FunctionCursor:
        """A cursor for one occurrence in one run of a statement."""
        return FunctionCursor(self)

    def Disconnect(self) -> None:
        """SQLite forgets the function."""

    Destroy = Disconnect

    @property
    def explained(self) -> bool:
        """Whether the statement is only explained: then nothing is run."""
        return self._host.explaining is not None

    def call(self, names: list[str], values: Sequence[Value]) -> list[Row]:
        """Runs the function once: result columns followed by the arguments as they were given."""
        function, where = self._function, f"{self._source.name}.{self._function.name}"
        given = dict(zip(names, values, strict=True))
        arguments = {
            name: accept(function.parameter(name), value, f"{where}: {name}")
            for name, value in given.items()
            if value is not None
        }
        self._require_values(arguments)
        if function.effect:
            self._host.require_writable(self._source, f"{function.name}()")
            self._refuse_dry_run()
            self._host.logs.require_audit()
            self._join_transaction()
        else:
            self._host.holding.hold(self._source.backend.transaction)
        waiting = self._host.unit.waiting(self._source)
        if waiting:
            raise missed(f"{function.name}()", waiting[0], self._host.statements.current.number)
        context = self._host.context(self._source, function.name)
        with as_sqlite_says():
            rows = self._run(arguments, context)
        echo = tuple(given.get(column.name) for column in function.parameters)
        return [(*row, *echo) for row in rows]

    def _join_transaction(self) -> None:
        """Within BEGIN, makes the store of a transactional backend part of the transaction.

        A function is called by a SELECT, for which SQLite does not call ``xBegin``: without this,
        ROLLBACK would only undo the call if a write to a table of the store came before it.
        """
        backend = self._source.backend
        if backend.transaction is None or not self._host.connection.in_transaction:
            return
        resources = backend.resources.items()
        table = next((name for name, one in resources if one.capability.writes.delete), None)
        if table is not None:
            self._host.statements.run(f"DELETE FROM {quoted(self._schema)}.{quoted(table)} WHERE 0")

    def _refuse_dry_run(self) -> None:
        if self._host.dry_run:
            msg = (
                f"{self._function.name}() takes effect at once, so a dry run cannot preview"
                " it; INSERT, UPDATE and DELETE can be previewed. Nothing was sent."
            )
            raise UnsupportedError(msg)

    def _run(self, arguments: Mapping[str, Value], context: Context) -> list[Row]:
        statement = self._host.statements.current
        routine = self._source.backend.routines[self._function.name]
        before = self._host.requests
        try:
            rows = list(routine(arguments, context))
        except BaseException as error:
            blame(error, self._source.backend.name, f"{self._source.name}.{self._function.name}()")
            self._audit(arguments, error, getattr(error, "status", None))
            if isinstance(error, SessionsError) and self._function.effect and statement.effects:
                error.add_note(
                    f"{statement.effects} earlier calls of this statement have"
                    " already taken effect."
                )
            raise
        sent = self._host.requests > before
        self._audit(arguments, None, self._host.logs.requests.last("status") if sent else None)
        statement.effects += 1
        return rows

    def _audit(
        self, arguments: Mapping[str, Value], error: BaseException | None, status: Value
    ) -> None:
        """Adds a line to the audit file; an unexpected error counts as an unknown outcome."""
        if not self._function.effect:
            return
        unknown = isinstance(error, UnknownOutcomeError) or not isinstance(error, SessionsError)
        outcome = OutcomeState.UNKNOWN if unknown else OutcomeState.FAILED
        # A value that was refused may be another than the session's, such as a presigned form.
        refused = isinstance(error, InvalidValueError)
        hidden = refused or self._source.backend.secret_ids
        key = None if hidden else arguments.get("session")
        line = {
            "statement": self._host.statements.current.number,
            "row": self._host.statements.current.effects + 1,
            "source": self._source.name,
            "table": self._function.name,
            "action": "call",
            "key": key if isinstance(key, str) else None,
            "outcome": (OutcomeState.SENT if error is None else outcome).value,
            "http_status": status,
            **failure(error),
        }
        self._host.unit.called(self._source, line, acted=error is None)

    def require_shape(self) -> None:
        """Raises UnsupportedError unless the statement runs an effect function exactly once a row.

        The front door has settled the statements of our own connections. Of others only the text
        is known: there the function has to be the only table.
        """
        statement = self._host.statements.current
        if not self._function.effect or statement.text in self._host.accepted:
            return
        name = self._function.name
        tokens = tokenize(statement.text)
        pairs = partners(tokens)
        found = mentioned(tokens, pairs, frozenset((name,)), lambda _, __: self._function)
        effect = effect_of(tokens, classify(tokens), pairs, found) if found else None
        if effect is None or effect.item:
            msg = (
                f"{name}() has side effects and must be the only table of its statement here:"
                f" SELECT .. FROM {name}(..). A connection from sessions_vtab.connect()"
                f" also accepts FROM <one item>, {name}(..)."
            )
            raise UnsupportedError(msg)

    def _parameters(self, info: apsw.IndexInfo) -> dict[int, int]:
        """Index of the constraint for each parameter that is given with ``=``."""
        places: dict[int, int] = {}
        for index in range(info.nConstraint):
            column = info.get_aConstraint_iColumn(index)
            op = info.get_aConstraint_op(index)
            place = column - self._width
            if place < 0 or op in _HINTS:
                continue
            name = self._function.parameters[place].name
            if op != apsw.SQLITE_INDEX_CONSTRAINT_EQ or place in places:
                msg = (
                    f"{self._function.name}: give the parameter {name} only once, inside"
                    " the parentheses."
                )
                raise StatementError(msg)
            places[place] = index
        return places

    def _require(self, places: Mapping[int, int]) -> None:
        given = {self._function.parameters[place].name for place in places}
        self._refuse_missing([name for name in self._function.required if name not in given])

    def _require_values(self, arguments: Mapping[str, Value]) -> None:
        self._refuse_missing([name for name in self._function.required if name not in arguments])

    def _refuse_missing(self, missing: list[str]) -> None:
        if missing:
            signature = ", ".join(column.name for column in self._function.parameters)
            msg = (
                f"{self._source.name}.{self._function.name} requires {' and '.join(missing)}:"
                f" {self._function.name}({signature})."
            )
            raise MissingParameterError(msg)


_HINTS = (apsw.SQLITE_INDEX_CONSTRAINT_LIMIT, apsw.SQLITE_INDEX_CONSTRAINT_OFFSET)


class FunctionCursor:
    """``VTCursor`` of a function."""

    def __init__(self, table: FunctionTable) -> None:
        self._table = table
        self._rows: Iterator[Row] = iter(())
        self._row: Row | None = None

    def Filter(self, _number: int, words: str, arguments: Sequence[Any]) -> None:
        """Runs the function with the arguments of one row."""
        self._table.require_shape()
        names = words.split(",") if words else []
        self._rows = iter(() if self._table.explained else self._table.call(names, arguments))
        self.Next()

    def Eof(self) -> bool:
        """Whether there is no current row."""
        return self._row is None

    def Next(self) -> None:
        """Moves to the next row."""
        self._row = next(self._rows, None)

    def Column(self, column: int) -> Value:
        """A result or, behind the results, an argument."""
        return None if self._row is None or column < 0 else self._row[column]

    def Rowid(self) -> int:
        """Functions have no row ids worth a name."""
        return 0

    def Close(self) -> None:
        """Forgets the rows."""
        self._rows = iter(())
        self._row = None
