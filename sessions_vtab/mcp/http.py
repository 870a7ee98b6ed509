"""The HTTP transport: loopback only, with a token."""

from __future__ import annotations

import hmac
import os
import secrets
import socket
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, Final, TypeAlias

import uvicorn
from mcp.server import MCPServer
from mcp.server.transport_security import TransportSecuritySettings

__all__ = ["VARIABLE", "bind", "serve", "token_of_environment"]

VARIABLE: Final = "SESSIONS_VTAB_MCP_TOKEN"
"""Environment variable with the token; without it, each start makes a new one."""

_HOST: Final = "127.0.0.1"
_GRACE: Final = 1
"""Seconds that calls have when the server stops; then they are cancelled."""

_Message: TypeAlias = MutableMapping[str, Any]
_Receive: TypeAlias = Callable[[], Awaitable[_Message]]
_Send: TypeAlias = Callable[[_Message], Awaitable[None]]
_App: TypeAlias = Callable[[_Message, _Receive, _Send], Awaitable[None]]


def token_of_environment() -> tuple[str, bool]:
    """The token, and whether it was made up now and has to be shown."""
    given = os.environ.get(VARIABLE, "")
    return (given, False) if given else (secrets.token_urlsafe(32), True)


def bind(port: int) -> socket.socket:
    """A socket that listens on the loopback address; port 0 takes a free one.

    Raises:
        OSError: the port is taken.
    """
    # With the protocol named, asyncio sets TCP_NODELAY; without it each response takes 40 ms more.
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        if os.name == "posix":
            # Elsewhere it would let two processes listen on one port.
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((_HOST, port))
        listener.listen()
    except OSError:
        listener.close()
        raise
    return listener


async def serve(server: MCPServer[Any], listener: socket.socket, token: str) -> None:
    """Serves streamable HTTP at ``/mcp`` until the process is told to stop.

    A client that drops its connection cancels its call, if it speaks the protocol of 2026-07-28.
    Before that, a dropped connection could be resumed: such a call ends at its time limit.
    """
    await uvicorn.Server(_configuration(server, listener, token)).serve(sockets=[listener])


def _configuration(server: MCPServer[Any], listener: socket.socket, token: str) -> uvicorn.Config:
    port = listener.getsockname()[1]
    hosts = [f"{_HOST}:{port}", f"localhost:{port}"]
    app = server.streamable_http_app(
        host=_HOST,
        # Without these checks, a web page could reach the server under a name of its own that
        # resolves to this machine (DNS rebinding).
        transport_security=TransportSecuritySettings(
            allowed_hosts=hosts, allowed_origins=[f"http://{host}" for host in hosts]
        ),
    )
    return uvicorn.Config(
        _RequireToken(app, token),
        ws="none",
        lifespan="on",
        log_config=None,
        access_log=False,
        timeout_graceful_shutdown=_GRACE,
    )


class _RequireToken:
    """Refuses what comes without the token, before anything of it is read."""

    def __init__(self, app: _App, token: str) -> None:
        self._app = app
        self._expected = f"Bearer {token}".encode()

    async def __call__(self, scope: _Message, receive: _Receive, send: _Send) -> None:
        given = dict(scope.get("headers", ())).get(b"authorization", b"")
        if scope["type"] == "http" and not hmac.compare_digest(given, self._expected):
            headers = [(b"www-authenticate", b"Bearer"), (b"content-length", b"0")]
            await send({"type": "http.response.start", "status": 401, "headers": headers})
            await send({"type": "http.response.body", "body": b""})
            return
        await self._app(scope, receive, send)
