"""Copies of a database's pages, which would have the tables of sources without their rows."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import apsw
import pytest

import sessions_vtab
from sessions_vtab.errors import UnsupportedError

REMEDY = "Nothing was written. Write a copy with sessions-vtab snapshot FILE"


@pytest.fixture
def db() -> Iterator[sessions_vtab.Connection]:
    # Not ``with connect()``, which is a transaction.
    with closing(sessions_vtab.connect(sources={"prod": "local://:memory:"})) as opened:
        opened.execute("INSERT INTO sessions(session_id) VALUES ('s')")
        opened.execute("ATTACH ':memory:' AS mine")
        opened.execute("CREATE TABLE mine.t AS SELECT session_id FROM sessions")
        yield opened


@pytest.mark.parametrize("schema", ["", "main", "MAIN", '"prod"', "Prod"])
@pytest.mark.parametrize("before", ["", "SELECT 1; "])
def test_vacuum_into_names_the_snapshot(db, tmp_path: Path, schema: str, before: str) -> None:
    path = tmp_path / "copy.db"
    with pytest.raises(UnsupportedError, match=REMEDY):
        db.execute(f"{before}VACUUM {schema} INTO '{path}'").fetchall()
    assert not path.exists()


def test_vacuum_into_copies_a_schema_of_the_users_own(db, tmp_path: Path) -> None:
    path = tmp_path / "copy.db"
    db.execute("VACUUM mine INTO ?", (str(path),))
    assert apsw.Connection(str(path)).execute("SELECT * FROM t").fetchall() == [("s",)]
    db.execute("VACUUM")


@pytest.mark.parametrize("schema", ["main", "prod"])
def test_the_same_from_python(db, schema: str) -> None:
    other = apsw.Connection(":memory:")
    for copy in (
        lambda: db.serialize(schema),
        lambda: db.deserialize(schema, b""),
        lambda: db.backup(schema, other, "main"),
    ):
        with pytest.raises(UnsupportedError, match=REMEDY):
            copy()
    assert db.execute("SELECT session_id FROM sessions").get == "s"


def test_the_users_own_schema_is_copied_from_python(db) -> None:
    pages = db.serialize("mine")
    db.deserialize("mine", pages)
    assert db.execute("SELECT * FROM mine.t").get == "s"
    other = apsw.Connection(":memory:")
    other.execute("CREATE TABLE u(x)")
    with db.backup("mine", other, "main") as backup:
        backup.step()
    assert db.execute("SELECT name FROM mine.sqlite_schema").get == "u"
