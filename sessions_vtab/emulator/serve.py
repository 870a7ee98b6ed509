"""The application, and running it: in a thread for tests, in the foreground for people.

The file of `--data` is the whole state as JSON, written atomically and for its owner only.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import sys
import tempfile
import threading
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import uvicorn
from fastapi import FastAPI
from uvicorn.protocols.http.auto import AutoHTTPProtocol

from sessions_vtab.emulator.control import Control, NearControl, router
from sessions_vtab.emulator.deepset import Deepset
from sessions_vtab.emulator.eleanor import Eleanor
from sessions_vtab.emulator.embedding_studio import EmbeddingStudio
from sessions_vtab.emulator.front import TRANSPORT_KEY, Front
from sessions_vtab.emulator.service import Emulator, EmulatorSettings, Service
from sessions_vtab.emulator.vertex import Vertex
from sessions_vtab.emulator.whylabs import WhyLabs

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sessions_vtab.emulator.faults import RequestLog

HOST = "127.0.0.1"
"""The only address it binds to: it has no authentication of its own."""

_BACKLOG = 2048
_START_TIMEOUT = 30.0
_GRACE = 1
"""Seconds that requests under way have at the end; then they are cancelled."""
_GRACE_IN_PROCESS = 0.25
"""The same for a server within this process: whoever asked it has no use for an answer any more."""


SERVICES: tuple[type[Service], ...] = (Vertex, Deepset, WhyLabs, Eleanor, EmbeddingStudio)
"""The emulated APIs, in the order of the start-up line."""


def create_app(settings: EmulatorSettings) -> FastAPI:
    """Return an emulator with all services; its `state.emulator` is the `Emulator`."""
    emulator = Emulator(settings, [service(settings) for service in SERVICES])
    app = FastAPI(title="sessions_vtab emulator", openapi_url=None)
    app.state.emulator = emulator
    for service in emulator.services:
        app.router.routes.extend(service.router.routes)
    app.router.routes.extend(router(emulator).routes)
    app.add_middleware(Front, emulator=emulator)
    return app


@dataclass(frozen=True, slots=True)
class Running:
    """An emulator that is serving.

    Attributes:
        url: Its base URL, `http://127.0.0.1:PORT`.
        control: A client of its control API.
        token: The control token.
        log: What `control.requests()` reads, for the process it runs in: no request is needed.
    """

    url: str
    control: Control
    token: str
    log: RequestLog


class _Protocol(AutoHTTPProtocol):  # type: ignore[misc,valid-type]
    """uvicorn's protocol, which lets a fault reach the connection it is to drop."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self.app_state: dict[str, Any] = {**self.app_state, TRANSPORT_KEY: transport}


class _Server(uvicorn.Server):
    """A server that says when it has started, or failed to, and on which loop."""

    loop: asyncio.AbstractEventLoop

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.ready = threading.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        self.loop = asyncio.get_running_loop()
        await super().startup(sockets)
        self.ready.set()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        # A connection that is being accepted in this very step is known two steps later. Not told
        # of the end, or by Python 3.11 left alone, its socket would stay open.
        for listener in sockets or ():
            with suppress(NotImplementedError):  # Windows.
                self.loop.remove_reader(listener)
        for _ in range(3):
            await asyncio.sleep(0)
        await super().shutdown(sockets)


def _server(app: Any) -> _Server:
    config = uvicorn.Config(
        app,
        http=_Protocol,
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        timeout_graceful_shutdown=_GRACE,
    )
    return _Server(config)


def _bind(port: int) -> socket.socket:
    # With the protocol named, asyncio sets TCP_NODELAY; without it each answer takes 40 ms more.
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    if os.name == "posix":
        # Elsewhere it would let two processes listen on one port.
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((HOST, port))
        # From now on clients may connect; they wait until the server is up.
        listener.listen(_BACKLOG)
    except OSError:
        listener.close()
        raise
    return listener


@contextmanager
def running(settings: EmulatorSettings | None = None, port: int = 0) -> Iterator[Running]:
    """Serve in a background thread until the block ends; port 0 takes a free one.

    At the end requests under way are cut off, the data file is written, and no thread, socket or
    task is left behind.

    Raises:
        OSError: The port is taken.
        ValueError: The data file is malformed.
        RuntimeError: The server did not start.
    """
    with _listening(settings or EmulatorSettings(), port) as (app, listener, url):
        emulator: Emulator = app.state.emulator
        server = _server(app)
        thread = threading.Thread(
            target=server.run, args=([listener],), name="sessions-vtab-emulator", daemon=True
        )
        thread.start()
        try:
            if not server.ready.wait(_START_TIMEOUT):
                raise RuntimeError("the emulator did not start")
            control = NearControl(url, emulator, server.loop)
            yield Running(url, control, emulator.settings.control_token, emulator.log)
        finally:
            server.should_exit = True
            thread.join(_GRACE_IN_PROCESS)
            server.force_exit = True
            thread.join()


@contextmanager
def _listening(
    settings: EmulatorSettings, port: int
) -> Iterator[tuple[FastAPI, socket.socket, str]]:
    """The application with its data, its socket and its URL; at the end the data is saved."""
    app = create_app(settings)
    if settings.data:
        load_state(app.state.emulator, settings.data)
    listener = _bind(port)
    try:
        yield app, listener, f"http://{HOST}:{listener.getsockname()[1]}"
    finally:
        listener.close()
        if settings.data:
            save_state(app.state.emulator, settings.data)


def load_state(emulator: Emulator, path: Path) -> None:
    """Load the state from a file, if there is one.

    Raises:
        ValueError: The file has no such state; the text names the file.
        OSError: It cannot be read, or its folder is not there to write to at the end.
    """
    if not path.resolve().parent.is_dir():
        raise FileNotFoundError(f"{path}: the folder does not exist")
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return
    try:
        emulator.load(json.loads(text))
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error


def save_state(emulator: Emulator, path: Path) -> None:
    """Write the state to a file; the old content stays until the new one is complete."""
    # mkstemp makes files of mode 0600: conversations are personal data.
    handle, name = tempfile.mkstemp(dir=path.resolve().parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as stream:
            json.dump(emulator.dump(), stream, ensure_ascii=False)
            stream.flush()
            os.fsync(stream.fileno())
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def serve(settings: EmulatorSettings, port: int) -> None:
    """Serve in the foreground until the process is interrupted or told to stop.

    Raises:
        OSError: The port is taken, or the data file cannot be used.
        ValueError: The data file is malformed.
    """
    with _listening(settings, port) as (app, listener, url):
        # uvicorn ends in good order on either signal and then raises it again. Who reads that the
        # emulator is there may stop it at once.
        before = signal.signal(signal.SIGTERM, signal.default_int_handler)
        try:
            sys.stdout.write(f"emulator on {url}: {app.state.emulator.summary()}\n")
            sys.stdout.write(f"control token: {settings.control_token}\n")
            sys.stdout.flush()
            _server(app).run([listener])
        except KeyboardInterrupt:
            pass
        finally:
            signal.signal(signal.SIGTERM, before)
