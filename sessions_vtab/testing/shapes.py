"""The query shapes of the conformance suite, as data.

``{sessions}`` and ``{events}`` stand for the tables, ``{s.*}`` for all visible columns of the
alias ``s``. The native tables ``people``, ``numbers``, ``moments`` and ``wanted`` are there too.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Final

from sessions_vtab.testing import conditions
from sessions_vtab.testing.joined_patterns import joined_patterns
from sessions_vtab.testing.oracle import Comparison

__all__ = ["SHAPES", "Shape"]


@dataclass(frozen=True, slots=True)
class Shape:
    """One query and how its answer is judged.

    Attributes:
        name: unique; group and number.
        sql: the text, with placeholders for the tables.
        bindings: a sequence or mapping.
        compare: how the answers are compared.
        keys: see ``oracle.difference``.
        limit: LIMIT clause that is appended; the oracle also answers without it.
        setup: a statement to run before, such as CREATE TEMP VIEW.
        teardown: the statement that undoes it.
        keyed: columns that every occurrence gives a value by ``=`` or IN, so that a table without
            a full scan can answer.
        columns: columns it needs beyond the core ones, as ``table.column``.
    """

    name: str
    sql: str
    bindings: Any = ()
    compare: Comparison = Comparison.MULTISET
    keys: tuple[int, ...] = ()
    limit: str = ""
    setup: str = ""
    teardown: str = ""
    keyed: frozenset[str] = frozenset()
    columns: frozenset[str] = frozenset()

    def __str__(self) -> str:
        return self.name


def _shapes(
    group: str, texts: Iterable[str | tuple[str, Any]], template: str = "{0}", **options: Any
) -> Iterator[Shape]:
    """A shape for each text, or text and bindings."""
    for number, one in enumerate(texts, 1):
        text, bindings = (one, ()) if isinstance(one, str) else one
        yield Shape(f"{group}-{number:02d}", template.replace("{0}", text), bindings, **options)


_ORDERED: Final = (
    "SELECT name FROM {sessions} ORDER BY name",
    "SELECT name FROM {sessions} ORDER BY name DESC",
    "SELECT name, create_time FROM {sessions} ORDER BY create_time, name",
    "SELECT name, create_time FROM {sessions} ORDER BY create_time DESC, name",
    "SELECT name, create_time FROM {sessions} ORDER BY create_time DESC, name DESC",
    "SELECT name FROM {sessions} ORDER BY display_name, name",
    "SELECT name FROM {sessions} ORDER BY display_name DESC, name",
    "SELECT name FROM {sessions} ORDER BY display_name NULLS LAST, name",
    "SELECT name FROM {sessions} ORDER BY display_name DESC NULLS FIRST, name",
    "SELECT name FROM {sessions} ORDER BY display_name COLLATE NOCASE, name",
    "SELECT name FROM {sessions} ORDER BY lower(display_name), name",
    "SELECT name FROM {sessions} ORDER BY user_id, create_time DESC, name",
    "SELECT name FROM {sessions} ORDER BY expire_time, update_time DESC, name",
    "SELECT name FROM {sessions} ORDER BY user_id, update_time, create_time, name DESC",
    "SELECT name FROM {sessions} ORDER BY labels->>'env', name",
    "SELECT name FROM {sessions} ORDER BY length(display_name) DESC, name",
    "SELECT name, user_id FROM {sessions} ORDER BY 2, 1",
    "SELECT name FROM {sessions} WHERE user_id = 'ann' ORDER BY create_time, name",
    "SELECT name FROM {sessions} WHERE name > 'sessions/s' ORDER BY name",
    "SELECT name FROM {sessions} ORDER BY create_time COLLATE BINARY, name",
    "SELECT name FROM {sessions} ORDER BY name LIMIT 5",
    "SELECT name FROM {sessions} ORDER BY name DESC LIMIT 5 OFFSET 3",
    "SELECT name FROM {sessions} ORDER BY create_time DESC, name LIMIT 10",
    "SELECT name FROM {sessions} ORDER BY name LIMIT 0",
    "SELECT name FROM {sessions} ORDER BY name LIMIT -1",
    "SELECT name FROM {sessions} ORDER BY name LIMIT -1 OFFSET 30",
    "SELECT name FROM {sessions} ORDER BY name LIMIT 5 OFFSET -3",
    "SELECT name FROM {sessions} ORDER BY name LIMIT 5 OFFSET 1000",
    "SELECT name FROM {sessions} ORDER BY name LIMIT 3, 4",
    ("SELECT name FROM {sessions} ORDER BY name LIMIT ?", (4,)),
    ("SELECT name FROM {sessions} ORDER BY name LIMIT ? OFFSET ?", (4, 2)),
    ("SELECT name FROM {sessions} ORDER BY name LIMIT ?", (-4,)),
    ("SELECT name FROM {sessions} ORDER BY name LIMIT :n OFFSET :m", {"n": 3, "m": 0}),
    "SELECT name FROM {sessions} WHERE user_id = 'ann' ORDER BY name LIMIT 2 OFFSET 1",
    "SELECT name FROM {sessions} WHERE display_name NOT IN ('a') ORDER BY name LIMIT 7 OFFSET 2",
    "SELECT name FROM {sessions} WHERE user_id IN ('ann', 'bob') ORDER BY name LIMIT 6 OFFSET 4",
    "SELECT name FROM {sessions} WHERE create_time > '2026-01-01' ORDER BY name LIMIT 4 OFFSET 1",
    "SELECT name FROM {events} ORDER BY timestamp DESC, name LIMIT 5",
    "SELECT name FROM {events} WHERE session_id = '1' ORDER BY timestamp DESC, name LIMIT 1",
    "SELECT DISTINCT user_id FROM {sessions} ORDER BY user_id",
    "SELECT DISTINCT create_time FROM {sessions} ORDER BY create_time DESC LIMIT 4",
    "SELECT name FROM {sessions} ORDER BY create_time, create_time DESC, name",
    "SELECT name FROM {sessions} ORDER BY create_time DESC, create_time, name DESC, name LIMIT 9",
    "SELECT name FROM {events} ORDER BY timestamp DESC, timestamp, name LIMIT 5",
)

_JOINS: Final = (
    "SELECT s.name, e.name FROM {sessions} s JOIN {events} e ON e.session_id = s.session_id",
    "SELECT s.name, e.name FROM {events} e JOIN {sessions} s ON e.session_id = s.session_id",
    "SELECT s.name, e.name FROM {sessions} s, {events} e WHERE e.session_name = s.name",
    "SELECT s.name, e.name FROM {sessions} s JOIN {events} e USING (session_id)",
    (
        "SELECT s.name, e.name FROM {sessions} s CROSS JOIN {events} e"
        " WHERE e.session_id = s.session_id AND s.user_id = 'ann'"
    ),
    "SELECT s.name, e.name FROM {sessions} s LEFT JOIN {events} e ON e.session_id = s.session_id",
    (
        "SELECT s.name, e.name FROM {sessions} s"
        " LEFT JOIN {events} e ON e.session_id = s.session_id AND e.author = 'user'"
    ),
    (
        "SELECT s.name, e.name FROM {sessions} s"
        " LEFT JOIN {events} e ON e.session_id = s.session_id WHERE e.author = 'user'"
    ),
    "SELECT a.name, b.name FROM {sessions} a LEFT JOIN {sessions} b ON b.display_name LIKE 'none%'",
    (
        "SELECT a.name, b.name FROM {sessions} a"
        " LEFT JOIN {sessions} b ON b.user_id = a.user_id AND b.display_name LIKE 'p%'"
    ),
    (
        "SELECT s.name, e.name FROM {sessions} s"
        " LEFT JOIN {events} e ON e.session_id = s.session_id WHERE e.name IS NULL"
    ),
    (
        "SELECT s.name, e.name FROM {sessions} s"
        " LEFT JOIN {events} e ON e.session_id = s.session_id AND s.user_id = 'ann'"
    ),
    (
        "SELECT s.name, e.name FROM {sessions} s"
        " LEFT JOIN {events} e ON e.timestamp = s.create_time WHERE s.user_id <> 'ann'"
    ),
    (
        "SELECT s.name, e.name FROM {sessions} s RIGHT JOIN {events} e"
        " ON e.session_id = s.session_id"
        " AND s.user_id = 'ann'"
    ),
    (
        "SELECT s.name, e.name FROM {sessions} s FULL JOIN {events} e"
        " ON e.session_id = s.session_id"
        " AND e.author = 'agent'"
    ),
    (
        "SELECT s.name, e.name FROM {sessions} s FULL JOIN {events} e"
        " ON e.session_id = s.session_id"
        " WHERE s.user_id = 'ann' OR e.author = 'agent'"
    ),
    (
        "SELECT a.name, b.name FROM {sessions} a JOIN {sessions} b"
        " ON a.user_id = b.user_id AND a.name < b.name"
    ),
    (
        "SELECT a.name, b.name FROM {sessions} a JOIN {sessions} b ON a.create_time = b.create_time"
        " WHERE a.name < b.name"
    ),
    (
        "SELECT a.name, b.name FROM {sessions} a LEFT JOIN {sessions} b"
        " ON b.display_name = a.user_id"
    ),
    (
        "SELECT a.name, b.name FROM {sessions} a LEFT JOIN {sessions} b"
        " ON b.create_time > a.create_time AND b.user_id = a.user_id"
    ),
    (
        "SELECT a.name, b.name, e.name FROM {sessions} a JOIN {sessions} b USING (user_id)"
        " JOIN {events} e ON e.session_id = b.session_id WHERE a.session_id = 's-a'"
    ),
    "SELECT s.name, p.age FROM {sessions} s JOIN people p ON p.user_id = s.user_id",
    "SELECT s.name, p.age FROM {sessions} s JOIN people p ON p.age = s.user_id",
    "SELECT s.name, p.age FROM people p JOIN {sessions} s ON s.user_id = p.age",
    "SELECT s.name, p.age FROM people p LEFT JOIN {sessions} s ON s.user_id = p.user_id",
    "SELECT s.name, p.age FROM {sessions} s JOIN people p ON p.nick = s.user_id",
    "SELECT s.name, p.age FROM {sessions} s JOIN people p ON s.user_id = p.nick",
    "SELECT s.name, p.age FROM {sessions} s RIGHT JOIN people p ON p.user_id = s.user_id",
    "SELECT s.name, n.n FROM {sessions} s JOIN numbers n ON n.n = s.session_id",
    "SELECT s.name, n.n FROM numbers n JOIN {sessions} s ON s.session_id = n.n",
    "SELECT s.name, n.n FROM numbers n CROSS JOIN {sessions} s ON s.session_id = n.n",
    "SELECT s.name, n.r FROM numbers n CROSS JOIN {sessions} s ON s.session_id = n.r",
    "SELECT s.name, n.n FROM numbers n CROSS JOIN {sessions} s ON s.session_id = n.x",
    "SELECT s.name, n.n FROM numbers n CROSS JOIN {sessions} s ON s.session_id > n.n",
    "SELECT s.name, n.n FROM numbers n CROSS JOIN {sessions} s ON s.session_id < n.n",
    "SELECT s.name, n.n FROM numbers n CROSS JOIN {sessions} s ON NOT s.session_id <= n.r",
    "SELECT s.name, n.n FROM numbers n CROSS JOIN {sessions} s ON s.create_time = n.n",
    "SELECT s.name, n.n FROM numbers n CROSS JOIN {sessions} s ON s.create_time > n.r",
    "SELECT s.name, m.label FROM {sessions} s JOIN moments m ON s.create_time = m.t",
    "SELECT s.name, m.label FROM {sessions} s JOIN moments m ON m.t = s.create_time",
    "SELECT s.name, m.label FROM moments m CROSS JOIN {sessions} s ON s.create_time = m.t",
    "SELECT s.name, m.label FROM moments m CROSS JOIN {sessions} s ON m.t = s.create_time",
    "SELECT s.name, m.label FROM moments m CROSS JOIN {sessions} s ON s.create_time < m.t",
    "SELECT s.name, m.label FROM moments m CROSS JOIN {sessions} s ON m.t > s.create_time",
    (
        "SELECT s.name, m.label FROM moments m LEFT JOIN {sessions} s ON s.create_time >= m.t"
        " AND s.user_id = 'ann'"
    ),
    "SELECT w.rank, s.name FROM wanted w LEFT JOIN {sessions} s ON s.name = w.name",
    "SELECT w.rank, s.name FROM wanted w LEFT JOIN {sessions} s ON s.session_id = w.session_id",
    "SELECT w.rank, s.name FROM wanted w LEFT JOIN {sessions} s ON s.session_id IS w.session_id",
    "SELECT s.name, w.rank FROM {sessions} s LEFT JOIN wanted w ON w.session_id = s.session_id",
    "SELECT count(*) FROM {sessions} NATURAL JOIN people",
    "SELECT s.name, x.value FROM {sessions} s, json_each(s.labels) x",
    "SELECT s.name, x.key FROM {sessions} s LEFT JOIN json_each(s.state) x ON x.type = 'true'",
)

_SUBQUERIES: Final = (
    (
        "SELECT name FROM {sessions} s WHERE EXISTS"
        " (SELECT 1 FROM {events} e WHERE e.session_id = s.session_id)"
    ),
    (
        "SELECT name FROM {sessions} s WHERE NOT EXISTS"
        " (SELECT 1 FROM {events} e WHERE e.session_id = s.session_id AND e.author = 'agent')"
    ),
    (
        "SELECT name FROM {sessions} s WHERE EXISTS"
        " (SELECT 1 FROM {sessions} t WHERE t.user_id = s.user_id"
        " AND t.create_time > s.create_time)"
    ),
    (
        "SELECT name, (SELECT count(*) FROM {events} e WHERE e.session_id = s.session_id)"
        " FROM {sessions} s"
    ),
    (
        "SELECT name, (SELECT text FROM {events} e WHERE e.session_id = s.session_id"
        " ORDER BY timestamp DESC, name LIMIT 1) FROM {sessions} s"
    ),
    (
        "SELECT name, (SELECT max(timestamp) FROM {events} e WHERE e.session_id = s.session_id"
        " AND e.timestamp > s.create_time) FROM {sessions} s WHERE user_id IN ('ann', 'bob')"
    ),
    (
        "SELECT name FROM {sessions} s WHERE create_time ="
        " (SELECT max(create_time) FROM {sessions} t WHERE t.user_id = s.user_id)"
    ),
    "SELECT name FROM {sessions} WHERE display_name > (SELECT min(display_name) FROM {sessions})",
    "SELECT name FROM (SELECT * FROM {sessions} WHERE user_id = 'ann') WHERE display_name > 'a'",
    "SELECT name FROM (SELECT name, create_time AS t FROM {sessions}) WHERE t > '2026-01-01T10:00'",
    (
        "SELECT s.name FROM {sessions} s JOIN (SELECT DISTINCT session_id FROM {events}) e"
        " USING (session_id)"
    ),
    (
        "SELECT s.name, c FROM {sessions} s LEFT JOIN (SELECT session_id, count(*) AS c"
        " FROM {events} GROUP BY session_id) e ON e.session_id = s.session_id"
    ),
    (
        "SELECT p.user_id, (SELECT count(*) FROM {sessions} s WHERE s.user_id = p.user_id)"
        " FROM people p"
    ),
    "SELECT p.age, (SELECT count(*) FROM {sessions} s WHERE s.user_id = p.age) FROM people p",
    "SELECT p.age FROM people p WHERE p.user_id IN (SELECT user_id FROM {sessions})",
    "SELECT p.age FROM people p WHERE p.age IN (SELECT user_id FROM {sessions})",
    "SELECT m.label FROM moments m WHERE m.t IN (SELECT create_time FROM {sessions})",
    (
        "SELECT name, user_id = ANY_USER FROM {sessions}, (SELECT min(user_id) AS ANY_USER"
        " FROM {sessions})"
    ),
    "SELECT CASE WHEN EXISTS (SELECT 1 FROM {sessions} WHERE user_id = 'ann') THEN 1 END",
    "SELECT name FROM {sessions} WHERE (SELECT count(*) FROM {events}) > 3",
)

_COMPOUNDS: Final = (
    "SELECT user_id FROM {sessions} UNION SELECT author FROM {events}",
    "SELECT user_id FROM {sessions} UNION ALL SELECT author FROM {events}",
    "SELECT session_id FROM {sessions} INTERSECT SELECT session_id FROM {events}",
    "SELECT session_id FROM {sessions} EXCEPT SELECT session_id FROM {events}",
    "SELECT create_time FROM {sessions} UNION SELECT timestamp FROM {events}",
    "SELECT create_time FROM {sessions} INTERSECT SELECT t FROM moments",
    "SELECT create_time FROM {sessions} EXCEPT SELECT t FROM moments",
    "SELECT t FROM moments EXCEPT SELECT create_time FROM {sessions}",
    (
        "SELECT name FROM {sessions} WHERE user_id = 'ann' UNION SELECT name FROM {sessions}"
        " WHERE display_name = 'PLAIN'"
    ),
    (
        "SELECT name FROM (SELECT name, user_id FROM {sessions} UNION ALL"
        " SELECT name, author FROM {events}) WHERE user_id = 'ann'"
    ),
    "VALUES (1) UNION SELECT count(*) FROM {sessions}",
)

_WITH: Final = (
    "WITH a AS (SELECT * FROM {sessions} WHERE user_id = 'ann') SELECT name FROM a",
    (
        "WITH a AS (SELECT * FROM {sessions}) SELECT x.name FROM a x JOIN a y USING (user_id)"
        " WHERE x.name < y.name"
    ),
    "WITH a AS MATERIALIZED (SELECT * FROM {sessions}) SELECT name FROM a WHERE user_id = 'ann'",
    (
        "WITH a AS NOT MATERIALIZED (SELECT * FROM {sessions}) SELECT name FROM a"
        " WHERE create_time > '2026-01-01T10:00:00+01:00'"
    ),
    (
        "WITH a AS MATERIALIZED (SELECT name, create_time FROM {sessions})"
        " SELECT x.name, y.name FROM a x LEFT JOIN a y ON y.create_time = x.create_time"
    ),
    "WITH sessions AS (SELECT 'x' AS name) SELECT name FROM sessions",
    (
        "WITH RECURSIVE r(n, name) AS (SELECT 1, name FROM {sessions} WHERE user_id = 'ann'"
        " UNION ALL SELECT n + 1, name FROM r WHERE n < 3) SELECT n, name FROM r"
    ),
    (
        "WITH RECURSIVE r(name) AS (SELECT min(name) FROM {sessions} UNION ALL SELECT (SELECT"
        " min(name) FROM {sessions} s WHERE s.name > r.name) FROM r WHERE r.name IS NOT NULL)"
        " SELECT name FROM r"
    ),
    (
        "WITH a(k) AS (VALUES ('s-a'), ('1'), (NULL)) SELECT name FROM {sessions}"
        " WHERE session_id IN (SELECT k FROM a)"
    ),
    (
        "WITH c AS (SELECT session_id, count(*) AS n FROM {events} GROUP BY 1)"
        " SELECT name, n FROM {sessions} LEFT JOIN c USING (session_id)"
    ),
)

_AGGREGATES: Final = (
    "SELECT count(*) FROM {sessions}",
    "SELECT count(*) FROM {sessions} WHERE user_id = 'ann'",
    "SELECT count(display_name), count(DISTINCT user_id) FROM {sessions}",
    "SELECT count(DISTINCT create_time) FROM {sessions}",
    "SELECT min(create_time), max(create_time) FROM {sessions}",
    "SELECT max(create_time) FROM {sessions}",
    "SELECT min(create_time) FROM {sessions} WHERE user_id = 'ann'",
    "SELECT min(display_name), max(display_name) FROM {sessions}",
    "SELECT max(name) FROM {sessions}",
    "SELECT min(name) FROM {sessions} WHERE name > 'sessions/s'",
    "SELECT max(create_time) FROM {sessions} WHERE 0",
    "SELECT count(*) FROM {sessions} WHERE 0",
    "SELECT sum(length(display_name)), avg(length(user_id)) FROM {sessions}",
    "SELECT total(state->>'n') FROM {sessions}",
    "SELECT DISTINCT user_id FROM {sessions}",
    "SELECT DISTINCT user_id, labels FROM {sessions}",
    "SELECT DISTINCT create_time FROM {sessions}",
    "SELECT DISTINCT labels->>'env' FROM {sessions}",
    "SELECT user_id, count(*) FROM {sessions} GROUP BY user_id",
    "SELECT user_id, create_time, count(*) FROM {sessions} GROUP BY user_id, create_time",
    "SELECT create_time, count(*) FROM {sessions} GROUP BY create_time",
    "SELECT create_time, count(*) FROM {sessions} GROUP BY create_time ORDER BY create_time DESC",
    "SELECT lower(user_id), count(*) FROM {sessions} GROUP BY user_id COLLATE NOCASE",
    "SELECT user_id, count(*) FROM {sessions} GROUP BY user_id HAVING count(*) > 5",
    (
        "SELECT user_id, max(create_time) FROM {sessions} GROUP BY user_id"
        " HAVING max(create_time) > '2026-01-01T10:00:00+01:00'"
    ),
    "SELECT session_id, count(*), min(timestamp) FROM {events} GROUP BY session_id",
    "SELECT create_time, count(*) FROM {sessions} GROUP BY create_time, create_time",
    "SELECT DISTINCT create_time, create_time FROM {sessions}",
    "SELECT labels->>'env', count(*) FROM {sessions} GROUP BY 1",
    (
        "SELECT s.user_id, count(e.name) FROM {sessions} s LEFT JOIN {events} e USING (session_id)"
        " GROUP BY s.user_id"
    ),
    "SELECT count(*) FILTER (WHERE user_id = 'ann') FROM {sessions}",
    "SELECT group_concat(name, ',' ORDER BY name) FROM {sessions} WHERE user_id = 'ann'",
    "SELECT json_group_array(name ORDER BY name DESC) FROM {sessions}",
    "SELECT user_id, name, max(name) FROM {sessions} GROUP BY user_id",
)

_WINDOWS: Final = (
    (
        "SELECT name, row_number() OVER (PARTITION BY user_id ORDER BY create_time, name)"
        " FROM {sessions}"
    ),
    "SELECT name, rank() OVER (ORDER BY create_time) FROM {sessions}",
    "SELECT name, dense_rank() OVER (ORDER BY create_time DESC) FROM {sessions}",
    "SELECT name, lag(name) OVER (ORDER BY name) FROM {sessions}",
    "SELECT rank() OVER (PARTITION BY create_time ORDER BY create_time DESC) FROM {sessions}",
    "SELECT name, count(*) OVER (PARTITION BY user_id) FROM {sessions}",
    (
        "SELECT name, sum(length(text)) OVER (PARTITION BY session_id ORDER BY timestamp, name)"
        " FROM {events}"
    ),
    (
        "SELECT name, first_value(name) OVER (PARTITION BY user_id ORDER BY name ROWS BETWEEN"
        " 1 PRECEDING AND CURRENT ROW) FROM {sessions}"
    ),
    (
        "SELECT name FROM (SELECT name, row_number() OVER (PARTITION BY session_id"
        " ORDER BY timestamp DESC, name) AS n FROM {events}) WHERE n = 1"
    ),
)

_PROJECTIONS: Final = (
    "SELECT {s.*} FROM {sessions} s",
    "SELECT {e.*} FROM {events} e",
    "SELECT {s.*} FROM {sessions} s WHERE s.session_id = 's-a'",
    "SELECT 1 FROM {sessions}",
    "SELECT upper(user_id) || '!', create_time FROM {sessions}",
    "SELECT typeof(display_name), typeof(create_time), typeof(expire_time) FROM {sessions}",
    (
        "SELECT name, user_id = 'ann', display_name IS NULL, create_time > '2026-01-01T10:00'"
        " FROM {sessions}"
    ),
    (
        "SELECT name, CASE WHEN create_time < '2026-01-01T10:00:00+01:00' THEN 'old' ELSE 'new' END"
        " FROM {sessions}"
    ),
    "SELECT name, labels->>'env', labels->'env', state->>'$.deep.x.y' FROM {sessions}",
    "SELECT hex(display_name), length(display_name) FROM {sessions}",
    "SELECT (SELECT 1), name AS session_id FROM {sessions} ORDER BY session_id",
    "SELECT state FROM {sessions} WHERE length(state) > 1000",
)

_LIMITED: Final = (
    ("SELECT name FROM {sessions}", "LIMIT 5"),
    ("SELECT name FROM {sessions}", "LIMIT 5 OFFSET 3"),
    ("SELECT name FROM {sessions} WHERE user_id = 'ann'", "LIMIT 2"),
    ("SELECT name FROM {sessions} WHERE user_id = 'ann'", "LIMIT 100 OFFSET 2"),
    ("SELECT name FROM {sessions} WHERE user_id = 'ann' OR display_name IS NULL", "LIMIT 3"),
    ("SELECT name FROM {sessions} WHERE display_name NOT IN ('plain')", "LIMIT 9 OFFSET 4"),
    ("SELECT name FROM {sessions} WHERE session_id IN ('s-a', '1', '01')", "LIMIT 2 OFFSET 1"),
    ("SELECT DISTINCT user_id FROM {sessions}", "LIMIT 3"),
    ("SELECT user_id, count(*) FROM {sessions} GROUP BY user_id", "LIMIT 3 OFFSET 1"),
    ("SELECT s.name, e.name FROM {sessions} s JOIN {events} e USING (session_id)", "LIMIT 7"),
    ("SELECT s.name, e.name FROM {sessions} s LEFT JOIN {events} e USING (session_id)", "LIMIT 30"),
    ("SELECT name FROM {sessions} UNION ALL SELECT name FROM {events}", "LIMIT 50 OFFSET 10"),
    ("SELECT name FROM (SELECT name FROM {sessions} WHERE user_id > 'b')", "LIMIT 4"),
    ("SELECT name FROM {events} WHERE author = 'user'", "LIMIT 5"),
    ("SELECT name FROM {sessions} WHERE user_id = 'ann'", "LIMIT 0"),
    ("SELECT name FROM {sessions} WHERE user_id = 'ann'", "LIMIT -1"),
)

_PARTLY_ORDERED: Final = (
    ("SELECT user_id, name FROM {sessions} ORDER BY user_id", ""),
    ("SELECT create_time, name FROM {sessions} ORDER BY create_time DESC", ""),
    ("SELECT display_name, name FROM {sessions} ORDER BY display_name", "LIMIT 9"),
    ("SELECT create_time, name FROM {sessions} ORDER BY create_time DESC", "LIMIT 10"),
    ("SELECT create_time, name FROM {sessions} ORDER BY create_time", "LIMIT 10 OFFSET 5"),
    ("SELECT expire_time, name FROM {sessions} ORDER BY expire_time DESC NULLS LAST", "LIMIT 20"),
    ("SELECT timestamp, name FROM {events} WHERE author = 'user' ORDER BY timestamp", "LIMIT 3"),
    (("SELECT user_id, s.name, e.name FROM {sessions} s JOIN {events} e USING (session_id)"
     " ORDER BY user_id"), "LIMIT 12"),
)  # fmt: skip

_VIEWS: Final = (
    ("SELECT * FROM {sessions} WHERE user_id = 'ann'", "SELECT name FROM v WHERE name > 'x' OR 1"),
    ("SELECT name, create_time AS t FROM {sessions}",
     "SELECT name FROM v WHERE t > '2026-01-01T10:00:00+01:00'"),
    ("SELECT user_id, count(*) AS n FROM {sessions} GROUP BY user_id",
     "SELECT user_id FROM v WHERE n > 5"),
    ("SELECT s.user_id, e.name FROM {sessions} s LEFT JOIN {events} e USING (session_id)",
     "SELECT * FROM v WHERE user_id = 'ann'"),
    ("SELECT name, labels->>'env' AS env FROM {sessions}",
     "SELECT name FROM v WHERE env = 'prod' AND name LIKE 'sessions/s%'"),
)  # fmt: skip


def _all() -> Iterator[Shape]:
    where = "SELECT name, user_id FROM {sessions} WHERE {0}"
    yield from _shapes("keyed", conditions.KEYED, where, keyed=frozenset(("name",)))
    yield from _shapes("comparison", conditions.COMPARISONS, where)
    yield from _shapes("null", conditions.NULLS, where)
    yield from _shapes("set", conditions.SETS, where)
    yield from _shapes("pattern", conditions.PATTERNS, where)
    yield from _shapes("collation", conditions.COLLATIONS, where)
    yield from _shapes("time", conditions.TIMES, where)
    yield from _shapes("json", conditions.JSON, where)
    yield from _shapes("logic", conditions.LOGIC, where)
    yield from _shapes("optional", conditions.OPTIONAL, where)
    events = "SELECT name, author, text FROM {events} WHERE {0}"
    by_session = frozenset(("session_id",))
    yield from _shapes("of-a-session", conditions.OF_A_SESSION, events, keyed=by_session)
    yield from _shapes("events", conditions.EVENTS, events)
    yield from _shapes("ordered", _ORDERED, compare=Comparison.SEQUENCE)
    yield from _shapes("join", _JOINS)
    yield from _shapes("joined-pattern", joined_patterns())
    yield from _shapes("subquery", _SUBQUERIES)
    yield from _shapes("compound", _COMPOUNDS)
    yield from _shapes("with", _WITH)
    yield from _shapes("aggregate", _AGGREGATES)
    yield from _shapes("window", _WINDOWS)
    yield from _shapes("projection", _PROJECTIONS)
    for number, (text, limit) in enumerate(_LIMITED, 1):
        yield Shape(f"limited-{number:02d}", text, compare=Comparison.SUBSET, limit=limit)
    for number, (text, limit) in enumerate(_PARTLY_ORDERED, 1):
        how = Comparison.SUBSET if limit else Comparison.MULTISET
        yield Shape(f"partly-ordered-{number:02d}", text, compare=how, keys=(0,), limit=limit)
    for number, (view, text) in enumerate(_VIEWS, 1):
        yield Shape(
            f"view-{number:02d}",
            text,
            setup=f"CREATE TEMP VIEW v AS {view}",
            teardown="DROP VIEW temp.v",
        )


SHAPES: Final[tuple[Shape, ...]] = tuple(_all())
"""Every shape, in the order of the module."""
