"""The extension in programs that are no Python modules: JDBC, ODBC and Datasette.

    python tests/extension/programs.py [jdbc] [odbc] [datasette]

It takes what it needs from Debian's packages and from PyPI, where they can be had, and says what it
skipped. It ends with 1 if a program that is there got another answer than it should.
"""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sessions_vtab import connect
from sessions_vtab.cli.copies import write_catalog
from sessions_vtab.emulator.serve import Running, running
from sessions_vtab.emulator.service import EmulatorSettings
from sessions_vtab.extension import loadable_path

_HERE = Path(__file__).parent
_CONFIG = """
default = "local"
[sources.local]
url = "local://{folder}/store.db"
[sources.prod]
url = "vertex://demo/us-central1/42?base_url={url}"
"""
_SESSIONS, _EVENTS = 30, 120
_NEEDED = _SESSIONS + 1
"""Requests for all events, if nobody stops the statement."""


class Skipped(Exception):  # noqa: N818  # Not an error.
    """A program that cannot be had."""


@dataclass
class Trial:
    """What one program is tried with, and what was found.

    Attributes:
        folder: with the configuration, a store and the catalog file.
        emulator: of the source prod.
        failures: what was not as it should be.
    """

    folder: Path
    emulator: Running
    path: Path
    failures: list[str] = field(default_factory=list)

    @property
    def catalog(self) -> Path:
        return self.folder / "live.db"

    def expect(self, what: str, found: object, wanted: object) -> None:
        """Notes a difference; a function as ``wanted`` judges."""
        good = wanted(found) if callable(wanted) else found == wanted
        print(f"  {'ok  ' if good else 'FAIL'} {what}: {str(found)[:150]}")
        if not good:
            self.failures.append(what)


def _install(*packages: str) -> None:
    """Debian's packages, if this is Debian and they can be had."""
    if shutil.which("apt-get") is None:
        raise Skipped(f"{', '.join(packages)} would be needed, and there is no apt-get")
    root = [] if os.geteuid() == 0 else ["sudo", "-n"]
    for command in (["update"], ["install", "-y", *packages]):
        done = subprocess.run(
            [*root, "apt-get", "-qq", *command], capture_output=True, text=True, check=False
        )
    if done.returncode:
        raise Skipped(f"{', '.join(packages)} cannot be installed: {done.stderr.strip()[-200:]}")


def _found(find: Callable[[], Any], *packages: str) -> Any:
    """What is there, or is after the packages were installed."""
    if not find():
        _install(*packages)
    found = find()
    if not found:
        raise Skipped(f"it is not in {', '.join(packages)}")
    return found


# The driver of DBeaver and others


def jdbc(trial: Trial) -> None:
    """The driver of DBeaver, in a Java program."""
    jar = _found(
        lambda: next(iter(Path("/usr/share/java").glob("*sqlite-jdbc.jar")), None),
        "libxerial-sqlite-jdbc-java",
    )
    # The launcher that compiles a source file needs a JDK.
    java = _found(lambda: shutil.which("javac") and shutil.which("java"), "default-jdk-headless")
    command = [java, "-cp", str(jar), str(_HERE / "Programs.java")]
    command += [f"jdbc:sqlite:{trial.catalog}", str(trial.path)]
    told = _lines(command)
    trial.expect("version", told.get("version"), bool)
    trial.expect("sessions", told.get("sessions"), str(_SESSIONS))
    trial.expect("joined", told.get("joined"), str(_EVENTS))
    trial.expect("getTables", told.get("tables"), lambda text: text and "prod_sessions" in text)
    trial.expect("a batch of 50", told.get("batch"), "50")
    trial.expect("ROLLBACK", told.get("rolled back"), "0")
    trial.expect("COMMIT", told.get("committed"), "1")
    trial.expect("a function", told.get("called"), "hi")
    trial.expect(
        "an error", told.get("error"), lambda text: text and "append_event requires" in text
    )
    trial.expect("four threads", told.get("threads"), "[]")
    with _slow(trial):
        told = _lines([*command, "cancel"])
        asked = len(trial.emulator.control.requests())
    trial.expect("cancel()", told.get("cancelled"), lambda text: text and "nterrupt" in text)
    trial.expect("requests until then", asked, lambda count: count < _NEEDED)


def _lines(command: list[str]) -> dict[str, str]:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        print(done.stderr[-2000:])
    return dict(line.split("=", 1) for line in done.stdout.splitlines() if "=" in line)


@contextmanager
def _slow(trial: Trial) -> Iterator[None]:
    trial.emulator.control.reset_log()
    trial.emulator.control.delay(0.6)
    try:
        yield
    finally:
        trial.emulator.control.delay(0)


# ODBC


def odbc(trial: Trial) -> None:
    """unixODBC's isql with sqliteodbc."""
    isql = _found(lambda: shutil.which("isql"), "unixodbc")
    driver = _found(
        lambda: next(iter(Path("/usr/lib").glob("*/odbc/libsqlite3odbc.so")), None),
        "libsqliteodbc",
    )
    ini = trial.folder / "odbc.ini"
    ini.write_text(f"[live]\nDriver={driver}\nDatabase={trial.catalog}\nLoadExt={trial.path}\n")

    def ask(sql: str) -> str:
        done = subprocess.run(
            [isql, "live", "-b", "-v", "-d|"],
            input=f"{sql}\n",
            capture_output=True,
            text=True,
            check=False,
            env={**os.environ, "ODBCINI": str(ini)},
        )
        return " ".join((done.stdout + done.stderr).split())

    trial.expect("sessions", ask("SELECT count(*) FROM prod_sessions"), str(_SESSIONS))
    trial.expect("of the schema", ask("SELECT count(*) FROM prod.sessions"), str(_SESSIONS))
    trial.expect("INSERT", ask(
        "INSERT INTO local.sessions(session_id, user_id) VALUES ('odbc', 'odbc')"
    ), lambda text: "rror" not in text)  # fmt: skip
    ids = ask("SELECT session_id FROM local.sessions WHERE user_id = 'odbc'")
    trial.expect("what was inserted", ids, "odbc")
    trial.expect(
        "an error",
        ask("SELECT * FROM prod.append_event()"),
        lambda text: "append_event requires" in text,
    )
    trial.expect("SQLTables", ask("help"), lambda text: "prod_sessions" in text)


# Datasette


def datasette(trial: Trial) -> None:
    """Datasette, in an environment of its own."""
    environment = trial.folder / "datasette"
    pip = [str(environment / "bin" / "python"), "-m", "pip", "-q", "install"]
    subprocess.run([sys.executable, "-m", "venv", str(environment)], check=True)
    done = subprocess.run(
        [*pip, "datasette", "pysqlite3-binary"], capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise Skipped(f"datasette cannot be installed: {done.stderr.strip()[-200:]}")
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    command = [str(environment / "bin" / "datasette"), "serve", str(trial.catalog)]
    command += ["--load-extension", str(trial.path), "--port", str(port)]
    command += ["--setting", "sql_time_limit_ms", "1000"]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        _serving(port, process)
        _ask_datasette(trial, f"http://127.0.0.1:{port}")
    finally:
        process.terminate()
        process.wait(20)


def _ask_datasette(trial: Trial, url: str) -> None:
    def ask(sql: str) -> Any:
        query = urllib.parse.urlencode({"sql": sql, "_shape": "arrays"})
        answer = _get(f"{url}/live.json?{query}")[1]
        return answer.get("error") or answer["rows"]

    trial.expect("SQL", ask("SELECT count(*) FROM prod_sessions"), [[_SESSIONS]])
    trial.expect("of the schema", ask("SELECT count(*) FROM prod.sessions"), [[_SESSIONS]])
    names = {one["name"] for one in _get(f"{url}/live.json")[1]["tables"]}
    trial.expect("tables", sorted(names), lambda found: {"sessions", "prod_sessions"} <= set(found))
    for name in ("sessions", "prod_sessions", "events"):
        status, answer = _get(f"{url}/live/{name}.json?_facet=session_id")
        trial.expect(f"page of {name}", (status, answer.get("error")), (200, None))
    user = ask("SELECT user_id FROM prod_sessions LIMIT 1")[0][0]
    query = urllib.parse.urlencode({"_shape": "arrays", "user_id": user})
    status, answer = _get(f"{url}/live/prod_sessions.json?{query}")
    trial.expect("a filter", (status, len(answer["rows"]) > 0), (200, True))
    trial.emulator.control.reset_log()
    for title, sql, message in (
        ("a function that acts", "SELECT * FROM prod.append_event('s', 'user', 'x')", "read-only"),
        ("INSERT", "INSERT INTO sessions(session_id) VALUES ('x')", "SELECT"),
        ("load_extension()", f"SELECT load_extension('{trial.path}')", "not authorized"),
    ):
        trial.expect(title, ask(sql), lambda text, message=message: message in str(text))
    sent = [one for one in trial.emulator.control.requests() if one["method"] != "GET"]
    trial.expect("sent by these", sent, [])
    with _slow(trial):
        said = ask("SELECT count(*), count(text) FROM prod.events")
        asked = len(trial.emulator.control.requests())
    trial.expect(
        "the time limit", said, lambda text: "nterrupt" in str(text) or "too long" in str(text)
    )
    trial.expect("requests until then", asked, lambda count: count < _NEEDED)


def _serving(port: int, process: subprocess.Popen[bytes]) -> None:
    end = time.monotonic() + 60
    while time.monotonic() < end and process.poll() is None:
        try:
            socket.create_connection(("127.0.0.1", port)).close()
        except OSError:
            time.sleep(0.1)
        else:
            return
    raise Skipped("it did not start")


def _get(url: str) -> tuple[int, Any]:
    try:
        with urllib.request.urlopen(url) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        return error.code, json.load(error)


def main() -> int:
    """Tries each, or those that are named; the exit status."""
    path, failures = loadable_path(), []
    named = sys.argv[1:]
    for program in (jdbc, odbc, datasette):
        if named and program.__name__ not in named:
            continue
        print(f"{program.__name__}:")
        with (
            tempfile.TemporaryDirectory() as name,
            running(EmulatorSettings(seed=7, sessions=_SESSIONS, events=_EVENTS)) as emulator,
        ):
            trial = Trial(Path(name), emulator, path)
            config = trial.folder / "config.toml"
            config.write_text(_CONFIG.format(folder=name, url=emulator.url))
            os.environ["SESSIONS_VTAB_CONFIG"] = str(config)
            # Datasette publishes, and may only read.
            os.environ["SESSIONS_VTAB_WRITABLE"] = str(int(program is not datasette))
            try:
                # In a process of its own: the one behind the extension keeps its environment.
                subprocess.run(
                    [sys.executable, __file__, "catalog", str(trial.catalog)], check=True
                )
                program(trial)
            except Skipped as reason:
                print(f"  SKIPPED: {reason}.")
            failures += [f"{program.__name__}: {one}" for one in trial.failures]
    print(
        f"FAILED: {', '.join(failures)}" if failures else "All programs that were tried are fine."
    )
    return int(bool(failures))


if __name__ == "__main__":
    if sys.argv[1:2] == ["catalog"]:
        with connect() as connection:  # A connection that only reads would not create the store.
            connection.execute("INSERT INTO sessions(session_id, user_id) VALUES ('first', 'ann')")
        write_catalog(Path(sys.argv[2]))
        sys.exit(0)
    sys.exit(main())
