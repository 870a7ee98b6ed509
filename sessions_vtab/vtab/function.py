"""Table-valued functions: planning a call, and its rows."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import apsw

from sessions_vtab.contract.model import Function
from sessions_vtab.contract.predicate import Value
from sessions_vtab.contract.scan import Row
from sessions_vtab.errors import StatementError, UnsupportedError
from sessions_vtab.vtab.calling import ChooseSource, FunctionCall, refuse_missing
from sessions_vtab.vtab.host import Host

if TYPE_CHECKING:
    from sessions_vtab.vtab.best_index import ApswIndexInfo

__all__ = ["FunctionTable"]


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
            msg = (
                f"{name}() has side effects and must be the only table of its statement here:"
                f" SELECT .. FROM {name}(..). A connection from sessions_vtab.connect()"
                f" also accepts FROM <one item>, {name}(..)."
            )
            raise UnsupportedError(msg)

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
                msg = (
                    f"{self._function.name}: give the parameter {name} only once, inside"
                    " the parentheses."
                )
                raise StatementError(msg)
            places[place] = index
        return places


_HINTS = (apsw.SQLITE_INDEX_CONSTRAINT_LIMIT, apsw.SQLITE_INDEX_CONSTRAINT_OFFSET)


class FunctionCursor:
    """``VTCursor`` of a function."""

    def __init__(self, table: FunctionTable) -> None:
        self._table = table
        self._rows: Iterator[Row] = iter(())
        self._row: Row | None = None

    @property
    def row(self) -> Row:
        """The current row: results, and after them the arguments; empty at the end."""
        return self._row or ()

    @property
    def page_ends(self) -> bool:
        """Whether the row after the current one may cost a request."""
        return False

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
        """A result or, after the results, an argument."""
        return None if self._row is None or column < 0 else self._row[column]

    def Rowid(self) -> int:
        """Functions have no row ids worth a name."""
        return 0

    def Close(self) -> None:
        """Forgets the rows."""
        self._rows = iter(())
        self._row = None
