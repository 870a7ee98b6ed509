"""The conformance suite: one list of queries against a backend's tables and the oracle.

What runs is decided by what a backend declares, never by its name. The author of a backend in any
repository uses it from pytest like this::

    import pytest
    import sessions_vtab
    from sessions_vtab.testing.conformance import SHAPES, Suite

    @pytest.fixture(scope="module")
    def suite():
        with sessions_vtab.connect("mybackend://...") as connection:
            ...                                   # fill it: hostile.load(), or seed the emulator
            yield Suite(connection, "mybackend")  # reads every row once, into the oracle

    @pytest.mark.parametrize("shape", SHAPES, ids=str)
    def test_answers_as_the_oracle(suite, shape):
        suite.check(shape)                        # skips what the backend cannot be asked

    def test_sends_what_it_declares_and_nothing_else(suite):
        suite.check_operators()

    def test_every_path_answers_as_the_oracle(suite):
        for table, path in suite.paths():
            suite.check_path(table, path)         # cases made from the declarations: ``generated``

    def test_rows_come_in_one_order(suite):
        for table, path in suite.paths():
            suite.check_order(table, path)        # in pages, with ties, numbered: ``ordering``

    def test_writes_do_what_they_declare(suite):
        for table in suite.known:
            suite.check_writes(table)             # writes a row, at last: ``writing``

The shapes are about ``sessions`` and ``events``; ``check_shapes`` also makes some for every other
table, and fails where fewer than 10 apply. ``check_path`` is about every table and every way to
read it. A table that cannot be listed is read by keys that the test gives, and so is a path that
needs a parameter::

    Suite(connection, "mybackend", keys={"sessions": {"session_id": ["a", "b", ..]}})

``run_suite(connection, "mybackend")`` does all of it without pytest and returns the failures.
``generator`` adds random statements of the same grammar, and ``changes`` random statements that
change a table while they read it. Where an emulator logs its requests, give
``check_path`` a ``Traffic(requests, shown)``: it looks for what was sent, and for what was not.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

from sessions_vtab.contract.backend import Context, Resource
from sessions_vtab.contract.declare import quoted
from sessions_vtab.contract.predicate import Op
from sessions_vtab.contract.scan import Page, Scan
from sessions_vtab.errors import RefusedError
from sessions_vtab.testing.declared import condition, declares, mentions, undeclared
from sessions_vtab.testing.generated import Checker, Look, failed, paths_of
from sessions_vtab.testing.hostile import NATIVE_TABLES
from sessions_vtab.testing.known import Keys, Known, read_known
from sessions_vtab.testing.oracle import Answer, Comparison, Oracle, difference
from sessions_vtab.testing.ordering import check_order, check_pages
from sessions_vtab.testing.own_shapes import own_shapes
from sessions_vtab.testing.shapes import SHAPES, Shape
from sessions_vtab.testing.writing import Sample, sample_of, wrong_writes

__all__ = ["SHAPES", "NotApplicable", "Probe", "Sample", "Shape", "Suite", "run_suite"]

_TABLE: Final = re.compile(r"\{([a-z_][a-z0-9_]*)\}")
_FEWEST: Final = 10
"""Fewer shapes than these prove nothing."""
_STAR: Final = re.compile(r"\{(\w)\.\*\}")
_WORDS: Final = re.compile(r"VIRTUAL TABLE INDEX \d+:(.*)", re.DOTALL)
_NATIVE: Final = re.compile(r"CREATE TEMP TABLE (\w+)")
_STAR_TABLES: Final = {"s": "sessions", "e": "events"}

_OPERATORS: Final = (Op.EQ, Op.NE, Op.LT, Op.LE, Op.GT, Op.GE, Op.LIKE, Op.GLOB, Op.IN)
_NULLITY: Final = (Op.IS_NULL, Op.IS_NOT_NULL)
_HANDED_OVER: Final = frozenset(("sent", "stops"))
"""Clauses of a plan with conditions that the backend gets: as a filter, or as where to stop."""


class NotApplicable(Exception):  # noqa: N818  # Not an error: see ``Suite.check``.
    """A shape needs what the backend does not declare."""


@dataclass(frozen=True, slots=True)
class Probe:
    """One operator on one column, as a statement of its own.

    Attributes:
        table: name of the table.
        column: name of the column.
        op: the operator.
        sql: the statement.
    """

    table: str
    column: str
    op: Op
    sql: str


class Suite:
    """The tables of one source beside an oracle with the same rows.

    Args:
        connection: a connection of ``connect()``; for one of ``register()`` pass ``resources``.
        source: name of the source: the schema its tables are in.
        resources: the backend's tables by name; taken from the connection unless given.
        keys: table to key column to values, for tables that cannot be listed, and for parameter
            columns that a path needs: their rows are read by each value.
        parameters: table to parameter column to values that change no row, such as a page size.
    """

    def __init__(
        self,
        connection: Any,
        source: str,
        resources: Mapping[str, Resource] | None = None,
        *,
        keys: Keys | None = None,
        parameters: Keys | None = None,
    ) -> None:
        self.connection = connection
        self.source = source
        self.resources = (
            connection.sources[source].backend.resources if resources is None else resources
        )
        self.oracle = Oracle()
        self._parameters = parameters or {}
        self.known: dict[str, Known] = {}
        for name, resource in self.resources.items():
            known = read_known(connection, source, resource, (keys or {}).get(name, {}))
            if known is not None:
                known.fill(self.oracle)
                self.known[name] = known
        connection.execute(NATIVE_TABLES)
        self.oracle.connection.execute(NATIVE_TABLES)

    def applies(self, shape: Shape) -> str | None:
        """Why a shape cannot be asked of this backend; None if it can."""
        for name in sorted(set(_TABLE.findall(shape.setup + shape.sql))):
            if name not in self.resources:
                return f"no table {name}"
            if not self._listable(name, shape.keyed):
                return f"no path of {name} reads all rows"
            if name not in self.known:
                return f"no keys of {name} were given"
        for column in shape.columns:
            table, _, name = column.partition(".")
            if name not in self.resources[table].table.positions:
                return f"no column {column}"
        return None

    def shapes(self) -> list[Shape]:
        """The shapes that apply, and those of every other table that can be listed."""
        own = (
            shape
            for name, known in self.known.items()
            if name not in _STAR_TABLES.values() and self._listable(name)
            for shape in own_shapes(known)
        )
        return [*(shape for shape in SHAPES if self.applies(shape) is None), *own]

    def check_shapes(self) -> int:
        """Checks all of ``shapes``; returns how many there are.

        Raises:
            AssertionError: some answers differ, or fewer than 10 shapes apply, which prove nothing:
                the tables are empty of paths, or no keys were given.
        """
        failures = list(self.wrong_shapes())
        if failures:
            raise AssertionError(failed(f"{self.source}: query shapes", failures))
        return len(self.shapes())

    def wrong_shapes(self) -> Iterator[str]:
        """What ``check_shapes`` finds, in words: a text for each shape that is wrong."""
        shapes = self.shapes()
        if len(shapes) < _FEWEST:
            reasons = dict.fromkeys(filter(None, map(self.applies, SHAPES)))
            yield (
                f"{self.source}: only {len(shapes)} of at least {_FEWEST} query shapes apply"
                f" ({'; '.join(reasons)}). Give keys for tables that cannot be listed."
            )
        for shape in shapes:
            try:
                self.check(shape)
            except AssertionError as error:
                yield f"{shape}: {error}"

    def check(self, shape: Shape) -> None:
        """Compares the two answers.

        Raises:
            AssertionError: they differ; the message has the statement and the rows.
            NotApplicable: the backend does not declare what the shape needs. Under pytest the
                test is skipped instead.
        """
        reason = self.applies(shape)
        if reason is not None:
            _skip(f"{shape}: {reason}")
        with self._prepared(shape):
            self.compare(
                f"{shape.sql} {shape.limit}".rstrip(),
                shape.bindings,
                shape.compare,
                keys=shape.keys,
                unlimited=shape.sql,
            )

    def compare(
        self,
        sql: str,
        bindings: Any,
        how: Comparison,
        *,
        keys: tuple[int, ...] = (),
        unlimited: str = "",
    ) -> None:
        """Asks both and raises AssertionError if the answers differ.

        Args:
            sql: a statement with placeholders for the tables.
            bindings: a sequence or mapping.
            how: how the answers are compared.
            keys: see ``oracle.difference``.
            unlimited: for SUBSET, the statement without its LIMIT.
        """
        got = self.connection.execute(self.text(sql), bindings).fetchall()
        expected = self.oracle.ask(self.native_text(sql), bindings)
        allowed: Answer = ()
        if how is Comparison.SUBSET:
            allowed = self.oracle.ask(self.native_text(unlimited), bindings)
        wrong = difference(got, expected, how, keys=keys, allowed=allowed)
        if wrong is not None:
            plan = self.plans(self.text(sql), bindings)
            raise AssertionError(f"{self.text(sql)}\n{bindings!r:.200}\n{wrong}\n{plan}")

    def check_operators(self, sent: Callable[[Probe, bool], None] | None = None) -> int:
        """Proves that declared operators are sent and others never.

        For each column and operator: the words of the plan, and the scan that reaches the backend,
        hold the condition exactly if the path in use declares it.

        Args:
            sent: called after each probe has run, with whether its condition was sent; a place to
                look into an emulator's log.

        Returns:
            How many probes were made.
        """
        count = 0
        for probe in self.probes():
            count += 1
            was_sent = self._check_probe(probe)
            if sent is not None:
                sent(probe, was_sent)
        return count

    def probes(self) -> Iterator[Probe]:
        """A probe for each operator on each column of each table that can be listed."""
        for name, resource in self.resources.items():
            if not self._listable(name):
                continue
            for column in resource.table.columns:
                known = column.name in resource.table.never_null
                ops = _OPERATORS if known else (*_OPERATORS, *_NULLITY)
                for op in () if column.parameter else ops:
                    sql = f"SELECT * FROM {self._name(name)} WHERE {condition(column, op)}"
                    yield Probe(name, column.name, op, sql)

    def paths(self) -> list[tuple[str, str]]:
        """Table and name of every access path whose rows the oracle knows."""
        return [one for one in paths_of(self.resources) if one[0] in self.known]

    def check_path(
        self, table: str, path: str, look: Look | None = None, *, most: int | None = None
    ) -> int:
        """Checks all that one access path declares, and that it is asked nothing else.

        Args:
            table: name of the table.
            path: name of the path.
            look: see ``generated.Look``; called after each case.
            most: cases of a kind, see ``cases.cases_for``; None for all of them.

        Returns:
            How many cases were made.

        Raises:
            AssertionError: some are wrong; the message has their statements.
        """
        known = self.known[table]
        paths = known.resource.capability.paths
        place = self._place(table, path)
        checker = Checker(self, known, paths[place], look)
        failures = checker.run(self._parameters.get(table, {}), most, place)
        if failures:
            raise AssertionError(failed(f"{self.source}.{table} by {path}", failures))
        return checker.made

    def check_order(self, table: str, path: str, disturb: Callable[[], None] = lambda: None) -> int:
        """Checks that the rows of one access path come in one order: see ``ordering``.

        Args:
            table: name of the table.
            path: name of the path.
            disturb: called before each statement, to change which answers are late.

        Returns:
            How many rows the path has.

        Raises:
            AssertionError: two statements have the rows in different orders.
        """
        known = self.known[table]
        way = known.resource.capability.paths[self._place(table, path)]
        return check_order(self.connection, self.source, known, way, disturb)

    def check_pages(self, table: str) -> int:
        """Checks the pages of a table's list without conditions: see ``ordering``."""
        return check_pages(self.connection, self.source, self.known[table])

    def check_writes(self, table: str, sample: Sample | None = None) -> None:
        """Checks what is declared of writes: see ``writing``. It writes, so it comes last.

        Args:
            table: name of the table.
            sample: the row to write; made from one that is there unless given.

        Raises:
            AssertionError: something is wrong; the message has every finding.
        """
        known = self.known[table]
        found = sample or sample_of(known)
        failures = wrong_writes(self.connection, self.source, known, found)
        if failures:
            raise AssertionError(failed(f"{self.source}.{table}: writes", failures))

    def plans(self, text: str, bindings: Any = None) -> list[str]:
        """The words of every scan of ours in a statement's plan."""
        rows = self.connection.execute(
            f"EXPLAIN QUERY PLAN {text}", bindings, can_cache=False
        ).fetchall()
        found = (_WORDS.search(detail) for *_, detail in rows)
        return [match[1] for match in found if match]

    @contextmanager
    def recorded(self) -> Iterator[list[tuple[Resource, Scan]]]:
        """Records every scan that reaches the backend while the block runs."""
        scans: list[tuple[Resource, Scan]] = []

        def scan(resource: Resource, plain: Any, asked: Scan, context: Context) -> Iterator[Page]:
            scans.append((resource, asked))
            pages: Iterator[Page] = plain(asked, context)
            return pages

        own = {name: vars(resource).copy() for name, resource in self.resources.items()}
        for resource in self.resources.values():
            vars(resource)["scan"] = partial(scan, resource, resource.scan)
        try:
            yield scans
        finally:
            for name, resource in self.resources.items():
                del vars(resource)["scan"]
                vars(resource).update(scan for scan in own[name].items() if scan[0] == "scan")

    def text(self, sql: str) -> str:
        """A statement with the names of the source's tables."""
        return _STAR.sub(r"\1.*", _TABLE.sub(lambda match: self._name(match[1]), sql))

    def native_text(self, sql: str) -> str:
        """A statement with the names of the oracle's tables."""

        def columns(match: re.Match[str]) -> str:
            visible = self.resources[_STAR_TABLES[match[1]]].table.visible
            return ", ".join(f"{match[1]}.{quoted(column.name)}" for column in visible)

        return _STAR.sub(columns, _TABLE.sub(r"main.\1", sql))

    def close(self) -> None:
        """Closes the oracle and drops the native tables; the connection stays open."""
        self.oracle.close()
        for table in _NATIVE.findall(NATIVE_TABLES):
            self.connection.execute(f"DROP TABLE temp.{table}")

    def _check_probe(self, probe: Probe) -> bool:
        resource = self.resources[probe.table]
        (words,) = self.plans(probe.sql) or [""]
        name, _, rest = words.partition("; ")
        (path,) = (path for path in resource.capability.paths if path.name == name)
        # A scope of that name need not exist; what was asked of the backend counts all the same.
        with self.recorded() as scans, suppress(RefusedError):
            self.connection.execute(probe.sql).fetchall()
        was_sent = any(
            word in _HANDED_OVER and mentions(terms, probe.column, probe.op)
            for word, _, terms in (part.partition(": ") for part in rest.split("; "))
        )
        if was_sent != declares(path, probe.column, probe.op):
            verb = "is" if was_sent else "is not"
            raise AssertionError(
                f"{probe.sql}: {probe.op} {verb} sent, contrary to the declaration"
            )
        for one, scan in scans:
            wrong = undeclared(scan)
            if wrong is not None:
                raise AssertionError(
                    f"{probe.sql}: {one.table.name} was sent {wrong}, which is not declared"
                )
        return was_sent

    @contextmanager
    def _prepared(self, shape: Shape) -> Iterator[None]:
        if not shape.setup:
            yield
            return
        self.connection.execute(self.text(shape.setup))
        self.oracle.connection.execute(self.native_text(shape.setup))
        try:
            yield
        finally:
            self.connection.execute(shape.teardown)
            self.oracle.connection.execute(shape.teardown)

    def _listable(self, name: str, keyed: frozenset[str] = frozenset()) -> bool:
        paths = self.resources[name].capability.paths
        return any(keyed.issuperset(path.keys) for path in paths)

    def _place(self, table: str, path: str) -> int:
        """The place of a path among those of its table."""
        paths = self.known[table].resource.capability.paths
        (place,) = (number for number, one in enumerate(paths) if one.name == path)
        return place

    def _name(self, table: str) -> str:
        return f"{quoted(self.source)}.{quoted(table)}"


def run_suite(
    connection: Any,
    source: str,
    keys: Keys | None = None,
    parameters: Keys | None = None,
    *,
    most: int | None = None,
    samples: Mapping[str, Sample | None] | None = None,
) -> list[str]:
    """Runs the shapes of every table, the operators, every path, and writes at last.

    Returns what failed, in words.

    Args:
        connection: as for ``Suite``, like the others.
        source: name of the source.
        keys: for tables that cannot be listed.
        parameters: values of parameters that change no row.
        most: as for ``Suite.check_path``.
        samples: rows to write, by table; made from rows that are there unless given. None leaves
            the writes of a table out.
    """
    try:
        suite = Suite(connection, source, keys=keys, parameters=parameters)
    except AssertionError as error:
        return [str(error)]
    failures = list(suite.wrong_shapes())
    checks: list[Callable[[], int | None]] = [suite.check_operators]
    checks += [partial(suite.check_path, *one, most=most) for one in suite.paths()]
    checks += [partial(suite.check_order, *one) for one in suite.paths()]
    checks += [partial(suite.check_pages, name) for name in suite.known]
    given = samples or {}
    checks += [
        partial(suite.check_writes, name, given.get(name))
        for name in suite.known
        if name not in given or given[name] is not None
    ]
    for check in checks:
        try:
            check()
        except AssertionError as error:
            failures.append(str(error))
    suite.close()
    return failures


def _skip(reason: str) -> None:
    """Skips under pytest; raises NotApplicable elsewhere."""
    import sys  # noqa: PLC0415  # Only here: the package does not depend on pytest.

    pytest: Any = sys.modules.get("pytest")
    if pytest is None:
        raise NotApplicable(reason)
    pytest.skip(reason)
