"""What the virtual tables of one connection share."""

from __future__ import annotations

import json
import re
import weakref
from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import apsw

from sessions_vtab.contract.backend import Backend, Outcome, OutcomeState, Source
from sessions_vtab.contract.model import quoted
from sessions_vtab.contract.predicate import EVERYTHING, Predicate, Value
from sessions_vtab.contract.scan import Row
from sessions_vtab.contract.values import dump_json
from sessions_vtab.errors import ReadOnlyError, SessionsError
from sessions_vtab.progress import ProgressWatch
from sessions_vtab.vtab.access import Access
from sessions_vtab.vtab.logs import Audit, Logs
from sessions_vtab.vtab.statements import (
    HostConnection,
    RunningStatement,
    StatementContext,
    Statements,
)
from sessions_vtab.vtab.transactions import Holding
from sessions_vtab.vtab.unit_of_work import UnitOfWork

if TYPE_CHECKING:  # They load the planner.
    from sessions_vtab.plan.lists import Sizes
    from sessions_vtab.sql.plans import PlanArgument
    from sessions_vtab.vtab.look_ahead import Outer
    from sessions_vtab.vtab.looking import Look
    from sessions_vtab.vtab.remote_cursor import RemoteCursor
    from sessions_vtab.vtab.write_queue import Sending


_NOT_THERE: Final = re.compile(r"no such table: (\w+)\..*|unknown database (\w+)", re.DOTALL)


class OpenSource(NamedTuple):
    """A source in use: its settings and the backend made from them."""

    settings: Source
    backend: Backend

    @property
    def name(self) -> str:
        """What SQL calls it."""
        return self.settings.name


@dataclass(slots=True)
class Budget:
    """Limits of one statement that override those of the sources; None leaves theirs in force.

    Attributes:
        max_writes: rows it may write.
        max_requests: requests it may make.
        confirm: asked, with a question, whether a statement may exceed ``max_writes``; None: it
            may not.
    """

    max_writes: int | None = None
    max_requests: int | None = None
    confirm: Callable[[str], bool] | None = None


class RecentTexts:
    """The statements that were marked last; each is marked again whenever it is executed."""

    def __init__(self, most: int = 1_000) -> None:
        self._texts: dict[str, None] = {}
        self._most = most

    def add(self, text: str) -> None:
        """Marks a statement, forgetting the oldest when there are too many."""
        self._texts.pop(text, None)
        self._texts[text] = None
        if len(self._texts) > self._most:
            del self._texts[next(iter(self._texts))]

    def __contains__(self, text: object) -> bool:
        return text in self._texts


class Host:
    """The state of one connection, shared by its tables, cursors and functions.

    Attributes:
        sources: by name.
        logs: what was sent.
        pushed: conditions found by the statement rewriter, by the text that stands for them in SQL.
        registered: the plan arguments of occurrences, by the same text.
        unhiding: of these texts, those whose occurrence wants rows that its table hides.
        labels: open cursors by statement and the label other occurrences know them by.
        page: rows that ``rows_that_pass`` is looking at.
        cursors: open cursors over remote tables, in the order they were opened.
        budget: limits the user set for this connection.
        dry_run: writes are shown and not sent.
        explaining: set while reads are shown and not made.
        sizes: pages of the lists that were read to their ends, by source and table.
        previewed: what they would have sent, as rows of ``dry_run``.
        requests: HTTP requests made so far.
        requests_before: those made before the text that is executed.
        failed: errors of the sources that could not be opened, by name in lower case.
        skipped: rows that OR IGNORE left out because they existed, by the statement's number.
        sending: how far the unit of work is that is being sent; None while none is.
        watch: called while a statement waits; None if nobody wants to know.
        alarm: called then, too: interrupts the statement when its time is up; None for no limit.
        accepted: texts of statements whose use of a function with side effects the statement
            rewriter settled.
        returning: texts of statements whose rows are captured for a RETURNING list.
        installing: our own CREATE VIRTUAL TABLE statements are running.
        sets: IN may be taken as a set (see ``install.sets_work``).
        lenient_parameters: see ``best_index.read_index_info``.
        access: the connection's authorizer; None where nothing is read-only.
        holding: the stores that are being read.
        statements: the statements that run on the connection.
    """

    def __init__(
        self,
        connection: HostConnection,
        statements: Statements,
        sources: Mapping[str, OpenSource],
        *,
        read_only: bool = False,
        dry_run: bool = False,
        audit: Audit | None = None,
    ) -> None:
        self._connection = weakref.ref(connection)
        self.sources = dict(sources)
        self.read_only = read_only
        self.dry_run = dry_run
        self.previewed: list[Row] = []
        self.explaining: Look | None = None
        self.sizes: dict[tuple[str, str], Sizes] = {}
        self.logs = Logs(audit)
        self.pushed: dict[str, Predicate] = {}
        self.registered: dict[str, PlanArgument] = {}
        self.unhiding: set[str] = set()
        self.labels: dict[tuple[int, str], RemoteCursor] = {}
        self.page: Sequence[Row] = ()
        self.budget = Budget()
        self.cursors: list[Outer] = []
        self.installing = False
        self.requests = self.requests_before = 0
        self.failed: Mapping[str, SessionsError] = {}
        self.skipped: Counter[int] = Counter()
        self.sending: Sending | None = None
        self.watch: ProgressWatch | None = None
        self.alarm: Callable[[], bool] | None = None
        self.returning = RecentTexts()
        self.accepted = RecentTexts()
        self._captured: dict[int, Row] = {}
        self._captured_of = -1
        self._answers: dict[int, str] = {}
        self.sets = True
        self.lenient_parameters = False
        self.access: Access | None = None
        self.holding = Holding(connection, statements)
        self.unit = UnitOfWork(self)
        self.statements = statements
        statements.follow(self.statement_began, self.unit.statement_ended)

    @property
    def connection(self) -> HostConnection:
        """The connection; it outlives every callback that asks for it."""
        connection = self._connection()
        if connection is None:
            msg = "the connection is gone"
            raise apsw.ConnectionClosedError(msg)
        return connection

    def unopened(self, error: apsw.Error) -> SessionsError | None:
        """Why a source could not be opened, where SQLite does not find a table in it."""
        match = _NOT_THERE.fullmatch(str(error))
        found = None if match is None else self.failed.get((match[1] or match[2]).lower())
        # A new one, since the one that is kept would collect the tracebacks of all that raise it.
        return None if found is None else type(found)(str(found))

    def refusal(self) -> ReadOnlyError | None:
        """Why the last statement was not authorised, if it would have written around a source."""
        if self.access is None or not self.access.refusal:
            return None
        reason, self.access.refusal = self.access.refusal, ""
        return ReadOnlyError(reason)

    def context(self, source: OpenSource, table: str) -> StatementContext:
        """What a backend may ask of the statement that is running."""
        return StatementContext(self, source, table, self.statements.current)

    def statement_began(self, statement: RunningStatement) -> None:
        """A statement that may write: from here on its rows are captured, if they are wanted."""
        if statement.text in self.returning:
            self._captured, self._answers = {}, {}
            self._captured_of = statement.number

    def expected_requests(self) -> int | None:
        """About how many requests the open cursors will make in all; None where unknown."""
        counts = [cursor.expected for cursor in self.cursors]
        known = [count for count in counts if count is not None]
        return sum(known) if len(known) == len(counts) else None

    def capturing(self, statement: int) -> bool:
        """Whether the rows of this statement are wanted by a RETURNING list."""
        return statement == self._captured_of

    def capture(self, statement: int, number: int, row: Row | None) -> None:
        """Keeps a written row, by the number of its write, if its statement wants it."""
        if row is not None and self.capturing(statement):
            self._captured[number] = row

    def previewed_rows(self) -> list[Row]:
        """What the writes so far would have sent; they are forgotten."""
        self.unit.flush()
        rows = [(*row, None, None) for row in self.previewed]
        self.previewed.clear()
        return rows

    def answered(self, outcome: Outcome) -> None:
        """Keeps what a write was answered with, if its statement wants it."""
        write = outcome.write
        if outcome.state is OutcomeState.SKIPPED:
            self.skipped[write.statement] += 1
        self.capture(write.statement, write.number, outcome.row)
        if outcome.response is not None and self.capturing(write.statement):
            self._answers[write.number] = outcome.response

    def operation_rows(self) -> list[Row]:
        """The operations that the last captured writes were answered with."""
        self.unit.flush()
        found = [json.loads(body) for _, body in sorted(self._answers.items())]
        return [_operation(one) for one in found if isinstance(one, dict)]

    def returned_rows(self) -> list[Row]:
        """The captured rows in statement order, once everything is sent."""
        self.unit.flush()
        return [row for _, row in sorted(self._captured.items())]

    def register(self, text: str, plan: PlanArgument) -> None:
        """Registers a plan argument by its text, so that the tables can look it up."""
        if text not in self.registered:
            self.registered[text] = plan
            self.pushed[text] = EVERYTHING if plan.predicate is None else plan.predicate
            if plan.hidden:
                self.unhiding.add(text)

    def rows_that_pass(
        self, rows: Sequence[Row], table: str, plan: PlanArgument, values: Sequence[Value]
    ) -> Collection[int]:
        """Places of the rows that pass the conditions SQLite has still to check.

        Args:
            rows: the page of a cursor.
            table: what ``page_name`` calls them.
            plan: has the conditions, written with its alias.
            values: what ``?1`` and so on stand for.
        """
        if not plan.residual:
            return range(len(rows))
        where = " AND ".join(f"({text})" for text in plan.residual)
        sql = f"SELECT rowid FROM {quoted(table)} AS {quoted(plan.alias)} WHERE {where}"
        before, self.page = self.page, rows
        try:
            found = self.statements.run(sql, _as_many(sql, values))
            return {int(place) for (place,) in found}
        except Exception:  # noqa: BLE001  # Also of the user's own functions.
            # It is only a forecast: what fails here fails, or does not, when SQLite checks.
            return range(len(rows))
        finally:
            self.page = before

    def require_writable(self, source: OpenSource, what: str) -> None:
        """Raises ReadOnlyError if the connection or the source may only be read."""
        if self.read_only or source.settings.read_only:
            who = "this connection" if self.read_only else f"the source {source.name}"
            msg = (
                f"{what} would write to {source.name}, but {who} is read-only (read_only)."
                " Nothing was sent."
            )
            raise ReadOnlyError(msg)


def _operation(body: dict[str, Any]) -> Row:
    """An operation as a row of ``operations`` (google.longrunning.Operation)."""
    parts = (body.get(name) for name in ("error", "metadata", "response"))
    objects = (None if part is None else dump_json(part) for part in parts)
    done = int(body.get("done", "response" in body))
    return (body.get("name"), done, *objects, None, None)


def _as_many(sql: str, values: Sequence[Value]) -> Sequence[Value]:
    """The first values, as many as the SQL has numbered parameters: SQLite accepts no more."""
    highest = max((int(number) for number in re.findall(r"\?(\d+)", sql)), default=0)
    return values[:highest]
