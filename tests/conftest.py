"""Connections that many tests open, and the profile of the random tests."""

from __future__ import annotations

import gc
import os
import signal
import sys
import threading
from collections.abc import Callable, Generator, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import hypothesis
import pytest

from sessions_vtab import Connection, connect, registry
from sessions_vtab.contract.backend import Source
from tests.clocks import waits_pass_at_once

if TYPE_CHECKING:
    from sessions_vtab.emulator.serve import Running

# What a shell without job control starts in the background ignores Ctrl-C, and so do its children.
if threading.current_thread() is threading.main_thread():
    signal.signal(signal.SIGINT, signal.default_int_handler)

# The same examples in every run: a red build is a change's fault. HYPOTHESIS_PROFILE=long looks
# further, at other examples each time.
hypothesis.settings.register_profile(
    "ci", derandomize=True, deadline=None, database=None, max_examples=70
)
hypothesis.settings.register_profile("long", deadline=None, max_examples=5_000)
hypothesis.settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "ci"))


def pytest_xdist_auto_num_workers() -> int:
    """One more than there are processors: tests of sockets and processes wait a tenth of the time."""
    return (os.cpu_count() or 1) + 1


def pytest_configure() -> None:
    # Commands that a test starts write into pipes as they do for users: not each line at once.
    os.environ.pop("PYTHONUNBUFFERED", None)
    if sys.dont_write_bytecode:
        _keep_bytecode_in_the_cache()


def _keep_bytecode_in_the_cache() -> None:
    """Each worker, and each process that a test starts, would compile all that it imports anew."""
    sys.dont_write_bytecode = False
    sys.pycache_prefix = str(Path(__file__).parents[1] / ".pytest_cache" / "bytecode")
    os.environ["PYTHONPYCACHEPREFIX"] = sys.pycache_prefix
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """No test frees what is collected, so nothing looks for garbage among it.

    Nor often among what emulators and oracles hold: one tenth of the time went into that.
    """
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.set_threshold(20_000, 20, 50)
        gc.enable()


@pytest.fixture(scope="session", autouse=True)
def _nothing_of_the_user_and_no_waiting(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """No configuration of the user's; waits between requests pass at once."""
    with pytest.MonkeyPatch.context() as patch, waits_pass_at_once():
        patch.delenv("SESSIONS_VTAB_CONFIG", raising=False)
        patch.setenv("XDG_CONFIG_HOME", str(tmp_path_factory.getbasetemp() / "no-config"))
        yield


@pytest.fixture(scope="session", autouse=True)
def _memory_backend_is_known() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        memory = "tests.memory:MemoryBackend"
        patch.setattr(registry, "BUILT_IN", {**registry.BUILT_IN, "memory": memory})
        yield


@pytest.fixture
def opened() -> Iterator[Callable[..., Connection]]:
    """Opens connections on sources given as name and backend; closes them after the test."""
    connections: list[Connection] = []

    def open_(**backends: str) -> Connection:
        locations = {"local": ":memory:"}
        sources = [
            Source(name, backend, locations.get(backend, "")) for name, backend in backends.items()
        ]
        connections.append(connect(sources=sources))
        return connections[-1]

    yield open_
    for connection in connections:
        connection.close()


@pytest.fixture
def memory(opened: Callable[..., Connection]) -> Connection:
    """A connection on one empty source, ``mem``, whose writes are queued."""
    return opened(mem="memory")


@pytest.fixture
def local(opened: Callable[..., Connection]) -> Connection:
    """A connection on one empty source, ``loc``, which is transactional."""
    return opened(loc="local")


@pytest.fixture(scope="module")
def emulator() -> Iterator[Running]:
    """The services, with the data of a start without options, for the tests of one module."""
    from sessions_vtab.emulator.serve import running  # noqa: PLC0415  # Slow to import.

    with running() as started:
        yield started
