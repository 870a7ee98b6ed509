"""A cursor whose statements pass the front door.

A text is cut into statements, each is read once, and what SQLite executes is put together again:
with plans for our tables, with RETURNING answered from what the server said, and with functions
that act run to their end. A text that none of this concerns is executed untouched.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final, Self

import apsw

from sessions_vtab.schema.declare import quoted
from sessions_vtab.sql.front_door import FrontDoor, Rewritten
from sessions_vtab.sql.lexer import split
from sessions_vtab.sql.parameters import distribute
from sessions_vtab.sql.returning import select_text
from sessions_vtab.vtab.catalog import ConnectionCatalog
from sessions_vtab.vtab.host import Host
from sessions_vtab.vtab.rows import PREVIEW, captured_name

__all__ = ["Cursor", "Door"]

_RENAMES: Final = frozenset(("CREATE", "DROP", "ALTER", "ATTACH", "DETACH", "ROLLBACK"))
_TEXTS: Final = 512


@dataclass(frozen=True, slots=True)
class Script:
    """The statements of one text.

    Attributes:
        statements: as the front door rewrote them.
        plain: none of them is changed, watched or checked: the text can run as it is.
        renames: names may mean something else afterwards.
        stepwise: the statements run one by one, each to its end, before the first row is given.
    """

    statements: tuple[Rewritten, ...]
    plain: bool
    renames: bool
    stepwise: bool


class Door:
    """The front door of one connection.

    Attributes:
        requests_before: HTTP requests of the connection before the text that is executed.
    """

    def __init__(self, host: Host) -> None:
        self._host = host
        self._catalog = ConnectionCatalog(host)
        self._front = FrontDoor(self._catalog)
        self.read = lru_cache(maxsize=_TEXTS)(self._read)
        self._prepared: set[str] = set()
        self.requests_before = 0

    def clear(self) -> None:
        """Forgets every reading: a name may mean something else now."""
        self._catalog.clear()
        self._front.clear()
        self.read.cache_clear()
        self._prepared.clear()

    @property
    def dry_run(self) -> bool:
        """Whether writes are shown and not sent."""
        return self._host.dry_run

    @property
    def started(self) -> int:
        """How many statements have begun on the connection."""
        return self._host.statements.count

    def reads(self, text: str) -> bool:
        """Whether a text is one query."""
        statements = self.read(text).statements
        return len(statements) == 1 and statements[0].heading.reads

    def begin(self) -> None:
        """A text is executed: its requests are counted from here."""
        self.requests_before = self._host.requests

    def admit(self, one: Rewritten, values: Sequence[Any], *, plain: bool = False) -> str:
        """The text to execute for a statement; its plans are known to the tables from then on."""
        for words, plan in one.plans.items():
            self._host.tell(words, plan)
        text = (one.plain if plain else one.choose(values)).rstrip().removesuffix(";")
        if one.effect is not None:
            self._host.accepted.add(text + ";")
        if one.returning is not None and one.table is not None:
            self._host.returning.add(text + ";")
        return text + ";"

    def answer(self, one: Rewritten) -> str:
        """The statement that evaluates a RETURNING list, prepared once before any row is sent.

        Raises:
            apsw.SQLError: the list names what the table does not have.
        """
        if self._host.dry_run and one.table is not None:
            return f"SELECT * FROM {PREVIEW};"
        if one.returning is None or one.table is None:
            return ""
        rows = captured_name(one.table.source, one.table.table.name)
        text = select_text(one.returning, quoted(rows))
        if text not in self._prepared:
            with self._host.statements.unnumbered():
                nulls = (None,) * one.returning.parameters
                apsw.Cursor(self._host.connection).execute(f"EXPLAIN {text}", nulls).fetchall()
            self._prepared.add(text)
        return text + ";"

    def _read(self, text: str) -> Script:
        parts = [one.text for one in split(text, apsw.complete)]
        whole = [text] if len(parts) == 1 else parts
        statements = tuple(map(self._front.rewrite, whole))
        for one in statements:
            self._check_home(one)
        plain = not any(map(self._concerns, statements))
        renames = any(one.heading.verb in _RENAMES for one in statements)
        acts = any(one.effect is not None and one.effect.item for one in statements)
        return Script(statements, plain, renames, acts or (renames and len(statements) > 1))

    def _check_home(self, one: Rewritten) -> None:
        if one.table is not None and one.target is not None:
            self._catalog.require_home(one.target.schema, one.target.name)
        if one.effect is not None:
            self._catalog.require_home(one.effect.schema, one.effect.name)

    def _concerns(self, one: Rewritten) -> bool:
        """Whether a statement has to be put together, watched or checked."""
        shown = self._host.dry_run and one.table is not None
        more = one.times or one.effect or one.returning or one.heading.explain
        return bool(one.touched or more or shown)


class Cursor(apsw.Cursor):
    """``apsw.Cursor`` with the front door before it."""

    def __init__(self, connection: apsw.Connection, door: Door) -> None:
        super().__init__(connection)
        self._door = door
        self._held: deque[Any] | None = None

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
        """
        self._held = None
        self._door.begin()
        options: dict[str, Any] = {
            "can_cache": can_cache,
            "prepare_flags": prepare_flags,
            "explain": explain,
        }
        script = self._door.read(statements)
        try:
            if script.plain and not (script.stepwise or script.renames):
                super().execute(statements, bindings, **options)
            elif script.stepwise:
                self._execute_stepwise(script, bindings, options)
            else:
                self._execute_together(script, bindings, options)
        finally:
            if script.renames:
                self._door.clear()
        return self

    def executemany(self, statements: str, sequenceofbindings: Any, **options: Any) -> Self:
        """Runs a statement for each set of bindings, as one unit of work.

        Writes are sent together at the end, concurrently, or not at all when one fails.
        """
        self._held = None
        self._door.begin()
        script = self._door.read(statements)
        changes = all(one.heading.changes for one in script.statements)
        if (script.plain and not changes) or (script.plain and self.connection.in_transaction):
            super().executemany(statements, sequenceofbindings, **options)
        elif script.plain:
            with _unit(self.connection):
                super().executemany(statements, sequenceofbindings, **options)
        else:
            self._execute_each(statements, sequenceofbindings, options)
        return self

    def __iter__(self) -> Self:
        """Itself."""
        return self

    def __next__(self) -> Any:
        """The next row."""
        if self._held is None:
            return super().__next__()
        if not self._held:
            raise StopIteration
        return self._held.popleft()

    def fetchone(self) -> Any:
        """The next row, or None."""
        return super().fetchone() if self._held is None else next(self, None)

    def fetchall(self) -> list[Any]:
        """The remaining rows."""
        return super().fetchall() if self._held is None else list(self)

    @property
    def get(self) -> Any:
        """The rows in their simplest form: see ``apsw.Cursor.get``."""
        if self._held is None:
            return super().get
        rows = [row[0] if len(row) == 1 else row for row in self]
        return None if not rows else rows[0] if len(rows) == 1 else rows

    def _execute_together(self, script: Script, bindings: Any, options: Mapping[str, Any]) -> None:
        """As one text, so that rows of every statement come as they do without a front door."""
        shares = _shares(script, bindings)
        started = self._door.started
        try:
            self._run(script, shares, options, plain=False)
        except apsw.SQLError:
            # A text that does not prepare with our splices runs as it was written.
            if self._door.started != started or not any(one.touched for one in script.statements):
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
        for one, share in zip(script.statements, shares, strict=True):
            answer = self._door.answer(one)
            texts += [self._door.admit(one, share, plain=plain), answer]
            values += share[: one.parameters]
            if one.returning is not None and not self._door.dry_run:
                values += share[: one.returning.parameters]
        explains = any(one.heading.explain for one in script.statements)
        # EXPLAIN is answered from the statement cache, with the plan of another day.
        kept = {**options, "can_cache": False} if explains else options
        super().execute("".join(texts), values, **kept)

    def _execute_stepwise(self, script: Script, bindings: Any, options: Mapping[str, Any]) -> None:
        rows: deque[Any] = deque()
        texts = [one.original for one in script.statements]
        for text, share in zip(texts, _shares(script, bindings), strict=True):
            if script.renames:
                self._door.clear()
            alone = self._door.read(text)
            self._run(alone, [share], options, plain=False)
            rows.extend(super().fetchall())
        self._held = rows

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


def _shares(script: Script, bindings: Any) -> list[tuple[Any, ...]]:
    """The values of each statement, checked where they are compared with times."""
    numberings = [one.numbering for one in script.statements]
    shares = distribute(numberings, bindings)
    for one, share in zip(script.statements, shares, strict=True):
        one.bind(share)
    return shares
