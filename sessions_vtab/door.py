"""The statement rewriter of a connection: what is executed in place of a text.

A text is cut into statements, each is read once, and what SQLite executes is put together again:
with plans for our tables, with RETURNING answered from what the server said, and with functions
that act run to their end. A text that none of this concerns is executed untouched.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from functools import lru_cache
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

import apsw

from sessions_vtab.contract.declare import quoted
from sessions_vtab.errors import ReadOnlyError, SessionsError
from sessions_vtab.sql.catalog import OurTable
from sessions_vtab.sql.front_door import FrontDoor, Rewritten, conditions_of
from sessions_vtab.sql.lexer import split, tokenize
from sessions_vtab.sql.parameters import Numbering
from sessions_vtab.sql.stackql.recognition import ENGINE, is_stackql
from sessions_vtab.vtab.access import Access
from sessions_vtab.vtab.actions import require_action
from sessions_vtab.vtab.catalog import ConnectionCatalog
from sessions_vtab.vtab.definitions import require_definable
from sessions_vtab.vtab.holding import locked
from sessions_vtab.vtab.host import Host, OpenSource
from sessions_vtab.vtab.rows import OPERATIONS, PREVIEW, captured_name

if TYPE_CHECKING:  # It imports sqlglot, which many statements do not need.
    from sessions_vtab.sql.occurrences import Condition
    from sessions_vtab.sql.stackql.steps import Translated

__all__ = ["Door", "Script", "Step"]

_RENAMES: Final = frozenset(("CREATE", "DROP", "ALTER", "ATTACH", "DETACH", "ROLLBACK"))
_LOCKING: Final = frozenset(("IMMEDIATE", "EXCLUSIVE"))
_TEXTS: Final = 512
_NO_VALUES: Final[Mapping[int, str]] = MappingProxyType({})
_NOT_THERE: Final = re.compile(r"no such table: (\w+)\..*|unknown database (\w+)", re.DOTALL)
_DESPATCHED: Final = "SELECT 'The operation was despatched successfully' AS message"


@dataclass(frozen=True, slots=True)
class Step:
    """One statement of a text.

    Attributes:
        text: as the user wrote it.
        statement: as the statement rewriter rewrote it.
        after: what answers in place of its own rows; empty where those are the answer.
        written: the parameters of the text, where the statement has others.
        asks: numbers of the parameters whose values choose the source: see ``Door.settled``.
    """

    text: str
    statement: Rewritten
    after: str = ""
    written: Numbering | None = None
    asks: frozenset[int] = frozenset()

    @property
    def numbering(self) -> Numbering:
        """The parameters by which the user's bindings are counted."""
        return self.written or self.statement.numbering


@dataclass(frozen=True, slots=True)
class Script:
    """The statements of one text.

    Attributes:
        steps: in order.
        plain: none of them is changed, watched or checked: the text can run as it is.
        renames: names may mean something else afterwards.
        stepwise: the statements run one by one, each to its end, before the first row is given.
    """

    steps: tuple[Step, ...]
    plain: bool
    renames: bool
    stepwise: bool

    @property
    def statements(self) -> tuple[Rewritten, ...]:
        """The statements as the statement rewriter rewrote them."""
        return tuple(step.statement for step in self.steps)


class Door:
    """Reads the texts of one connection, and remembers them.

    Args:
        host: the connection's state.
        failed: errors of the sources that could not be opened, by name.

    Attributes:
        requests_before: HTTP requests of the connection before the text that is executed.
    """

    def __init__(self, host: Host, failed: Mapping[str, SessionsError]) -> None:
        self._host = host
        self._failed = {name.lower(): error for name, error in failed.items()}
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

    def unnumbered(self) -> AbstractContextManager[None]:
        """Statements of our own within the block are not counted."""
        return self._host.statements.unnumbered()

    def reads(self, text: str) -> bool:
        """Whether a text is one query."""
        statements = self.read(text).statements
        return len(statements) == 1 and statements[0].kind.reads

    def target(self, text: str) -> tuple[OurTable, str] | None:
        """The table that a text writes to, with the action; None if it is not one of ours.

        Returns:
            The table, and ``insert``, ``update`` or ``delete``.
        """
        statements = self.read(text).statements
        return _target_of(statements[0]) if len(statements) == 1 else None

    def conditions(self, text: str) -> Mapping[str, Sequence[Condition]]:
        """The conditions that are about one of our tables each, by the table's alias."""
        statements = self.read(text).statements
        return conditions_of(statements[0].original, self._catalog) if len(statements) == 1 else {}

    def unopened(self, error: apsw.Error) -> SessionsError | None:
        """Why a source could not be opened, where SQLite does not find a table in it."""
        match = _NOT_THERE.fullmatch(str(error))
        found = None if match is None else self._failed.get((match[1] or match[2]).lower())
        return None if found is None else type(found)(str(found))

    def begin(self) -> None:
        """A text is executed: its requests are counted from here."""
        self.requests_before = self._host.requests
        if self._host.watch is not None:
            self._host.watch.begin()

    def admit(self, step: Step, values: Sequence[Any], *, plain: bool = False) -> str:
        """The text to execute for a statement; its plans are known to the tables from then on.

        Raises:
            StatementError: it would create or drop what it may not.
        """
        one = step.statement
        require_definable(self._host, step.text, one.kind)
        # The text carries only the plan's name; the tables look up what it means when SQLite plans.
        for words, plan in one.plans.items():
            self._host.tell(words, plan)
        chosen = one.plain if plain else one.choose(values)
        # On a line of its own: a text may end in a comment.
        text = chosen.rstrip().removesuffix(";") + "\n;"
        if one.effect is not None:
            self._host.accepted.add(text)
        if one.table is not None and (one.returning is not None or step.after):
            self._host.returning.add(text)
        return text

    def around(self, step: Step) -> AbstractContextManager[None]:
        """What has to happen around a statement that runs by itself: see ``holding.locked``."""
        return locked(self._host) if _locks(step) else nullcontext()

    def answer(self, step: Step) -> str:
        """The statement that evaluates a RETURNING list, prepared once before any row is sent.

        Raises:
            apsw.SQLError: the list names what the table does not have.
        """
        # The list is prepared before anything is sent, so that a misspelt column sends nothing.
        text = self._answer(step)
        # EXPLAIN writes nothing: the rows that were captured last are another statement's.
        return "" if step.statement.kind.explain else text

    def _answer(self, step: Step) -> str:
        one = step.statement
        if self._host.dry_run and one.table is not None:
            return f"SELECT * FROM {PREVIEW};"
        if step.after:
            return step.after + ";"
        if one.returning is None or one.table is None:
            return ""
        from sessions_vtab.sql.returning import select_text  # noqa: PLC0415  # Only here.

        rows = captured_name(one.table.source, one.table.table.name)
        text = select_text(one.returning, quoted(rows))
        if text not in self._prepared:
            self._host.statements.run(f"EXPLAIN {text}", (None,) * one.returning.parameters)
            self._prepared.add(text)
        return text + ";"

    def _read(self, text: str) -> Script:
        parts = [one.text for one in split(text, apsw.complete)]
        steps = tuple(map(self.step, [text] if len(parts) == 1 else parts))
        for step in steps:
            self._check_home(step.statement)
            _require_action(step.statement)
        plain = not any(map(self._concerns, steps))
        renames = any(step.statement.kind.verb in _RENAMES for step in steps)
        acts = any(map(_runs_to_its_end, steps))
        return Script(steps, plain, renames, acts or (renames and len(steps) > 1))

    def step(self, text: str) -> Step:
        """One statement, which may be StackQL's, with the names as they are now."""
        return self._translated(text) if is_stackql(text) else Step(text, self._front.rewrite(text))

    def settled(self, step: Step, share: tuple[Any, ...]) -> tuple[Step, tuple[Any, ...]]:
        """The statement that runs with these values, and the values that it still takes.

        The values may choose the source of a StackQL statement, or name a file that is attached
        for reading only.
        """
        if step.asks:
            step = self._translated(step.text, {mine: _text(share[mine - 1]) for mine in step.asks})
            self._check_home(step.statement)
        if self._host.access is not None and step.statement.kind.verb == "ATTACH":
            return self._attached(self._host.access, step, share)
        return step, share

    def _attached(
        self, access: Access, step: Step, share: tuple[Any, ...]
    ) -> tuple[Step, tuple[Any, ...]]:
        """ATTACH of a file that may have to be opened for reading only, as a literal."""
        from sessions_vtab.sql.attach import attached  # noqa: PLC0415  # Only here.

        parts = attached(step.text, tokenize(step.text))
        if parts is None or step.statement.kind.explain:
            return step, share
        ((file, schema),) = self._host.statements.run(
            f"SELECT CAST(({parts.file}) AS text), CAST(({parts.schema}) AS text)",
            share[: parts.parameters],
        )
        name = access.attachable(str(file or ""))
        text = f"ATTACH {_literal(name)} AS {_literal(str(schema or ''))}"
        return Step(text, self._front.rewrite(text)), ()

    def refusal(self) -> ReadOnlyError | None:
        """Why the last statement was not authorised, if it would have written around a source."""
        access = self._host.access
        if access is None or not access.refusal:
            return None
        words, access.refusal = access.refusal, ""
        return ReadOnlyError(words)

    def _translated(self, text: str, values: Mapping[int, str] = _NO_VALUES) -> Step:
        """One statement of StackQL."""
        from sessions_vtab.sql.stackql.steps import translated  # noqa: PLC0415  # Only here.

        scoped = {
            one.name: one.backend.scope for one in self._host.sources.values() if _has_engines(one)
        }
        home = self._catalog.resolve(None, "sessions")
        source = "" if home is None else home.source
        found = translated(text, scoped, source, self._columns_of, values)
        if found is None:
            return Step(text, self._front.rewrite(text))
        one = self._front.rewrite(found.sql)
        return Step(text, one, _after(found), found.numbering, found.asks)

    def _columns_of(self, table: str) -> tuple[str, ...] | None:
        """Names of the columns of a table; None if there is none."""
        found = self._host.statements.run("SELECT name FROM pragma_table_xinfo(?)", (table,))
        return tuple(str(name) for (name,) in found) or None

    def _check_home(self, one: Rewritten) -> None:
        if one.table is not None and one.target is not None:
            self._catalog.require_home(one.target.schema, one.target.name)
        if one.effect is not None:
            self._catalog.require_home(one.effect.schema, one.effect.name)

    def _concerns(self, step: Step) -> bool:
        """Whether a statement needs more than plain execution, such as checks or RETURNING."""
        one = step.statement
        shown = self._host.dry_run and one.table is not None
        more = one.times or one.effect or one.returning or one.kind.explain
        copies = one.kind.verb == "VACUUM"  # It may copy tables that have no rows.
        translated = step.text is not one.original
        return bool(one.touched or more or copies or shown or translated)


def _target_of(one: Rewritten) -> tuple[OurTable, str] | None:
    """Our table that a statement writes to, and how."""
    if one.table is None or not one.kind.changes or one.kind.explain:
        return None
    verb = one.kind.verb.lower()
    return one.table, "insert" if verb == "replace" else verb


def _require_action(one: Rewritten) -> None:
    """Raises before any row is read if the table does not support the statement's action."""
    target = _target_of(one)
    if target is not None:
        table, action = target
        require_action(table.title, table.capability.writes, action)


def _runs_to_its_end(step: Step) -> bool:
    one = step.statement
    acts = one.effect is not None and one.effect.item
    return acts or step.after == _DESPATCHED or _locks(step)


def _locks(step: Step) -> bool:
    """Whether a statement is a BEGIN that takes the write lock at once."""
    kind = step.statement.kind
    if kind.verb != "BEGIN" or kind.explain:
        return False
    behind = tokenize(step.text)[kind.at + 1 :]
    return bool(behind) and behind[0].upper in _LOCKING


def _has_engines(source: OpenSource) -> bool:
    resource = source.backend.resources.get("sessions")
    return resource is not None and resource.table.positions.keys() >= ENGINE


def _after(found: Translated) -> str:
    """What answers in place of the rows of a StackQL statement."""
    if found.operation:
        return f"SELECT {found.operation} FROM {OPERATIONS}"
    return _DESPATCHED if found.despatched else ""


def _text(value: object) -> str:
    """A value of a path parameter as text; NULL and '' are the source's own."""
    return "" if value is None else str(value)


def _literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
