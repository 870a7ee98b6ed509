"""The query shapes of the conformance suite, as data.

``{sessions}`` and ``{events}`` stand for the tables, ``{s.*}`` for all visible columns of the
alias ``s``. The native tables ``people``, ``numbers``, ``moments`` and ``wanted`` are there too.
``own_shapes`` makes some for any other table, from its columns.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Final

import apsw

from sessions_vtab.contract.model import quoted
from sessions_vtab.errors import RefusedError, SessionsError
from sessions_vtab.sql.lexer import apply, insert, name_of, tokenize
from sessions_vtab.testing import conditions, several_tables
from sessions_vtab.testing.oracle import Comparison, Known
from sessions_vtab.testing.several_tables import statements

_PATTERNS: Final = (
    "LIKE 'plain'",
    "LIKE 'nobody'",
    "LIKE 'p%'",
    "LIKE 'pl%n'",
    "LIKE 'p_ain'",
    "LIKE '%a%'",
    "LIKE '_lain'",
    "LIKE '100\\%%' ESCAPE '\\'",
    "LIKE 'pla\\%n' ESCAPE '\\'",
    "LIKE ''",
    "NOT LIKE 'p%n'",
    "GLOB 'plain'",
    "GLOB 'nobody*'",
    "GLOB 'pl*n'",
    "GLOB 'p?ain'",
    "GLOB '[o-q]*'",
    "NOT GLOB 'p*'",
)
_JOINS: Final = ("JOIN", "LEFT JOIN", "RIGHT JOIN", "FULL JOIN")
_PLACES: Final = (
    ("a.{column} {pattern}", "1"),
    ("b.{column} {pattern}", "1"),
    ("1", "a.{column} {pattern}"),
    ("1", "b.{column} {pattern}"),
    ("b.{column} {pattern}", "b.name IS NULL"),
    ("b.{column} {pattern} OR a.{column} {pattern}", "1"),
)
_COLUMNS: Final = ("display_name", "user_id")


def joined_patterns(share: int = 4) -> Iterator[str]:
    """A statement for each join and place, with one SELECT for each pattern.

    Args:
        share: one pattern in so many, in each join and place other ones; 1 for all of them.
    """
    for turn, join in enumerate(_JOINS):
        for place, (on, where) in enumerate(_PLACES):
            selects = (
                f"SELECT {number}, a.name, b.name FROM {{sessions}} a {join} {{sessions}} b"
                f" ON b.user_id = a.user_id AND ({on}) WHERE {where}".replace(
                    "{column}",
                    _COLUMNS[(number + place) % 4 == 3],  # noqa: PLR2004
                ).replace("{pattern}", pattern)
                for number, pattern in enumerate(_PATTERNS)
                if (number + turn + place) % share == 0
            )
            yield " UNION ALL ".join(selects)


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

_AGGREGATES: Final = statements("""
    SELECT count(*) FROM {sessions};
    SELECT count(*) FROM {sessions} WHERE user_id = 'ann';
    SELECT count(display_name), count(DISTINCT user_id) FROM {sessions};
    SELECT count(DISTINCT create_time) FROM {sessions};
    SELECT min(create_time), max(create_time) FROM {sessions};
    SELECT max(create_time) FROM {sessions};
    SELECT min(create_time) FROM {sessions} WHERE user_id = 'ann';
    SELECT min(display_name), max(display_name) FROM {sessions};
    SELECT max(name) FROM {sessions};
    SELECT min(name) FROM {sessions} WHERE name > 'sessions/s';
    SELECT max(create_time) FROM {sessions} WHERE 0;
    SELECT count(*) FROM {sessions} WHERE 0;
    SELECT sum(length(display_name)), avg(length(user_id)) FROM {sessions};
    SELECT total(state->>'n') FROM {sessions};
    SELECT DISTINCT user_id FROM {sessions};
    SELECT DISTINCT user_id, labels FROM {sessions};
    SELECT DISTINCT create_time FROM {sessions};
    SELECT DISTINCT labels->>'env' FROM {sessions};
    SELECT user_id, count(*) FROM {sessions} GROUP BY user_id;
    SELECT user_id, create_time, count(*) FROM {sessions} GROUP BY user_id, create_time;
    SELECT create_time, count(*) FROM {sessions} GROUP BY create_time;
    SELECT create_time, count(*) FROM {sessions} GROUP BY create_time ORDER BY create_time DESC;
    SELECT lower(user_id), count(*) FROM {sessions} GROUP BY user_id COLLATE NOCASE;
    SELECT user_id, count(*) FROM {sessions} GROUP BY user_id HAVING count(*) > 5;
    SELECT user_id, max(create_time) FROM {sessions} GROUP BY user_id
        HAVING max(create_time) > '2026-01-01T10:00:00+01:00';
    SELECT session_id, count(*), min(timestamp) FROM {events} GROUP BY session_id;
    SELECT create_time, count(*) FROM {sessions} GROUP BY create_time, create_time;
    SELECT DISTINCT create_time, create_time FROM {sessions};
    SELECT labels->>'env', count(*) FROM {sessions} GROUP BY 1;
    SELECT s.user_id, count(e.name) FROM {sessions} s LEFT JOIN {events} e USING (session_id)
        GROUP BY s.user_id;
    SELECT count(*) FILTER (WHERE user_id = 'ann') FROM {sessions};
    SELECT group_concat(name, ',' ORDER BY name) FROM {sessions} WHERE user_id = 'ann';
    SELECT json_group_array(name ORDER BY name DESC) FROM {sessions};
    SELECT user_id, name, max(name) FROM {sessions} GROUP BY user_id;
""")

_WINDOWS: Final = statements("""
    SELECT name, row_number() OVER (PARTITION BY user_id ORDER BY create_time, name)
        FROM {sessions};
    SELECT name, rank() OVER (ORDER BY create_time) FROM {sessions};
    SELECT name, dense_rank() OVER (ORDER BY create_time DESC) FROM {sessions};
    SELECT name, lag(name) OVER (ORDER BY name) FROM {sessions};
    SELECT rank() OVER (PARTITION BY create_time ORDER BY create_time DESC) FROM {sessions};
    SELECT name, count(*) OVER (PARTITION BY user_id) FROM {sessions};
    SELECT name, sum(length(text)) OVER (PARTITION BY session_id ORDER BY timestamp, name)
        FROM {events};
    SELECT name, first_value(name) OVER (PARTITION BY user_id ORDER BY name ROWS BETWEEN 1 PRECEDING
        AND CURRENT ROW) FROM {sessions};
    SELECT name FROM (SELECT name, row_number() OVER (PARTITION BY session_id
        ORDER BY timestamp DESC, name) AS n FROM {events}) WHERE n = 1;
""")

_PROJECTIONS: Final = statements("""
    SELECT {s.*} FROM {sessions} s;
    SELECT {e.*} FROM {events} e;
    SELECT {s.*} FROM {sessions} s WHERE s.session_id = 's-a';
    SELECT 1 FROM {sessions};
    SELECT upper(user_id) || '!', create_time FROM {sessions};
    SELECT typeof(display_name), typeof(create_time), typeof(expire_time) FROM {sessions};
    SELECT name, user_id = 'ann', display_name IS NULL, create_time > '2026-01-01T10:00'
        FROM {sessions};
    SELECT name, CASE WHEN create_time < '2026-01-01T10:00:00+01:00' THEN 'old' ELSE 'new' END
        FROM {sessions};
    SELECT name, labels->>'env', labels->'env', state->>'$.deep.x.y' FROM {sessions};
    SELECT hex(display_name), length(display_name) FROM {sessions};
    SELECT (SELECT 1), name AS session_id FROM {sessions} ORDER BY session_id;
    SELECT state FROM {sessions} WHERE length(state) > 1000;
""")

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
    yield from _shapes("join", several_tables.JOINS)
    yield from _shapes("joined-pattern", joined_patterns())
    yield from _shapes("subquery", several_tables.SUBQUERIES)
    yield from _shapes("compound", several_tables.COMPOUNDS)
    yield from _shapes("with", several_tables.WITH)
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

_OWN_ORDERED: Final = (
    "SELECT {key} FROM {table} ORDER BY {key}",
    "SELECT {key} FROM {table} ORDER BY {key} DESC LIMIT 4 OFFSET 2",
    "SELECT {key} FROM {table} WHERE {column} IS NOT NULL ORDER BY {key} LIMIT 5",
    "SELECT {key}, {column} FROM {table} ORDER BY {column} DESC, {key} LIMIT 7",
    "SELECT {key}, row_number() OVER (ORDER BY {key}) FROM {table} ORDER BY 2",
)
_OWN_OTHERS: Final = (
    "SELECT count(*), count({column}), count(DISTINCT {column}) FROM {table}",
    "SELECT DISTINCT {column} FROM {table}",
    "SELECT {column}, count(*) FROM {table} GROUP BY {column} HAVING count(*) > 1",
    "SELECT {key} FROM {table} WHERE {column} IS NULL",
    "SELECT {key} FROM {table} WHERE {column} = (SELECT min({column}) FROM {table})",
    "SELECT {key} FROM {table} WHERE {column} <> (SELECT max({column}) FROM {table})",
    "SELECT {key} FROM {table} WHERE NOT ({column} = (SELECT max({column}) FROM {table}) OR 0)",
    "SELECT {key} FROM {table} WHERE {key} IN (SELECT max({key}) FROM {table} GROUP BY {column})",
    (
        "SELECT {key} FROM {table} AS a WHERE EXISTS"
        " (SELECT 1 FROM {table} AS b WHERE b.{column} = a.{column} AND b.{key} <> a.{key})"
    ),
    "SELECT a.{key}, b.{column} FROM {table} AS a JOIN {table} AS b ON b.{key} = a.{key}",
    (
        "SELECT a.{key}, b.{key} FROM {table} AS a"
        " LEFT JOIN {table} AS b ON b.{column} = a.{column} AND b.{key} > a.{key}"
    ),
    "SELECT {key} FROM {table} UNION ALL SELECT {column} FROM {table}",
    "WITH w AS (SELECT {key}, {column} FROM {table}) SELECT count(*) FROM w AS a, w AS b",
)


def own_shapes(known: Known) -> Iterator[Shape]:
    """The shapes of a table whose rows are known: its key beside the column that repeats most."""
    table, key = known.table, known.table.key
    counted = {
        column.name: len({value for value in known.values(column.name) if value is not None})
        for column in known.columns()
        if column.name != key
    }
    filled = [name for name, count in counted.items() if count]
    column = min(filled, key=lambda name: (counted[name] < 2, counted[name]), default=key)  # noqa: PLR2004
    names = {"table": f"{{{table.name}}}", "key": quoted(key), "column": quoted(column)}
    for how, texts in ((Comparison.SEQUENCE, _OWN_ORDERED), (Comparison.MULTISET, _OWN_OTHERS)):
        for number, text in enumerate(texts, 1):
            name = f"{table.name}-{how.name.lower()}-{number:02d}"
            yield Shape(name, text.format(**names), compare=how)


def wrong_examples(connection: Any, schema: str) -> list[str]:
    """The examples of a source's tables and functions that do not run, in words.

    What has side effects is only planned. What an example names need not be there.
    """
    backend = connection.sources[schema].backend
    tables = [one.table for one in backend.resources.values()]
    functions = [backend.functions[name] for name in backend.routines]
    names = {*backend.resources, *backend.routines}
    found = []
    for one in (*tables, *functions):
        run = connection.preview if getattr(one, "effect", False) else connection.execute
        try:
            with suppress(RefusedError):
                list(run(_prefixed(one.example, schema, names)) if one.example else ())
        except (SessionsError, apsw.Error) as error:
            found.append(f"{one.name}: its example {one.example}: {error}")
    return found


def _prefixed(text: str, schema: str, names: Collection[str]) -> str:
    """A statement with the schema before the tables and functions in its FROM."""
    edits = [
        insert(token.start, f"{quoted(schema)}.")
        for before, token in pairwise(tokenize(text))
        if before.upper in {"FROM", "JOIN"} and name_of(token).lower() in names
    ]
    return apply(text, edits)
