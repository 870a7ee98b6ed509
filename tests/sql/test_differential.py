"""Random statements: our tables with plans answer as native tables do.

The virtual table believes every plan, so one wrong push loses a row. DIFFERENTIAL=100000 runs that
many statements in place of the 2 000 that CI runs.
"""

from __future__ import annotations

import os

import apsw
import pytest
from statement_grammar import rows, statement
from strict_table import Pair

_COUNT = int(os.environ.get("DIFFERENTIAL", "2000"))
_START = int(os.environ.get("DIFFERENTIAL_START", "0"))
_CHUNK = 500
_ROWS = {"ta": rows(1, 12), "tb": rows(2, 9)}

# Statements that once answered wrongly, with what was wrong.
_ONCE_WRONG = [
    pytest.param(
        "SELECT name FROM ta WHERE lower(labels->>'env') = ?",
        ("1",),
        id="lower() makes text of a JSON number",
    ),
    pytest.param(
        "DELETE FROM ta WHERE n NOT IN (1.0, ?) OR (lower(labels->>'env') = ? AND n IS NOT NULL)",
        ("y", "1"),
        id="the same inside an OR",
    ),
    pytest.param(
        "SELECT q2.a FROM (SELECT * FROM tb WHERE '1.0' == n) q1 RIGHT JOIN ta q2 ON q1.n = q2.a"
        " WHERE q1.name NOT IN (?) ORDER BY 1 DESC LIMIT 1",
        ("",),
        id="SQLite itself, with native tables",
    ),
    pytest.param(
        "SELECT name FROM ta WHERE NOT (+n = '1' OR a == 'x')", (), id="unary plus has no affinity"
    ),
]

# WHERE labels = 'y' AND labels->>'k' = 1: SQLite reads 'y' as JSON in the second, and whether it
# gets there depends on the order of its joins.
_UNDECIDED = ["malformed JSON"]


def _answer(connection: apsw.Connection, text: str, values: object) -> list[str] | None:
    """Rows as sorted text; None for a statement that SQLite refuses."""
    try:
        return sorted(map(repr, connection.execute(text, values)))  # type: ignore[arg-type]
    except apsw.Error as error:
        return _UNDECIDED if "malformed JSON" in str(error) else None


def _check(text: str, given: object, pair: Pair) -> tuple[bool, bool]:
    """Compares one statement; answers whether a predicate was pushed, and cut rows."""
    expected = _answer(pair.native, text, given)
    if expected is None or expected is _UNDECIDED:
        return False, False
    rewritten = pair.rewrite(text)
    values = rewritten.bind(given)
    before = pair.cut
    found = _answer(pair.ours, rewritten.choose(values), values)
    if found is _UNDECIDED:
        return False, False
    if rewritten.kind.changes:
        expected = sorted(
            map(repr, pair.native.execute("SELECT * FROM ta UNION ALL SELECT * FROM tb"))
        )
        found = sorted(
            repr(row) for module in pair.modules.values() for row in module.rows.values()
        )
    elif found != expected:
        # SQLite has errors of its own, which native tables show and virtual ones do not.
        expected = _answer(pair.ours, rewritten.plain, values)
    assert found == expected, f"{text}\n{given}\n{rewritten.text}"
    pushed = any(plan.predicate is not None for plan in rewritten.plans.values())
    return pushed and rewritten.may_push(values), pair.cut > before


@pytest.mark.parametrize("start", range(_START, _START + _COUNT, _CHUNK))
def test_rewritten_statements_answer_as_native_tables_do(start: int) -> None:
    pair, pushed, cut = Pair(_ROWS), 0, 0
    for seed in range(start, start + _CHUNK):
        text, given = statement(seed)
        changes = text.startswith(("UPDATE", "DELETE"))
        has_pushed, has_cut = _check(text, given, Pair(_ROWS) if changes else pair)
        pushed += has_pushed
        cut += has_cut
    # The grammar must keep asking for what is tested.
    assert pushed > _CHUNK * 0.4
    assert cut > _CHUNK * 0.3


@pytest.mark.parametrize(("text", "values"), _ONCE_WRONG)
def test_statements_that_once_failed_stay_right(text: str, values: tuple[object, ...]) -> None:
    _check(text, values, Pair(_ROWS))
