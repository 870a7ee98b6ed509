"""The statement rewriter of a connection: what is executed in place of a text.

A text is cut into statements, each is read once, and what SQLite executes is put together again:
with plans for our tables, with RETURNING answered from what the server said, and with functions
that act run to their end. A text that none of this concerns is executed untouched. A statement in
another dialect is translated first (``sql.dialects``).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import apsw

from sessions_vtab.contract.model import quoted
from sessions_vtab.contract.predicate import literal
from sessions_vtab.sql.dialects import DIALECTS, Dialect, Surroundings
from sessions_vtab.sql.lexer import split, tokenize
from sessions_vtab.sql.names import OurTable
from sessions_vtab.sql.parameters import Numbering
from sessions_vtab.sql.rewrite import Rewritten, conditions_of, rewrite
from sessions_vtab.sql.shapes import partners
from sessions_vtab.sql.targets import Target, assigned_columns
from sessions_vtab.vtab.access import Access, attached
from sessions_vtab.vtab.host import Host
from sessions_vtab.vtab.modules import ConnectionCatalog, require_definable
from sessions_vtab.vtab.rows import OPERATIONS, PREVIEW, captured_name

if TYPE_CHECKING:  # It imports sqlglot, which many statements do not need.
    from sessions_vtab.sql.occurrences import Condition


_RENAMES: Final = frozenset(("CREATE", "DROP", "ALTER", "ATTACH", "DETACH", "ROLLBACK"))
_LOCKING: Final = frozenset(("IMMEDIATE", "EXCLUSIVE"))
_TEXTS: Final = 512


@dataclass(slots=True)
class Step:
    """One statement of a text.

    Attributes:
        text: as the user wrote it.
        statement: as it was rewritten.
        after: what answers in place of its own rows; empty where those are the answer.
        stepwise: it is run to its end before the statement after it, and before the first row.
        written: the parameters of the text, where the statement has others.
        asks: numbers of the parameters whose values choose the source: see ``with_values``.
        prepared: SQLite has accepted its RETURNING list.
    """

    text: str
    statement: Rewritten
    after: str = ""
    stepwise: bool = False
    written: Numbering | None = None
    asks: frozenset[int] = frozenset()
    prepared: bool = False

    @property
    def numbering(self) -> Numbering:
        """The parameters by which the user's bindings are counted."""
        return self.written or self.statement.numbering

    @property
    def locks(self) -> bool:
        """Whether it is a BEGIN that takes the write lock at once."""
        kind = self.statement.kind
        if kind.verb != "BEGIN" or kind.explain:
            return False
        following = tokenize(self.text)[kind.at + 1 :]
        return bool(following) and following[0].upper in _LOCKING


class Script(NamedTuple):
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
        """The statements as they were rewritten."""
        return tuple(step.statement for step in self.steps)

    @property
    def reads(self) -> bool:
        """Whether it is one query."""
        return len(self.steps) == 1 and self.steps[0].statement.kind.reads

    @property
    def target(self) -> tuple[OurTable, str] | None:
        """The table that its one statement writes to; None if it is not one of ours.

        Returns:
            The table, and ``insert``, ``update`` or ``delete``.
        """
        return _target_of(self.steps[0].statement) if len(self.steps) == 1 else None


class StatementRewriter:
    """Reads the texts of one connection, and remembers them until names change.

    Args:
        host: the connection's state.
        dialects: asked in order whether a statement is theirs.
    """

    def __init__(self, host: Host, dialects: Sequence[Dialect] = DIALECTS) -> None:
        self._host = host
        self._dialects = dialects
        self._catalog = ConnectionCatalog(host)
        # The only cache: a translation, what was rewritten and what was checked go in one piece.
        # It is not kept by statement, since APSW, too, keeps what it prepared by the whole text.
        self.read = lru_cache(maxsize=_TEXTS)(self._read)

    def clear(self) -> None:
        """Forgets every reading: a name may mean something else now."""
        self._catalog.clear()
        self.read.cache_clear()

    def conditions(self, text: str) -> Mapping[str, Sequence[Sequence[Condition]]]:
        """The conditions on each of our tables, by its alias, in the order of the text."""
        statements = self.read(text).statements
        return conditions_of(statements[0].original, self._catalog) if len(statements) == 1 else {}

    def with_values(self, step: Step, share: tuple[Any, ...]) -> tuple[Step, tuple[Any, ...]]:
        """The statement that runs with these values, and the values that it still takes.

        The values may choose the source of a statement in another dialect, or name a file that is
        attached for reading only.
        """
        if step.asks:
            # NULL and '' are the source's own.
            known = ((mine, share[mine - 1]) for mine in sorted(step.asks))
            texts = tuple((mine, "" if value is None else str(value)) for mine, value in known)
            step = self.read(step.text, texts).steps[0]
        if self._host.access is not None and step.statement.kind.verb == "ATTACH":
            return self._attach(self._host.access, step, share)
        return step, share

    def prepare(self, step: Step, values: Sequence[Any], *, plain: bool = False) -> str:
        """The text to execute for a statement; its plans are known to the tables from then on.

        Args:
            step: the statement.
            values: of its parameters.
            plain: without plans.

        Raises:
            StatementError: it would create or drop what it may not.
        """
        one = step.statement
        require_definable(self._host, step.text, one.kind)
        # The text has only the plan's text; the tables look up what it means when SQLite plans.
        for argument, plan in one.plans.items():
            self._host.register(argument, plan)
        chosen = one.plain if plain else one.choose(values)
        # On a line of its own: a text may end in a comment.
        text = chosen.rstrip().removesuffix(";") + "\n;"
        if one.effect is not None:
            self._host.accepted.add(text)
        if one.table is not None and (one.returning is not None or step.after):
            self._host.returning.add(text)
        return text

    def answer(self, step: Step) -> str:
        """What is executed after a statement for its rows; empty where it has rows of its own.

        Raises:
            apsw.SQLError: a RETURNING list names what the table does not have.
        """
        one = step.statement
        if self._host.dry_run and one.table is not None:
            text = f"SELECT * FROM {PREVIEW}"
        elif step.after or one.returning is None or one.table is None:
            text = step.after
        else:
            from sessions_vtab.sql.returning import select_text  # noqa: PLC0415  # Only here.

            text = select_text(
                one.returning, quoted(captured_name(one.table.source, one.table.table.name))
            )
            if not step.prepared:
                # Before anything is sent, so that a misspelt column sends nothing.
                self._host.statements.run(f"EXPLAIN {text}", (None,) * one.returning.parameters)
                step.prepared = True
        # EXPLAIN writes nothing: the rows that were captured last are another statement's.
        return "" if one.kind.explain or not text else text + ";"

    def _read(self, text: str, values: tuple[tuple[int, str], ...] = ()) -> Script:
        parts = [one.text for one in split(text, apsw.complete)]
        steps = tuple(
            self._step(part, dict(values)) for part in ([text] if len(parts) == 1 else parts)
        )
        plain = not any(map(self._concerns, steps))
        renames = any(step.statement.kind.verb in _RENAMES for step in steps)
        # After CREATE or ATTACH the names in the next statement mean something else, which is why
        # such a script is read again step by step.
        stepwise = any(step.stepwise for step in steps) or (renames and len(steps) > 1)
        return Script(steps, plain, renames, stepwise)

    def _step(self, text: str, values: Mapping[int, str]) -> Step:
        """One statement, with the names as they are now.

        Args:
            text: the statement.
            values: of the parameters that choose a source, by number, as far as they are known.
        """
        step = self._translated(text, values) or Step(text, rewrite(text, self._catalog))
        one = step.statement
        for named in (one.target if one.table is not None else None, one.effect):
            if named is not None:
                self._catalog.require_default(named.schema, named.name)
        written = _target_of(one)
        if written is not None:  # What the table does not support is refused before a row is read.
            table, action = written
            table.capability.writes.require(action, table.title)
            if action == "update" and one.target is not None:
                _require_changeable(one.original, one.target, table)
        acts = one.effect is not None and one.effect.item
        step.stepwise = step.stepwise or acts or step.locks
        return step

    def _translated(self, text: str, values: Mapping[int, str]) -> Step | None:
        """A statement of another dialect; None if it is of none."""
        for dialect in self._dialects:
            if dialect.recognises(text):
                known = Surroundings(
                    {name: one.backend for name, one in self._host.sources.items()},
                    self._catalog,
                    self._columns_of,
                    OPERATIONS,
                )
                found = dialect.translate(text, known, values)
                if found is not None:
                    one = rewrite(found.sql, self._catalog)
                    return Step(text, one, found.after, found.stepwise, found.numbering, found.asks)
        return None

    def _attach(
        self, access: Access, step: Step, share: tuple[Any, ...]
    ) -> tuple[Step, tuple[Any, ...]]:
        """ATTACH of a file that may have to be opened for reading only, as a literal."""
        parts = attached(step.text, tokenize(step.text))
        if parts is None or step.statement.kind.explain:
            return step, share
        ((file, schema),) = self._host.statements.run(
            f"SELECT CAST(({parts.file}) AS text), CAST(({parts.schema}) AS text)",
            share[: parts.parameters],
        )
        name = access.attachable(str(file or ""))
        text = f"ATTACH {literal(name)} AS {literal(str(schema or ''))}"
        return Step(text, rewrite(text, self._catalog)), ()

    def _columns_of(self, table: str) -> tuple[str, ...] | None:
        """Names of the columns of a table; None if there is none."""
        found = self._host.statements.run("SELECT name FROM pragma_table_xinfo(?)", (table,))
        return tuple(str(name) for (name,) in found) or None

    def _concerns(self, step: Step) -> bool:
        """Whether a statement needs more than plain execution, such as checks or RETURNING."""
        one = step.statement
        shown = self._host.dry_run and one.table is not None
        more = one.times or one.effect or one.returning or one.kind.explain
        copies = one.kind.verb == "VACUUM"  # It may copy tables that have no rows.
        translated = step.text is not one.original
        return bool(one.touched or more or copies or shown or translated)


def _require_changeable(text: str, target: Target, table: OurTable) -> None:
    """Raises UnsupportedError for a column that no UPDATE changes, whatever rows it would find."""
    tokens = tokenize(text)
    known = {column.name.lower(): column.name for column in table.table.columns}
    for name in assigned_columns(tokens, target, partners(tokens)):
        column = known.get(name.lower())
        if column is not None and column not in table.capability.writes.update:
            table.capability.refuse(column, "update", table.title)


def _target_of(one: Rewritten) -> tuple[OurTable, str] | None:
    """Our table that a statement writes to, and how."""
    if one.table is None or not one.kind.changes or one.kind.explain:
        return None
    verb = one.kind.verb.lower()
    return one.table, "insert" if verb == "replace" else verb
