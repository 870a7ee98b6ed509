"""Read-only holds from every interface, whatever way a statement takes to the file of a store."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import apsw
import pytest

from sessions_vtab import connect, dbapi, register
from sessions_vtab.cli import main
from sessions_vtab.errors import ReadOnlyError, SessionsError


@pytest.fixture(scope="module")
def _made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("made") / "store.db"
    with closing(connect(f"own=local://{path}")) as db:
        db.execute("INSERT INTO sessions(session_id, user_id) VALUES ('s1', 'ann')")
    return path


@pytest.fixture
def store(tmp_path: Path, _made: Path) -> Path:
    """The file of a local store with one session, in a folder of its own."""
    path = tmp_path / "data" / "store.db"
    path.parent.mkdir(mode=0o700)
    path.write_bytes(_made.read_bytes())
    path.chmod(0o600)
    return path


@pytest.fixture
def other(store: Path) -> Path:
    """A file of the user's that has nothing to do with it."""
    path = store.parent / "other.db"
    db = apsw.Connection(str(path))
    db.execute("CREATE TABLE notes(text); INSERT INTO notes VALUES ('kept')")
    db.close()
    return path


def _state(folder: Path) -> dict[str, str]:
    """What is in the files of a folder; reading a file in WAL mode makes files without data."""
    return {
        one.name: hashlib.sha256(one.read_bytes()).hexdigest()
        for one in sorted(folder.iterdir())
        if not one.name.endswith("-shm") and one.stat().st_size
    }


Run = Callable[[str], Any]


_INTERFACES = ["connect", "dbapi", "guarded", "command", "register"]


@pytest.fixture(params=_INTERFACES)
def run(request: pytest.FixtureRequest, store: Path) -> Iterator[Run]:
    """Runs statements on a read-only connection of some interface."""
    url = f"own=local://{store}"
    if request.param == "command":
        yield lambda sql: _commanded(url, sql)
        return
    if request.param == "register":
        flags = apsw.SQLITE_OPEN_READWRITE | apsw.SQLITE_OPEN_CREATE | apsw.SQLITE_OPEN_URI
        plain = apsw.Connection(":memory:", flags=flags)
        opened = register(plain, url, read_only=True)
        yield lambda sql: plain.execute(sql).fetchall()
        plain.close()
        for one in opened.values():
            one.backend.close()
        return
    if request.param == "connect":
        mine = connect(url, read_only=True)
        yield lambda sql: mine.execute(sql).fetchall()
        mine.close()
        return
    db = dbapi.connect(url, read_only=True, guarded=request.param == "guarded")

    def each(sql: str) -> None:
        for one in filter(None, (part.strip() for part in sql.split(";"))):
            cursor = db.execute(one)
            if cursor.description is not None:
                cursor.fetchall()

    yield each


def _commanded(url: str, sql: str) -> None:
    if main(["--source", url, "--read-only", "query", sql]) != 0:
        raise ReadOnlyError("refused by the command line")


_FILE = "{store}"
_WRITING = [
    f"ATTACH '{_FILE}' AS x; DELETE FROM x.sessions",
    f"ATTACH 'file:{_FILE}?mode=rw' AS x; DELETE FROM x.sessions",
    f"ATTACH ('{_FILE}' || '') AS x; DELETE FROM x.sessions",
    f"ATTACH DATABASE '{_FILE}' AS 'x'; DELETE FROM x.sessions",
    "ATTACH '{other}' AS x; DELETE FROM x.notes",
    "ATTACH '{folder}/new.db' AS x",
    "VACUUM INTO '{folder}/copy.db'",
    "DROP TABLE own.sessions",
    "PRAGMA writable_schema = 1",
    "INSERT INTO sessions(user_id) VALUES ('eve')",
]
_MORE = [
    f"ATTACH '{_FILE}' AS x; INSERT INTO x.sessions(session_id, user_id) VALUES ('s2', 'eve')",
    f"ATTACH '{_FILE}' AS x; UPDATE x.sessions SET user_id = 'eve'",
    f"ATTACH '{_FILE}' AS x; DROP TABLE x.sessions",
    f"ATTACH '{_FILE}' AS x; CREATE TABLE x.t(a)",
    f"ATTACH '{_FILE}' AS x; CREATE INDEX x.i ON sessions(user_id)",
    f"ATTACH '{_FILE}' AS x; ALTER TABLE x.sessions RENAME TO y",
    f"ATTACH '{_FILE}' AS x; PRAGMA x.user_version = 7",
    f"ATTACH '{_FILE}' AS x; VACUUM x",
    "ATTACH '{other}' AS x; CREATE TABLE x.t(a)",
    "ATTACH '{folder}/new.db' AS x; CREATE TABLE x.t(a)",
    f"VACUUM INTO '{_FILE}'",
    "DROP TABLE sessions",
    "DROP TABLE own.append_event",
    "PRAGMA writable_schema = 1; DELETE FROM own.sqlite_schema",
    "PRAGMA main.journal_mode = off",
    "SELECT * FROM append_event('s1', 'user', 'x')",
    "SELECT load_extension('x')",
]


@pytest.mark.parametrize(
    ("run", "sql"),
    [
        *((interface, sql) for interface in _INTERFACES for sql in _WRITING),
        *(("connect", sql) for sql in _MORE),
    ],
    indirect=["run"],
)
def test_nothing_that_is_written_is_let_through(
    run: Run, store: Path, other: Path, sql: str
) -> None:
    before = _state(store.parent)
    with pytest.raises((SessionsError, apsw.Error, dbapi.Error)):
        run(sql.format(store=store, other=other, folder=store.parent))
    assert _state(store.parent) == before


@pytest.mark.parametrize("run", ["connect", "dbapi", "command"], indirect=True)
def test_what_only_reads_is_let_through(run: Run, store: Path, other: Path) -> None:
    before = _state(store.parent)
    for sql in (
        f"ATTACH '{other}' AS x; SELECT text FROM x.notes",
        f"ATTACH '{store}' AS x; SELECT count(*) FROM x.sessions",
        f"ATTACH 'file:{other}?mode=ro' AS x; SELECT text FROM x.notes",
        "ATTACH ':memory:' AS m; CREATE TABLE m.t(a); INSERT INTO m.t VALUES (1)",
        "CREATE TEMP TABLE mine AS SELECT user_id FROM sessions; DROP TABLE mine",
        "PRAGMA table_info(sessions)",
        "PRAGMA case_sensitive_like = 1",
        "SELECT user_id FROM sessions",
    ):
        run(sql.replace(" AS x", f" AS x{abs(hash(sql))}").replace("x.", f"x{abs(hash(sql))}."))
    assert _state(store.parent) == before


def test_a_file_is_attached_by_name_parameter_or_expression(other: Path, store: Path) -> None:
    with closing(connect(f"own=local://{store}", read_only=True)) as db:
        odd = other.parent / "a b%#?'.db"
        odd.write_bytes(other.read_bytes())
        db.execute("ATTACH ? AS ?", (str(odd), "by value"))
        db.execute("ATTACH :file AS named", {"file": str(other)})
        db.execute("ATTACH :file || '.db' AS put_together", {"file": str(other)[:-3]})
        for schema in ("by value", "named", "put_together"):
            assert db.execute(f'SELECT text FROM "{schema}".notes').get == "kept"
            assert db.readonly(schema)


@pytest.mark.parametrize("interface", [connect, dbapi.connect])
def test_a_store_that_does_not_exist_is_not_created(
    tmp_path: Path, interface: Callable[..., Any]
) -> None:
    with (
        closing(interface(f"own=local://{tmp_path}/data/new.db", read_only=True)) as db,
        pytest.raises(Exception, match="does not exist, and a read-only source does not create it"),
    ):
        db.execute("SELECT count(*) FROM sessions").fetchall()
    assert not (tmp_path / "data").exists()


def test_the_error_says_what_is_read_only(store: Path, other: Path) -> None:
    with closing(connect(f"own=local://{store}", read_only=True)) as db:
        db.execute(f"ATTACH '{other}' AS y")
        with pytest.raises(ReadOnlyError, match=r"copy.db for writing.*connection is read-only"):
            db.execute("VACUUM y INTO 'copy.db'")
        with pytest.raises(ReadOnlyError, match="PRAGMA writable_schema is not possible"):
            db.execute("SELECT 1; PRAGMA writable_schema = 1").fetchall()


def test_a_source_that_is_read_only_is_so_on_a_connection_that_is_not(
    store: Path, other: Path
) -> None:
    sources = [f"own=local://{store}?read_only=true", "free=local://:memory:"]
    before = _state(store.parent)
    with closing(connect(sources=sources, default="free")) as db:
        db.execute(f"ATTACH '{store.parent}/../data/store.db' AS x")
        with pytest.raises(apsw.ReadOnlyError):
            db.execute("DELETE FROM x.sessions")
        db.execute(f"ATTACH '{other}' AS y")
        with pytest.raises(ReadOnlyError, match="belongs to a source that is read-only"):
            db.execute(f"VACUUM y INTO '{store}'")
        assert _state(store.parent) == before
        db.execute("INSERT INTO y.notes VALUES ('new')")
        db.execute("INSERT INTO free.sessions(user_id) VALUES ('ann')")
        assert db.execute("SELECT count(*) FROM y.notes").get == 2


def test_an_authorizer_of_the_users_own_is_still_asked(store: Path) -> None:
    flags = apsw.SQLITE_OPEN_READWRITE | apsw.SQLITE_OPEN_CREATE | apsw.SQLITE_OPEN_URI
    plain = apsw.Connection(":memory:", flags=flags)
    asked = []

    def own(*details: object) -> int:
        asked.append(details[0])
        return apsw.SQLITE_OK

    plain.authorizer = own
    opened = register(plain, f"own=local://{store}", read_only=True)
    asked.clear()
    plain.execute("SELECT user_id FROM sessions").fetchall()
    assert apsw.SQLITE_READ in asked
    plain.close()
    for one in opened.values():
        one.backend.close()
