"""Running it: start, stop without a trace, the data file, the command."""

from __future__ import annotations

import asyncio
import gc
import json
import re
import signal
import socket
import stat
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import httpx
import pytest
import uvicorn

from sessions_vtab.cli import main
from sessions_vtab.emulator.serve import running
from sessions_vtab.emulator.service import EmulatorSettings
from tests.children import mortal
from tests.waiting import wait_for


def threads() -> set[threading.Thread]:
    return {thread for thread in threading.enumerate() if "emulator" in thread.name}


def test_it_stops_without_a_trace() -> None:
    before = threads()
    # A connection that is kept alive does not hold it up.
    with httpx.Client(trust_env=False, verify=False) as client, running() as emulator:
        address = httpx.URL(emulator.url)
        assert address.host == "127.0.0.1"
        assert client.get(f"{emulator.url}/v1/x").status_code == 404
        assert len(threads()) == len(before) + 1
    assert threads() == before
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", address.port), timeout=1)


def test_requests_under_way_are_cut_off_at_the_end() -> None:
    with running() as emulator:
        emulator.control.fault("delay", seconds=60)
        failures = []

        def ask() -> None:
            try:
                httpx.get(f"{emulator.url}/v1/x", timeout=None, trust_env=False, verify=False)
            except httpx.TransportError as error:
                failures.append(error)

        thread = threading.Thread(target=ask)
        thread.start()
        wait_for(lambda: emulator.log.total == 1)
    thread.join()
    assert len(failures) <= 1


@pytest.mark.parametrize("steps", range(6))
def test_a_connection_that_is_accepted_at_the_end_is_closed(
    monkeypatch: pytest.MonkeyPatch, steps: int
) -> None:
    """It comes so many steps of the loop before uvicorn begins to end."""
    knocking: list[socket.socket] = []
    main_loop = uvicorn.Server.main_loop

    async def then_another(self: uvicorn.Server) -> None:
        await main_loop(self)
        knocking.append(socket.create_connection(listening))
        for _ in range(steps):
            await asyncio.sleep(0)

    monkeypatch.setattr(uvicorn.Server, "main_loop", then_another)
    with running() as emulator:
        listening = "127.0.0.1", httpx.URL(emulator.url).port
    (other,) = knocking
    with other:
        other.settimeout(30)
        with suppress(ConnectionResetError):
            assert other.recv(1) == b""
    gc.collect()  # A socket that was left open would warn of it.


def test_two_at_once_share_nothing(start) -> None:
    one, two = start(), start()
    one.create("s-1")
    assert two.ids() == []
    assert one.server.token != two.server.token


def test_a_taken_port_is_an_error(server) -> None:
    port = httpx.URL(server.url).port
    before = threads()
    with pytest.raises(OSError, match="in use"), running(port=port):
        pass
    assert threads() == before


def test_the_state_survives_in_the_data_file(tmp_path, start) -> None:
    path = tmp_path / "state.json"
    settings = EmulatorSettings(data=path)
    with running(settings) as emulator:
        url = f"{emulator.url}/v1/projects/p/locations/l/reasoningEngines/1/sessions"
        httpx.post(
            url, params={"sessionId": "s-1"}, json={"userId": "u"}, trust_env=False, verify=False
        )
        first = httpx.get(f"{url}/s-1", trust_env=False, verify=False).json()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert set(json.loads(path.read_text())) == {
        "vertex",
        "deepset",
        "whylabs",
        "eleanor",
        "embedding_studio",
    }
    with running(settings) as emulator:
        url = f"{emulator.url}/v1/projects/p/locations/l/reasoningEngines/1/sessions"
        assert httpx.get(f"{url}/s-1", trust_env=False, verify=False).json() == first
    assert list(tmp_path.iterdir()) == [path]


def test_a_data_file_wins_over_the_seed(tmp_path) -> None:
    path = tmp_path / "state.json"
    settings = EmulatorSettings(data=path, seed=1, sessions=3, events=5)
    with running(settings) as emulator:
        url = f"{emulator.url}/v1/projects/demo/locations/us-central1/reasoningEngines/42/sessions"
        httpx.post(
            url, params={"sessionId": "mine"}, json={"userId": "u"}, trust_env=False, verify=False
        )
    with running(settings) as emulator:
        assert "vertex (4 sessions, 5 events)" in emulator.control.summary()


def test_a_malformed_data_file_is_an_error_and_stays(tmp_path) -> None:
    path = tmp_path / "state.json"
    for text in ("{", "[]", '{"vertex": 1}'):
        path.write_text(text)
        with pytest.raises(ValueError, match=r"state\.json"), running(EmulatorSettings(data=path)):
            pass
        assert path.read_text() == text


@contextmanager
def command(stop: signal.Signals, *options: str) -> Iterator[str]:
    """The command, of which the first two lines are read; it is stopped at the end."""
    started = [sys.executable, "-m", "sessions_vtab", "emulator", "--port", "0", *options]
    process = subprocess.Popen(mortal(started), stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        yield process.stdout.readline() + process.stdout.readline()
    finally:
        process.send_signal(stop)
        code = process.wait(timeout=30)
        process.stdout.close()
    assert code == 0


def test_the_command(tmp_path) -> None:
    path = tmp_path / "state.json"
    options = ("--seed", "7", "--data", str(path), "--strict-filters")
    with command(signal.SIGINT, *options) as lines:
        match = re.fullmatch(
            r"emulator on (http://127\.0\.0\.1:\d+): vertex \(1200 sessions, 20000 events\),"
            r" deepset.*, whylabs.*, eleanor.*, embedding_studio.*\n"
            r"control token: [0-9a-f]{32}\n",
            lines,
        )
        assert match, lines
        engine = f"{match[1]}/v1/projects/demo/locations/us-central1/reasoningEngines/42"
        assert (
            httpx.get(f"{engine}/sessions/chat-0000", trust_env=False, verify=False).status_code
            == 200
        )
        refused = httpx.get(f"{engine}/sessions?filter=user_id:*", trust_env=False, verify=False)
        assert refused.status_code == 400
        missing = httpx.get(f"{engine[:-2]}43/sessions/a", trust_env=False, verify=False).json()
        assert missing["error"]["message"] == "The ReasoningEngine does not exist."
    assert len(json.loads(path.read_text())["vertex"]["engines"]) == 1


def test_the_command_saves_its_data_when_it_is_ended(tmp_path) -> None:
    path = tmp_path / "state.json"
    with command(signal.SIGTERM, "--data", str(path)) as lines:
        assert "control token" in lines
    assert json.loads(path.read_text())["vertex"]["engines"] == []


def test_the_command_says_what_is_wrong(tmp_path, server, capsys) -> None:
    path = tmp_path / "state.json"
    assert main(["emulator", "--port", "0", "--data", str(tmp_path / "nowhere" / "x.json")]) == 1
    assert "the folder does not exist" in capsys.readouterr().err
    path.write_text("[]")
    assert main(["emulator", "--port", "0", "--data", str(path)]) == 1
    assert "state.json" in capsys.readouterr().err
    assert main(["emulator", "--port", str(httpx.URL(server.url).port)]) == 1
    assert "in use" in capsys.readouterr().err
    for wrong in (["--delay", "-1"], ["--delay", "x"], ["--port", "x"], ["--nonsense"]):
        with pytest.raises(SystemExit):
            main(["emulator", *wrong])
