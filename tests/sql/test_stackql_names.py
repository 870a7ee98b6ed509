"""Names in StackQL's text: what the translation answers is what SQLite answers to the original.

The oracle is a plain table whose columns have StackQL's names; the translation runs over one whose
columns have ours. Headings are compared as well as rows.
"""

from __future__ import annotations

import apsw
import pytest

from sessions_vtab.errors import StatementError
from sessions_vtab.sql.stackql.dialect import RESOURCES, Translation
from sessions_vtab.sql.stackql.naming import Sources
from sessions_vtab.sql.stackql.translate import translate

_T = "google.aiplatform.sessions"
_E = "google.aiplatform.events"
_W = "projectsId = 'p' AND locationsId = 'l' AND reasoningEnginesId = '1'"
_SW = "s.projectsId = 'p' AND s.locationsId = 'l' AND s.reasoningEnginesId = '1'"
_STAR = "name, createTime, displayName, expireTime, labels, sessionState, ttl, updateTime, userId"
_ROWS = [
    {"name": "n1", "sessionsId": "s1", "userId": "zoe", "displayName": "B", "createTime": "3"},
    {"name": "n2", "sessionsId": "s2", "userId": "ann", "displayName": "A", "createTime": "1"},
    {"name": "n3", "sessionsId": "s3", "userId": "ann", "displayName": "C", "createTime": "2"},
]
_EVENT_ROWS = [
    {"name": "e1", "sessionsId": "s1", "author": "user", "timestamp": "1"},
    {"name": "e2", "sessionsId": "s2", "author": "agent", "timestamp": "2"},
    {"name": "e3", "sessionsId": "s2", "author": "user", "timestamp": "3"},
]
_SCOPE = {"projectsId": "p", "locationsId": "l", "reasoningEnginesId": "1"}


@pytest.fixture(scope="module")
def db() -> apsw.Connection:
    connection = apsw.Connection(":memory:")
    for resource, rows in (("sessions", _ROWS), ("events", _EVENT_ROWS)):
        names = RESOURCES[resource].names
        spelled = [column.name for column in RESOURCES[resource].columns]
        spelled += list(RESOURCES[resource].parameters)
        ours = dict.fromkeys(names.values())
        connection.execute(f"CREATE TABLE {resource}({', '.join(ours)})")
        connection.execute(f"CREATE TABLE stackql_{resource}({', '.join(spelled)})")
        for row in rows:
            given = {"labels": '{"k": "1", "j": "2"}'} if resource == "sessions" else {}
            full: dict[str, str] = {**_SCOPE, **given, **row}
            values = tuple(full.values())
            marks = ", ".join("?" * len(full))
            mine = ", ".join(names[name.lower()] for name in full)
            connection.execute(f"INSERT INTO {resource}({mine}) VALUES ({marks})", values)
            connection.execute(
                f"INSERT INTO stackql_{resource}({', '.join(full)}) VALUES ({marks})", values
            )
    connection.execute("CREATE TABLE wanted(sessionsId, userId)")
    connection.execute("INSERT INTO wanted VALUES ('s1', 'u'), ('s9', 'v')")
    return connection


def _translated(db: apsw.Connection, text: str) -> str:
    def columns_of(table: str) -> list[str]:
        found = db.execute("SELECT name FROM pragma_table_xinfo(?)", (table,))
        return [str(name) for (name,) in found]

    query = translate(text, Sources(columns_of=columns_of))
    assert isinstance(query, Translation)
    return query.sql


def _answer(db: apsw.Connection, text: str) -> tuple[list[str], list[tuple[object, ...]]]:
    """Headings and rows."""
    cursor = db.execute(text)
    try:
        headings = [one[0] for one in cursor.get_description()]
    except apsw.ExecutionCompleteError:
        headings = []
    return headings, [tuple(row) for row in cursor]


@pytest.mark.parametrize(
    "text",
    [
        # The columns of anything but the resource keep their names.
        f"SELECT userId FROM (SELECT userId, sessionsId FROM {_T} WHERE {_W}) d WHERE sessionsId = 's1'",
        f"SELECT d.userId, d.createTime FROM (SELECT displayName AS userId, 1 createTime FROM {_T} WHERE {_W}) d",
        f"SELECT * FROM (SELECT userId, 1 AS createTime FROM {_T} WHERE {_W})",
        f"WITH w AS (SELECT userId, displayName d FROM {_T} WHERE {_W}) SELECT userId, d FROM w ORDER BY userId, d",
        f"WITH w(userId) AS (SELECT displayName FROM {_T} WHERE {_W}) SELECT userId FROM w ORDER BY userId",
        f"WITH userId AS MATERIALIZED (SELECT name FROM {_T} WHERE {_W}) SELECT name FROM userId ORDER BY 1",
        f"WITH RECURSIVE n(userId) AS (SELECT 1 UNION ALL SELECT userId + 1 FROM n WHERE userId < 3) SELECT n.userId, s.userId FROM n, {_T} s WHERE {_W} ORDER BY 1, 2",
        f"SELECT key, j.value FROM {_T} s, json_each(s.labels) j WHERE {_W} AND s.sessionsId = 's1'",
        f"SELECT key FROM {_T}, json_each(labels) WHERE {_W} AND sessionsId = 's1' ORDER BY key",
        f"SELECT userId FROM {_T} WHERE {_W} AND sessionsId IN (SELECT sessionsId FROM wanted)",
        f"SELECT userId FROM {_T} WHERE {_W} AND NOT EXISTS (SELECT 1 FROM wanted w WHERE w.sessionsId = sessionsId)",
        f"SELECT s.userId, w.userId FROM {_T} s LEFT JOIN wanted w ON w.sessionsId = s.sessionsId WHERE {_SW} ORDER BY 1, 2",
        f"SELECT userId, (SELECT count(*) FROM json_each(labels) WHERE key <> userId) AS n FROM {_T} WHERE {_W} ORDER BY 1, 2",
        f"SELECT x.userId FROM (SELECT s.userId, 1 one FROM {_T} s WHERE {_SW}) x ORDER BY 1",
        f"SELECT userId FROM (SELECT * FROM (SELECT userId FROM {_T} WHERE {_W})) ORDER BY userId",
        # An outer resource is seen from within, unless something nearer has the name.
        f"SELECT userId FROM {_T} s WHERE {_W} AND EXISTS (SELECT 1 FROM wanted WHERE wanted.sessionsId = s.sessionsId)",
        f"SELECT (SELECT count(*) FROM {_E} e WHERE {_W} AND e.sessionsId = s.sessionsId) n, userId FROM {_T} s WHERE {_W} ORDER BY 1, 2",
        f"SELECT (SELECT group_concat(userId) FROM wanted) FROM {_T} WHERE {_W} AND sessionsId = 's1'",
        # ORDER BY: an alias comes before a column; elsewhere a column before an alias.
        f"SELECT displayName AS userId FROM {_T} WHERE {_W} ORDER BY userId LIMIT 1",
        f"SELECT userId AS displayName, displayName AS userId FROM {_T} WHERE {_W} ORDER BY displayName DESC LIMIT 1",
        f"SELECT displayName userId FROM {_T} WHERE {_W} ORDER BY userId COLLATE NOCASE DESC",
        f"SELECT displayName AS userId FROM {_T} WHERE {_W} ORDER BY userId || '', displayName",
        f"SELECT userId AS create_time FROM {_T} WHERE {_W} ORDER BY createTime",
        f"SELECT displayName AS userId FROM {_T} WHERE {_W} AND userId = 'ann' ORDER BY 1",
        f"SELECT displayName AS userId, count(*) FROM {_T} WHERE {_W} GROUP BY userId ORDER BY 1",
        f"SELECT userId u, max(createTime) FROM {_T} WHERE {_W} GROUP BY userId HAVING max(createTime) > '2' ORDER BY u",
        f"SELECT userId FROM {_T} WHERE {_W} UNION SELECT displayName FROM {_T} WHERE {_W} ORDER BY userId",
        f"SELECT displayName AS createTime FROM {_T} WHERE {_W} UNION ALL SELECT userId FROM {_T} WHERE {_W} ORDER BY createTime DESC LIMIT 2",
        f"SELECT sessionsId, row_number() OVER (PARTITION BY userId ORDER BY createTime) r FROM {_T} WHERE {_W} ORDER BY 1",
        f"SELECT sessionsId, sum(1) OVER createTime AS r FROM {_T} WHERE {_W} WINDOW createTime AS (ORDER BY createTime) ORDER BY 1",
        # Qualifiers and joins.
        f"SELECT sessions.userId, displayName FROM {_T} WHERE {_W} ORDER BY sessions.createTime",
        f"SELECT s.userId, e.author FROM {_T} s JOIN {_E} e ON e.sessionsId = s.sessionsId WHERE {_SW} AND e.projectsId = 'p' AND e.locationsId = 'l' AND e.reasoningEnginesId = '1' ORDER BY e.timestamp",
        f"SELECT s.userId, w.userId AS u FROM {_T} s JOIN wanted w USING (sessionsId) WHERE {_SW}",
        f"SELECT w.userId AS u, s.userId FROM wanted w LEFT JOIN {_T} s USING (sessionsId) WHERE s.projectsId = 'p' AND s.locationsId = 'l' AND s.reasoningEnginesId = '1' ORDER BY 1",
        f"WITH w AS (SELECT sessionsId, count(*) AS n FROM {_E} WHERE {_W} AND sessionsId IN ('s1', 's2') GROUP BY sessionsId) SELECT s.userId, n FROM {_T} s JOIN w USING (sessionsId) WHERE {_SW} ORDER BY 1, 2",
        f"SELECT s.userId, d.n FROM {_T} s JOIN (SELECT sessionsId, userId, 1 AS n FROM wanted) AS d USING (sessionsId) WHERE {_SW}",
        f"SELECT CAST(userId AS text) x, s.displayName IS NULL n FROM {_T} AS s WHERE {_W} AND s.createTime BETWEEN '1' AND '2' ORDER BY 1",
        f"SELECT CASE userId WHEN 'ann' THEN displayName ELSE name END AS createTime FROM {_T} WHERE {_W} ORDER BY createTime",
    ],
)
def test_the_translation_answers_as_sqlite_does_to_the_original(
    db: apsw.Connection, text: str
) -> None:
    original = text
    for resource in RESOURCES:
        named = f"google.aiplatform.{resource}"
        # Without an alias the plain table needs the resource's name for its qualifiers.
        for behind in (" WHERE", ",", ")"):
            original = original.replace(named + behind, f"stackql_{resource} AS {resource}{behind}")
        original = original.replace(named, f"stackql_{resource}")
    assert _answer(db, _translated(db, text)) == _answer(db, original)


@pytest.mark.parametrize(
    ("items", "source", "expected"),
    [
        ("*", f"{_T}", _STAR),
        ("s.*", f"{_T} s", _STAR),
        ("*, 1 AS one", f"{_T} s", f"{_STAR}, 1 AS one"),
        ("*", f"{_T} s, json_each(s.labels) j", f"{_STAR}, j.*"),
        ("j.*", f"{_T} s, json_each(s.labels) j", "j.*"),
        ("*", f"(SELECT 5 AS userId) x, {_T} s", f"x.*, {_STAR.replace('userId', 's.userId')}"),
        ("*", f"(SELECT 5 AS five), {_T} s", f"5 AS five, {_STAR}"),
    ],
)
def test_a_star_is_the_columns_of_each_item(
    db: apsw.Connection, items: str, source: str, expected: str
) -> None:
    plain = source.replace(_T, "stackql_sessions")
    headings, rows = _answer(db, _translated(db, f"SELECT {items} FROM {source} WHERE {_W}"))
    wanted_headings, wanted = _answer(db, f"SELECT {expected} FROM {plain} WHERE {_W}")
    assert headings == wanted_headings
    assert sorted(rows, key=repr) == sorted(wanted, key=repr) != []


def test_a_name_of_a_resource_and_of_another_item_is_ambiguous(db: apsw.Connection) -> None:
    text = f"SELECT userId FROM (SELECT 5 AS userId) x, {_T} s WHERE {_W}"
    with pytest.raises(StatementError, match="ambiguous column name: userId"):
        _translated(db, text)


@pytest.mark.parametrize(
    "text",
    [
        f"INSERT INTO wanted SELECT sessionsId, userId FROM {_T} WHERE {_W}",
        f"UPDATE wanted SET userId = (SELECT userId FROM {_T} WHERE {_W} AND sessionsId = wanted.sessionsId)",
        f"DELETE FROM wanted WHERE sessionsId NOT IN (SELECT sessionsId FROM {_T} WHERE {_W})",
    ],
)
def test_a_table_of_the_users_own_may_be_changed_by_what_is_read(
    db: apsw.Connection, text: str
) -> None:
    found = []
    for one in (_translated(db, text), text.replace(_T, "stackql_sessions")):
        db.execute("BEGIN")
        db.execute(one)
        found.append(db.execute("SELECT * FROM wanted ORDER BY 1, 2").fetchall())
        db.execute("ROLLBACK")
    assert found[0] == found[1] != [("s1", "u"), ("s9", "v")]


@pytest.mark.parametrize(
    ("value", "bound", "expected"),
    [("NULL", (), None), ("?", (None,), None), ("?", ("",), "B"), ("?", ("x",), "x")],
)
def test_set_null_clears_and_an_empty_text_is_not_sent(
    db: apsw.Connection, value: str, bound: tuple[object, ...], expected: str | None
) -> None:
    text = f"UPDATE {_T} SET data__displayName = {value} WHERE {_W} AND sessionsId = 's1'"
    db.execute("BEGIN")
    db.execute(_translated(db, text), bound)
    found = db.execute("SELECT display_name FROM sessions WHERE session_id = 's1'").get
    db.execute("ROLLBACK")
    assert found == expected
