from __future__ import annotations

import hashlib
import json
import os

import pytest

from sessions_vtab import connect
from sessions_vtab.contract.backend import OutcomeState
from sessions_vtab.contract.predicate import Compare, Field, Op
from sessions_vtab.errors import (
    ConflictError,
    InvalidValueError,
    NotFoundError,
    UnsupportedError,
)


def opened(local, session_id="u", **values):
    return local.as_dict(
        "upload_sessions", local.insert("upload_sessions", session_id=session_id, **values)
    )


def files(local, session_id="u"):
    return local.rows(
        "upload_session_files",
        Compare(Field("session_id"), Op.EQ, session_id),
        columns=("file_name", "ingestion_status"),
        order="name",
    )


def ingested(local):
    """The view that BI tools see."""
    return local.sql("SELECT file_name, CAST(content AS TEXT) FROM files ORDER BY id")


def test_an_upload_session_opens_with_defaults(local):
    row = opened(local)
    assert row == local.one("upload_sessions")
    assert {name: row[name] for name in ("name", "session_id", "status", "write_mode")} == {
        "name": "upload_sessions/u",
        "session_id": "u",
        "status": "OPEN",
        "write_mode": "KEEP",
    }
    assert (row["is_expired"], row["failed_files"], row["finished_files"]) == (0, 0, 0)
    assert row["expire_time"][:19] == "2026-01-02 09:00:00"
    assert (row["parallel_processing_enabled"], row["expires_in_seconds"]) == (0, 86_400)
    assert row["created_by"] is None or json.loads(row["created_by"])["user_name"]


def test_the_store_generates_an_id(local):
    row = local.as_dict("upload_sessions", local.insert("upload_sessions"))
    assert len(row["session_id"]) == 36
    assert row["name"] == f"upload_sessions/{row['session_id']}"


def test_an_id_that_exists_is_a_conflict(local):
    opened(local)
    with pytest.raises(ConflictError, match="upload session 'u' already exists"):
        opened(local)
    outcome = local.insert("upload_sessions", session_id="u", ignore=True)
    assert outcome.state is OutcomeState.SKIPPED


@pytest.mark.parametrize(
    ("sql", "value", "told"),
    [
        ("INSERT INTO upload_sessions(session_id) VALUES (?)", "a/b", "session_id must"),
        (
            "INSERT INTO upload_sessions(expires_in_seconds) VALUES (?)",
            0,
            "expires_in_seconds must",
        ),
        ("INSERT INTO upload_sessions(expires_in_seconds) VALUES (?)", 86_401, ".*at most 86400"),
        *(
            (
                "INSERT INTO upload_sessions(write_mode) VALUES (?)",
                value,
                "write_mode must be one of KEEP, OVERWRITE, FAIL, not",
            )
            for value in ("keep", "TEMPORARY", "", 1, b"KEEP")
        ),
        *(
            (
                "UPDATE upload_sessions SET status = ?",
                value,
                "status can only be set to 'CLOSED', not",
            )
            for value in ("EXPIRED", "closed", "", 0, None)
        ),
    ],
)
def test_values_that_a_column_cannot_be_set_to_are_refused(sql, value, told):
    with connect(sources={"s": "local://:memory:"}, config=os.devnull) as db:
        db.execute("INSERT INTO upload_sessions(session_id) VALUES ('u')")
        before = db.execute("SELECT * FROM upload_sessions").fetchall()
        with pytest.raises(InvalidValueError, match=rf"s\.upload_sessions\.{told}"):
            db.execute(sql, (value,))
        assert db.execute("SELECT * FROM upload_sessions").fetchall() == before


def test_a_status_that_is_set_to_itself_changes_nothing():
    with connect(sources={"s": "local://:memory:"}, config=os.devnull) as db:
        db.execute("INSERT INTO upload_sessions(session_id) VALUES ('u')")
        db.execute("UPDATE upload_sessions SET status = 'OPEN'")
        assert db.execute("SELECT status FROM upload_sessions").get == "OPEN"


def test_the_eleventh_open_session_is_refused_with_a_hint(local):
    for number in range(10):
        opened(local, f"u{number}")
    with pytest.raises(ConflictError, match=r"close_upload_session\('u0'\)"):
        opened(local, "eleventh")
    local.call("close_upload_session", "u0")
    opened(local, "eleventh")


def test_expired_sessions_do_not_count_as_open(local):
    for number in range(10):
        opened(local, f"u{number}", expires_in_seconds=60)
    local.clock.forward(61)
    opened(local, "eleventh")
    assert sorted(local.values("upload_sessions", "is_expired")) == [0, *[1] * 10]


def test_an_upload_session_expires(local):
    opened(local, expires_in_seconds=60)
    local.call("upload_file", "u", "a.txt", "x")
    local.clock.forward(61)
    row = local.one("upload_sessions")
    assert (row["status"], row["is_expired"]) == ("EXPIRED", 1)
    with pytest.raises(ConflictError, match="'u' has expired"):
        local.call("upload_file", "u", "b.txt", "x")
    with pytest.raises(ConflictError, match="'u' has expired"):
        local.call("close_upload_session", "u")
    assert files(local) == [("a.txt", "PENDING")]


@pytest.mark.parametrize(("value", "ids"), [(0, ["closed", "open"]), (1, ["expired"])])
def test_is_expired_tells_the_lists_apart(local, value, ids):
    opened(local, "expired", expires_in_seconds=60)
    opened(local, "closed", expires_in_seconds=60)
    opened(local, "open")
    local.call("close_upload_session", "closed")
    local.clock.forward(61)
    term = Compare(Field("is_expired"), Op.EQ, value)
    assert local.values("upload_sessions", "session_id", term, order="session_id") == ids


def test_upload_and_close(local):
    opened(local)
    (row,) = local.call("upload_file", "upload_sessions/u", "a.txt", "hellö", '{"k":1}')
    digest = hashlib.sha256("hellö".encode()).hexdigest()
    assert json.loads(row.pop("response")) == {"file_name": "a.txt", "size": 6, "sha256": digest}
    assert row == {"session_name": "upload_sessions/u", "stored_name": "a.txt", "size": 6}
    assert files(local) == [("a.txt", "PENDING")]
    assert ingested(local) == []
    (closed,) = local.call("close_upload_session", "u")
    assert json.loads(closed.pop("response"))["ingestion_status"] == {
        "failed_files": 0,
        "finished_files": 1,
    }
    assert closed == {"session_name": "upload_sessions/u", "session_id": "u", "status": "CLOSED"}
    assert files(local) == [("a.txt", "FINISHED")]
    assert ingested(local) == [("a.txt", "hellö")]
    assert local.sql("SELECT meta, size FROM files") == [('{"k":1}', 6)]


def test_a_blob_is_kept_byte_by_byte(local):
    opened(local)
    data = bytes(range(256))
    assert local.call("upload_file", "u", "b.bin", data)[0]["size"] == 256
    local.call("close_upload_session", "u")
    assert local.sql("SELECT content FROM files") == [(data,)]


@pytest.mark.parametrize(
    ("mode", "kept", "finished", "failed"),
    [
        ("KEEP", [("a.txt", "old"), ("a.txt", "new"), ("b.txt", "b")], 2, 0),
        ("OVERWRITE", [("a.txt", "new"), ("b.txt", "b")], 2, 0),
        ("FAIL", [("a.txt", "old"), ("b.txt", "b")], 1, 1),
    ],
)
def test_the_write_mode_decides_about_existing_names(local, mode, kept, finished, failed):
    opened(local, "first")
    local.call("upload_file", "first", "a.txt", "old")
    local.call("close_upload_session", "first")
    opened(local, write_mode=mode)
    local.call("upload_file", "u", "a.txt", "new")
    local.call("upload_file", "u", "b.txt", "b")
    local.call("close_upload_session", "u")
    assert ingested(local) == kept
    row = local.one("upload_sessions", Compare(Field("session_id"), Op.EQ, "u"))
    assert (row["status"], row["finished_files"], row["failed_files"]) == (
        "CLOSED",
        finished,
        failed,
    )
    failure = "FAILED" if failed else "FINISHED"
    assert files(local) == [("a.txt", failure), ("b.txt", "FINISHED")]


@pytest.mark.parametrize(
    ("mode", "kept"),
    [
        ("KEEP", [("a.txt", "1"), ("a.txt", "2")]),
        ("OVERWRITE", [("a.txt", "2")]),
        ("FAIL", [("a.txt", "1")]),
    ],
)
def test_the_same_name_twice_in_one_session(local, mode, kept):
    opened(local, write_mode=mode)
    local.call("upload_file", "u", "a.txt", "1")
    local.call("upload_file", "u", "a.txt", "2")
    local.call("close_upload_session", "u")
    assert ingested(local) == kept


def test_a_closed_session_accepts_no_files(local):
    opened(local)
    local.call("close_upload_session", "u")
    with pytest.raises(ConflictError, match="'u' is already closed"):
        local.call("upload_file", "u", "a.txt", "x")
    with pytest.raises(ConflictError, match="'u' is already closed"):
        local.call("close_upload_session", "u")


@pytest.mark.parametrize("function", ["close_upload_session", "upload_file"])
def test_an_unknown_upload_session_is_refused(local, function):
    arguments = ("x", "a.txt", "x") if function == "upload_file" else ("x",)
    with pytest.raises(NotFoundError, match=f"{function}: upload session 'x' does not exist"):
        local.call(function, *arguments)


@pytest.mark.parametrize("name", ["", "a\nb", "a\0", "x" * 1025])
def test_invalid_file_names_are_refused(local, name):
    opened(local)
    with pytest.raises(InvalidValueError, match="file_name must have 1 to 1024 printable"):
        local.call("upload_file", "u", name, "x")


@pytest.mark.parametrize("name", ["dir/a b+ü%.txt", "../../etc/passwd", "日本.pdf"])
def test_other_file_names_are_kept_as_they_are(local, name):
    opened(local)
    assert local.call("upload_file", "u", name, "x")[0]["stored_name"] == name


def test_metadata_is_an_object(local):
    opened(local)
    with pytest.raises(InvalidValueError, match=r"upload_file\.meta must be a JSON object"):
        local.call("upload_file", "u", "a.txt", "x", "[]")


@pytest.mark.parametrize("parameter", [{"upload_url": "https://x"}, {"upload_fields": "{}"}])
def test_a_presigned_target_is_ignored(local, parameter):
    opened(local)
    with pytest.raises(UnsupportedError, match="leave it out"):
        local.call("upload_file", "u", "a.txt", "x", **parameter)


def test_update_of_the_status_closes(local):
    opened(local)
    local.call("upload_file", "u", "a.txt", "x")
    row = local.as_dict(
        "upload_sessions", local.update("upload_sessions", "upload_sessions/u", status="CLOSED")
    )
    assert (row["status"], row["finished_files"]) == ("CLOSED", 1)


def test_other_columns_of_an_upload_session_cannot_be_changed(local):
    opened(local)
    with pytest.raises(UnsupportedError, match=r"upload_sessions\.write_mode cannot be changed"):
        local.update("upload_sessions", "upload_sessions/u", write_mode="FAIL")


def test_delete_removes_a_session_with_its_files(local):
    opened(local)
    local.call("upload_file", "u", "a.txt", "x")
    local.call("close_upload_session", "u")
    local.delete("upload_sessions", "upload_sessions/u")
    assert local.rows("upload_sessions") == []
    assert local.sql("SELECT * FROM upload_session_files") == []


def test_a_rollback_undoes_the_ingestion(local):
    opened(local)
    local.call("upload_file", "u", "a.txt", "x")
    local.begin()
    local.call("close_upload_session", "u")
    assert ingested(local) == [("a.txt", "x")]
    local.rollback()
    assert ingested(local) == []
    assert local.one("upload_sessions")["status"] == "OPEN"
