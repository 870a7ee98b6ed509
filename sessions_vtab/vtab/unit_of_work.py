"""Writes are a unit of work: what stands between BEGIN and COMMIT is sent together or not at all.

A *transactional* backend has a store of its own with savepoints; it is written through, sees its
own rows and commits with SQLite. For every other backend rows are queued on the connection, in
statement order, and sent at the first ``xSync``: the end of the statement in autocommit, COMMIT
otherwise. https://sqlite.org/vtab.html#xbegin and the sections after it describe the hooks.

Everything carries a number drawn from one counter: rows, the moment a virtual table joined the
transaction, and its savepoints. Rolling back to a moment voids what has a larger number.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractContextManager
from itertools import count, groupby
from typing import TYPE_CHECKING, Any, Final

from sessions_vtab.contract.backend import Action, Outcome, OutcomeState, Write
from sessions_vtab.contract.model import quoted
from sessions_vtab.contract.predicate import Value
from sessions_vtab.contract.scan import Row
from sessions_vtab.errors import QueuedWritesError
from sessions_vtab.vtab.logs import without_values
from sessions_vtab.vtab.statements import RunningStatement, as_sqlite_says, blaming
from sessions_vtab.vtab.transactions import Participants, UnitParticipant
from sessions_vtab.vtab.write_queue import (
    Excess,
    Identity,
    QueuedWrite,
    Sending,
    WriteQueue,
    counts,
    drain,
    failure,
    limit_of,
)

if TYPE_CHECKING:
    from sessions_vtab.vtab.host import Host, OpenSource


_LOGGED: Final = 10_000


class UnitOfWork:
    """The writes of one connection that are not final yet.

    Attributes:
        queue: the rows that wait to be sent.
        participants: the virtual tables that take part in transactions.
    """

    def __init__(self, host: Host) -> None:
        self._host = host
        self._clock = count(1)
        self.queue = WriteQueue()
        self.participants = Participants()
        # The audit file has a line for every row, however many there are.
        most = None if host.logs.audited else _LOGGED
        self._applied: deque[tuple[str, Outcome]] = deque(maxlen=most)
        self._called: list[tuple[int, Mapping[str, Any]]] = []
        self._excess: Excess | None = None
        self._sent_statements: set[int] = set()

    def join(self, source: OpenSource) -> None:
        """Within BEGIN, makes the store of a transactional backend part of the transaction.

        A function is called by a SELECT, for which SQLite does not call ``xBegin``: without this,
        ROLLBACK would only undo the call if a write to a table of the store came before it.
        """
        if source.backend.transaction is None or not self._host.connection.in_transaction:
            return
        joined = any(one.source is source and one.joined for one in self.participants)
        found = self.participants.changeable(source)
        if found is not None and not joined:
            schema, name = map(quoted, found)
            self._host.statements.run(f"DELETE FROM {schema}.{name} WHERE 0")

    # What SQLite tells.

    def begin(self, participant: UnitParticipant) -> None:
        """``xBegin``: the table joins the transaction."""
        if participant.joined is None:
            joined = next(self._clock)
            self._host.logs.writes.trim()
            if participant.store is not None:
                if not self._host.connection.in_transaction:
                    # An open SELECT does not belong to this statement's transaction: its rows are
                    # kept.
                    participant.store.let_go()
                participant.store.begin()
                participant.store.savepoint(joined)
            # Not before: a table whose xBegin failed is not told how the transaction ends.
            participant.joined = joined

    def savepoint(self, participant: UnitParticipant, level: int) -> None:
        """``xSavepoint``: marks the present state as this level."""
        # Numbers of one clock for all tables: APSW does not deliver every xRollbackTo, so what a
        # savepoint undoes is decided by when a row was written, not by which calls came.
        _forget(participant.marks, level)
        mark = participant.marks[level] = next(self._clock)
        if participant.store is not None:
            participant.store.savepoint(mark)
            # SQLite marks the start of every statement that may fail after it has written.
            self._host.statements.current.marks.setdefault(participant.store, mark)

    def release(self, participant: UnitParticipant, level: int) -> None:
        """``xRelease``: forgets this level and those above; what was written stays."""
        mark = participant.marks.get(level)
        _forget(participant.marks, level)
        if participant.store is not None and mark is not None:
            participant.store.release(mark)

    def rollback_to(self, participant: UnitParticipant, level: int) -> None:
        """``xRollbackTo``: undoes everything if the table joined after the savepoint."""
        # A table that joined after the savepoint was never told its level: all that it wrote came
        # later.
        mark = participant.marks.get(level, participant.joined)
        _forget(participant.marks, level + 1)
        if mark is not None:
            self._void(participant, mark)

    def sync(self, participant: UnitParticipant) -> None:
        """``xSync``: the first one sends everything, stores last; a second finds nothing to do.

        Raises:
            BudgetError: a person was asked whether a statement may exceed ``max_writes``: no.
            WriteError: some rows failed; SQLite then rolls back.
        """
        # Not in xCommit, whose errors SQLite ignores: one of xSync makes it roll back. Stores come
        # last, because what they have committed could not be taken back.
        self._ask()
        self.flush()
        if participant.store is not None and participant.joined is not None:
            self._commit_stores()

    def commit(self, participant: UnitParticipant) -> None:
        """``xCommit``: the transaction is over."""
        participant.leave()
        self._sent_statements.clear()

    def rollback(self, participant: UnitParticipant) -> None:
        """``xRollback``: nothing of this table is sent; what was sent already is recorded so."""
        joined, store = participant.joined, participant.store
        participant.leave()
        if store is not None and joined is not None:
            store.rollback()
            self._applied.clear()
            self._called.clear()
        self._excess = None
        self.queue.drop(lambda entry: entry.participant == id(participant))
        if self._sent_statements:
            self._host.logs.rolled_back(self._sent_statements)
            self._sent_statements.clear()

    def statement_ended(self, statement: RunningStatement, succeeded: bool) -> None:
        """A statement that wrote rows is over; one that failed takes its rows with it."""
        if succeeded:
            return
        for store, mark in statement.marks.items():
            store.rollback_to(mark)
        # Inside a transaction APSW delivers no RollbackTo for a statement that fails half-way,
        # although SQLite undoes it: its rows are taken back by its number.
        self.queue.drop(lambda entry: entry.statement == statement.number)
        self._forget_applied(lambda write: write.statement == statement.number)
        self._called = [(n, one) for n, one in self._called if one["statement"] != statement.number]
        self._excess = None

    # What the tables tell.

    def write(
        self,
        participant: UnitParticipant,
        table: str,
        action: Action,
        key: str | None,
        values: Mapping[str, Value],
        *,
        ignore: bool = False,
        before: Row | None = None,
        identity: Identity = None,
    ) -> None:
        """Writes one row: into the store, or into the queue.

        Args:
            participant: the virtual table.
            table: its name.
            action: what happens to the row.
            key: its name; None for an INSERT.
            values: what the statement gives, canonical.
            ignore: skip a row that exists already.
            before: the row as it was, where RETURNING answers with that.
            identity: what tells the row from others while it waits.

        Raises:
            BudgetError: the statement writes more rows than ``max_writes``.
            SessionsError: the store refused the row.
        """
        statement = self._host.statements.writer
        number = next(self._clock)
        wanted = self._host.capturing(statement.number)
        place = statement.written + 1
        write = Write(number, statement.number, table, action, key, values, ignore, wanted, place)
        if self._host.explaining is not None:
            self._explain(participant, write)
            return
        # Before the row waits or is stored: max_writes is for what a statement would do, not for
        # what it did.
        self._check_budget(participant, write, statement)
        if participant.store is not None:
            self._apply(participant, write)
        else:
            self.queue.append(write, participant.source.name, id(participant), identity)
        statement.written += 1
        self._host.capture(statement.number, number, before)

    def unchanged(self, row: Row | None) -> None:
        """An UPDATE that changes nothing: counted and returned, not sent."""
        statement = self._host.statements.writer
        statement.written += 1
        self._host.capture(statement.number, next(self._clock), row)

    def queued(self, participant: UnitParticipant) -> bool:
        """Whether rows of this table wait to be sent."""
        return any(entry.participant == id(participant) for entry in self.queue)

    def require_droppable(self, schema: str | None, table: str) -> None:
        """Raises QueuedWritesError if rows of a table wait to be sent: they would be lost.

        Args:
            schema: in lower case; None for any.
            table: in lower case.
        """
        for participant in self.participants.named(schema, table):
            if self.queued(participant):
                raise QueuedWritesError(
                    f"{participant.source.name}.{participant.table} has writes that have not been"
                    " sent. COMMIT or ROLLBACK before DROP."
                )

    def called(self, source: OpenSource, line: Mapping[str, Any], *, acted: bool) -> None:
        """Records a function call in the audit file once its outcome is final.

        Args:
            source: whose function it is. It acts inside a transaction that is open on its store.
            line: for the audit file.
            acted: it did what it should.
        """
        inside = any(
            one.source is source and one.store is not None and one.joined is not None
            for one in self.participants
        )
        if acted and inside and self._host.logs.audited:
            self._called.append((next(self._clock), line))
        else:
            self._host.logs.audit(**line)

    def waiting(self, source: OpenSource, table: str | None = None) -> list[QueuedWrite]:
        """The rows that wait to be sent and that a read would miss.

        Those of earlier statements. A statement does not see its own rows, because SQLite reads
        all it needs before it writes; except for what triggers do: SQLite runs the statements in
        their bodies one after another.

        Args:
            source: the source that is read.
            table: the table; None for any table of the source.
        """
        if not self.queue.entries:
            return []
        current = self._host.statements.current
        return [
            entry
            for entry in self.queue
            if entry.source == source.name
            and table in {None, entry.table}
            and (entry.statement != current.number or current.triggered)
        ]

    def flush(self) -> None:
        """Sends the queue, a source after the other in the order of their first rows.

        Raises:
            WriteError: some rows failed; ``writes`` has the outcome of each.
        """
        if not self.queue or self._host.explaining is not None:
            return
        # Taken before the first is sent: a second xSync of the same COMMIT must find nothing to
        # send.
        rows = self.queue.take()
        if self._host.dry_run:
            self._note_dry((entry.source, write) for entry, write in rows)
            return
        order = {name: place for place, name in enumerate(dict.fromkeys(e.source for e, _ in rows))}
        # A stable sort: within one source rows stay in the order of the statements.
        rows.sort(key=lambda pair: order[pair[0].source])
        total = len(rows)
        self._host.logs.require_audit(total)
        failed: list[Outcome] = []
        interrupted: BaseException | None = None
        for name, group in groupby(rows, key=lambda pair: pair[0].source):
            writes = [write for _, write in group]
            if failed or interrupted:
                # The COMMIT has failed, and SQLite rolls back: what is not sent yet stays unsent.
                unsent = (Outcome(write, OutcomeState.NOT_SENT) for write in writes)
                self._note(name, unsent, failed)
            else:
                interrupted = self._send(name, writes, failed)
        with as_sqlite_says():
            if interrupted is not None:
                interrupted.add_note(counts(failed, total))
                raise interrupted
            if failed:
                raise failure(failed, total)

    # Inside.

    def _explain(self, participant: UnitParticipant, write: Write) -> None:
        """Shows what a row would send, instead of writing it."""
        shown, source = self._host.explaining, participant.source
        title = f"{source.name}.{write.table} {write.action.value}"
        if shown is not None:
            with blaming(source.backend.name, title):
                shown.shown += [(title, request) for request in source.backend.preview(write)]

    def _apply(self, participant: UnitParticipant, write: Write) -> None:
        backend = participant.source.backend
        if participant.joined is None:
            self.begin(participant)
        self._host.logs.require_audit()
        context = self._host.context(participant.source, write.table)
        with _blaming(participant.source, write.table):
            outcome = backend.apply(write, context)
        kept = without_values(outcome) if self._applied.maxlen is None else outcome
        self._applied.append((participant.source.name, kept))
        self._host.answered(outcome)

    def _check_budget(
        self, participant: UnitParticipant, write: Write, statement: RunningStatement
    ) -> None:
        """``max_writes``: outside a transaction a person is asked once the number is known."""
        budget, source = self._host.budget, participant.source
        stored = participant.store is not None
        limit = limit_of(budget.max_writes, source.settings.max_writes, stored=stored)
        if limit is None or statement.written < limit or statement.unlimited:
            return
        writes = source.backend.resources[write.table].capability.writes
        quota = writes.per_minute.get(write.action.value, 0)
        excess = Excess(statement, source.name, write.table, write.action, limit, quota)
        if budget.confirm is None:
            raise excess.refusal()
        if not self._host.connection.in_transaction:
            self._excess = excess
        elif not (self._host.dry_run or budget.confirm(excess.question(ended=False))):
            raise excess.refusal()
        statement.unlimited = True

    def _ask(self) -> None:
        excess, confirm = self._excess, self._host.budget.confirm
        if excess is None or self._host.dry_run:
            return
        if confirm is None or not confirm(excess.question(ended=True)):
            raise excess.refusal()
        self._excess = None

    def _void(self, participant: UnitParticipant, mark: int) -> None:
        if participant.store is not None:
            participant.store.rollback_to(mark)
            self._forget_applied(lambda write: write.number > mark)
            self._called = [(number, line) for number, line in self._called if number <= mark]
        else:
            self.queue.drop(
                lambda entry: entry.participant == id(participant) and entry.number > mark
            )

    def _forget_applied(self, void: Callable[[Write], bool]) -> None:
        kept = [(name, outcome) for name, outcome in self._applied if not void(outcome.write)]
        self._applied = deque(kept, maxlen=self._applied.maxlen)

    def _commit_stores(self) -> None:
        self._host.logs.require_audit(len(self._applied) + len(self._called))
        # A store once, whichever of its tables have joined.
        stores = {
            id(one.source.backend): one.store
            for one in self.participants
            if one.store is not None and one.joined is not None
        }
        for store in stores.values():
            if self._host.dry_run:
                store.rollback()
            else:
                store.commit()
        for one in self.participants:
            if one.store is not None:
                one.leave()
        applied = list(self._applied)
        self._applied.clear()
        if self._host.dry_run:
            self._note_dry((name, outcome.write) for name, outcome in applied)
            return
        for name, outcome in applied:
            self._host.logs.wrote(name, outcome)
            self._sent_statements.add(outcome.write.statement)
        for _, line in self._called:
            self._host.logs.audit(**line)
        self._called.clear()

    def _note_dry(self, writes: Iterable[tuple[str, Write]]) -> None:
        """What would have been sent, instead of sending it."""
        for name, write in writes:
            self._host.logs.wrote(name, Outcome(write, OutcomeState.NOT_SENT))
            source = self._host.sources[name]
            with _blaming(source, write.table):
                requests = list(source.backend.preview(write))
            for request in requests:
                about = (name, write.table, write.action.value)
                self._host.previewed.append((*about, request.method, request.url, request.body))

    def _send(self, name: str, writes: list[Write], failed: list[Outcome]) -> BaseException | None:
        """Sends the writes of one source.

        Args:
            name: the source.
            writes: in statement order.
            failed: gets the outcomes of those that did not succeed.

        Returns:
            An exception that came meanwhile, such as a KeyboardInterrupt.
        """
        source = self._host.sources[name]
        self._sent_statements.update(write.statement for write in writes)
        silent = {write.number: write for write in writes}
        self._host.sending = sending = Sending(len(writes))

        def settle(outcome: Outcome) -> None:
            number = outcome.write.number
            if number in silent:  # After an exception an outcome may be told twice.
                self._note(name, (outcome,), failed)
                sending.answered += 1
                del silent[number]

        try:
            context = self._host.context(source, writes[0].table)
            with _blaming(source, writes[0].table):
                return drain(source.backend, writes, context, settle)
        finally:
            self._host.sending = None
            # Of these nobody has said what became of them.
            unknown = (Outcome(write, OutcomeState.UNKNOWN) for write in silent.values())
            self._note(name, unknown, failed)

    def _note(self, name: str, outcomes: Iterable[Outcome], failed: list[Outcome]) -> None:
        for outcome in outcomes:
            self._host.logs.wrote(name, outcome)
            self._host.answered(outcome)
            if outcome.state not in {OutcomeState.SENT, OutcomeState.SKIPPED}:
                failed.append(outcome)


def _blaming(source: OpenSource, table: str) -> AbstractContextManager[None]:
    """Says of an exception that a backend did not mean to raise whose it is."""
    return blaming(source.backend.name, f"{source.name}.{table}")


def _forget(marks: dict[int, int], level: int) -> None:
    for one in [one for one in marks if one >= level]:
        del marks[one]
