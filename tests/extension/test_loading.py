"""What a load creates and what it leaves alone, and how it fails."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import apsw
import pytest

import sessions_vtab
from sessions_vtab import extension
from sessions_vtab.cli.copies import write_catalog
from sessions_vtab.errors import ConfigurationError, UnsupportedError
from tests.extension.conftest import BOTH, Host, Setting, end_process, pid_of

CORE = {"sessions", "events", "upload_sessions", "participants"}


def _names(db: Any, schema: str) -> set[str]:
    rows = db.execute(f"SELECT name FROM {schema}.sqlite_master WHERE type = 'table'").fetchall()
    return {name for (name,) in rows}


def test_the_default_is_in_temp_others_have_their_name_before_and_a_schema(db: Any) -> None:
    schemas = {row[1] for row in db.execute("PRAGMA database_list").fetchall()}

    assert _names(db, "temp") >= {*CORE, "prod_sessions", "prod_events", "writes", "http_requests"}
    assert schemas >= {"local", "prod"}
    assert _names(db, "prod") >= {"sessions", "events"}


@pytest.mark.parametrize(
    "name",
    [
        "sessions",
        "temp.sessions",
        "local.sessions",
        "prod_sessions",
        "temp.prod_sessions",
        "prod.sessions",
    ],
)
def test_every_name_has_its_rows(db: Any, name: str) -> None:
    db.execute("INSERT OR IGNORE INTO sessions(session_id, user_id) VALUES ('one', 'ann')")

    ((count,),) = db.execute(f"SELECT count(*) FROM {name}").fetchall()

    assert count == (30 if "prod" in name else 1)


def test_functions_are_no_tables_that_a_tool_lists(db: Any) -> None:
    assert "append_event" not in _names(db, "temp") | _names(db, "local")


def test_the_second_load_changes_nothing(db: Any, library: Path) -> None:
    before = pid_of(db), _names(db, "temp")
    db.enable_load_extension(True)

    db.execute("SELECT load_extension(?)", (str(library),)).fetchall()

    assert (pid_of(db), _names(db, "temp")) == before


def test_info_has_one_row_without_a_path(db: Any, host: Host) -> None:
    cursor = db.execute("SELECT * FROM sessions_vtab_info()")
    names = [column[0] for column in cursor.description]
    (row,) = cursor.fetchall()

    found = dict(zip(names, row, strict=True))

    assert found["version"] == sessions_vtab.__version__
    assert found["sqlite_version"] == ".".join(map(str, host.version))
    assert (found["protocol"], found["connected"]) == (1, 1)
    assert not any("/" in str(value) for value in row)


def test_nothing_is_written_into_the_users_file(
    both: SimpleNamespace, host: Host, tmp_path: Path
) -> None:
    file = tmp_path / "user.db"
    with sessions_vtab_file(file) as native:
        native.execute("CREATE TABLE events(a)")
        native.execute("INSERT INTO events VALUES (1)")
    before = file.read_bytes()

    db = host.connect(str(file))
    shown = db.execute("SELECT * FROM events").fetchall()
    db.execute("SELECT count(*) FROM sessions").fetchall()
    db.close()

    # A table of the user's is not hidden by one of ours in temp; ours is in the source's schema.
    assert shown == [(1,)]
    assert file.read_bytes() == before
    assert list(tmp_path.iterdir()) == [file]


def sessions_vtab_file(file: Path) -> apsw.Connection:
    return apsw.Connection(str(file))


@pytest.mark.parametrize("how", ["?mode=ro", "?immutable=1"])
def test_a_file_that_may_only_be_read_gets_the_tables(
    both: SimpleNamespace, host: Host, tmp_path: Path, how: str
) -> None:
    file = tmp_path / "user.db"
    with sessions_vtab_file(file) as native:
        native.execute("CREATE TABLE mine(a)")

    db = host.connect(f"file:{file}{how}")

    assert db.execute("SELECT count(*) FROM prod.sessions").fetchall() == [(30,)]
    db.close()


def test_a_schema_of_the_sources_name_is_the_users(
    both: SimpleNamespace, library: Path, tmp_path: Path
) -> None:
    db = apsw.Connection(":memory:")
    db.execute("ATTACH ':memory:' AS local")
    db.execute("CREATE TABLE local.sessions(mine)")
    db.execute("CREATE TEMP TABLE prod_events(mine)")
    db.enable_load_extension(True)

    db.load_extension(str(library))

    assert db.execute("SELECT count(*) FROM local.sessions").fetchall() == [(0,)]
    assert db.execute("SELECT * FROM prod_events").fetchall() == []
    assert db.execute("SELECT count(*) FROM prod.sessions").fetchall() == [(30,)]
    db.close()


def test_sources_beyond_the_hosts_limit_of_schemas_are_in_temp(
    setting: Setting, inner_host: Host
) -> None:
    sources = "".join(f'[sources.s{k}]\nurl = "local://:memory:"\n' for k in range(12))
    setting.configure(sources, SESSIONS_VTAB_WRITABLE="1")

    db = inner_host.connect()

    # SQLite's own limit is 10; APSW was built with 125.
    schemas = {row[1] for row in db.execute("PRAGMA database_list").fetchall()}
    assert ("s11" in schemas) == (inner_host.name == "apsw")
    assert {"s9_sessions", "s10_sessions", "s11_sessions"} <= _names(db, "temp")
    db.execute("INSERT INTO s11_sessions(session_id, user_id) VALUES ('a', 'u')")
    assert db.execute("SELECT session_id FROM s11_sessions").fetchall() == [("a",)]
    assert db.execute("SELECT session_id FROM s10_sessions").fetchall() == []
    db.close()


def test_a_connection_with_registered_sources_says_that_it_has_them(
    both: SimpleNamespace, library: Path
) -> None:
    db = apsw.Connection(":memory:")
    sessions_vtab.register(db, "local://:memory:")
    db.enable_load_extension(True)

    with pytest.raises(apsw.ExtensionLoadingError, match=r"from sessions_vtab\.register\(\)"):
        db.load_extension(str(library))

    db.close()


# Failures

FAILURES = {
    "no such Python": (
        "",
        {"SESSIONS_VTAB_PYTHON": "/nonexistent/python"},
        r"cannot start /nonexistent/python: No such file.*Set SESSIONS_VTAB_PYTHON to the python3",
    ),
    "something else": (
        "",
        {"SESSIONS_VTAB_PYTHON": "/bin/false"},
        "Python process [0-9]+ ended with status 1",
    ),
    "a configuration that is wrong": ("defualt = 'x'", {}, r"unknown key defualt\. Did you mean"),
    "a source that cannot be opened": (
        '[sources.x]\nurl = "vertex://a/b/c?nosuch=1"',
        {},
        "nosuch",
    ),
    "[extension] with another value": (
        "[extension]\nwritable = 1",
        {},
        r"\[extension\] writable must be true or false",
    ),
}


@pytest.mark.parametrize("case", FAILURES)
def test_a_load_that_fails_says_why_and_leaves_nothing(
    setting: Setting, library: Path, case: str
) -> None:
    text, environment, message = FAILURES[case]
    setting.configure(text, **environment)
    db = apsw.Connection(":memory:")
    db.enable_load_extension(True)

    with pytest.raises(apsw.ExtensionLoadingError, match=message):
        db.load_extension(str(library))

    assert _names(db, "temp") == set()
    assert {row[1] for row in db.execute("PRAGMA database_list")} <= {"main", "temp"}
    if case == "a configuration that is wrong":
        # Mended, the same connection can have it.
        setting.file.write_text("")
        db.load_extension(str(library))
        assert db.execute("SELECT count(*) FROM sqlite_temp_master").get > 5
    db.close()


def test_a_python_without_the_package_says_so_where_nobody_sees_standard_error(
    setting: Setting, library: Path, tmp_path: Path
) -> None:
    other = tmp_path / "python"
    # The same code, by a Python that finds no packages, as one of another environment would not.
    other.write_text(f'#!/bin/sh\nexec {sys.executable} -S "$1" "$2" "$3" /nonexistent\n')
    other.chmod(0o755)
    setting.configure("", SESSIONS_VTAB_PYTHON=str(other))
    db = apsw.Connection(":memory:")
    db.enable_load_extension(True)

    message = (
        rf"{other} cannot serve the tables: ModuleNotFoundError: No module named .*Set SESSIONS"
    )
    with pytest.raises(apsw.ExtensionLoadingError, match=message):
        db.load_extension(str(library))

    db.close()


def test_statements_fail_while_the_process_cannot_be_started_and_go_on_then(
    setting: Setting, some_host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    setting.configure("")
    db = some_host.connect()
    end_process(db)
    monkeypatch.setenv("SESSIONS_VTAB_PYTHON", "/nonexistent/python")

    with pytest.raises(apsw.Error, match="was killed by signal 9; the next statement starts a new"):
        db.execute("SELECT * FROM sessions").fetchall()
    for _ in range(2):
        with pytest.raises(apsw.Error, match="cannot start /nonexistent/python"):
            db.execute("SELECT * FROM sessions").fetchall()
    monkeypatch.setenv("SESSIONS_VTAB_PYTHON", sys.executable)

    assert db.execute("SELECT count(*) FROM http_requests").fetchall() == [(0,)]
    db.close()


def test_a_module_in_the_working_directory_is_not_run(
    setting: Setting, some_host: Host, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    planted = tmp_path / "planted"
    (planted / "sessions_vtab").mkdir(parents=True)
    for name in ("sessions_vtab/__init__.py", "apsw.py", "sitecustomize.py"):
        (planted / name).write_text(f"open({str(planted / 'ran')!r}, 'w')\n")
    setting.configure("", PYTHONPATH=str(planted), PYTHONSTARTUP=str(planted / "apsw.py"))
    monkeypatch.chdir(planted)

    db = some_host.connect()

    assert db.execute("SELECT count(*) FROM http_requests").fetchall() == [(0,)]
    assert not (planted / "ran").exists()
    db.close()


# Arguments of CREATE VIRTUAL TABLE


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("", r"Write USING sessions_vtab\(source\)"),
        ("local, sessions, more", r"Write USING sessions_vtab\(source\)"),
        ("nosuch", "nosuch"),
        ("local, nosuch", "nosuch"),
        ("'local:///tmp/other.db'", "local:///tmp/other.db"),
        ("'url=vertex://p/l/1?base_url=http://evil'", "url"),
        ("local, 'sessions?base_url=http://evil'", "sessions"),
        ('"vertex://p/l/1"', "vertex"),
    ],
)
def test_arguments_are_names_of_the_configuration_and_nothing_else(
    both: SimpleNamespace, some_host: Host, arguments: str, message: str
) -> None:
    db = some_host.connect()
    before = both.emulator.control.requests()

    with pytest.raises(apsw.Error, match=message):
        db.execute(f"CREATE VIRTUAL TABLE temp.other USING sessions_vtab({arguments})")

    assert both.emulator.control.requests() == before
    db.close()


@pytest.mark.parametrize("arguments", ["prod, sessions", "'prod', 'sessions'", '"prod",`sessions`'])
def test_a_table_of_another_name(both: SimpleNamespace, some_host: Host, arguments: str) -> None:
    db = some_host.connect()

    db.execute(f"CREATE VIRTUAL TABLE temp.other USING sessions_vtab({arguments})")

    assert db.execute("SELECT count(*) FROM other").fetchall() == [(30,)]
    db.execute("DROP TABLE other")
    db.close()


def test_a_table_keeps_its_name(both: SimpleNamespace, some_host: Host) -> None:
    db = some_host.connect()

    with pytest.raises(apsw.Error, match="CREATE TEMP VIEW mine AS SELECT"):
        db.execute("ALTER TABLE sessions RENAME TO mine")

    db.close()


# load(), and the file for tools that list main


def test_load_takes_any_of_the_modules(
    setting: Setting, library: Path, monkeypatch: pytest.MonkeyPatch, inner_host: Host
) -> None:
    host = inner_host
    setting.configure("")
    monkeypatch.setattr(extension, "_FOLDER", library.parent)
    module = sys.modules[host.error.__module__.removesuffix("._sqlite3")]
    opening = apsw.Connection if host.name == "apsw" else module.connect
    db = opening(":memory:")

    extension.load(db)

    assert db.execute("SELECT count(*) FROM http_requests").fetchall() == [(0,)]
    # It cannot load what else is on the disk.
    with pytest.raises(host.error, match="not authorized"):
        db.execute("SELECT load_extension('/nonexistent')").fetchall()
    db.close()


def test_load_says_that_a_python_cannot(monkeypatch: pytest.MonkeyPatch, library: Path) -> None:
    monkeypatch.setattr(extension, "_FOLDER", library.parent)

    with pytest.raises(UnsupportedError, match="built without loadable extensions"):
        extension.load(object())


def test_the_path_notes_the_python_that_serves(
    library: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(extension, "_FOLDER", library.parent)

    path = extension.loadable_path()

    assert path.with_suffix(extension.SUFFIX) == library
    assert Path(f"{library}.python").read_text() == f"{sys.executable}\n"
    monkeypatch.setattr(sys, "executable", "/usr/bin/uwsgi")
    extension.loadable_path()
    assert "uwsgi" not in Path(f"{library}.python").read_text()


@pytest.mark.parametrize(
    ("reason", "message"),
    [
        (None, r"without the SQLite extension: it was not built\. Install a C compiler"),
        ("there was no C compiler", r"extension: there was no C compiler\. Install a C compiler"),
    ],
)
def test_an_installation_without_it_says_why(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, reason: str | None, message: str
) -> None:
    monkeypatch.setattr(extension, "_FOLDER", tmp_path)
    if reason:
        (tmp_path / "not_built.txt").write_text(f"{reason}\n")

    with pytest.raises(extension.ExtensionMissingError, match=message):
        extension.loadable_path()


def test_a_catalog_file_has_the_tables_in_main(
    both: SimpleNamespace,
    library: Path,
    host: Host,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(extension, "_FOLDER", library.parent)
    file = tmp_path / "catalog.db"

    names = write_catalog(file)

    assert {"sessions", "prod_sessions"} <= set(names)
    bare = apsw.Connection(str(file))
    assert _names(bare, "main") == set(names)
    assert "emulator" not in file.read_bytes().decode("latin-1")
    assert both.emulator.url.encode() not in file.read_bytes()
    with pytest.raises(apsw.SQLError, match="no such module: sessions_vtab"):
        bare.execute("SELECT * FROM sessions")
    bare.close()
    db = host.connect(str(file))
    assert db.execute("SELECT count(*) FROM main.prod_sessions").fetchall() == [(30,)]
    # A name in temp does not hide the file's.
    assert "sessions" not in _names(db, "temp")
    db.close()
    with pytest.raises(ConfigurationError, match="exists already"):
        write_catalog(file)


def test_a_table_of_the_file_is_the_source_it_names_whatever_the_default_is(
    both: SimpleNamespace, host: Host, tmp_path: Path
) -> None:
    file = tmp_path / "one.db"
    db = host.connect(str(file))
    db.execute("CREATE VIRTUAL TABLE main.sessions USING sessions_vtab(prod)")
    db.close()

    db = host.connect(str(file))

    assert db.execute("SELECT count(*) FROM sessions").fetchall() == [(30,)]
    db.close()


def test_views_of_a_file_cannot_use_the_tables(
    both: SimpleNamespace, host: Host, tmp_path: Path
) -> None:
    file = tmp_path / "views.db"
    db = host.connect(str(file))
    db.execute("CREATE VIRTUAL TABLE main.live USING sessions_vtab(prod, sessions)")
    db.execute("CREATE VIEW main.shown AS SELECT * FROM live")
    db.execute("CREATE TEMP VIEW fine AS SELECT * FROM main.live")

    with pytest.raises(host.error, match="unsafe use of virtual table"):
        db.execute("SELECT * FROM shown").fetchall()

    assert len(db.execute("SELECT * FROM fine").fetchall()) == 30
    db.close()


def test_the_default_configuration_is_read_only(
    both: SimpleNamespace, setting: Setting, some_host: Host
) -> None:
    host = some_host
    setting.configure(BOTH.format(folder=setting.folder, url=both.emulator.url))
    both.emulator.control.reset_log()
    db = host.connect()

    for statement in (
        "INSERT INTO sessions(session_id, user_id) VALUES ('a', 'b')",
        "INSERT INTO prod.sessions(session_id, user_id) VALUES ('a', 'b')",
        "DELETE FROM prod.sessions WHERE session_id = 'a'",
        "SELECT * FROM prod.append_event('a', 'user', 'hi')",
        "SELECT * FROM append_event('a', 'user', 'hi')",
    ):
        with pytest.raises(host.error, match="read-only"):
            db.execute(statement).fetchall()

    assert [one for one in both.emulator.control.requests() if one["method"] != "GET"] == []
    db.close()
    assert os.environ.get("SESSIONS_VTAB_WRITABLE") is None


@pytest.mark.parametrize("written", ["true", "false"])
def test_the_configuration_lets_hosts_write(
    setting: Setting, some_host: Host, written: str
) -> None:
    setting.configure(f"[extension]\nwritable = {written}\n[sources.s]\nurl = 'local://:memory:'")
    db = some_host.connect()

    def write() -> Any:
        return db.execute("INSERT INTO sessions(session_id, user_id) VALUES ('a', 'b')")

    if written == "true":
        write()
        assert db.execute("SELECT count(*) FROM sessions").fetchall() == [(1,)]
    else:
        with pytest.raises(apsw.Error, match="read-only"):
            write()
    db.close()
