"""Table-valued functions: planning a call, for whom it is, what came of it, and its rows."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

import apsw

from sessions_vtab.contract.backend import Context, OutcomeState
from sessions_vtab.contract.model import Function
from sessions_vtab.contract.predicate import Value
from sessions_vtab.contract.scan import Row
from sessions_vtab.contract.values import accept
from sessions_vtab.errors import (
    InvalidValueError,
    MissingParameterError,
    SessionsError,
    StatementError,
    UnknownOutcomeError,
    UnsupportedError,
)
from sessions_vtab.vtab.host import Host, OpenSource
from sessions_vtab.vtab.logs import failure
from sessions_vtab.vtab.rows import RowsCursor
from sessions_vtab.vtab.statements import as_sqlite_says, blame
from sessions_vtab.vtab.write_queue import missed

if TYPE_CHECKING:
    from sessions_vtab.vtab.best_index import ApswIndexInfo


ChooseSource: TypeAlias = Callable[[], OpenSource]
"""The source that the running statement means by a function's name."""


class FunctionCall:
    """One call of a function of one source.

    Args:
        host: the connection's state.
        source: whose function it is.
        function: the function.
    """

    def __init__(self, host: Host, source: OpenSource, function: Function) -> None:
        self._host = host
        self._source = source
        self._function = function

    def rows(self, names: list[str], values: Sequence[Value]) -> list[Row]:
        """Runs the function once: result columns followed by the arguments as they were given."""
        function, where = self._function, f"{self._source.name}.{self._function.name}"
        given = dict(zip(names, values, strict=True))
        arguments = {
            name: accept(function.parameter(name), value, f"{where}: {name}")
            for name, value in given.items()
            if value is not None
        }
        refuse_missing(function, arguments, where)
        if function.effect:
            self._host.require_writable(self._source, f"{function.name}()")
            self._refuse_dry_run()
            self._host.logs.require_audit()
            self._host.unit.join(self._source)
        elif (store := self._source.backend.transaction) is not None:
            self._host.holding.hold(store)
        waiting = self._host.unit.waiting(self._source)
        if waiting:
            raise missed(f"{function.name}()", waiting[0], self._host.statements.current.number)
        context = self._host.context(self._source, function.name)
        with as_sqlite_says():
            rows = self._run(arguments, context)
        echo = tuple(given.get(column.name) for column in function.parameters)
        return [(*row, *echo) for row in rows]

    def _refuse_dry_run(self) -> None:
        if self._host.dry_run:
            raise UnsupportedError(
                f"{self._function.name}() takes effect at once, so a dry run cannot preview"
                " it; INSERT, UPDATE and DELETE can be previewed. Nothing was sent."
            )

    def _run(self, arguments: Mapping[str, Value], context: Context) -> list[Row]:
        statement = self._host.statements.current
        routine = self._source.backend.routines[self._function.name]
        before = self._host.requests
        try:
            rows = list(routine(arguments, context))
            self._require_width(rows)
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

    def _require_width(self, rows: Sequence[Row]) -> None:
        """Raises TypeError for a row that does not fit, whose values would be another column's."""
        wide = len(self._function.results)
        for row in rows:
            if not isinstance(row, tuple) or len(row) != wide:
                did = ". The function has taken effect" if self._function.effect else ""
                msg = f"{self._function.name}(): a row must be a tuple of {wide} values, not "
                raise TypeError(f"{msg}{row!r:.80}{did}")

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


def refuse_missing(function: Function, given: Mapping[str, object], where: str) -> None:
    """Raises MissingParameterError unless all parameters have values that must have one.

    Args:
        function: the function.
        given: parameters that have a value.
        where: what the statement calls it, for the error.
    """
    missing = [name for name in function.required if name not in given]
    if missing:
        signature = ", ".join(column.name for column in function.parameters)
        raise MissingParameterError(
            f"{where} requires {' and '.join(missing)}: {function.name}({signature})."
        )


class FunctionTable:
    """``VTTable`` of a function: its hidden columns are the parameters.

    Args:
        host: the connection's state.
        function: the function.
        where: what a statement calls it, for errors.
        source: chooses, when a scan begins, whose function is called.
    """

    def __init__(self, host: Host, function: Function, where: str, source: ChooseSource) -> None:
        self._host = host
        self._function = function
        self._where = where
        self._source = source
        self._width = len(function.results)

    def BestIndexObject(self, info: ApswIndexInfo) -> bool:
        """Takes every parameter; refuses a join order in which one is not known yet."""
        self._host.statements.preparing()
        places = self._parameters(info)
        if any(not info.get_aConstraint_usable(index) for index in places.values()):
            return False
        given = {self._function.parameters[place].name: index for place, index in places.items()}
        refuse_missing(self._function, given, self._where)
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

    def call(self, names: list[str], values: Sequence[Value]) -> list[Row]:
        """Runs the function once: result columns followed by the arguments as they were given."""
        return FunctionCall(self._host, self._source(), self._function).rows(names, values)

    @property
    def explained(self) -> bool:
        """Whether the statement is only explained: then nothing is run."""
        return self._host.explaining is not None

    def require_shape(self) -> None:
        """Raises UnsupportedError unless the statement runs the function exactly once a row.

        The statement rewriter has settled the statements of our own connections. Of others only the
        text is known: there the function has to be the only table.
        """
        statement = self._host.statements.current
        if not self._function.effect or statement.text in self._host.accepted:
            return
        name = self._function.name
        from sessions_vtab.sql.effects import stands_alone  # noqa: PLC0415  # Rarely needed.

        if not stands_alone(statement.text, self._function):
            raise UnsupportedError(
                f"{name}() has side effects and must be the only table of its statement here:"
                f" SELECT .. FROM {name}(..). A connection from sessions_vtab.connect()"
                f" also accepts FROM <one item>, {name}(..)."
            )

    def _parameters(self, info: ApswIndexInfo) -> dict[int, int]:
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
                raise StatementError(
                    f"{self._function.name}: give the parameter {name} only once, inside"
                    " the parentheses."
                )
            places[place] = index
        return places


_HINTS = (apsw.SQLITE_INDEX_CONSTRAINT_LIMIT, apsw.SQLITE_INDEX_CONSTRAINT_OFFSET)


class FunctionCursor(RowsCursor):
    """``VTCursor`` of a function: the rows of a call, results first and then the arguments."""

    def __init__(self, table: FunctionTable) -> None:
        super().__init__(tuple)
        self._table = table

    @property
    def row(self) -> Row:
        """The current row: results, and after them the arguments; empty at the end."""
        return () if self._row is None else self._row[1]

    @property
    def page_ends(self) -> bool:
        """Whether the row after the current one may cost a request."""
        return False

    def Filter(self, _number: int, words: str, arguments: Sequence[Any]) -> None:
        """Runs the function with the arguments of one row."""
        self._table.require_shape()
        names = words.split(",") if words else []
        rows = [] if self._table.explained else self._table.call(names, arguments)
        self._source = lambda: rows
        super().Filter()
