from __future__ import annotations

from typing import Any
from urllib.parse import quote
from uuid import UUID

import pytest

from sessions_vtab.errors import (
    InvalidValueError,
    NotFoundError,
    ProtocolError,
    UnavailableError,
)

NO_SUCH = "11111111-1111-4111-8111-111111111111"


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


def _with_files(deepset: Any, sessions: int, expired: int = 0, each: int = 1) -> set[Any]:
    """Closed sessions with files of three states; session id and name of each file."""
    ids = deepset.fill(sessions - expired, expired)
    state = deepset.server.control.dump()
    rows = set()
    for place, session_id in enumerate(ids):
        uploads = state["deepset"]["sessions"][session_id]["uploads"] = {}
        for number in range(each):
            status = ("PENDING", "FAILED", "FINISHED")[(place + number) % 3]
            name = f"f{number:03}.txt"
            uploads[name] = {
                "upload_id": str(UUID(int=place * 1_000 + number + 1, version=4)),
                "name": name,
                "content": "",
                "created_at": deepset.now.isoformat(),
                "ingestion_status": status,
            }
            rows.add((session_id, name, status))
        state["deepset"]["sessions"][session_id]["ingested"] = True
    deepset.server.control.load(state)
    return rows


def test_without_a_session_the_files_of_all_sessions_are_read_concurrently(deepset: Any) -> None:
    files = _with_files(deepset, 140, expired=20, each=2)
    deepset.server.control.delay(0.01)

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
    _with_files(deepset, 30, expired=10)
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
    files = _with_files(deepset, 3, each=150)

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


METAS: dict[str, Any] = {
    "Report.txt": {"category": "news", "year": 2020, "it's": "o'clock"},
    "report-2.md": {"category": "News", "year": "2020"},
    "other_2024-03.txt": {"category": ["news"], "year": 2021.5},
    "none.txt": None,
    "flag.txt": {"category": True, "year": None, "and": "news"},
}


@pytest.mark.parametrize(
    ("where", "query"),
    [
        ("file_name = 'Report.txt'", {"name": "Report.txt"}),
        ("file_name GLOB '*eport*'", {"name": "eport"}),
        ("file_name GLOB '*[0-9].md'", {"name": ".md"}),
        ("file_name LIKE '%report%'", {}),
        ("file_name LIKE '%2024-03%'", {"name": "2024-03"}),
        ("file_name LIKE '%_2024%.TXT'", {"name": "2024"}),
        ("file_name LIKE ''", {}),
        ("file_name <> 'Report.txt'", {}),
        ("meta->>'category' = 'news'", {"filter": "category eq 'news'"}),
        (
            "meta->>'category' = 'news' AND meta->>'year' = '2020'",
            {"filter": "category eq 'news' and year eq '2020'"},
        ),
        (
            "meta->>'category' = 'o''clock' AND file_name = 'none.txt'",
            {"filter": "category eq 'o''clock'", "name": "none.txt"},
        ),
        ("meta->>'it''s' = 'o''clock'", {}),
        ("meta->>'and' = 'news'", {}),
        ("meta->>'category' = '[\"news\"]'", {}),
        ("meta->>'year' = 2020", {}),
        ("meta->>'year' >= 2020", {}),
        ("meta->>'year' >= '2020'", {}),
        ("meta->>'category' = 'news' OR meta->>'year' = '2020'", {}),
        ("meta->>'category' <> 'news'", {}),
        ("meta->>'category' = 1", {}),
        ("meta IS NULL", {}),
    ],
)
def test_conditions_on_files_are_sent_if_they_lose_no_row(
    deepset: Any, where: str, query: dict[str, str]
) -> None:
    deepset.ingest(**METAS)
    everything = deepset("SELECT file_name, meta FROM files")

    rows = deepset(f"SELECT file_name, meta FROM files WHERE {where}")

    (one,) = deepset.sent
    assert {k: v for k, v in one["query"].items() if k != "limit"} == query
    deepset("CREATE TEMP TABLE plain(file_name, meta)")
    deepset.connection.executemany("INSERT INTO plain VALUES (?, ?)", everything)
    assert sorted(rows) == sorted(deepset(f"SELECT * FROM plain WHERE {where}"))


def test_the_users_filter_is_sent_unchanged_and_joined_with_the_composed_one(deepset: Any) -> None:
    deepset.ingest(**METAS)

    rows = deepset(
        "SELECT file_name FROM files WHERE filter = 'year ge 2020' AND meta->>'category' = 'news'"
    )

    assert rows == [("Report.txt",)]
    assert [one["query"]["filter"] for one in deepset.sent] == [
        "year ge 2020 and category eq 'news'"
    ]


def test_files_are_paged_by_their_last_row(deepset: Any) -> None:
    state = deepset.server.control.dump()
    ids = [str(UUID(int=number + 1)) for number in range(250)]
    state["deepset"]["files"] = {
        "ws": {
            one: {
                "file_id": one,
                "name": f"f{number:03}.txt",
                "content": "",
                "meta": {},
                "created_at": deepset.now.isoformat(),
            }
            for number, one in enumerate(ids)
        }
    }
    deepset.server.control.load(state)
    deepset.server.control.reset_log()

    rows = deepset("SELECT file_name FROM files")

    assert sorted(row[0] for row in rows) == [f"f{number:03}.txt" for number in range(250)]
    cursors = [one["query"].get("after_file_id") for one in deepset.sent]
    assert len(cursors) == len(set(cursors)) == 3
    assert deepset("SELECT count(*) FROM files") == [(250,)]
    assert len(deepset.sent) == 1
    assert len(deepset("SELECT file_name FROM files WHERE page_size = 99")) == 250
    assert [one["query"]["limit"] for one in deepset.sent] == ["99"] * 3


# Workspaces and hostile values


HOSTILE = [
    "a/../b",
    "evil.example/",
    "..%2f",
    "ü ☃",
    "?limit=1",
    "#x",
    "a\\b",
    "%00",
    "'; --",
    "a\nb",
]


@pytest.mark.parametrize("workspace", HOSTILE)
def test_any_workspace_text_stays_one_segment_of_the_path(deepset: Any, workspace: str) -> None:
    session_id = deepset.open(workspace=workspace)

    rows = deepset("SELECT name, workspace FROM upload_sessions WHERE workspace = ?", workspace)

    name = f"workspaces/{quote(workspace, safe='')}/upload_sessions/{session_id}"
    assert rows == [(name, workspace)]
    paths = {one["raw_path"] for one in deepset.sent}
    assert paths == {f"/api/v1/workspaces/{quote(workspace, safe='')}/upload_sessions"}
    assert deepset("SELECT workspace FROM upload_sessions WHERE name = ?", name) == [(workspace,)]
    sql = "SELECT session_name FROM close_upload_session(?)"
    assert deepset(sql, name) == [(name,)]


@pytest.mark.parametrize("workspace", ["", ".", ".."])
def test_a_workspace_that_would_change_the_path_is_refused(deepset: Any, workspace: str) -> None:
    with pytest.raises(InvalidValueError, match="is not a valid workspace"):
        deepset("SELECT * FROM upload_sessions WHERE workspace = ?", workspace)

    assert deepset.sent == []


def test_scopes_limit_the_workspaces_that_can_be_named(deepset: Any) -> None:
    scoped = deepset.connect(scopes={"workspace": ("team",)})
    deepset.server.control.reset_log()

    assert scoped.execute("SELECT * FROM upload_sessions WHERE workspace = 'team'").fetchall() == []
    for sql, value in (
        ("SELECT * FROM upload_sessions WHERE workspace = ?", "secret"),
        ("SELECT * FROM files WHERE workspace = ?", "secret"),
        ("INSERT INTO upload_sessions(workspace) VALUES (?)", "secret"),
        (
            "SELECT * FROM close_upload_session(?)",
            f"workspaces/secret/upload_sessions/{NO_SUCH}",
        ),
    ):
        with pytest.raises(
            InvalidValueError, match=r"is not allowed\. The source's scopes allow only"
        ):
            scoped.execute(sql, (value,)).fetchall()
    assert all("team" in one["path"] for one in deepset.sent)


@pytest.mark.parametrize("value", [*HOSTILE, "' or 1 eq 1 or x eq '"])
def test_hostile_values_in_queries_stay_values(deepset: Any, value: str) -> None:
    deepset.ingest(**{"a.txt": {"k": value}})

    sql = "SELECT file_name FROM files WHERE meta->>'k' = ? AND file_name GLOB ?"
    assert deepset(sql, value, f"*{value}*") == []
    assert deepset("SELECT file_name FROM files WHERE meta->>'k' = ?", value) == [("a.txt",)]


# Responses that differ from the API's description


LAST = {"total": 1, "has_more": False}


@pytest.mark.parametrize(
    ("sql", "body", "field"),
    [
        (
            "SELECT status FROM upload_sessions",
            {"data": [{}], "total": 1, "has_more": False},
            "session_id",
        ),
        ("SELECT status FROM upload_sessions", {"data": 5}, "data"),
        ("SELECT status FROM upload_sessions", [], "JSON object"),
        ("SELECT count(*) FROM upload_sessions", {"data": [], "has_more": False}, "total"),
        (
            "SELECT status FROM upload_sessions",
            {"data": [{}], "total": 1, "has_more": "no"},
            "has_more",
        ),
        (
            "SELECT create_time FROM upload_sessions",
            {"data": [{"session_id": "x", "created_at": "soon"}], **LAST},
            "created_at",
        ),
        (
            "SELECT created_by FROM upload_sessions",
            {"data": [{"session_id": "x", "created_by": "ann"}], **LAST},
            "created_by",
        ),
        ("SELECT size FROM files", {"data": [{"file_id": "f", "size": "1"}], **LAST}, "size"),
        ("SELECT name FROM files", {"data": [{"size": 1}], **LAST}, "file_id"),
        (
            "SELECT size FROM files",
            {"data": [{"size": 1}], "total": 2, "has_more": True},
            "created_at or file_id",
        ),
    ],
)
def test_a_field_of_the_wrong_type_is_named(deepset: Any, sql: str, body: Any, field: str) -> None:
    deepset.server.control.fault("body", body=body, count=None)

    with pytest.raises(ProtocolError, match=rf"GET http.*{field}"):
        deepset(sql)


FILE = {"file_id": "f", "name": "a", "created_at": "2026-01-01T00:00:00Z"}
SESSION = {"session_id": NO_SUCH, "status": "OPEN"}


@pytest.mark.parametrize(
    ("sql", "body", "says"),
    [
        (sql, {"data": rows, "total": total, "has_more": more}, says)
        for sql, row in [
            ("SELECT name FROM files WHERE size > 0", FILE),
            ("SELECT status FROM upload_sessions", SESSION),
            (f"SELECT * FROM upload_session_files WHERE session_id = '{NO_SUCH}'", {"name": "a"}),
            ("SELECT count(*) FROM upload_sessions", SESSION),
            ("SELECT count(*) FROM files", FILE),
        ]
        for rows, total, more, says in [
            ([], 5, False, "no rows, but its total is 5"),
            ([], 0, True, "no rows, but says that more follow"),
            ([row], 1, True, "says that more rows follow, but has the last of 1"),
        ]
    ],
)
def test_a_page_that_contradicts_itself_is_no_end_of_a_list(
    deepset: Any, sql: str, body: Any, says: str
) -> None:
    """Rows would be missing, or pages without end be asked for."""
    deepset.server.control.fault("status", status=200, body=body, count=None)

    with pytest.raises(ProtocolError, match=f"GET http.*{says}"):
        deepset(sql)

    assert len(deepset.sent) <= 2


def test_pages_that_do_not_go_on_are_an_error(deepset: Any) -> None:
    body = {"data": [FILE], "total": 1000, "has_more": True}
    deepset.server.control.fault("status", status=200, path="files", body=body, count=None)

    with pytest.raises(ProtocolError, match="the page ends where it should begin"):
        deepset("SELECT name FROM files WHERE size > 0")

    assert len(deepset.sent) == 2


def test_a_missing_workspace_is_not_reported_as_a_missing_session(deepset: Any) -> None:
    body = {"errors": ["Workspace 'ws' was not found."]}
    deepset.server.control.fault("status", status=404, body=body, count=None)

    with pytest.raises(NotFoundError, match="Workspace 'ws' was not found"):
        deepset("SELECT failed_files FROM upload_sessions WHERE session_id = ?", NO_SUCH)


def test_an_unavailable_service_is_reported(deepset: Any) -> None:
    deepset.server.control.fault("status", status=503, retry_after=0, count=None)

    with pytest.raises(UnavailableError, match="503 Service Unavailable after 5 attempts"):
        deepset("SELECT status FROM upload_sessions WHERE is_expired = 0")


def test_a_fan_out_with_limit_requests_few_lists(deepset: Any) -> None:
    _with_files(deepset, 30, expired=10)

    deepset("SELECT name, file_name FROM upload_session_files LIMIT 3")

    sent = [one["path"].rpartition("/")[2] for one in deepset.sent]
    # Reading starts with one list and doubles; how many were requested depends on timing.
    assert 3 <= sent.count("files") <= 8


_ALIEN = ["latest", "", "x' --", "6F1C9D2E", None, 5]
"""What data may have in place of an id."""


@pytest.mark.parametrize("table", ["upload_sessions", "upload_session_files"])
@pytest.mark.parametrize(
    ("where", "expected"),
    [
        ("t.session_id IN (SELECT id FROM wanted)", ["own"]),
        ("t.session_id = (SELECT id FROM wanted WHERE id = 'latest')", []),
        ("t.session_id = 'latest' OR t.session_id = '{own}'", ["own"]),
        ("t.session_id = 'latest' OR t.session_id <> 'x'", ["own", "other"]),
        ("t.session_id IN ('latest', '{own}')", ["own"]),
        (
            "NOT EXISTS (SELECT 1 FROM wanted w WHERE w.id = t.session_id AND w.id = 'latest')",
            ["own", "other"],
        ),
        ("EXISTS (SELECT 1 FROM wanted w WHERE w.id = t.session_id)", ["own"]),
        ("t.session_id || '' = 'latest'", []),
    ],
)
def test_a_value_from_data_that_is_no_id_matches_no_row(
    deepset: Any, table: str, where: str, expected: list[str]
) -> None:
    names = {"own": deepset.open(), "other": deepset.open()}
    own = names["own"]
    for session in names.values():
        deepset.upload(session, "a.txt")
    deepset("CREATE TEMP TABLE wanted(id)")
    deepset.connection.executemany("INSERT INTO wanted VALUES (?)", [(one,) for one in _ALIEN])
    deepset("INSERT INTO wanted VALUES (?)", own)
    found = deepset(f"SELECT session_id FROM {table} t WHERE {where.format(own=own)}")
    assert {one for (one,) in found} == {names[name] for name in expected}


@pytest.mark.parametrize("table", ["upload_sessions", "upload_session_files"])
def test_a_join_over_data_that_has_other_ids_is_answered(deepset: Any, table: str) -> None:
    own = deepset.open()
    deepset.upload(own, "a.txt")
    deepset("CREATE TEMP TABLE wanted(id)")
    deepset.connection.executemany("INSERT INTO wanted VALUES (?)", [(one,) for one in _ALIEN])
    deepset("INSERT INTO wanted VALUES (?)", own)
    joined = f"FROM wanted w LEFT JOIN {table} t ON t.session_id = w.id"
    assert deepset(f"SELECT w.id, t.session_id {joined} WHERE t.session_id IS NOT NULL") == [
        (own, own)
    ]
    assert len(deepset(f"SELECT * {joined} WHERE t.session_id IS NULL")) == len(_ALIEN)


@pytest.mark.parametrize("value", [one for one in _ALIEN if one != 5])
def test_a_bound_value_that_is_no_id_matches_no_row(deepset: Any, value: object) -> None:
    assert deepset("SELECT session_id FROM upload_sessions WHERE session_id = ?", value) == []
    assert deepset.sent == []


@pytest.mark.parametrize(
    "text",
    [
        "SELECT * FROM upload_sessions WHERE session_id = 'latest'",
        "SELECT * FROM docs.upload_sessions AS u WHERE u.session_id = 'latest' AND status = 'OPEN'",
        "SELECT name FROM upload_session_files f WHERE 1 AND f.session_id == 'latest'",
        "SELECT (SELECT count(*) FROM upload_session_files WHERE session_id = 'latest')",
        (
            "SELECT u.name FROM upload_sessions u JOIN upload_session_files f USING (session_id)"
            " WHERE f.session_id = 'latest'"
        ),
        "UPDATE upload_sessions SET status = 'CLOSED' WHERE session_id = 'latest' RETURNING name",
    ],
)
def test_a_literal_that_is_no_id_is_an_error_before_anything_is_sent(
    deepset: Any, text: str
) -> None:
    with pytest.raises(InvalidValueError, match="'latest' is not a valid upload session id"):
        deepset(text)
    assert deepset.sent == []
