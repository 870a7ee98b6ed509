"""A cursor whose statements pass the statement rewriter (``rewriter``)."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext, suppress
from itertools import islice
from typing import Any, Final, NoReturn, Self, TypeAlias, cast

import apsw

from sessions_vtab.contract.values import well_formed, well_formed_bindings
from sessions_vtab.errors import MissingParameterError
from sessions_vtab.rewriter import Script, StatementRewriter, Step
from sessions_vtab.sql.parameters import distribute
from sessions_vtab.vtab.host import Host
from sessions_vtab.vtab.transactions import locked

ROWS_SHOWN: Final = 20
"""Rows that a notebook shows of a result; the rest is not read for that."""

_LONGEST_SHOWN: Final = 120
"""Characters of a value that a notebook shows."""
_SHOWN: Final = 60
"""Characters of a statement that a cursor shows of itself."""


Described: TypeAlias = tuple[str, str | None, str | None, str | None, str | None]
"""A column as SQLite describes it: name, declared type, schema, table and column of its origin."""


class ColumnTrace:
    """Notes the columns of what SQLite is about to execute, as the ``exec_trace`` of a cursor.

    SQLite tells them no more once a statement has ended. It knows no cursor, so that one nobody has
    goes at once, and its statement with it.

    Attributes:
        last: those of the last statement that has any: it is the answer.
    """

    last: Sequence[Described] = ()

    def __call__(self, inner: apsw.Cursor, _text: str, _bindings: object) -> bool:
        """Called before each statement of a text; true lets it run."""
        if inner.get_description():
            self.last = inner.description_full
        return True


class Cursor(apsw.Cursor):
    """An ``apsw.Cursor`` that rewrites statements before it executes them."""

    # Rows to hand out; None if there are none but SQLite's own.
    _held: deque[Any] | None = None
    # Whether SQLite has more rows after those that are held.
    _more = False
    _text = ""
    _columns: tuple[str, ...] = ()

    def __init__(
        self, connection: apsw.Connection, host: Host, rewriter: StatementRewriter
    ) -> None:
        super().__init__(connection)
        self._host = host
        self._rewriter = rewriter

    def execute(
        self,
        statements: str,
        bindings: Any = None,
        *,
        can_cache: bool = True,
        prepare_flags: int = 0,
        explain: int = -1,
    ) -> Self:
        """Runs one or more statements.

        Args:
            statements: SQL text.
            bindings: a sequence for all statements, or a mapping.
            can_cache: whether the prepared statement may be kept.
            prepare_flags: of ``sqlite3_prepare_v3``.
            explain: of ``sqlite3_stmt_explain``.

        Raises:
            SessionsError: see ``errors``.
            apsw.Error: what SQLite itself refuses.
            Exception: what a function of the user's own, or a bug in a backend, raised: unchanged.
        """
        statements = statements if statements.isascii() else well_formed(statements)
        bindings = bindings if bindings is None else well_formed_bindings(bindings)
        self._reset(statements)
        options: dict[str, Any] = {
            "can_cache": can_cache,
            "prepare_flags": prepare_flags,
            "explain": explain,
        }
        try:
            self._execute(statements, bindings, options)
        except (apsw.AuthError, apsw.SQLError) as error:
            self._explain(error)
        return self

    def _reset(self, statements: str) -> None:
        """A text is about to be executed: what is left of the last one is forgotten."""
        self._held, self._more = None, False
        self._text, self._columns = statements, ()
        self._host.requests_before = self._host.requests
        if self._host.watch is not None:
            self._host.watch.begin()

    def _execute(self, statements: str, bindings: Any, options: dict[str, Any]) -> None:
        script = self._rewriter.read(statements)
        # Nothing of ours is in the text: it runs with no more cost than on a bare cursor.
        if script.plain and not (script.stepwise or script.renames):
            _require_names(script, bindings)
            super().execute(statements, bindings, **options)
            return
        try:
            if script.stepwise:
                self._execute_stepwise(script, bindings, options)
            else:
                self._execute_together(script, bindings, options)
        finally:
            if script.renames:
                self._rewriter.clear()

    def executemany(self, statements: str, sequenceofbindings: Any, **options: Any) -> Self:
        """Runs a statement for each set of bindings, as one unit of work.

        Writes are sent together at the end, concurrently, or not at all when one fails.
        """
        statements = well_formed(statements)
        sequenceofbindings = map(well_formed_bindings, sequenceofbindings)
        self._reset(statements)
        try:
            self._execute_many(statements, sequenceofbindings, options)
        except apsw.SQLError as error:
            self._explain(error)
        return self

    def _execute_many(
        self, statements: str, sequenceofbindings: Any, options: dict[str, Any]
    ) -> None:
        script = self._rewriter.read(statements)
        changes = all(one.kind.changes for one in script.statements)
        checked = _with_names(script, sequenceofbindings)
        if (script.plain and not changes) or (script.plain and self.connection.in_transaction):
            super().executemany(statements, checked, **options)
        elif script.plain:
            with _unit(self.connection):
                super().executemany(statements, checked, **options)
        else:
            self._execute_each(statements, sequenceofbindings, options)

    def __iter__(self) -> Iterator[Any]:  # type: ignore[override]
        """The remaining rows."""
        return self if self._held is not None else self._remaining()

    def _remaining(self) -> Iterator[Any]:
        """The rows that SQLite has yet to give, without a Python call for each."""
        try:
            # A row is never None, so this ends where the rows do.
            yield from iter(super().__next__, None)
        except (apsw.AuthError, apsw.SQLError) as error:  # Of a later statement of the text.
            self._explain(error)

    def __next__(self) -> Any:
        """The next row."""
        if self._held:
            return self._held.popleft()
        if self._held is not None and not self._more:
            raise StopIteration
        try:
            return super().__next__()
        except (apsw.AuthError, apsw.SQLError) as error:  # Of a later statement of the text.
            self._explain(error)

    def fetchone(self) -> Any:
        """The next row, or None."""
        return super().fetchone() if self._held is None else next(self, None)

    def fetchall(self) -> list[Any]:
        """The remaining rows."""
        if self._held is not None:
            return list(self)
        try:
            # Not super().fetchall(), which would call our own __next__ for each row. A row is never
            # None, so this ends where the rows do.
            return list(iter(super().__next__, None))
        except (apsw.AuthError, apsw.SQLError) as error:  # Of a later statement of the text.
            self._explain(error)

    @property
    def get(self) -> Any:
        """The rows in their simplest form: see ``apsw.Cursor.get``."""
        if self._held is None:
            return super().get
        rows = [row[0] if len(row) == 1 else row for row in self]
        return None if not rows else rows[0] if len(rows) == 1 else rows

    def __repr__(self) -> str:
        """The statement, in one line."""
        text = " ".join(self._text.split())
        shown = text if len(text) <= _SHOWN else f"{text[: _SHOWN - 1]}…"
        return f"<sessions_vtab.Cursor {shown!r}>"

    def _repr_html_(self) -> str | None:
        """The first rows for a notebook, which can still be fetched; None if there are none.

        APSW knows the columns of a statement only until its last row.
        """
        with suppress(apsw.Error):
            self._columns = self._columns or tuple(name for name, *_ in self.get_description())
        if not self._columns:
            return None
        # The iterator itself: while it runs, ``_held`` must be what is left of before.
        read = list(islice(self, ROWS_SHOWN + 1))
        self._more = self._more or self._held is None
        self._held = deque(read) + (self._held or deque())
        return html_table(self._columns, read)

    def _explain(self, error: apsw.Error) -> NoReturn:
        """Raises an error of SQLite with what it means, as far as that is known."""
        if isinstance(error, apsw.SQLError):
            meant = self._host.unopened(error)
            if meant is None:
                self._add_hints(error)
        else:
            meant = self._host.refusal()
        if meant is None:
            raise error
        raise meant from error

    def _add_hints(self, error: apsw.SQLError) -> None:
        """Puts what was probably meant into the text of an error."""
        from sessions_vtab.hints import Connected, add_hints  # noqa: PLC0415

        with suppress(apsw.Error), self._host.statements.unnumbered():
            add_hints(error, self._text, self.connection, cast("Connected", self.connection))

    def _execute_together(self, script: Script, bindings: Any, options: Mapping[str, Any]) -> None:
        """Executes a script as one text, so that the rows of all its statements are returned."""
        shares = _shares(script, bindings)
        # Only a text that has not begun can be tried again: a second run would send its writes
        # twice.
        started = self._host.statements.count
        try:
            self._run(script, shares, options, plain=False)
        except (apsw.SQLError, MissingParameterError):
            # A text that does not prepare with our splices runs as it was written.
            if self._host.statements.count != started or not any(
                one.touched for one in script.statements
            ):
                raise
            self._run(script, shares, options, plain=True)

    def _run(
        self,
        script: Script,
        shares: Sequence[tuple[Any, ...]],
        options: Mapping[str, Any],
        *,
        plain: bool,
    ) -> None:
        texts: list[str] = []
        values: list[Any] = []
        for read, given in zip(script.steps, shares, strict=True):
            step, share = self._rewriter.with_values(read, given)
            one, answer = step.statement, self._rewriter.answer(step)
            texts += [self._rewriter.prepare(step, share, plain=plain), answer]
            values += share[: one.parameters]
            if answer and one.returning is not None and not self._host.dry_run:
                values += share[: one.returning.parameters]
        explains = any(one.kind.explain for one in script.statements)
        # EXPLAIN is answered from the statement cache, with the plan of another day.
        kept = {**options, "can_cache": False} if explains else options
        super().execute("".join(texts), values, **kept)

    def _execute_stepwise(self, script: Script, bindings: Any, options: Mapping[str, Any]) -> None:
        rows: deque[Any] = deque()
        for step, share in zip(script.steps, _shares(script, bindings), strict=True):
            if script.renames:
                self._rewriter.clear()
            now = self._rewriter.read(step.text).steps[0] if script.renames else step
            rows.extend(self._rows_of(now, share, options))
        self._held = rows

    def _rows_of(self, step: Step, share: tuple[Any, ...], options: Mapping[str, Any]) -> list[Any]:
        """Runs one statement to its end; returns its rows, or those of ``step.after``."""
        alone = Script((step,), plain=False, renames=False, stepwise=False)
        if not step.after:
            with locked(self._host) if step.locks else nullcontext():
                self._run(alone, [share], options, plain=False)
            return super().fetchall()
        step, share = self._rewriter.with_values(step, share)
        text = self._rewriter.prepare(step, share)
        super().execute(text, share[: step.statement.parameters], **options)
        super().fetchall()
        super().execute(step.after)
        return super().fetchall()

    def _execute_each(self, text: str, sequence: Any, options: Mapping[str, Any]) -> None:
        """A statement with splices or RETURNING for each set of bindings."""
        rows: deque[Any] = deque()
        with _unit(self.connection):
            for bindings in sequence:
                self.execute(text, bindings, **options)
                rows.extend(self.fetchall())
        self._held = rows


@contextmanager
def _unit(connection: apsw.Connection) -> Iterator[None]:
    """Statements that are sent together: a transaction, unless one is open.

    Not ``with connection``: when the sending at its end fails, SQLite has rolled everything back,
    and the error of APSW's own rollback would hide the reason.
    """
    joined = connection.in_transaction
    if joined:
        yield
        return
    bare = apsw.Cursor(connection)
    bare.execute("BEGIN")
    try:
        yield
        bare.execute("COMMIT")
    except BaseException:
        if bare.connection.in_transaction:
            bare.execute("ROLLBACK")
        raise


def _require_names(script: Script, bindings: Any) -> None:
    """Raises MissingParameterError for a name that a mapping lacks: APSW raises KeyError.

    Every other KeyError is then somebody else's, such as of a function of the user's own.
    """
    if isinstance(bindings, Mapping):
        distribute([step.numbering for step in script.steps], bindings)


def _with_names(script: Script, sequence: Iterable[Any]) -> Iterator[Any]:
    """The bindings of ``executemany``, each checked as in ``_require_names``."""
    for bindings in sequence:
        _require_names(script, bindings)
        yield bindings


def _shares(script: Script, bindings: Any) -> list[tuple[Any, ...]]:
    """The values of each statement, checked where they are compared with times."""
    shares = distribute([step.numbering for step in script.steps], bindings)
    for one, share in zip(script.statements, shares, strict=True):
        one.bind(share[: one.numbering.count])
    return shares


def html_table(columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    """The first rows of a result, as a notebook shows it.

    Args:
        columns: their names.
        rows: at most ``ROWS_SHOWN`` of them are shown; one more says that there are more.
    """
    from html import escape  # noqa: PLC0415  # Only notebooks need it.

    def cell(value: Any) -> str:
        if value is None:
            return "<em>NULL</em>"
        text = f"x'{value.hex()}'" if isinstance(value, bytes) else str(value)
        return escape(text if len(text) <= _LONGEST_SHOWN else f"{text[: _LONGEST_SHOWN - 1]}…")

    head = "".join(f"<th>{escape(name)}</th>" for name in columns)
    body = "".join(
        f"<tr>{''.join(f'<td>{cell(value)}</td>' for value in row)}</tr>"
        for row in rows[:ROWS_SHOWN]
    )
    more = len(rows) > ROWS_SHOWN
    note = f"<p>The first {ROWS_SHOWN} rows; there are more.</p>" if more else ""
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>{note}"
