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

    def test_no_field_is_misspelt(suite):
        for table in suite.known:
            suite.check_filled(table)             # a column that is NULL in every row

    def test_rows_come_in_one_order(suite):
        for table, path in suite.paths():
            suite.check_order(table, path)        # in pages, with ties, numbered: ``ordering``

    def test_the_examples_of_help_run(suite):
        suite.check_examples()

    def test_writes_do_what_they_declare(suite):
        for table in suite.known:
            suite.check_writes(table)             # writes a row, at last: ``writing``

The shapes are about ``sessions`` and ``events``; ``check_shapes`` also makes some for every other
table, and fails where fewer than 10 apply. ``check_path`` is about every table and every way to
read it. A table that cannot be listed is read by keys that the test gives, and so is a path that
needs a parameter::

    Suite(connection, "mybackend", keys={"sessions": {"session_id": ["a", "b", ..]}})

``run_suite(connection, "mybackend")`` does all of it without pytest and returns the failures.
Where an emulator logs its requests, give ``check_path`` a ``Traffic(requests, shown)``: it looks
for what was sent, and for what was not.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from typing import Any, Final

from sessions_vtab.contract.backend import Resource
from sessions_vtab.contract.model import quoted
from sessions_vtab.contract.scan import Scan
from sessions_vtab.errors import SessionsError
from sessions_vtab.plan.plan import scan_in
from sessions_vtab.testing.case import Probe, is_sent, probes_of, recorded
from sessions_vtab.testing.generated import Checker, Look, failed, paths_of
from sessions_vtab.testing.hostile import NATIVE_TABLES
from sessions_vtab.testing.oracle import (
    Answer,
    Comparison,
    Keys,
    Known,
    Oracle,
    difference,
    never_filled,
    read_known,
)
from sessions_vtab.testing.ordering import check_order, check_pages
from sessions_vtab.testing.shapes import SHAPES, Shape, own_shapes, wrong_examples
from sessions_vtab.testing.writing import Sample, sample_of, wrong_writes
from sessions_vtab.vtab.statements import blamed

__all__ = ["SHAPES", "NotApplicable", "Probe", "Sample", "Shape", "Suite", "run_suite"]

_TABLE: Final = re.compile(r"\{([a-z_][a-z0-9_]*)\}")
_QUERY_PLAN: Final = 2
"""Of ``sqlite3_stmt_explain``."""
_FEWEST: Final = 10
"""Fewer shapes than these prove nothing."""
_STAR: Final = re.compile(r"\{(\w)\.\*\}")
_NATIVE: Final = re.compile(r"CREATE TEMP TABLE (\w+)")
_STAR_TABLES: Final = {"s": "sessions", "e": "events"}


class NotApplicable(Exception):  # noqa: N818  # Not an error: see ``Suite.check``.
    """A shape needs what the backend does not declare."""


class Suite:
    """The tables of one source beside an oracle with the same rows.

    Args:
        connection: a connection of ``connect()``; for one of ``register()`` pass ``resources``.
        source: name of the source: the schema its tables are in.
        resources: the backend's tables by name; taken from the connection unless given.
        keys: table to key column to values, for tables that cannot be listed, and for parameter
            columns that a path needs: their rows are read by each value.
        parameters: table to parameter column to values that change no row, such as a page size.
        empty: table to columns that are NULL in every row there, and rightly so: see
            ``check_filled``.
    """

    def __init__(
        self,
        connection: Any,
        source: str,
        resources: Mapping[str, Resource] | None = None,
        *,
        keys: Keys | None = None,
        parameters: Keys | None = None,
        empty: Mapping[str, Collection[str]] | None = None,
    ) -> None:
        self.connection = connection
        self.source = source
        self.resources = (
            connection.sources[source].backend.resources if resources is None else resources
        )
        self.oracle = Oracle()
        self._parameters = parameters or {}
        self._empty = empty or {}
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
            except SessionsError as error:
                yield f"{shape}: {self.text(shape.sql)}\n{_told(error)}"

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
            was_sent = is_sent(self, probe)
            if sent is not None:
                sent(probe, was_sent)
        return count

    def probes(self) -> Iterator[Probe]:
        """A probe for each operator on each column of each table that can be listed."""
        for name, resource in self.resources.items():
            if self._listable(name):
                yield from probes_of(resource.table, self._name(name))

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
        """Checks that the rows of one access path come in one order: ``ordering.check_order``."""
        known = self.known[table]
        way = known.resource.capability.paths[self._place(table, path)]
        return check_order(self.connection, self.source, known, way, disturb)

    def check_pages(self, table: str) -> int:
        """Checks the pages of a table's list without conditions: see ``ordering``."""
        return check_pages(self.connection, self.source, self.known[table])

    def check_filled(self, table: str) -> None:
        """Checks that every column has a value in some row, as a misspelt field never has one.

        Columns that the service has nothing for (``Capability.absent``) are left out, and those
        that say what they are made of: parameters, columns that are only written, and derived ones.

        Raises:
            AssertionError: a column is NULL in every row and not in ``empty``, or it is in
                ``empty`` and has values; the message names all of them.
        """
        known = self.known[table]
        count, said, found = len(known.every()), self._empty.get(table, ()), never_filled(known)
        unsaid = [name for name in found if name not in said]
        wrong = [f"{name} is in empty, but has values" for name in said if name not in found]
        if unsaid:
            listed = ", ".join(f'"{name}"' for name in unsaid)
            wrong.append(
                f"{', '.join(unsaid)}: NULL in all {count} rows. Is a field misspelt? If these rows"
                f' have nothing there, write empty={{"{table}": [{listed}]}}'
            )
        if wrong and count:
            raise AssertionError(f"{self.source}.{table}: {'; '.join(wrong)}")

    def check_examples(self) -> None:
        """Runs the examples of tables and functions; raises AssertionError if some are wrong."""
        failures = wrong_examples(self.connection, self.source)
        if failures:
            raise AssertionError(failed(f"{self.source}: examples", failures))

    def check_writes(self, table: str, sample: Sample | None = None) -> None:
        """Checks what is declared of writes: see ``writing``. It writes, so it comes last.

        The row is ``sample``, or made from one that is there. AssertionError has every finding.
        """
        known = self.known[table]
        found = sample or sample_of(known)
        failures = wrong_writes(self.connection, self.source, known, found)
        if failures:
            raise AssertionError(failed(f"{self.source}.{table}: writes", failures))

    def plans(self, text: str, bindings: Any = None) -> list[str]:
        """The words of every scan of ours in a statement's plan."""
        # The plan of the very text that is executed, which then is analysed once.
        rows = self.connection.execute(text, bindings, can_cache=False, explain=_QUERY_PLAN)
        return [found[1] for *_, detail in rows if (found := scan_in(detail)) is not None]

    def recorded(self) -> AbstractContextManager[list[tuple[Resource, Scan]]]:
        """Records every scan that reaches the backend while the block runs."""
        return recorded(self.resources.values())

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
    empty: Mapping[str, Collection[str]] | None = None,
) -> list[str]:
    """Runs the shapes of every table, the operators, every path, and writes at last.

    Returns what failed, in words. An error of the source is a failure of the check that met it.

    Args:
        connection: as for ``Suite``, like the others.
        source: name of the source.
        keys: for tables that cannot be listed.
        parameters: values of parameters that change no row.
        most: as for ``Suite.check_path``.
        samples: rows to write, by table; made from rows that are there unless given. None leaves
            the writes of a table out.
        empty: columns that are NULL in every row there, by table.
    """
    try:
        suite = Suite(connection, source, keys=keys, parameters=parameters, empty=empty)
    except AssertionError as error:
        return [str(error)]
    except Exception as error:  # noqa: BLE001  # The kit goes on whatever a backend raises.
        return [f"{source}: reading its rows: {_told(error)}"]
    failures = list(suite.wrong_shapes())
    for title, check in _checks(suite, most, samples or {}):
        try:
            check()
        except AssertionError as error:
            failures.append(str(error))
        except Exception as error:  # noqa: BLE001  # As above.
            failures.append(f"{source}: {title}: {_told(error)}")
    suite.close()
    return failures


def _checks(
    suite: Suite, most: int | None, samples: Mapping[str, Sample | None]
) -> Iterator[tuple[str, Callable[[], object]]]:
    """What is checked beside the shapes, each with what it is; writes come last."""
    yield "operators", suite.check_operators
    for name in suite.known:
        yield f"columns of {name}", partial(suite.check_filled, name)
    yield "examples", suite.check_examples
    for table, path in suite.paths():
        yield f"{table} by {path}", partial(suite.check_path, table, path, most=most)
    for table, path in suite.paths():
        yield f"order of {table} by {path}", partial(suite.check_order, table, path)
    for name in suite.known:
        yield f"pages of {name}", partial(suite.check_pages, name)
    for name in suite.known:
        if name not in samples or samples[name] is not None:
            yield f"writes of {name}", partial(suite.check_writes, name, samples.get(name))


def _told(error: Exception) -> str:
    return blamed(error) or f"{type(error).__name__}: {error}"


def _skip(reason: str) -> None:
    """Skips under pytest; raises NotApplicable elsewhere."""
    import sys  # noqa: PLC0415  # Only here: the package does not depend on pytest.

    pytest: Any = sys.modules.get("pytest")
    if pytest is None:
        raise NotApplicable(reason)
    pytest.skip(reason)
