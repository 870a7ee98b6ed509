"""Scans against an oracle: the same rows in a plain SQLite table with the same condition."""

from __future__ import annotations

import random
from itertools import pairwise

import apsw
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sessions_vtab.contract import times
from sessions_vtab.contract.predicate import (
    NOTHING,
    AllOf,
    AnyOf,
    Compare,
    Field,
    Member,
    Not,
    Null,
    Op,
)

TEXTS = [
    "",
    "a",
    "A",
    "b",
    "ab",
    "aB ",
    "ab ",
    "%",
    "_",
    "a%",
    "*",
    "é",
    "É",
    "日本",
    "'",
    "0",
    "10",
]
TIMES = [
    "2026-01-01 09:00:00.000000",
    "2026-01-01 09:00:00.000001",
    "2026-01-01 09:00:00.000001001",
    "2025-12-31 23:59:59.999999",
]
LABELS = ['{"env":"prod"}', '{"env":"dev","team":"a"}', "{}", '{"Env":"prod"}'.lower()]
COLLATIONS = ["BINARY", "NOCASE", "RTRIM"]
COLUMNS = (
    "session_id",
    "user_id",
    "display_name",
    "labels",
    "create_time",
    "enabled",
    "expire_time",
)


@pytest.fixture(scope="module")
def stores(tmp_path_factory, local_class):
    """A store and a plain table with the same hostile rows."""
    store = local_class(tmp_path_factory.mktemp("scans") / "sessions.db")
    plain = apsw.Connection(":memory:")
    plain.create_collation("TIMESTAMP", times.compare)
    plain.execute(
        "CREATE TABLE sessions(session_id TEXT, user_id TEXT, display_name TEXT, labels TEXT,"
        " create_time TEXT COLLATE TIMESTAMP, enabled INTEGER,"
        " expire_time TEXT COLLATE TIMESTAMP)"
    )
    chance = random.Random(7)
    store.begin()
    for number in range(120):
        values = {
            "session_id": f"{chance.choice(TEXTS).replace('/', '')}{number}",
            "user_id": chance.choice([None, *TEXTS]),
            "display_name": chance.choice([None, *TEXTS]),
            "labels": chance.choice([None, *LABELS]),
            "create_time": chance.choice(TIMES),
            "enabled": chance.choice([0, 1]),
            "expire_time": chance.choice([None, "2030-01-01 00:00:00.000000"]),
        }
        store.insert("sessions", **{k: v for k, v in values.items() if v is not None})
        plain.execute("INSERT INTO sessions VALUES (?, ?, ?, ?, ?, ?, ?)", tuple(values.values()))
    store.commit()
    yield store, plain
    store.close()


def as_sql(term, values):
    """Returns the condition as a user would write it."""
    match term:
        case Compare(field, op, operand, collation):
            values.append(operand)
            return f"{field} COLLATE {collation} {op} ?"
        case Member(field, operands, negated, collation):
            values.extend(operands)
            marks = ", ".join("?" for _ in operands)
            return f"{field} COLLATE {collation} {'NOT ' if negated else ''}IN ({marks})"
        case Null(field, negated):
            return f"{field} IS {'NOT ' if negated else ''}NULL"
        case AllOf(terms):
            return "(" + " AND ".join([as_sql(one, values) for one in terms] or ["1"]) + ")"
        case AnyOf(terms):
            return "(" + " OR ".join([as_sql(one, values) for one in terms] or ["0"]) + ")"
        case Not(inner):
            return f"NOT ({as_sql(inner, values)})"
    raise AssertionError(term)


def assert_same(stores, term, order=()):
    store, plain = stores
    values = []
    text = f"SELECT {', '.join(COLUMNS)} FROM sessions WHERE {as_sql(term, values)}"
    expected = plain.execute(text, values).fetchall()
    assert sorted(store.rows("sessions", term, columns=COLUMNS), key=repr) == sorted(
        expected, key=repr
    )


SCALARS = [Op.EQ, Op.NE, Op.LT, Op.LE, Op.GT, Op.GE, Op.LIKE, Op.NOT_LIKE, Op.GLOB]
RANGES = SCALARS[:6]


@pytest.mark.parametrize("collation", COLLATIONS)
@pytest.mark.parametrize("op", SCALARS)
def test_text_comparisons(stores, op, collation):
    for value in TEXTS:
        assert_same(stores, Compare(Field("user_id"), op, value, collation))


@pytest.mark.parametrize("op", RANGES)
@pytest.mark.parametrize("value", TIMES)
def test_time_comparisons(stores, op, value):
    assert_same(stores, Compare(Field("create_time"), op, value, "TIMESTAMP"))


@pytest.mark.parametrize("op", RANGES)
@pytest.mark.parametrize("value", ["now", "", "2026-1-1", "zzz"])
def test_invalid_times_sort_before_all_times(stores, op, value):
    assert_same(stores, Compare(Field("create_time"), op, value, "TIMESTAMP"))


@pytest.mark.parametrize("value", ["2026-01-01T10:00:00+01:00", "1767258000", "2026-01-01 09:00"])
def test_a_time_is_compared_as_an_instant(stores, value):
    assert_same(stores, Compare(Field("create_time"), Op.EQ, value, "TIMESTAMP"))


@pytest.mark.parametrize("op", RANGES)
@pytest.mark.parametrize("value", [0, 1, 0.5, 2, -1])
def test_number_comparisons(stores, op, value):
    assert_same(stores, Compare(Field("enabled"), op, value))


@pytest.mark.parametrize("op", SCALARS)
@pytest.mark.parametrize("value", ["prod", "PROD", "p%", "", 1])
@pytest.mark.parametrize("key", ["env", "team", "none"])
def test_comparisons_with_a_key_of_a_json_column(stores, op, value, key):
    assert_same(stores, Compare(Field("labels", key), op, value))


@pytest.mark.parametrize("negated", [False, True])
@pytest.mark.parametrize("field", [Field("user_id"), Field("labels"), Field("labels", "env")])
def test_null_tests(stores, field, negated):
    assert_same(stores, Null(field, negated))


@pytest.mark.parametrize("negated", [False, True])
@pytest.mark.parametrize("collation", COLLATIONS)
@pytest.mark.parametrize("count", [0, 1, 16, 17, 300])
def test_sets_of_any_size(stores, count, collation, negated):
    values = tuple([*TEXTS, *(f"x{number}" for number in range(300))][:count])
    assert_same(stores, Member(Field("user_id"), values, negated, collation))


def test_a_set_may_mix_types_and_hold_a_nul(stores):
    values = ("prod", "dev\0", 1, 2.5, b"x", *(f"v{number}" for number in range(20)))
    assert_same(stores, Member(Field("labels", "env"), values))
    assert_same(stores, Member(Field("labels", "env"), values, True))


def test_ten_thousand_values_are_one_query(stores):
    store, _ = stores
    ids = store.values("sessions", "session_id")
    wanted = (*ids[:50], *(f"no-such-{number}" for number in range(10_000)))
    found = store.values("sessions", "session_id", Member(Field("session_id"), wanted))
    assert sorted(found) == sorted(ids[:50])


def test_a_thousand_alternatives_are_one_query(stores):
    store, _ = stores
    ids = store.values("sessions", "session_id")
    terms = (
        *(Compare(Field("session_id"), Op.EQ, one) for one in ids),
        *(Compare(Field("session_id"), Op.EQ, f"no-such-{number}") for number in range(2_000)),
    )
    assert sorted(store.values("sessions", "session_id", AnyOf(terms))) == sorted(ids)


def test_nothing_matches_nothing(stores):
    store, _ = stores
    assert store.rows("sessions", NOTHING) == []
    assert store.rows("sessions", AnyOf(())) == []
    assert len(store.rows("sessions", AllOf(()))) == 120


leaves = st.one_of(
    st.builds(
        Compare,
        st.sampled_from([Field("user_id"), Field("display_name"), Field("labels", "env")]),
        st.sampled_from(SCALARS),
        st.sampled_from(TEXTS),
        st.sampled_from(COLLATIONS),
    ),
    st.builds(
        Compare,
        st.sampled_from([Field("create_time"), Field("expire_time")]),
        st.sampled_from(RANGES),
        st.sampled_from(TIMES),
        st.just("TIMESTAMP"),
    ),
    st.builds(
        Member,
        st.sampled_from([Field("user_id"), Field("labels", "env")]),
        st.lists(st.sampled_from(TEXTS), max_size=20).map(tuple),
        st.booleans(),
        st.sampled_from(COLLATIONS),
    ),
    st.builds(Null, st.sampled_from([Field("user_id"), Field("expire_time")]), st.booleans()),
)
trees = st.recursive(
    leaves,
    lambda inner: st.one_of(
        st.builds(Not, inner),
        st.builds(AllOf, st.lists(inner, max_size=3).map(tuple)),
        st.builds(AnyOf, st.lists(inner, max_size=3).map(tuple)),
    ),
    max_leaves=8,
)


@settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(term=trees)
def test_any_condition(stores, term):
    assert_same(stores, term)


@pytest.mark.parametrize("descending", [False, True])
@pytest.mark.parametrize("column", COLUMNS)
def test_orders_are_those_of_sqlite(stores, column, descending):
    store, plain = stores
    order = ("-" if descending else "") + column
    found = store.values("sessions", column, order=(order, "session_id"))
    word = "DESC" if descending else "ASC"
    expected = plain.execute(f"SELECT {column} FROM sessions ORDER BY {column} {word}, session_id")
    assert found == [row[0] for row in expected]


def test_an_offset_skips_rows(stores):
    store, _ = stores
    ids = store.values("sessions", "session_id", order="session_id")
    assert store.values("sessions", "session_id", order="session_id", offset=100) == ids[100:]


def test_unused_columns_are_null(stores):
    store, _ = stores
    (row, *_) = next(iter(store.pages("sessions", columns=("user_id", "session_id"))))
    shown = [
        name
        for name, value in zip(store.table("sessions").names, row, strict=False)
        if value is not None
    ]
    assert set(shown) <= {"user_id", "session_id"}
    assert len(row) == store.table("sessions").positions["user_id"] + 1


def test_pages_grow_and_hold_every_row_once(stores):
    store, _ = stores
    sizes = [len(page) for page in store.pages("sessions")]
    assert sizes[0] == 8
    assert sum(sizes) == 120
    assert all(first <= second for first, second in pairwise(sizes[:-1]))


@pytest.mark.parametrize(
    ("table", "path", "columns"),
    [
        ("sessions", "get", ("name",)),
        ("sessions", "get by id", ("session_id",)),
        ("events", "get", ("name",)),
        ("events", "get by id", ("session_id", "event_id")),
        ("participants", "get", ("name",)),
        ("participants", "get by id", ("session_id", "participant")),
        ("upload_sessions", "get", ("name",)),
        ("upload_sessions", "get by id", ("session_id",)),
        ("upload_session_files", "get", ("name",)),
    ],
)
def test_lookups_find_one_row_by_an_index(local, table, path, columns):
    for session_id in ("a", "b"):
        local.create(session_id)
        local.append(session_id, content="x")
        local.call("bind_participant", session_id, "ann")
        local.insert("upload_sessions", session_id=session_id)
        local.call("upload_file", session_id, "f.txt", "x")
    wanted = local.rows(table)[1]
    positions = local.table(table).positions
    terms = [Compare(Field(name), Op.EQ, wanted[positions[name]]) for name in columns]
    assert local.rows(table, *terms, path=path) == [wanted]
    assert "SCAN" not in plan_of(local, table, terms, path)


def plan_of(local, table, terms, path):
    seen = []
    connection = local.backend._store.connection
    connection.exec_trace = lambda _, sql, bindings: not seen.append((sql, bindings))
    try:
        local.rows(table, *terms, path=path)
    finally:
        connection.exec_trace = None
    text, bindings = seen[-1]
    lines = [row[3] for row in connection.execute("EXPLAIN QUERY PLAN " + text, bindings)]
    return "; ".join(line for line in lines if "app_state" not in line)


@pytest.mark.parametrize(
    ("table", "terms", "order"),
    [
        ("sessions", [Compare(Field("user_id"), Op.EQ, "u")], ()),
        ("sessions", [], "-update_time"),
        ("sessions", [], "create_time"),
        ("sessions", [Compare(Field("batch_id"), Op.EQ, "b")], "session_number"),
        ("events", [Compare(Field("session_id"), Op.EQ, "s")], "timestamp"),
        ("events", [Compare(Field("session_name"), Op.EQ, "sessions/s")], "-timestamp"),
        ("events", [], "-timestamp"),
        ("event_parts", [Compare(Field("session_name"), Op.EQ, "sessions/s")], ()),
        ("upload_session_files", [Compare(Field("session_id"), Op.EQ, "u")], ()),
    ],
)
def test_filtered_and_sorted_columns_have_an_index(local, table, terms, order):
    local.create()
    seen = []
    connection = local.backend._store.connection
    connection.exec_trace = lambda _, sql, bindings: not seen.append((sql, bindings))
    local.rows(table, *terms, order=order)
    connection.exec_trace = None
    text, bindings = seen[-1]
    lines = [row[3] for row in connection.execute("EXPLAIN QUERY PLAN " + text, bindings)]
    plan = "; ".join(line for line in lines if "app_state" not in line)
    assert "USE TEMP B-TREE" not in plan
    assert " INDEX " in plan


@pytest.mark.parametrize(
    ("table", "path", "column", "op", "collation", "values"),
    [
        ("sessions", "get by id", "session_id", Op.EQ, "BINARY", ["a", "x", "b"]),
        ("sessions", "get", "name", Op.EQ, "BINARY", ["a", "sessions/a", "sessions/b"]),
        ("sessions", "list", "user_id", Op.GE, "NOCASE", ["", "U", "z"]),
        ("sessions", "list", "create_time", Op.LE, "TIMESTAMP", ["2020-01-01", "2030-01-01"]),
        ("events", "list", "session_name", Op.EQ, "BINARY", ["a", "sessions/a", "", "sessions/b"]),
        ("events", "list", "session_name", Op.EQ, "BINARY", ["sessions/a", "a", "sessions/b"]),
        ("events", "list", "session_name", Op.EQ, "NOCASE", ["sessions/a", "SESSIONS/b", "b"]),
    ],
)
def test_a_cached_scan_returns_the_same_rows_as_an_uncached_one(
    local, table, path, column, op, collation, values
):
    for session in ("a", "b"):
        local.create(session, user_id="u")
        local.append(session)
    for value in values:
        term = Compare(Field(column), op, value, collation)
        expected = local.rows(table, term, path=path)
        assert local.rows(table, term, path=path, shape=column) == expected
