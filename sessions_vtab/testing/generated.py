"""The generated part of the conformance suite: every access path, asked for all it declares.

``Suite.check_path`` makes the cases of one path (``cases``) and checks each of them at once: its
rows are the oracle's; the plan's words say ``sent``, or ``stops``, for just the conditions that the
path in use declares, and ``order`` for just the order it declares; every scan that reaches the
backend asks for nothing undeclared. Where a test can look into the service's own log it gets each
case with those scans (``RunCase``), and ``Traffic`` compares them with the requests that arrived.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

from sessions_vtab.contract.backend import Resource
from sessions_vtab.contract.capability import EQUALITY, AccessPath
from sessions_vtab.contract.model import quoted
from sessions_vtab.contract.predicate import (
    AllOf,
    Compare,
    Field,
    Member,
    Op,
    Predicate,
    Value,
    fields,
    known,
)
from sessions_vtab.contract.scan import Scan
from sessions_vtab.contract.tables import SCOPE_COLUMNS
from sessions_vtab.errors import InvalidValueError, NotFoundError, RefusedError, SessionsError
from sessions_vtab.plan.plan import clauses_of
from sessions_vtab.testing.case import (
    Case,
    CaseCondition,
    CaseForm,
    Witness,
    sorts,
    undeclared,
)
from sessions_vtab.testing.cases import cases_for
from sessions_vtab.testing.oracle import Answer, Comparison, Known, difference

_SHOWN: Final = 8
_NO_ROW: Final = (InvalidValueError, RefusedError)
"""Errors that may stand for an empty answer: a value that nothing there can have."""


@dataclass(frozen=True, slots=True)
class RunCase:
    """One case that was run.

    Attributes:
        table: name of the table.
        case: the case.
        sql: its statement.
        scans: what reached the backend for it, in order.
        rows: how many rows came.
        foreign: texts of the statement that no scan asks for and no row of the table holds.
        texts: the values of its terms, as text.
        refused: it ended in an error, so that not all need have been asked for.
    """

    table: str
    case: Case
    sql: str
    scans: tuple[Scan, ...]
    rows: int
    foreign: tuple[str, ...]
    texts: tuple[str, ...]
    refused: bool


Look: TypeAlias = Callable[[RunCase], str | None]
"""Says what is wrong with what arrived at the service for a case; None if nothing is."""


class Checker:
    """Checks the cases of one path.

    Args:
        suite: where statements are asked.
        known: the table and its rows.
        path: the path.
        look: see ``Look``.
    """

    def __init__(self, suite: Witness, known: Known, path: AccessPath, look: Look | None) -> None:
        self._suite = suite
        self._known = known
        self._path = path
        self._look = look
        self._visible = tuple(column.name for column in known.table.visible)
        self._texts = "\n".join(str(value) for row in known.every() for value in row).lower()
        self._name = f"{quoted(suite.source)}.{quoted(known.table.name)}"
        self.made = 0
        self.used = False

    def run(
        self, parameters: Mapping[str, Sequence[Value]], most: int | None, start: int
    ) -> list[str]:
        """Checks the cases (see ``cases_for``); returns what is wrong, in words."""
        failures = []
        for case in cases_for(self._known, self._path, parameters, most, start):
            self.made += 1
            wrong = self.wrong_with(case)
            if wrong is not None:
                failures.append(f"{case.text(self._name, self._visible)}\n  {wrong}")
        if not self.used:
            failures.append(f"no case of {self._known.table.name} is read by {self._path.name}")
        return failures

    def wrong_with(self, case: Case) -> str | None:
        """What is wrong with the answer, the plan or the scans of a case; None if nothing is."""
        sql, values = case.text(self._name, self._visible)
        plans = self._plans(sql, values)
        error: Exception | None = None
        got: Answer = ()
        with self._suite.recorded() as recorded:
            try:
                got = self._suite.connection.execute(sql, values).fetchall()
            except SessionsError as raised:
                error = raised
        scans: tuple[Scan, ...] = tuple(scan for _, scan in recorded)
        asked = RunCase(
            self._known.table.name,
            case,
            sql,
            scans,
            rows=len(got),
            foreign=tuple(self._foreign(case, scans)),
            texts=tuple(str(value) for one in case.terms for value in one.values),
            refused=error is not None,
        )
        found = (
            self._wrong_rows(case, got, asked, error),
            self._wrong_words(case, plans),
            *(
                f"{resource.table.name} was asked {wrong}, undeclared"
                for resource, scan in recorded
                if (wrong := undeclared(scan)) is not None
            ),
            self._look(asked) if self._look is not None else None,
        )
        return "; ".join(filter(None, found)) or None

    # Rows

    def _wrong_rows(
        self, case: Case, got: Answer, asked: RunCase, error: Exception | None
    ) -> str | None:
        expected = self._oracle_rows(case, asked.scans)
        if error is not None:
            outside = self._leaves_scope(case)
            # Of a key that could be there, the answer is that there is no such row.
            gone = isinstance(error, NotFoundError) and self._path.unique and not outside
            fair = (not expected or outside) and isinstance(error, _NO_ROW) and not gone
            hint = " (does it mean that there is no such row? Say so in 'missing')" if gone else ""
            return None if fair else f"{error!r} where {len(expected)} rows are right{hint}"
        allowed: Answer = ()
        how = Comparison.MULTISET
        if case.limit is not None:
            how, allowed = Comparison.SUBSET, self._oracle_rows(case.unlimited(), asked.scans)
        wrong = difference(got, expected, how, keys=(0,) if case.order else (), allowed=allowed)
        if wrong is not None and self._path.keys and len(got) > len(expected):
            wrong += " (rows that the list does not have: does it go on in further pages?)"
        return wrong

    def _leaves_scope(self, case: Case) -> bool:
        """Whether it names a scope of no row, which need not exist: that is not an empty result."""
        table = self._known.resource.table
        return any(
            (one.field.column in SCOPE_COLUMNS or table.column(one.field.column).scope)
            and not set(one.values).issubset(self._known.values(one.field.column))
            for one in case.terms
        )

    def _oracle_rows(self, case: Case, scans: Sequence[Scan]) -> Answer:
        table = self._known.oracle_name(
            parameter=self._known.needs(self._path), hidden=self._reveals(scans)
        )
        return self._suite.oracle.ask(
            *case.text(f"main.{quoted(table)}", self._visible, parameters=False)
        )

    def _reveals(self, scans: Sequence[Scan]) -> bool:
        """Whether the scans show the rows that others leave out."""
        hides = self._known.resource.capability.hides
        return hides is not None and any(
            scan.parameters.get(hides.parameter) == 1
            or any(field.column == hides.column for field in fields(scan.where))
            for scan in scans
        )

    def _foreign(self, case: Case, scans: Sequence[Scan]) -> Iterator[str]:
        asked = {field for scan in scans for field in fields(scan.where)}
        for one in case.terms:
            if one.field not in asked:
                texts = (str(value).strip("%*") for value in one.values)
                yield from (text for text in texts if text.lower() not in self._texts)

    # Plan

    def _plans(self, sql: str, values: Sequence[Value]) -> list[str]:
        """The plan texts of a statement; none where a literal is refused before it is planned."""
        try:
            return self._suite.plans(sql, values)
        except _NO_ROW:
            return []

    def _wrong_words(self, case: Case, plans: Sequence[str]) -> str | None:
        """Of a statement with OR or NOT SQLite may make several scans: their words say little."""
        if case.form is not CaseForm.AND or not plans:
            return None
        name, clauses = clauses_of(plans[0])
        (path,) = (one for one in self._known.resource.capability.paths if one.name == name)
        self.used = self.used or path is self._path
        for one in case.terms:
            said = any(one.is_in(clauses.get(word, "")) for word in _places(one, path))
            if said != one.declared(path):
                verb = "is" if said else "is not"
                return f"{one.field} {one.op} {verb} sent, contrary to the declaration: {plans[0]}"
        return self._wrong_order(case, path, clauses.get("order"), plans[0])

    @staticmethod
    def _wrong_order(case: Case, path: AccessPath, said: str | None, words: str) -> str | None:
        if case.order is None:
            return None
        declared = sorts(path, case.order)
        single = path.unique and all(
            any(one.field == Field(key) and one.op is Op.EQ for one in case.conditions())
            for key in path.keys
        )
        if single or declared == (said is not None):
            return None
        verb = "is" if said else "is not"
        return (
            f"the order by {case.order.column} {verb} handed over,"
            f" contrary to the declaration: {words}"
        )


def failed(title: str, failures: Sequence[str]) -> str:
    """The message for the failures of a path."""
    shown = "\n".join(failures[:_SHOWN])
    more = f"\n.. and {len(failures) - _SHOWN} more" if len(failures) > _SHOWN else ""
    return f"{title}: {len(failures)} cases are wrong\n{shown}{more}"


def _places(condition: CaseCondition, path: AccessPath) -> tuple[str, ...]:
    """The clauses of a plan that a condition it hands over can be in.

    One that only an order can meet is left to SQLite where the rows come in another.
    """
    declared = path.filter_for(condition.field.column)
    by_order = declared is not None and declared.by_order and condition.op in declared.ops
    return ("sent", "stops", "here") if by_order else ("sent",)


def paths_of(resources: Mapping[str, Resource]) -> Iterator[tuple[str, str]]:
    """Table and path name of every way to read."""
    for name, resource in resources.items():
        for path in resource.capability.paths:
            yield name, path.name


Shown: TypeAlias = Callable[[Scan, Field, Op, Value], str | None]
"""How a value that a scan asks for looks in a request; None if this scan need not show it."""

_TIME: Final = re.compile(r"\d{4}-\d\d-\d\d ")
_TELLING: Final = 5
"""Least letters of a text that is not found in a request by chance."""


class Traffic:
    """A ``Look`` into a service's log: what was sent is in a request, the rest in none.

    Args:
        requests: the requests since the last call, as the emulator's log has them: ``path`` and
            ``query`` decoded, ``body`` as JSON or text.
        shown: by column (``column->>`` for keys of a JSON column); others show as they are.
    """

    def __init__(
        self, requests: Callable[[], Sequence[Mapping[str, Any]]], shown: Mapping[str, Shown]
    ) -> None:
        self._requests = requests
        self._shown = shown
        self._late: frozenset[str] = frozenset()

    def __call__(self, asked: RunCase) -> str | None:
        """What is wrong; None if nothing is."""
        arrived = "\n".join(map(_text, self._requests()))
        # What was under way when the statement before was given up may arrive now.
        late, self._late = self._late, frozenset(asked.texts)
        if asked.refused:
            return None
        if not arrived:
            return "rows came without a request" if asked.rows else None
        for text in (one for one in asked.foreign if one not in late):
            if len(text) >= _TELLING and any(one in arrived for one in _spellings(text)):
                return f"{text!r:.80} was not sent, and is in a request:\n{arrived:.900}"
        for field, text in self._missing(asked, arrived):
            return f"{field} {text!r:.80} was sent, and is in no request:\n{arrived:.900}"
        return None

    def _missing(self, asked: RunCase, arrived: str) -> Iterator[tuple[Field, str]]:
        """What should have arrived, and has not."""
        values = list(self._values_to_arrive(asked.scans))
        came = [any(one in arrived for one in _spellings(text)) for _, text in values]
        # At LIMIT SQLite stops: of several keys those after the first need not be asked for.
        limited = asked.case.limit is not None
        begun = {field for (field, _), there in zip(values, came, strict=True) if there and limited}
        for (field, text), there in zip(values, came, strict=True):
            if not there and field not in begun:
                yield field, text

    def _values_to_arrive(self, scans: Sequence[Scan]) -> Iterator[tuple[Field, str]]:
        for scan in scans:
            # With LIMIT the reading may have stopped before.
            leaves = _leaves(scan.where) if scan.limit is None else ()
            for field, op, value in leaves:
                if not _counts(scan, field, op, value):
                    continue
                show = self._shown.get(field.column + ("" if field.key is None else "->>"))
                text = str(value) if show is None else show(scan, field, op, value)
                if text:
                    yield field, text


def _counts(scan: Scan, field: Field, op: Op, value: Value) -> bool:
    """Of several equalities of one column a request can have one: see ``Scan.given``."""
    given = scan.given(field.column) if field.key is None else None
    return given is None or op not in EQUALITY or value in given


def _leaves(predicate: Predicate) -> Iterator[tuple[Field, Op, Value]]:
    """What has to hold; of alternatives a request need not have any."""
    match predicate:
        case AllOf(terms):
            for term in terms:
                yield from _leaves(term)
        case Compare(field, op, operand):
            yield from ((field, op, value) for value in known(operand))
        case Member(field, operands, negated):
            op = Op.NOT_IN if negated else Op.IN
            yield from ((field, op, value) for value in known(*operands))


def _spellings(text: str) -> tuple[str, ...]:
    """As it is; a time also as JSON has it, without zeros that may be left out."""
    if not _TIME.match(text):
        return (text,)
    return text, text.replace(" ", "T").rstrip("0").rstrip(".")


def _text(request: Mapping[str, Any]) -> str:
    body = json.dumps(request["body"], ensure_ascii=False) if request["body"] else ""
    query = " ".join(f"{name}={value}" for name, value in request["query"].items())
    return f"{request['method']} {request['path']} {query} {body}"
