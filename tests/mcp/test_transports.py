"""The server as a process, over standard input and output and over HTTP, with the SDK's clients."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass

import anyio
import httpx
import httpx2
import pytest
from mcp import Client, StdioServerParameters
from mcp.client.streamable_http import streamable_http_client
from mcp_types import ElicitResult

from sessions_vtab.cli import main
from sessions_vtab.mcp import token_of_environment
from tests.children import mortal
from tests.documented import MCP_CLIENTS

COMMAND = (sys.executable, "-m", "sessions_vtab")
ENDLESS = "WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c) SELECT count(*) FROM c"
REQUEST_THEN_ENDLESS = (
    "WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c)"
    " SELECT count(*) FROM (SELECT 1 FROM sessions LIMIT 1) CROSS JOIN c"
)
VERSION = "2026-07-28"


async def yes(_context, _question):
    return ElicitResult(action="accept", content={"send": True})


async def rows(client, sql, tool="query"):
    done = await client.call_tool(tool, {"sql": sql})
    assert not done.is_error, done.content
    return done.structured_content["rows"]


async def tour(client):
    """Every tool once, refusals, a resource and a prompt: what they answer with, in one list."""
    refused = await client.call_tool("query", {"sql": "DELETE FROM sessions"})
    mistaken = await client.call_tool("query", {"sql": "SELECT usr_id FROM sessions"})
    explained = await client.call_tool("explain", {"sql": "SELECT * FROM sessions"})
    described = await client.call_tool("describe", {"table": "events"})
    sources = await client.call_tool("sources", {})
    schema = await client.read_resource("sessions://schema")
    prompts = await client.list_prompts()
    return [
        await rows(client, "SELECT count(*) FROM sessions WHERE user_id = 'ann'"),
        refused.is_error and "not DELETE" in refused.content[0].text,
        mistaken.is_error and "Did you mean user_id?" in mistaken.content[0].text,
        "1 per 100 rows" in explained.content[0].text,
        "INSERT appends" in described.content[0].text,
        [one["name"] for one in sources.structured_content["sources"]],
        "CREATE TABLE prod.sessions" in schema.contents[0].text,
        [one.name for one in prompts.prompts],
    ]


TOUR = [
    *([[2]], True, True, True, True, ["prod"], True),
    ["investigate_session", "what_failed_today"],
]


# Standard input and output.


def stdio(source, *options):
    """The server as the documented configuration of a client starts it."""
    (documented,) = json.loads(MCP_CLIENTS)["mcpServers"].values()
    assert documented["command"] == "sessions-vtab"
    arguments = [source if "vertex://" in one else one for one in documented["args"]]
    return StdioServerParameters(
        command=COMMAND[0], args=[*COMMAND[1:], *arguments, *options], env=dict(os.environ)
    )


@pytest.mark.parametrize("mode", ["auto", "legacy"])
def test_everything_over_standard_input_and_output(source, sent, mode):
    async def scenario():
        server = stdio(source, "--writable", "--statement-timeout", "3600")
        async with Client(server, mode=mode, elicitation_callback=yes) as client:
            toured = await tour(client)
            with anyio.move_on_after(0.5):
                await client.call_tool("query", {"sql": ENDLESS})
            insert = "INSERT INTO sessions(user_id) VALUES ('io') RETURNING user_id"
            return toured, await rows(client, insert, "write")

    toured, written = anyio.run(scenario)

    assert toured == TOUR
    assert written == [["io"]]
    assert sent("POST") == 1


def test_a_server_whose_client_dies_stops_its_statement_and_ends(source, sent):
    """Without the interrupt, the statement would keep the process for an hour."""
    arguments = ("mcp", "--source", source, "--statement-timeout", "3600")
    with subprocess.Popen(
        mortal([*COMMAND, *arguments]),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        hello = {
            "protocolVersion": "2025-06-18",
            "capabilities": {},
            "clientInfo": {"name": "mortal", "version": "1"},
        }
        say(process, id=1, method="initialize", params=hello)
        process.stdout.readline()
        say(process, method="notifications/initialized")
        say(process, id=2, method="tools/call", params=tool("query", sql=REQUEST_THEN_ENDLESS))
        deadline = time.monotonic() + 30
        while not sent():
            assert time.monotonic() < deadline
        try:
            _, errors = process.communicate(timeout=60)  # Closes standard input.
        finally:
            process.kill()

    assert process.returncode == 0
    assert "Traceback" not in errors


def say(process, **message):
    process.stdin.write(json.dumps({"jsonrpc": "2.0", **message}) + "\n")
    process.stdin.flush()


def tool(name, **arguments):
    return {"name": name, "arguments": arguments}


# HTTP.


@dataclass(frozen=True)
class Server:
    url: str
    token: str


@pytest.fixture(scope="module")
def server(source, tmp_path_factory) -> Iterator[Server]:
    arguments = ("mcp", "--http", "0", "--source", source, "--writable")
    errors = tmp_path_factory.mktemp("mcp") / "stderr"  # A pipe that nobody reads gets full.
    with (
        errors.open("w") as stream,
        subprocess.Popen(
            mortal([*COMMAND, *arguments, "--statement-timeout", "3600"]), stderr=stream
        ) as process,
    ):
        while len(lines := errors.read_text("utf-8").splitlines()) < 2:
            with suppress(subprocess.TimeoutExpired):
                pytest.fail(f"The server ended with {process.wait(0.05)}: {lines}")
        token = lines[1].removeprefix("Authorization: Bearer ")
        try:
            yield Server(lines[0].removeprefix("MCP at "), token)
        finally:
            process.terminate()
    assert errors.read_text("utf-8").count(token) == 1


@asynccontextmanager
async def connected(server, **options):
    headers = {"Authorization": f"Bearer {server.token}"}
    async with (
        httpx2.AsyncClient(headers=headers, timeout=60) as http,
        Client(streamable_http_client(server.url, http_client=http), **options) as client,
    ):
        yield client


@pytest.mark.parametrize("mode", ["auto", "legacy"])
def test_everything_over_http(server, sent, mode):
    async def scenario():
        async with connected(server, mode=mode, elicitation_callback=yes) as client:
            toured = await tour(client)
            insert = "INSERT INTO sessions(user_id) VALUES ('web') RETURNING user_id"
            return toured, await rows(client, insert, "write")

    toured, written = anyio.run(scenario)

    assert toured == TOUR
    assert written == [["web"]]
    assert sent("POST") == 1


def test_two_clients_at_once_do_not_wait_for_each_other(server):
    async def scenario():
        async with connected(server) as slow, connected(server) as fast:
            async with anyio.create_task_group() as group:
                group.start_soon(slow.call_tool, "query", {"sql": ENDLESS})
                found = [await rows(fast, f"SELECT {number}") for number in range(3)]
                group.cancel_scope.cancel()
            return found

    assert anyio.run(scenario) == [[[0]], [[1]], [[2]]]


@pytest.mark.parametrize("mode", ["auto", "legacy"])
def test_clients_that_die_or_cancel_leave_the_server_to_others(server, mode):
    """More of them than statements may run at a time: each must have freed its place."""

    async def scenario():
        for _ in range(10):
            async with connected(server, mode=mode) as client:
                with anyio.move_on_after(0.1):
                    await client.call_tool("query", {"sql": ENDLESS})
        async with connected(server) as client:
            return await rows(client, "SELECT 'still here'")

    assert anyio.run(scenario) == [["still here"]]


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 200),
        ({"authorization": ""}, 401),
        ({"authorization": "Bearer wrong"}, 401),
        ({"authorization": "Basic {token}"}, 401),
        ({"host": "evil.example"}, 421),
        ({"host": "127.0.0.1:1"}, 421),
        ({"origin": "http://evil.example"}, 403),
        ({"origin": "http://localhost:1"}, 403),
        ({"origin": "null"}, 403),
    ],
)
@pytest.mark.parametrize("version", [VERSION, "2025-06-18"])
def test_http_needs_the_token_and_its_own_host_and_origin(server, headers, status, version):
    body = {"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": HELLO}
    if version == VERSION:
        body |= {"method": "tools/list", "params": {"_meta": META}}
    given = {
        "authorization": f"Bearer {server.token}",
        "accept": "application/json, text/event-stream",
        "mcp-protocol-version": version,
        "mcp-method": body["method"],
    }

    given |= {name: value.format(token=server.token) for name, value in headers.items()}

    response = httpx.post(server.url, json=body, headers=given, timeout=30)

    assert response.status_code == status, response.text


HELLO = {
    "protocolVersion": "2025-06-18",
    "capabilities": {},
    "clientInfo": {"name": "browser", "version": "1"},
}
META = {
    "io.modelcontextprotocol/protocolVersion": VERSION,
    "io.modelcontextprotocol/clientCapabilities": {},
}


def test_http_listens_on_the_loopback_address_only(server):
    assert server.url.startswith("http://127.0.0.1:")


def test_a_token_is_made_up_and_shown_unless_one_is_given(server, monkeypatch):
    assert len(server.token) >= 40

    monkeypatch.setenv("SESSIONS_VTAB_MCP_TOKEN", "given")
    assert token_of_environment() == ("given", False)


# What cannot start.


def test_a_port_that_is_taken_and_a_wrong_source_end_with_2(server, capsys):
    port = server.url.split(":")[2].split("/")[0]
    for arguments, words in (
        (["--http", port, "--source", "local://:memory:"], f"Port {port} cannot be used"),
        (["--source", "vertx://a/b/1"], "Did you mean vertex?"),
    ):
        assert main(["mcp", *arguments]) == 2
        assert words in capsys.readouterr().err


@pytest.mark.parametrize(
    "arguments",
    [["--http", "70000"], ["--http", "x"], ["--max-rows", "0"], ["--statement-timeout", "0"]],
)
def test_arguments_that_make_no_sense_are_refused(arguments, capsys):
    with pytest.raises(SystemExit) as caught:
        main(["mcp", *arguments])

    assert caught.value.code == 2
    assert f"'{arguments[1]}' is not a" in capsys.readouterr().err


def test_without_the_sdk_the_command_says_what_to_install(monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "sessions_vtab.mcp", None)
    monkeypatch.delattr("sessions_vtab.mcp", raising=False)
    monkeypatch.setitem(sys.modules, "mcp.server", None)
    monkeypatch.delitem(sys.modules, "sessions_vtab.mcp")

    assert main(["mcp", "--source", "local://:memory:"]) == 2
    assert "-m pip install 'mcp" in capsys.readouterr().err
