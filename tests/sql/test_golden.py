"""Golden pairs: a statement, and what the statement rewriter found in it for each table occurrence.

``golden/*.sql`` are readable by anyone who reads SQL. A statement is followed by lines that begin
with ``-->``, one fact each; ``--> nothing`` where no table of ours is read. To add a pair, write the
statement with ``--> ?`` behind it: the failing test prints the facts, to be checked by eye.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from sql_tables import TestCatalog

from sessions_vtab.contract.predicate import to_sql
from sessions_vtab.errors import SessionsError
from sessions_vtab.sql.analysis import analyse
from sessions_vtab.sql.conditions import TimeOperand
from sessions_vtab.sql.lexer import classify, tokenize
from sessions_vtab.sql.occurrences import Occurrence
from sessions_vtab.sql.parameters import number
from sessions_vtab.sql.plan_arguments import splice_plans
from sessions_vtab.sql.rewrite import rewrite
from sessions_vtab.sql.shapes import partners
from sessions_vtab.sql.source import parsed
from sessions_vtab.sql.targets import creates_table

_QUOTED = 200
"""Characters of an error that a golden file holds: enough to tell the reasons apart."""


def _pairs() -> list[tuple[str, str, list[str]]]:
    """Place, statement and facts of every pair."""
    pairs = []
    for path in sorted((Path(__file__).parent / "golden").glob("*.sql")):
        statement: list[str] = []
        facts: list[str] = []
        for place, line in enumerate([*path.read_text(encoding="utf-8").splitlines(), "--end"], 1):
            if line.startswith("--> "):
                facts.append(line.removeprefix("--> "))
            elif facts:
                pairs.append((f"{path.stem}:{place - len(facts)}", "\n".join(statement), facts))
                statement, facts = [], []
            if line and not line.startswith("--"):
                statement.append(line)
    return pairs


def _facts(text: str) -> list[str]:
    try:
        rewritten = rewrite(text, TestCatalog())
    except SessionsError as error:
        return [f"{type(error).__name__}: {str(error)[:_QUOTED]}"]
    found = [fact for one in _occurrences(text) for fact in _about(one)]
    assert rewritten.touched == bool(
        rewritten.plans
        or rewritten.returning
        or (rewritten.effect and rewritten.effect.edits)
        or (rewritten.conflict and rewritten.conflict.edits)
        # A condition is said in a query, or a RIGHT JOIN is turned round.
        or rewritten.text.count("SELECT") > text.count("SELECT")
        or rewritten.text.count("RIGHT") < text.count("RIGHT")
    )
    return found or ["nothing"]


def _occurrences(text: str) -> list[Occurrence]:
    return _analysed(text)[0]


def _analysed(text: str) -> tuple[list[Occurrence], list[TimeOperand]]:
    """What the tree says, also where the statement rewriter does not ask for it."""
    tokens = tokenize(text)
    kind = classify(tokens)
    if kind.verb == "CREATE" and not creates_table(tokens, kind):
        return [], []
    source = parsed(text, tokens, kind, number(tokens))
    return ([], []) if source is None else analyse(source, TestCatalog())


def _about(one: Occurrence) -> list[str]:
    facts = []
    if one.predicate is not None:
        values = ", ".join(atom.text for atom in one.atoms)
        facts.append(f"pushed {to_sql(one.predicate)}" + (f" [{values}]" if values else ""))
    facts += [
        f"{condition.role} {condition.text}"
        for condition in one.conditions
        if condition.role != "pushed"
    ]
    facts += [
        f"from {join.source.label}.{join.source_column} to {join.column}" for join in one.joins
    ]
    if one.key_source is not None:
        conditions = " AND ".join(one.key_source.conditions) or "all rows"
        facts.append(f"ahead {one.key_source.key} to {one.key_source.column} of {conditions}")
    facts += [f"order {one.order}"] if one.order else []
    facts += [f"limit {one.limit}"] if one.limit else []
    return [f"{one.alias}: {' '.join(fact.split())}" for fact in facts or ["everything"]]


@pytest.mark.parametrize(
    ("statement", "facts"), [pytest.param(text, facts, id=place) for place, text, facts in _pairs()]
)
def test_what_is_found_in_a_statement(statement: str, facts: list[str]) -> None:
    assert _facts(statement) == facts


@pytest.mark.parametrize("statement", [pytest.param(text, id=place) for place, text, _ in _pairs()])
def test_a_statement_that_is_not_parsed_has_nothing_to_push(statement: str) -> None:
    try:
        rewritten = rewrite(statement, TestCatalog())
    except SessionsError:
        return
    tokens = tokenize(statement)
    occurrences, times = _analysed(statement)
    _, wanted, _ = splice_plans(tokens, partners(tokens), occurrences)
    assert rewritten.plans == wanted
    assert set(rewritten.times) == {one for one in times if one.number is not None}


def test_there_are_enough_pairs_and_none_twice() -> None:
    statements = [statement for _, statement, _ in _pairs()]
    assert len(set(statements)) == len(statements)
    assert len(statements) >= 150
