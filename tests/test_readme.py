from __future__ import annotations

import functools
import io
import json
import os
import re
import shlex
import subprocess
import sys
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import sessions_vtab
from sessions_vtab import config, registry
from sessions_vtab.cli import main
from sessions_vtab.cli.pages import TOPICS, Grid
from sessions_vtab.emulator import serve
from sessions_vtab.emulator.serve import Running, running
from sessions_vtab.emulator.service import EmulatorSettings
from tests import picture
from tests.documented import ADK
from tests.matrix import matrix

_ROOT = Path(__file__).parents[1]
_README = (_ROOT / "README.md").read_text("utf-8")
_PROJECT = "vertex://PROJECT/LOCATION/ENGINE"
_EMULATOR = "http://127.0.0.1:8787"


def _blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", _README, re.DOTALL)


@pytest.fixture
def connection() -> Iterator[sessions_vtab.Connection]:
    with sessions_vtab.connect("local://:memory:") as db:
        yield db
    db.close()


def test_it_is_short() -> None:
    own = re.sub(r"<!-- matrix -->.*<!-- /matrix -->", "", _README, flags=re.DOTALL)
    assert len(own.splitlines()) <= 160


def test_the_matrix_is_what_the_backends_declare() -> None:
    sources = [
        "local://:memory:",
        "vertex://p/us-central1/1",
        "deepset://ws",
        "whylabs://?base_url=http://127.0.0.1:1",
        "eleanor://ns?base_url=http://127.0.0.1:1",
        "embedding_studio://?base_url=http://127.0.0.1:1",
        "adk_api://app/user?base_url=http://127.0.0.1:1",
        "adk://sessions.db",
    ]
    parsed = map(config.parse_source, sources)
    backends = {one.name: registry.backend_class(one.backend).open(one) for one in parsed}
    assert list(backends) == list(registry.BUILT_IN)[: len(backends)]
    shown = re.search(r"<!-- matrix -->\n(.*?)\n<!-- /matrix -->", _README, re.DOTALL)

    declared = matrix(backends)

    for backend in backends.values():
        backend.close()
    assert shown is not None
    assert shown[1] == declared


def test_every_block_is_run_by_a_test_of_this_file() -> None:
    languages = re.findall(r"^```(\w+)$", _README, re.MULTILINE)

    assert len(languages) * 2 == len(re.findall(r"^```", _README, re.MULTILINE))
    assert {language: languages.count(language) for language in languages} == {
        "console": 4,
        "text": 1,
        "sql": 1,
        "python": 1,
        "toml": 1,
    }


def test_the_first_two_blocks_are_the_set_up_commands() -> None:
    """``test_examples`` runs the tour, and the gate runs the second command word for word."""
    first, second = _blocks("console")[:2]

    assert first.strip().endswith("sessions-vtab run examples.sql")
    assert second.strip().endswith("pytest -q")


def test_every_extra_that_is_named_exists() -> None:
    project = tomllib.loads((_ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    named = {
        *",".join(re.findall(r"'\.\[([\w,]+)\]'", _README)).split(","),
        *re.findall(r"extra `(\w+)`", _README),
    }

    assert {"vertex", "test", "arrow", "sqlalchemy", "emulator", "harlequin"} <= named
    assert named <= set(project["optional-dependencies"])


@pytest.fixture(scope="module")
def served() -> Iterator[Running]:
    with running() as started:
        yield started


@pytest.fixture
def emulator(served: Running) -> Running:
    """An emulator with one session and one event."""
    served.control.reset(empty=True)
    url = f"vertex://demo/us-central1/42?base_url={served.url}"
    with sessions_vtab.connect(url) as db:
        db.execute("INSERT INTO sessions(session_id, user_id) VALUES ('s1', 'ann')")
        db.execute("INSERT INTO events(session_id, author) VALUES ('s1', 'ann')")
    return served


@pytest.fixture
def command(
    emulator: Running,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Callable[[str], tuple[int, str]]:
    """Runs one command of the README with the emulator in place of the service."""
    for kind in ("DATA", "CONFIG", "STATE"):
        monkeypatch.setenv(f"XDG_{kind}_HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    project = f"vertex://demo/us-central1/42?base_url={emulator.url}"

    def run(line: str, stdin: str = "") -> tuple[int, str]:
        emulator.control.reset_log()
        program, *arguments = shlex.split(
            line.replace(_PROJECT, project).replace(_EMULATOR, emulator.url)
        )
        assert program == "sessions-vtab"
        monkeypatch.setattr(sys, "stdin", io.StringIO(stdin))
        status = main(arguments)
        captured = capsys.readouterr()
        return status, captured.out + captured.err

    return run


def test_the_picture_is_a_real_session() -> None:
    """``python tests/picture.py`` makes it anew."""
    assert _blocks("text") == [picture.picture()]


@pytest.fixture
def project(tmp_path: Path, emulator: Running) -> Callable[[str], subprocess.CompletedProcess[str]]:
    """Runs a block as it is in Bash: this environment as ``.venv``, pip and gcloud as stand-ins.

    What they were asked for is in ``asked``.
    """
    made = tmp_path / ".venv" / "bin"
    made.mkdir(parents=True)
    stand_in = f'#!/bin/sh\necho "$(basename "$0")" "$@" >> {tmp_path}/asked\n'
    for name in ("pip", "gcloud"):
        (made / name).write_text(stand_in)
        (made / name).chmod(0o755)
    (made / "activate").write_text(f"PATH={made}:{Path(sys.executable).parent}:$PATH\n")

    def run(block: str) -> subprocess.CompletedProcess[str]:
        query = f"?base_url={emulator.url}"
        text = re.sub(r"vertex://PROJECT/LOCATION", "vertex://demo/us-central1", block)
        text = re.sub(r"vertex://demo/us-central1(?:/ENGINE)?", _with(query), text)
        return subprocess.run(
            ["bash", "-euo", "pipefail", "-c", text],
            env={"HOME": str(tmp_path), "PATH": os.environ["PATH"], "LANG": "C.UTF-8"},
            cwd=tmp_path,
            capture_output=True,
            encoding="utf-8",
            check=False,
        )

    return run


def _with(query: str) -> Callable[[re.Match[str]], str]:
    return lambda match: match[0].replace("ENGINE", "42") + query


def test_the_four_lines_for_a_google_project(project: Any, tmp_path: Path) -> None:
    done = project(_blocks("console")[2])

    assert done.returncode == 0, done.stderr
    assert (tmp_path / "asked").read_text().splitlines() == [
        "pip -q install .[vertex]",
        "gcloud auth application-default login",
    ]
    *_, engine, heading, session = done.stdout.splitlines()
    assert engine.split() == ["reasoning_engine", "42"]
    assert heading == "session_id,user_id,update_time"
    assert session.startswith("s1,ann,")


def test_the_source_of_init_opens_read_only(
    command: Callable[..., tuple[int, str]], emulator: Running
) -> None:
    """With ``deepset``, since the questions about Google lead to Google's own hosts."""
    assert "sessions-vtab init" in _README
    assert command("sessions-vtab init", "deepset\nWORKSPACE\ndocs\n\n")[0] == 0

    status, told = command("sessions-vtab", "UPDATE upload_sessions SET status = 'CLOSED';")

    assert (status, emulator.control.log()["total"]) == (1, 0)
    assert "read-only" in told


@pytest.mark.parametrize(
    ("program", "form"),
    [
        ("sqlite3 shell", '`sqlite3 -cmd ".load $(sessions-vtab extension)"`'),
        ("Python", '`sessions_vtab.extension.load(sqlite3.connect("live.db"))`'),
        ("DBeaver, JDBC", "`jdbc:sqlite:live.db?enable_load_extension=true`"),
        ("Datasette", "`datasette --load-extension PATH live.db`"),
        ("ODBC", "`Database=live.db` and `LoadExt=PATH` in odbc.ini"),
    ],
)
def test_programs_with_an_sqlite_of_their_own_have_a_line_each(program: str, form: str) -> None:
    """Each is run in tests/extension: hosts here, and others by programs.sh."""
    assert f"\n- {program}: {form}" in _README
    (programs,) = (one for one in TOPICS["extension"].blocks if isinstance(one, Grid))
    assert program in {name for name, _ in programs.rows}


def test_the_snapshot_command_writes_a_file_that_is_a_source(
    command: Callable[..., tuple[int, str]], tmp_path: Path
) -> None:
    line, *_ = _blocks("console")[3].splitlines()

    status, told = command(line)

    assert status == 0, told
    with sessions_vtab.connect(f"local://{tmp_path}/out.db", read_only=True) as db:
        query = "SELECT user_id, author FROM sessions JOIN events USING (session_id)"
        assert list(db.execute(query)) == [("ann", "ann")]


def test_the_emulator_commands(
    command: Callable[..., tuple[int, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    _, install, start, shell = _blocks("console")[3].splitlines()
    assert install.startswith(".venv/bin/pip -q install '.[emulator]'  # ")
    started = []

    def note(settings: EmulatorSettings, port: int) -> None:
        started.append((settings.seed, f"http://127.0.0.1:{port}"))

    with monkeypatch.context() as patch:
        patch.setattr(serve, "serve", note)
        assert command(start.removesuffix(" &"))[0] == 0
    assert started == [(7, _EMULATOR)]
    status, told = command(shell, "SELECT 'there are', count(*) FROM sessions;")
    assert status == 0, told
    assert "there are" in told


def test_the_sql_gives_the_rows_that_are_shown(connection: sessions_vtab.Connection) -> None:
    (block,) = _blocks("sql")
    shown = [line.removeprefix("-- ").split() for line in block.splitlines() if line[:2] == "--"]

    cursor = connection.execute(block)
    rows = list(cursor)

    assert rows[0][0] == "s1"
    assert shown == [["user_id", "turns"], ["ann", "2"]]
    assert [str(value) for value in rows[-1]] == shown[1]


@pytest.mark.parametrize("place", range(len(_blocks("python"))))
def test_a_python_block_runs(place: int) -> None:
    if "sqlalchemy" in _blocks("python")[place]:
        pytest.importorskip("sqlalchemy", minversion="2.0")
        pytest.importorskip("pyarrow")

    exec(_blocks("python")[place], {})


def test_the_configuration_block_is_accepted(tmp_path: Path) -> None:
    (block,) = _blocks("toml")
    file = tmp_path / "config.toml"
    file.write_text(block, "utf-8")

    loaded = config.load(config=file)

    assert list(loaded.sources) == list(tomllib.loads(block)["sources"])
    assert loaded.default == "prod"


def test_every_url_of_the_table_is_a_source(tmp_path: Path) -> None:
    urls = re.findall(r"^\| `(\w+://[^`]*)` \|", _README, re.MULTILINE)
    places = {
        "https://HOST": "http://127.0.0.1:1",
        "PROJECT/LOCATION/ENGINE": "demo/us-central1/42",
        "/ENGINE": "/42",
        "/path/to/": f"{tmp_path}/",
    }

    for url in urls:
        source = config.parse_source(
            functools.reduce(lambda text, place: text.replace(*place), places.items(), url)
        )
        registry.backend_class(source.backend).open(source).close()
    assert {url.partition("://")[0] for url in urls} == set(registry.BUILT_IN) - {"memory"}


def test_the_recipe_of_the_help_copies_a_file_that_adk_wrote(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(Path(__file__).parent / "data")
    app = "app_name = 'trip_planner'"

    with sessions_vtab.connect(
        sources=["local://:memory:", "adk=adk://adk_sessions.db"], default="local"
    ) as db:
        db.execute(ADK).fetchall()
        copied = db.execute(
            "SELECT user_id, e.author, e.timestamp, e.text, e.actions, e.raw_event"
            " FROM sessions JOIN events AS e USING (session_id) ORDER BY timestamp, e.sequence"
        ).fetchall()
        original = db.execute(
            "SELECT user_id, e.author, e.timestamp, e.text, e.actions, e.raw_event"
            " FROM adk.sessions AS s JOIN adk.events AS e ON e.session_name = s.name"
            f" WHERE {app} ORDER BY timestamp, e.sequence"
        ).fetchall()
        columns = "user_id, create_time, state"
        states, wanted = (
            {row[:-1]: json.loads(row[-1]) for row in db.execute(f"SELECT {query}")}
            for query in (
                f"session_id, {columns} FROM sessions",
                f"user_id || ':' || session_id, {columns} FROM adk.sessions WHERE {app}",
            )
        )

    assert len(copied) == 23
    assert copied == original
    assert len(states) == 6
    assert states == wanted
