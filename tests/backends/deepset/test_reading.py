from __future__ import annotations

import json
from typing import Any
from uuid import UUID

import pytest

from tests.backends.deepset.conftest import NO_SUCH, with_files
from tests.clocks import delays_end_together

# Lists


def test_all_pages_of_both_lists_are_read_once(deepset: Any) -> None:
    ids = deepset.fill(230, 120)

    rows = deepset("SELECT session_id FROM upload_sessions")

    assert sorted(row[0] for row in rows) == sorted(ids)
    pages = sorted(
        (one["query"]["is_expired"], one["query"]["page_number"]) for one in deepset.sent
    )
    assert pages == [("false", "1"), ("false", "2"), ("false", "3"), ("true", "1"), ("true", "2")]
    assert {one["query"]["limit"] for one in deepset.sent} == {"100"}


def test_a_small_first_page_is_followed_by_full_ones_without_duplicates(deepset: Any) -> None:
    ids = deepset.fill(150)
    state = deepset.server.control.dump()
    for one in ids[:3]:
        state["deepset"]["sessions"][one]["closed_at"] = None
    deepset.server.control.load(state)

    rows = deepset("SELECT session_id FROM upload_sessions WHERE status = 'OPEN' LIMIT 5")

    assert sorted(row[0] for row in rows) == ids[:3]
    pages = [(one["query"]["limit"], one["query"]["page_number"]) for one in deepset.sent]
    assert pages == [("5", "1"), ("100", "1"), ("100", "2")]


@pytest.mark.parametrize(
    ("where", "lists"),
    [
        ("status = 'OPEN'", ["false"]),
        ("status IN ('OPEN', 'CLOSED')", ["false"]),
        ("status = 'EXPIRED'", ["true"]),
        ("status IN ('OPEN', 'EXPIRED')", ["false", "true"]),
        ("status = 'NEW'", ["false", "true"]),
        ("status <> 'OPEN'", ["false", "true"]),
        ("status = 'OPEN' AND is_expired = 1", []),
        ("is_expired = 2", []),
        ("is_expired IS NULL", ["false", "true"]),
        ("is_expired = NULL", []),
        ("NOT is_expired", ["false"]),
    ],
)
def test_conditions_select_the_lists_that_can_contain_matching_rows(
    deepset: Any, where: str, lists: list[str]
) -> None:
    deepset.fill(3, 2)
    everything = deepset("SELECT session_id, status, is_expired FROM upload_sessions")

    rows = deepset(f"SELECT session_id, status, is_expired FROM upload_sessions WHERE {where}")

    assert sorted(one["query"]["is_expired"] for one in deepset.sent) == lists
    deepset("CREATE TEMP TABLE plain(session_id, status, is_expired)")
    deepset.connection.executemany("INSERT INTO plain VALUES (?, ?, ?)", everything)
    assert sorted(rows) == sorted(deepset(f"SELECT * FROM plain WHERE {where}"))


@pytest.mark.parametrize(
    ("sql", "requests"),
    [
        ("SELECT count(*) FROM upload_sessions", 2),
        ("SELECT count(*) FROM upload_sessions WHERE is_expired = 0", 1),
        ("SELECT count(*) FROM upload_sessions WHERE is_expired = 1", 1),
        ("SELECT is_expired, count(*) FROM upload_sessions GROUP BY is_expired", 2),
        ("SELECT workspace FROM upload_sessions WHERE workspace = 'ws'", 2),
        ("SELECT count(name) FROM upload_sessions", 4),
        ("SELECT name FROM upload_sessions", 4),
        ("SELECT count(DISTINCT name) FROM upload_sessions", 4),
        ("SELECT max(iif(is_expired, name, '')) FROM upload_sessions", None),
        ("SELECT count(*) FROM upload_sessions WHERE is_expired = 0 OR workspace = 'ws'", None),
        (
            """SELECT count(*) FROM upload_sessions WHERE (is_expired = 0 AND workspace = 'ws')
            OR (is_expired = 1 AND workspace = 'ws')""",
            None,
        ),
        ("SELECT count(*) FROM upload_sessions WHERE page_size = 90", None),
        (
            """SELECT count(*) FROM upload_sessions
            WHERE page_size = 90 AND (is_expired = 0 OR workspace = 'ws')""",
            None,
        ),
        ("SELECT count(*) FROM upload_sessions a JOIN upload_sessions b USING (workspace)", None),
    ],
)
def test_counting_uses_the_lists_totals_and_other_statements_read_the_rows(
    deepset: Any, sql: str, requests: int | None
) -> None:
    deepset.fill(150, 120)
    everything = deepset("SELECT name, workspace, is_expired, 90 FROM upload_sessions")

    rows = deepset(sql)

    if requests is not None:
        assert len(deepset.sent) == requests
    deepset("CREATE TEMP TABLE plain(name, workspace, is_expired, page_size)")
    deepset.connection.executemany("INSERT INTO plain VALUES (?, ?, ?, ?)", everything)
    assert sorted(rows) == sorted(deepset(sql.replace("upload_sessions", "plain")))


# Single sessions, and the columns that only they have


def test_counters_cost_one_request_per_row_only_if_they_are_used(deepset: Any) -> None:
    ids = deepset.fill(30)
    # The first is answered after the second: one at a time would wait for ever.
    deepset.server.control.fault("late", path="/upload_sessions/", seconds=60)

    rows = deepset("SELECT session_id, finished_files FROM upload_sessions WHERE is_expired = 0")

    assert sorted(rows) == [(one, 0) for one in ids]
    assert len(deepset.sent) == 1 + 30
    assert deepset.server.control.log()["max_in_flight"] > 1
    deepset("SELECT session_id, status FROM upload_sessions WHERE is_expired = 0")
    assert len(deepset.sent) == 1


def test_rows_of_other_statuses_cost_no_request_for_counters(deepset: Any) -> None:
    deepset.fill(30)
    opened = deepset.open()

    rows = deepset("SELECT session_id, failed_files FROM upload_sessions WHERE status = 'OPEN'")

    assert rows == [(opened, 0)]
    assert len(deepset.sent) == 2


@pytest.mark.parametrize(
    ("columns", "which", "requests"),
    [
        ("name, expire_time, workspace", "active", 1),
        ("failed_files, documentation_url", "expired", 1),
        ("status, write_mode", "active", 1),
        ("status, created_by", "expired", 2),
        ("status, finished_files", "active", 2),
        ("*", "active", 2),
        ("session_id", "missing", 1),
        ("status", "missing", 3),
    ],
)
def test_a_session_by_id_needs_the_fewest_requests(
    deepset: Any, columns: str, which: str, requests: int
) -> None:
    expired, active = deepset.fill(1, 1)
    wanted = {"active": active, "expired": expired, "missing": NO_SUCH}[which]

    rows = deepset(f"SELECT {columns} FROM upload_sessions WHERE session_id = ?", wanted)

    assert len(rows) == (which != "missing")
    assert len(deepset.sent) == requests


def test_a_session_can_be_read_by_its_name(deepset: Any) -> None:
    session_id = deepset.open()
    name = f"workspaces/ws/upload_sessions/{session_id}"

    rows = deepset("SELECT session_id, failed_files FROM upload_sessions WHERE name = ?", name)

    assert rows == [(session_id, 0)]
    assert [one["path"] for one in deepset.sent] == [f"/api/v1/{name}"]


@pytest.mark.parametrize(
    "name", ["", "x", "workspaces/ws/upload_sessions/x", "workspaces/ws", f"sessions/{NO_SUCH}"]
)
def test_a_name_that_no_session_has_sends_no_request(deepset: Any, name: str) -> None:
    assert deepset("SELECT name FROM upload_sessions WHERE name = ?", name) == []
    assert deepset.sent == []


def test_several_ids_are_requested_concurrently(deepset: Any) -> None:
    ids = deepset.fill(5)[:3]

    rows = deepset(
        "SELECT session_id, finished_files FROM upload_sessions WHERE session_id IN (?, ?, ?)", *ids
    )

    assert sorted(rows) == [(one, 0) for one in ids]
    assert len(deepset.sent) == 3


# Files


def test_files_of_a_session_by_status_is_sent(deepset: Any) -> None:
    session_id = deepset.open()
    for name in ("a.txt", "b.txt"):
        deepset.upload(session_id, name)
    deepset.close(session_id)

    sql = "SELECT file_name FROM upload_session_files WHERE session_id = ? AND ingestion_status"
    assert sorted(deepset(f"{sql} = 'FINISHED'", session_id)) == [("a.txt",), ("b.txt",)]
    assert [one["query"]["ingestion_status"] for one in deepset.sent] == ["FINISHED"]
    assert deepset(f"{sql} IN ('PENDING', 'FAILED')", session_id) == []
    statuses = sorted(one["query"]["ingestion_status"] for one in deepset.sent)
    assert statuses == ["FAILED", "PENDING"]
    assert deepset(f"{sql} = 'LOST'", session_id) == []
    assert [one["query"].get("ingestion_status") for one in deepset.sent] == [None]


def test_files_of_all_sessions_can_be_joined(deepset: Any) -> None:
    ids = [deepset.open() for _ in range(3)]
    for session_id in ids:
        deepset.upload(session_id, "a.txt")

    rows = deepset(
        "SELECT s.session_id, f.file_name FROM upload_sessions s"
        " JOIN upload_session_files f ON f.session_name = s.name"
    )

    assert sorted(rows) == sorted((one, "a.txt") for one in ids)
    assert len(deepset.sent) == 2 + 3


def test_without_a_session_the_files_of_all_sessions_are_read_concurrently(
    deepset: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = with_files(deepset, 140, expired=20, each=2)
    delays_end_together(monkeypatch, 16)
    deepset.server.control.fault("delay", path="/files$", seconds=1, count=None)

    rows = deepset("SELECT session_id, file_name, ingestion_status FROM upload_session_files")

    assert (len(rows), set(rows)) == (280, files)
    lists = [one for one in deepset.sent if one["path"].endswith("/upload_sessions")]
    of_files = [one["path"] for one in deepset.sent if one["path"].endswith("/files")]
    assert sorted((one["query"]["is_expired"], one["query"]["page_number"]) for one in lists) == [
        ("false", "1"),
        ("false", "2"),
        ("true", "1"),
    ]
    assert len(of_files) == len(set(of_files)) == 140
    assert len(deepset.sent) == 143
    # One page of a list may be requested at the same time.
    assert 16 <= deepset.server.control.log()["max_in_flight"] <= 17


@pytest.mark.parametrize(
    ("rest", "lists", "of_files"),
    [
        ("WHERE ingestion_status = 'FAILED'", 2, 30),
        ("WHERE ingestion_status IN ('FAILED', 'PENDING')", 2, 60),
        ("WHERE file_name = 'f000.txt'", 2, 30),
        ("WHERE workspace = 'ws'", 2, 30),
        ("WHERE workspace = 'other'", 2, 0),
        ("WHERE workspace IN ('ws', 'other')", 4, 30),
        ("LIMIT 0", 0, 0),
        (
            "WHERE session_id IN (SELECT session_id FROM upload_sessions WHERE is_expired = 1)",
            1,
            10,
        ),
    ],
)
def test_a_fan_out_requests_no_more_than_the_statement_needs(
    deepset: Any, rest: str, lists: int, of_files: int
) -> None:
    with_files(deepset, 30, expired=10)
    sql = "SELECT name, session_id, file_name, ingestion_status, workspace FROM"
    everything = deepset(f"{sql} upload_session_files")

    rows = deepset(f"{sql} upload_session_files {rest}")

    sent = [one["path"].rpartition("/")[2] for one in deepset.sent]
    assert (sent.count("upload_sessions"), sent.count("files")) == (lists, of_files)
    deepset("CREATE TEMP TABLE plain(name, session_id, file_name, ingestion_status, workspace)")
    deepset.connection.executemany("INSERT INTO plain VALUES (?, ?, ?, ?, ?)", everything)
    expected = deepset(f"{sql} temp.plain {rest}")
    assert len(rows) == len(expected)
    assert set(rows) <= set(everything)
    assert "LIMIT" in rest or sorted(rows) == sorted(expected)


def test_a_small_first_page_of_files_is_followed_by_full_ones_without_duplicates(
    deepset: Any,
) -> None:
    files = with_files(deepset, 3, each=150)

    rows = deepset("SELECT session_id, file_name, ingestion_status FROM upload_session_files")

    assert (len(rows), set(rows)) == (450, files)
    assert len(deepset.sent) == 2 + 3 * 2


def test_a_file_is_found_by_the_name_of_its_row(deepset: Any) -> None:
    session_id = deepset.open()
    deepset.upload(session_id, "a b/ü.txt")
    sql = "SELECT name FROM upload_session_files"
    ((name,),) = deepset(f"{sql} WHERE session_id = ?", session_id)

    assert name.endswith("/files/a%20b%2F%C3%BC.txt")
    assert deepset(f"{sql} WHERE name = ?", name) == [(name,)]


def test_a_missing_session_has_no_files(deepset: Any) -> None:
    sql = "SELECT file_name FROM upload_session_files WHERE session_id = ?"
    assert deepset(sql, NO_SUCH) == []


OF_FEW = [
    (
        "SELECT file_name FROM upload_session_files f WHERE EXISTS (SELECT 1 FROM upload_sessions s"
        " WHERE s.session_id = f.session_id AND s.status = 'EXPIRED')"
    ),
    (
        "SELECT file_name FROM upload_session_files f WHERE (SELECT s.status FROM upload_sessions s"
        " WHERE s.session_id = f.session_id) = 'EXPIRED'"
    ),
    (
        "SELECT session_id FROM upload_sessions WHERE status = 'EXPIRED' AND session_id IN"
        " (SELECT session_id FROM upload_session_files)"
    ),
    (
        "SELECT session_id FROM upload_sessions WHERE status = 'EXPIRED' AND session_id NOT IN"
        " (SELECT session_id FROM upload_session_files WHERE file_name = 'none')"
    ),
]


@pytest.mark.parametrize("sql", OF_FEW)
def test_a_subquery_says_of_which_sessions_files_are_wanted(deepset: Any, sql: str) -> None:
    with_files(deepset, 60, expired=4)

    rows = deepset(sql)

    assert len(rows) == 4
    assert len(deepset.sent) <= 2 * (1 + 4) + 3


@pytest.mark.parametrize("where", ["session_id", "session_name"])
def test_of_many_sessions_that_are_named_only_those_that_are_there_are_asked_for(
    deepset: Any, where: str
) -> None:
    """Both lists of sessions tell, the active and the expired ones."""
    rows = with_files(deepset, 6, expired=3)
    names = [one for one, _, _ in rows] + [
        str(UUID(int=place, version=4)) for place in range(9, 150)
    ]
    if where == "session_name":
        names = [f"workspaces/ws/upload_sessions/{one}" for one in names]
    sql = "SELECT session_id, file_name, ingestion_status FROM upload_session_files"

    found = deepset(f"{sql} WHERE {where} IN (SELECT value FROM json_each(?))", json.dumps(names))

    assert set(found) == rows
    assert len(deepset.sent) == 2 + len(rows)
