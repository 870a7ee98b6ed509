"""What once lost, mixed up or hid data, where SQLite says less than it does."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from tests.extension.conftest import Host, pid_of

ROWS = """
WITH RECURSIVE n(k) AS (SELECT 1 UNION ALL SELECT k + 1 FROM n WHERE k < 40)
INSERT OR IGNORE INTO local.sessions(session_id, user_id, labels)
SELECT 'x' || k, 'u' || (k % 20), json_object('env', 'e' || (k % 3)) FROM n
"""


@pytest.mark.parametrize(
    "where",
    [
        "(labels IN ('{\"env\":\"e1\"}') OR update_time = '2020-01-01') OR user_id >= 'u17'",
        "session_id = 'x1' OR user_id = 'u2'",
        "session_id IN ('x1', 'x2') OR user_id IN ('u3', 'u4') OR session_id = 'x5'",
    ],
)
def test_rows_of_a_multi_index_or_are_told_apart(db: Any, where: str) -> None:
    """SQLite 3.40 tells rows of a table WITHOUT ROWID apart by a key it does not say it uses."""
    db.execute(ROWS)
    db.execute("CREATE TEMP TABLE copy AS SELECT * FROM local.sessions WHERE session_id LIKE 'x%'")

    counts = [
        db.execute(
            f"SELECT user_id, count(*) FROM {table} WHERE ({where}) AND session_id LIKE 'x%'"
            " GROUP BY user_id ORDER BY user_id"
        ).fetchall()
        for table in ("local.sessions", "copy")
    ]

    assert counts[0] == counts[1]
    assert counts[1]


@pytest.mark.parametrize(
    "condition",
    [
        "labels LIKE 'x'",
        "display_name GLOB NULL",
        "user_id <> 'u1'",
        "user_id IS NOT 'u1'",
        "display_name IS NOT NULL",
        "user_id IS 'u1'",
        "user_id = 'u1'",
    ],
)
@pytest.mark.parametrize("source", ["local", "prod"])
def test_a_condition_of_on_takes_no_row_of_the_left_table(
    db: Any, both: SimpleNamespace, source: str, condition: str
) -> None:
    """Before 3.51 SQLite offers it to the left table as if it stood in WHERE."""
    db.execute(ROWS)
    db.execute(f"CREATE TEMP TABLE copy AS SELECT * FROM {source}.sessions")
    select = "SELECT a.session_id, n.k FROM {} a LEFT JOIN (SELECT 1 AS k) n ON a.{} ORDER BY 1"

    expected = db.execute(select.format("copy", condition)).fetchall()

    assert db.execute(select.format(f"{source}.sessions", condition)).fetchall() == expected
    assert len(expected) > 1


def test_a_statement_at_the_address_of_another_is_another(db: Any, both: SimpleNamespace) -> None:
    """What was remembered for one run answered the next: a row that existed was not found."""
    select = "SELECT count(*) FROM prod.sessions WHERE session_id = 'trap'"
    found = []
    for _ in range(5):
        found.append(db.execute(select).fetchall())
        db.execute("BEGIN")
        db.execute("INSERT INTO prod.sessions(session_id, user_id) VALUES ('trap', 'zed')")
        db.execute("COMMIT")
        found.append(db.execute(select).fetchall())
        db.execute("DELETE FROM prod.sessions WHERE session_id = 'trap'")

    assert found == [[(0,)], [(1,)]] * 5


def test_the_same_statement_reads_anew_each_time(db: Any, both: SimpleNamespace) -> None:
    select = "SELECT user_id FROM prod.sessions WHERE session_id = ?"
    ((some,),) = db.execute("SELECT session_id FROM prod.sessions LIMIT 1").fetchall()
    before = len(both.emulator.control.requests())

    for _ in range(3):
        db.execute(select, (some,)).fetchall()

    assert len(both.emulator.control.requests()) == before + 3


def test_half_read_statements_do_not_disturb_each_other(
    inner_host: Host, both: SimpleNamespace
) -> None:
    db, other = inner_host.connect(), inner_host.connect()
    ids = [one for (one,) in other.execute("SELECT session_id FROM prod.sessions").fetchall()]
    sql = "SELECT session_id FROM prod.sessions"
    first, second = iter(db.execute(sql)), iter(db.execute(sql))

    found: tuple[list[str], list[str]] = ([], [])
    for _ in ids:
        for place, cursor in enumerate((first, second)):
            found[place].append(next(cursor)[0])
        one = db.execute("SELECT user_id FROM prod.sessions WHERE session_id = ?", (found[0][-1],))
        assert len(list(one)) == 1

    assert found[0] == found[1] == ids
    db.close()
    other.close()


def test_columns_that_are_parameters_are_null_to_a_tool_that_asks(db: Any) -> None:
    """Datasette's facets ask so of every column, hidden ones too."""
    names = [
        row[1] for row in db.execute("PRAGMA prod.table_xinfo(sessions)").fetchall() if row[6] == 1
    ]
    assert "_push" in names

    for name in names:
        ((count,),) = db.execute(
            f'SELECT count(*) FROM prod.sessions WHERE "{name}" IS NOT NULL'
        ).fetchall()
        assert count in (0, 30)


def test_a_temp_view_in_a_statement_keeps_its_scan_as_it_is(db: Any) -> None:
    """The statement's text does not tell all of it then: rows were narrowed that the view shows."""
    db.execute("CREATE TEMP VIEW shown AS SELECT * FROM prod.sessions")
    both = (
        "SELECT count(*), (SELECT count(*) FROM {}) FROM prod.sessions"
        " WHERE labels->>'env' = 'prod' OR user_id = 'nobody'"
    )
    db.execute("CREATE TEMP TABLE copy AS SELECT * FROM prod.sessions")

    assert db.execute(both.format("shown")).fetchall() == db.execute(both.format("copy")).fetchall()
    db.execute("DROP VIEW shown")


def test_a_correlated_subquery_asks_no_key_twice(db: Any, both: SimpleNamespace) -> None:
    """SQLite before 3.45 opens a cursor for each row of the outer query."""
    before = len(both.emulator.control.requests())

    db.execute(
        "SELECT (SELECT count(*) FROM prod.events e WHERE e.session_name = s.name)"
        " FROM prod.sessions s"
    ).fetchall()

    asked = [one["path"] for one in both.emulator.control.requests()[before:]]
    events = [one for one in asked if one.endswith("/events")]
    assert len(events) == len(set(events)) == 30


def test_a_join_asks_ahead_across_batches(db: Any, both: SimpleNamespace) -> None:
    before = len(both.emulator.control.requests())

    ((count,),) = db.execute(
        "SELECT count(*) FROM prod.sessions s JOIN prod.events e ON e.session_name = s.name"
    ).fetchall()

    assert count == 120
    # Of the sessions one page, of the events one list each.
    assert len(both.emulator.control.requests()) - before == 31


@pytest.mark.parametrize("limit", [1, 5])
def test_a_limit_costs_no_page_that_nobody_asked_for(
    db: Any, both: SimpleNamespace, limit: int
) -> None:
    before = len(both.emulator.control.requests())

    db.execute(f"SELECT session_id FROM prod.sessions LIMIT {limit}").fetchall()

    assert len(both.emulator.control.requests()) - before == 1


def test_times_compare_as_instants_in_the_host(db: Any) -> None:
    ((same, before, plain),) = db.execute(
        "SELECT '2026-01-01T00:00:00Z' = '2026-01-01 00:00:00.000000' COLLATE TIMESTAMP,"
        " '2026-01-01T01:00:00+02:00' < '2026-01-01 00:00:00.000000' COLLATE TIMESTAMP,"
        " '2026-01-01 00:00:00.000001' > '2026-01-01 00:00:00.000000' COLLATE TIMESTAMP"
    ).fetchall()

    assert (same, before, plain) == (1, 1, 1)


def test_every_kind_of_value_passes_unchanged(db: Any) -> None:
    texts = ["", "a\u00e9\u4e2d\U0001f600", "x" * 100_000, "a'b\"c", "line\nend"]
    for place, text in enumerate(texts):
        db.execute(
            "INSERT INTO local.sessions(session_id, user_id, display_name) VALUES (?, 'val', ?)",
            (f"val{place}", text),
        )
    found = db.execute(
        "SELECT display_name FROM local.sessions WHERE user_id = 'val' ORDER BY session_id"
    ).fetchall()

    assert [one for (one,) in found] == texts
    for big in (0, -1, 2**31 - 1, 2**31, -(2**31) - 1, 2**62, -(2**63), 2**63 - 1):
        asked = db.execute(
            "SELECT count(*) FROM local.events WHERE session_id = 'val0' AND sequence < ?", (big,)
        ).fetchall()
        assert asked == [(0,)]
    db.execute("DELETE FROM local.sessions WHERE user_id = 'val'")
    db.execute("DELETE FROM local.sessions WHERE user_id = 'val' AND deleted = 1")


def test_two_sqlites_of_one_process_use_one_library_and_one_process(
    both: SimpleNamespace, library: Any
) -> None:
    from tests.extension.conftest import _apsw, _dbapi  # noqa: PLC0415

    one, other = _apsw(library).connect(), _dbapi("pysqlite3.dbapi2", library).connect()

    for _ in range(3):
        for db in (one, other):
            assert db.execute("SELECT count(*) FROM prod.sessions").fetchall() == [(30,)]
    assert pid_of(one) == pid_of(other)
    versions = [
        db.execute("SELECT sqlite_version FROM sessions_vtab_info()").fetchall()
        for db in (one, other)
    ]
    assert versions[0] != versions[1]
    one.close()
    assert other.execute("SELECT count(*) FROM prod.sessions").fetchall() == [(30,)]
    other.close()
