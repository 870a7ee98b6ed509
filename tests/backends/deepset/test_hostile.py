"""Values that could leave their place in a request, and ids that are no ids."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

import pytest

from sessions_vtab.errors import (
    InvalidValueError,
)
from tests.backends.deepset.conftest import NO_SUCH

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
