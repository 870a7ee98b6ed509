"""Programs that bring their own SQLite, with the extension loaded, and an emulator for its sources."""

from __future__ import annotations

import importlib
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import apsw
import pytest

from sessions_vtab import extension
from sessions_vtab.emulator.serve import Running, running
from sessions_vtab.emulator.service import EmulatorSettings
from tests.extension.remote import Remote, RemoteConnection, RemoteError
from tests.extension.shim import Shim

REQUIRED = os.environ.get("SESSIONS_VTAB_EXTENSION") == "required"
_FLAGS = apsw.SQLITE_OPEN_READWRITE | apsw.SQLITE_OPEN_CREATE | apsw.SQLITE_OPEN_URI


@pytest.fixture(scope="session", autouse=True)
def _nothing_of_the_user(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_DATA_HOME", str(tmp_path_factory.getbasetemp() / "data"))
        yield


def _without(reason: str) -> None:
    """Skips, or fails where the extension has to be there."""
    if REQUIRED:
        pytest.fail(reason)
    pytest.skip(reason)


@pytest.fixture(scope="session")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The library: of the installation, or compiled from the sources beside the package."""
    if sys.platform == "win32":
        pytest.skip("there is no extension for Windows")
    if find_spec("sessions_vtab.extension.compiling") is None:
        try:
            return extension.loadable_path().with_suffix(extension.SUFFIX)
        except extension.ExtensionMissingError as error:
            _without(str(error))
    compiling = importlib.import_module("sessions_vtab.extension.compiling")
    path = tmp_path_factory.getbasetemp() / compiling.FILE_NAME
    problem = compiling.compile_library(path, ["-Werror"])
    if problem:
        _without(f"the extension cannot be compiled: {problem}")
    return path


@dataclass(frozen=True)
class Host:
    """A Python module that brings an SQLite.

    Attributes:
        name: of the module.
        connect: opens a database with the extension loaded.
        error: what its errors are.
    """

    name: str
    connect: Callable[..., Any]
    error: type[Exception]
    version: tuple[int, ...]


def _apsw(library: Path) -> Host:
    def connect(path: str = ":memory:") -> apsw.Connection:
        connection = apsw.Connection(path, flags=_FLAGS)
        connection.enable_load_extension(True)
        connection.load_extension(str(library))
        return connection

    return Host("apsw", connect, apsw.Error, _version(apsw.sqlite_lib_version()))


def _dbapi(name: str, library: Path) -> Host:
    module = pytest.importorskip(name, reason=f"{name} is not installed")

    def connect(path: str = ":memory:") -> Any:
        connection = module.connect(path, isolation_level=None, uri=True, check_same_thread=False)
        connection.enable_load_extension(True)
        connection.load_extension(str(library))
        return connection

    if not hasattr(module.Connection, "enable_load_extension"):
        pytest.skip(f"{name} of this Python was built without loadable extensions")
    return Host(name, connect, module.Error, _version(module.sqlite_version))


def _version(text: str) -> tuple[int, ...]:
    return tuple(map(int, text.split(".")))


_SYSTEM_PYTHON = "/usr/bin/python3"


def _system(library: Path) -> Iterator[Host]:
    """The system's SQLite, in the system's Python."""
    probe = (
        "import sqlite3; sqlite3.Connection.enable_load_extension; print(sqlite3.sqlite_version)"
    )
    try:
        version = subprocess.check_output([_SYSTEM_PYTHON, "-I", "-c", probe], text=True)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip(f"there is no {_SYSTEM_PYTHON} whose sqlite3 loads extensions")
    remote: list[Remote] = []

    def connect(path: str = ":memory:") -> RemoteConnection:
        if not remote:  # With the environment of the first test that opens one.
            remote.append(Remote(_SYSTEM_PYTHON))
        return remote[0].connect(path, str(library))

    yield Host("system", connect, RemoteError, _version(version))
    for one in remote:
        one.close()


@pytest.fixture(scope="module", params=["apsw", "pysqlite3.dbapi2", "system"])
def host(request: pytest.FixtureRequest, library: Path) -> Iterator[Host]:
    if request.param == "system":
        yield from _system(library)
    else:
        yield _inner(request.param, library)


@pytest.fixture(scope="module", params=["apsw", "system"])
def outermost_host(request: pytest.FixtureRequest, library: Path) -> Iterator[Host]:
    """The newest SQLite and the oldest, for what takes long and differs in neither."""
    if request.param == "system":
        yield from _system(library)
    else:
        yield _inner(request.param, library)


@pytest.fixture(scope="module", params=["apsw", "pysqlite3.dbapi2"])
def inner_host(request: pytest.FixtureRequest, library: Path) -> Host:
    """One in this process."""
    return _inner(request.param, library)


def _inner(name: str, library: Path) -> Host:
    return _apsw(library) if name == "apsw" else _dbapi(name, library)


@pytest.fixture(scope="module")
def some_host(library: Path) -> Host:
    """The one that is always there."""
    return _apsw(library)


@pytest.fixture(scope="module")
def emulator() -> Iterator[Running]:
    with running(EmulatorSettings(seed=7, sessions=30, events=120)) as served:
        yield served


class Setting:
    """The configuration and environment that the Python process of the extension is started with."""

    def __init__(self, folder: Path, patch: pytest.MonkeyPatch) -> None:
        self.folder = folder
        self.file = folder / "config.toml"
        self._patch = patch

    def configure(self, text: str, **environment: str) -> None:
        """Sources in TOML, and variables; for connections that are opened from now on."""
        self.file.write_text(text)
        self._patch.setenv("SESSIONS_VTAB_CONFIG", str(self.file))
        self._patch.setenv("SESSIONS_VTAB_PYTHON", sys.executable)
        self._patch.delenv("SESSIONS_VTAB_WRITABLE", raising=False)
        for name, value in environment.items():
            self._patch.setenv(name, value)
        self.end()

    def end(self) -> None:
        """Ends the process that may run: it has the environment it was started with."""
        for pid in processes():
            _kill(pid)


def _table() -> Iterator[tuple[int, int, str, str]]:
    """Process, parent, state and command of all that run, as ``ps`` tells it."""
    if Path("/proc/self/stat").exists():  # Small containers have no ps.
        for folder in Path("/proc").glob("[0-9]*"):
            with suppress(OSError):
                state, parent = (folder / "stat").read_text().rpartition(")")[2].split()[:2]
                command = (folder / "cmdline").read_bytes().decode("utf-8", "replace")
                yield int(folder.name), int(parent), state, command
        return
    shown = subprocess.check_output(["ps", "-A", "-ww", "-o", "pid=,ppid=,stat=,args="], text=True)
    for line in shown.splitlines():
        pid, parent, state, *command = line.split(None, 3)
        yield int(pid), int(parent), state, "".join(command)


def processes() -> list[int]:
    """The Python processes that serve this one."""
    return [
        pid
        for pid, parent, state, command in _table()
        if parent == os.getpid() and "sessions_vtab.extension" in command and state[0] != "Z"
    ]


def runs(pid: int) -> bool:
    """Whether a process has not ended."""
    return any(one == pid and state[0] != "Z" for one, _, state, _ in _table())


def pid_of(connection: Any) -> int:
    ((pid,),) = connection.execute("SELECT pid FROM sessions_vtab_info()").fetchall()
    return int(pid)


def end_process(connection: Any) -> int:
    """Kills the Python process behind a connection, and waits until it is dead."""
    pid = pid_of(connection)
    _kill(pid)
    return pid


def _kill(pid: int) -> None:
    os.kill(pid, signal.SIGKILL)
    with suppress(ChildProcessError):
        # Dead, and still there: the library collects it.
        os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)


@pytest.fixture
def setting(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, library: Path) -> Iterator[Setting]:
    one = Setting(tmp_path, monkeypatch)
    yield one
    one.end()


BOTH = """
default = "local"
[sources.local]
url = "local://{folder}/store.db"
[sources.prod]
url = "vertex://demo/us-central1/42?base_url={url}"
"""
"""A local store, which is the default, and the emulator's Vertex."""


@pytest.fixture(scope="module")
def both(
    tmp_path_factory: pytest.TempPathFactory, emulator: Running, library: Path
) -> Iterator[SimpleNamespace]:
    """``BOTH``, writable; for all tests of a module."""
    with pytest.MonkeyPatch.context() as patch:
        folder = tmp_path_factory.mktemp("both")
        one = Setting(folder, patch)
        text = BOTH.format(folder=folder, url=emulator.url)
        one.configure(text, SESSIONS_VTAB_WRITABLE="1")
        yield SimpleNamespace(folder=folder, emulator=emulator, text=text)
        one.end()


@pytest.fixture
def db(both: SimpleNamespace, host: Host) -> Iterator[Any]:
    """A connection of each host, on ``both``."""
    both.emulator.control.reset()
    connection = host.connect()
    yield connection
    connection.close()


CONFIGURATION = """
default = "own"
[sources.own]
url = "local://{folder}/store.db"
[sources.mem]
backend = "memory"
"""


@pytest.fixture
def configured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "config.toml"
    file.write_text(CONFIGURATION.format(folder=tmp_path))
    monkeypatch.setenv("SESSIONS_VTAB_CONFIG", str(file))


@pytest.fixture
def shim(configured: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[Shim]:
    monkeypatch.setenv("SESSIONS_VTAB_WRITABLE", "1")
    one = Shim()
    yield one
    one.session.close()
