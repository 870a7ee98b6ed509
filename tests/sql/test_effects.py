from __future__ import annotations

from typing import Any

import apsw
import pytest

from sessions_vtab.contract.functions import FUNCTIONS
from sessions_vtab.contract.model import Column, ColumnType, Function
from sessions_vtab.errors import UnsupportedError
from sessions_vtab.sql.effects import Effect, effect_of, mentioned
from sessions_vtab.sql.lexer import apply, classify, tokenize
from sessions_vtab.sql.parameters import number
from sessions_vtab.sql.shapes import partners

_NAMES = frozenset(("act",))
_ACT = Function(
    "act",
    (Column("session", ColumnType.TEXT, "Id."), Column("who", ColumnType.TEXT, "Who.")),
    (Column("event", ColumnType.TEXT, "Id."), Column("author", ColumnType.TEXT, "Who.")),
    "Acts.",
)


def _effect(text: str) -> Effect | None:
    tokens = tokenize(text)
    pairs = partners(tokens)
    found = mentioned(tokens, pairs, _NAMES, lambda schema, _: None if schema == "other" else _ACT)
    return effect_of(tokens, classify(tokens), pairs, found) if found else None


def _rewritten(text: str) -> str:
    effect = _effect(text)
    assert effect is not None
    return apply(text, effect.edits)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("SELECT * FROM act('s')", "SELECT * FROM act('s')"),
        (
            "SELECT * FROM k, act(k.id)",
            "SELECT * FROM (SELECT * FROM k LIMIT -1) AS k CROSS JOIN act(k.id)",
        ),
        (
            "SELECT * FROM k,act(k.id)",
            "SELECT * FROM (SELECT * FROM k LIMIT -1) AS k CROSS JOIN act(k.id)",
        ),
        (
            "SELECT * FROM k AS x JOIN act(x.id) a",
            "SELECT * FROM (SELECT * FROM k AS x LIMIT -1) AS x CROSS JOIN act(x.id) a",
        ),
        (
            "SELECT * FROM main.k x CROSS JOIN p.act(x.id)",
            "SELECT * FROM (SELECT * FROM main.k x LIMIT -1) AS x CROSS JOIN p.act(x.id)",
        ),
        (
            "SELECT * FROM main.k INNER JOIN act(k.id)",
            "SELECT * FROM (SELECT * FROM main.k LIMIT -1) AS k CROSS JOIN act(k.id)",
        ),
        (
            "SELECT * FROM k x NOT INDEXED, act(x.id)",
            "SELECT * FROM (SELECT * FROM k x NOT INDEXED LIMIT -1) AS x CROSS JOIN act(x.id)",
        ),
        (
            "SELECT * FROM k INDEXED BY i, act(k.id)",
            "SELECT * FROM (SELECT * FROM k INDEXED BY i LIMIT -1) AS k CROSS JOIN act(k.id)",
        ),
        (
            "SELECT * FROM (SELECT 1 AS id) q, act(q.id)",
            "SELECT * FROM (SELECT * FROM (SELECT 1 AS id) q LIMIT -1) AS q CROSS JOIN act(q.id)",
        ),
        (
            "SELECT * FROM (VALUES (1)), act(column1)",
            "SELECT * FROM (SELECT * FROM (VALUES (1)) LIMIT -1) CROSS JOIN act(column1)",
        ),
        (
            "SELECT * FROM json_each(?) j, act(j.value)",
            "SELECT * FROM (SELECT * FROM json_each(?) j LIMIT -1) AS j CROSS JOIN act(j.value)",
        ),
        (
            "WITH c AS (SELECT 1 AS id) SELECT * FROM c, act(c.id)",
            "WITH c AS (SELECT 1 AS id) SELECT * FROM (SELECT * FROM c LIMIT -1) AS c CROSS JOIN act(c.id)",
        ),
        (
            "SELECT * FROM act('s') WHERE a = 1 OR b = 2 -- c",
            "SELECT * FROM act('s') WHERE (a = 1 OR b = 2) IS TRUE -- c",
        ),
        (
            "SELECT * FROM act(1) WHERE a BETWEEN 1 AND 2 AND b",
            "SELECT * FROM act(1) WHERE (a BETWEEN 1 AND 2) IS TRUE AND (b) IS TRUE",
        ),
        (
            "INSERT INTO t SELECT id FROM k, act(k.id) RETURNING *",
            "INSERT INTO t SELECT id FROM (SELECT * FROM k LIMIT -1) AS k CROSS JOIN act(k.id) RETURNING *",
        ),
        (
            "CREATE TEMP TABLE r AS SELECT * FROM act(1)",
            "CREATE TEMP TABLE r AS SELECT * FROM act(1)",
        ),
        (
            "SELECT count(*), id FROM k, act(k.id) GROUP BY id ORDER BY 1",
            "SELECT count(*), id FROM (SELECT * FROM k LIMIT -1) AS k CROSS JOIN act(k.id) GROUP BY id ORDER BY 1",
        ),
    ],
)
def test_the_accepted_shape_is_made_definite(text: str, expected: str) -> None:
    assert _rewritten(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "SELECT 1 FROM k x, undelete_session(x.id) WHERE x.a = ? AND response > ?",
            (
                "SELECT 1 FROM (SELECT * FROM k x WHERE (x.a = ?1) LIMIT -1) AS x"
                " CROSS JOIN undelete_session(x.id) WHERE TRUE AND (response > ?) IS TRUE"
            ),
        ),
        (
            "SELECT 1 FROM k, undelete_session(k.id) u WHERE shy OR EXISTS (SELECT 1 WHERE k.b)",
            (
                "SELECT 1 FROM (SELECT * FROM k WHERE (shy OR EXISTS (SELECT 1 WHERE k.b)) LIMIT -1)"
                " AS k CROSS JOIN undelete_session(k.id) u WHERE TRUE"
            ),
        ),
        (
            "SELECT 1 FROM k, undelete_session(k.id) u WHERE k.shy = u.response",
            (
                "SELECT 1 FROM (SELECT *, shy FROM k LIMIT -1) AS k CROSS JOIN"
                " undelete_session(k.id) u WHERE (k.shy = u.response) IS TRUE"
            ),
        ),
        (
            "SELECT k.Shy, u.* FROM main.k, undelete_session(shy) u ORDER BY k.shy",
            (
                "SELECT k.Shy, u.* FROM (SELECT *, shy FROM main.k LIMIT -1) AS k CROSS JOIN"
                " undelete_session(shy) u ORDER BY k.shy"
            ),
        ),
        (
            "SELECT o.shy FROM (SELECT shy FROM k) o, undelete_session(o.shy)",
            (
                "SELECT o.shy FROM (SELECT * FROM (SELECT shy FROM k) o LIMIT -1) AS o CROSS JOIN"
                " undelete_session(o.shy)"
            ),
        ),
        (
            "SELECT 1 FROM k, undelete_session(k.id) u WHERE (k.id, k.shy) IN (SELECT a, b FROM w)",
            (
                "SELECT 1 FROM (SELECT *, shy FROM k LIMIT -1) AS k CROSS JOIN undelete_session"
                "(k.id) u WHERE ((k.id, k.shy) IN (SELECT a, b FROM w)) IS TRUE"
            ),
        ),
        (
            "SELECT CAST(1 AS shy) FROM k, undelete_session(k.id) u WHERE u.name IN (SELECT 1)",
            (
                "SELECT CAST(1 AS shy) FROM (SELECT * FROM k LIMIT -1) AS k CROSS JOIN"
                " undelete_session(k.id) u WHERE (u.name IN (SELECT 1)) IS TRUE"
            ),
        ),
    ],
    ids=[
        "moved",
        "with a query",
        "beside the function",
        "used outside",
        "a query",
        "a row",
        "a type",
    ],
)
def test_conditions_move_into_the_item_and_its_hidden_columns_are_kept(
    text: str, expected: str
) -> None:
    """The table ``k`` has one hidden column, ``shy``."""
    tokens = tokenize(text)
    pairs = partners(tokens)
    names = frozenset(("undelete_session",))
    effect = effect_of(
        tokens,
        classify(tokens),
        pairs,
        mentioned(tokens, pairs, names, lambda _, name: FUNCTIONS[name]),
        numbers=number(tokens).numbers,
        hidden=lambda _, name: {"shy"} if name == "k" else set(),
    )

    assert apply(text, effect.edits) == expected


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("SELECT * FROM k LEFT JOIN act(k.id)", "outer or natural join"),
        ("SELECT * FROM k NATURAL JOIN act(k.id)", "outer or natural join"),
        ("SELECT * FROM k JOIN act(k.id) ON k.x", "ON or USING.*into WHERE"),
        ("SELECT * FROM k, j, act(k.id)", "one subquery"),
        ("SELECT * FROM act(1), k", "last in FROM"),
        ("SELECT * FROM (a JOIN b), act(a.id)", "a join in parentheses"),
        ("SELECT * FROM act(1) LIMIT 1", "LIMIT"),
        ("SELECT DISTINCT 1 FROM act(1)", "DISTINCT"),
        ("SELECT max(id) FROM k, act(k.id)", "max"),
        ("SELECT 1 FROM k, act(k.id) GROUP BY id HAVING id > 1", "HAVING"),
        ("SELECT 1 FROM act(1) UNION SELECT 2", "UNION"),
        ("SELECT 1 UNION ALL SELECT 1 FROM act(1)", "UNION"),
        ("SELECT * FROM (SELECT * FROM act(1))", "subquery.*CREATE TEMP TABLE"),
        ("WITH c AS (SELECT * FROM act(1)) SELECT * FROM c", "subquery"),
        ("SELECT (SELECT 1 FROM act(1))", "subquery"),
        ("SELECT 1 WHERE EXISTS (SELECT 1 FROM act(1))", "subquery"),
        ("SELECT act(1)", "expression"),
        ("UPDATE t SET a = 1 FROM act(1)", "subquery"),
        ("INSERT INTO t VALUES ((SELECT 1 FROM act(1)))", "subquery"),
        ("CREATE VIEW v AS SELECT * FROM act(1)", "view or trigger"),
        ("CREATE TRIGGER t AFTER INSERT ON x BEGIN SELECT * FROM act(1); END", "view or trigger"),
        ("EXPLAIN SELECT * FROM act(1)", "EXPLAIN.*http_requests"),
        ("EXPLAIN QUERY PLAN SELECT * FROM act(1)", "EXPLAIN"),
        ("SELECT * FROM act(1), act(2)", "two side-effecting functions"),
        ("SELECT * FROM 'act'(1) LIMIT 1", "LIMIT"),
        ('SELECT * FROM "act"(1) LIMIT 1', "LIMIT"),
        ("SELECT * FROM act WHERE session = 's'", "a call without parentheses"),
        ("SELECT * FROM k, act WHERE session = k.id", "a call without parentheses"),
    ],
)
def test_every_other_shape_is_refused_with_the_hint(text: str, message: str) -> None:
    with pytest.raises(UnsupportedError, match=message):
        _effect(text)


@pytest.mark.parametrize(
    "text",
    [
        "SELECT act FROM k",
        "SELECT 'act(1)'",
        "SELECT * FROM k -- act(1)",
        "WITH act(x) AS (SELECT 1) SELECT * FROM act",
        "SELECT * FROM other.act(1)",
        "SELECT k.act FROM k, j",
    ],
)
def test_a_mere_name_is_not_a_call(text: str) -> None:
    assert _effect(text) is None


class _Act:
    """A function that counts how often it is called; SQLite may believe it is cheap or dear."""

    def __init__(self, cost: float) -> None:
        self.cost = cost
        self.calls: list[Any] = []

    def Connect(self, *_: object) -> tuple[str, _Act]:  # noqa: N802
        return "CREATE TABLE x(event TEXT, author TEXT, session HIDDEN, who HIDDEN)", self

    def BestIndexObject(self, info: apsw.IndexInfo) -> bool:  # noqa: N802
        number = 0
        for index in range(info.nConstraint):
            if info.get_aConstraint_op(index) != apsw.SQLITE_INDEX_CONSTRAINT_EQ:
                continue
            if info.get_aConstraint_iColumn(index) >= 2 and not info.get_aConstraint_usable(index):
                return False
            number += 1
            info.set_aConstraintUsage_argvIndex(index, number)
            info.set_aConstraintUsage_omit(index, info.get_aConstraint_iColumn(index) >= 2)
        info.estimatedCost, info.estimatedRows = self.cost, 1
        return number > 0

    def Open(self) -> _ActCursor:  # noqa: N802
        return _ActCursor(self)

    def Disconnect(self) -> None:  # noqa: N802
        return


class _ActCursor:
    def __init__(self, act: _Act) -> None:
        self.act = act
        self.read = False

    def Filter(self, _number: int, _name: str, values: tuple[Any, ...]) -> None:  # noqa: N802
        self.act.calls.append(values[0])
        self.read = False

    def Eof(self) -> bool:  # noqa: N802
        return self.read

    def Next(self) -> None:  # noqa: N802
        self.read = True

    def Column(self, number: int) -> object:  # noqa: N802
        return ("event", "user", self.act.calls[-1], None)[number] if number >= 0 else 0

    def Rowid(self) -> int:  # noqa: N802
        return 1

    def Close(self) -> None:  # noqa: N802
        return


@pytest.mark.parametrize("cost", [0.1, 1.0, 1e6])
@pytest.mark.parametrize(
    ("text", "ids"),
    [
        ("SELECT * FROM k, act(k.id)", [1, 2, 3, 4, 5]),
        ("SELECT * FROM k, act('same')", ["same"] * 5),
        ("SELECT count(*) FROM k, act(k.id)", [1, 2, 3, 4, 5]),
        ("SELECT 1 FROM k, act(k.id) ORDER BY k.id DESC", [1, 2, 3, 4, 5]),
        ("SELECT * FROM k, act(k.id) WHERE k.id > 2", [3, 4, 5]),
        ("SELECT * FROM k, act(k.id) WHERE k.id IN (2, 3)", [2, 3]),
        ("SELECT * FROM k, act(k.id) WHERE k.id = 2 OR k.x = 'c'", [2, 3]),
        ("SELECT * FROM k, act(k.id) WHERE EXISTS (SELECT 1 FROM t WHERE t.id = k.id)", [2, 4]),
        (
            "SELECT * FROM (SELECT id FROM k WHERE EXISTS (SELECT 1 FROM t WHERE t.id = k.id)) x, act(x.id)",
            [2, 4],
        ),
        ("SELECT * FROM (SELECT id FROM k LIMIT 2) x, act(x.id)", [1, 2]),
        ("SELECT * FROM k, act(k.id) WHERE event = 'event' OR author = 'user'", [1, 2, 3, 4, 5]),
        (
            "SELECT * FROM k, act(k.id) WHERE event IN ('event', 'other') AND author = 'user'",
            [1, 2, 3, 4, 5],
        ),
        ("SELECT * FROM k, act(k.id) WHERE event = 'nosuch'", [1, 2, 3, 4, 5]),
        ("SELECT * FROM act('a') WHERE event = 'x' OR author = 'user'", ["a"]),
        ("SELECT * FROM act('a') WHERE event IN ('event', 'y')", ["a"]),
        ("SELECT * FROM k, act(k.id) WHERE 0", []),
        ("SELECT event, count(*) FROM k, act(k.x) GROUP BY event", ["a", "b", "c", "d", "e"]),
        ("WITH c AS (SELECT * FROM k, t WHERE k.id = t.id) SELECT * FROM c, act(c.id)", [2, 4]),
        ("INSERT INTO log SELECT event FROM k, act(k.id) WHERE k.id <> 1", [2, 3, 4, 5]),
        ("CREATE TABLE r AS SELECT event, k.id FROM k, act(k.id)", [1, 2, 3, 4, 5]),
        ("SELECT (SELECT count(*) FROM t WHERE t.id = k.id) FROM k, act(k.id)", [1, 2, 3, 4, 5]),
    ],
)
def test_sqlite_calls_it_once_for_each_row_of_its_arguments(
    text: str, ids: list[object], cost: float
) -> None:
    act = _Act(cost)
    connection = apsw.Connection(":memory:")
    connection.create_module(
        "act", act, use_bestindex_object=True, eponymous=True, eponymous_only=True
    )  # type: ignore[arg-type]
    connection.execute(
        "CREATE TABLE k(id INTEGER, x); CREATE TABLE t(id INTEGER); CREATE TABLE log(e)"
    )
    connection.execute(
        "INSERT INTO k VALUES (1,'a'),(2,'b'),(3,'c'),(4,'d'),(5,'e'); INSERT INTO t VALUES (2),(4),(9)"
    )
    list(connection.execute(_rewritten(text)))
    assert sorted(act.calls, key=str) == ids
