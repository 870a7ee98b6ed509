"""The tools: query, explain, describe, sources and, on a writable server, write."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import partial
from typing import Annotated, Any, Final

from mcp.server.mcpserver import Context, MCPServer
from mcp.server.mcpserver.exceptions import ToolError
from mcp.server.mcpserver.resolve import AcceptedElicitation, Elicit, ElicitationResult, Resolve
from mcp_types import CallToolResult, TextContent, ToolAnnotations
from pydantic import BaseModel, Field
from typing_extensions import TypedDict

from sessions_vtab import dbapi
from sessions_vtab.cli.display import escaped
from sessions_vtab.cli.help import Reference, page
from sessions_vtab.cli.pages import markdown
from sessions_vtab.contract.values import dump_json
from sessions_vtab.errors import UnknownNameError
from sessions_vtab.mcp.pool import ConnectionPool
from sessions_vtab.mcp.prompts import overview
from sessions_vtab.mcp.statements import (
    CallLimits,
    QueryResult,
    SqlCall,
    executed,
    explained,
    require_write,
)


@dataclass(frozen=True, slots=True)
class ServerState:
    """What the tools of a server share.

    Attributes:
        readers: connections that only read.
        writers: connections that also write; None on a read-only server.
        limits: of each call.
    """

    readers: ConnectionPool
    writers: ConnectionPool | None
    limits: CallLimits


ToolContext = Context[ServerState, Any]

Sql = Annotated[str, Field(description="One statement in SQLite's dialect.")]
Parameters = Annotated[
    dict[str, Any] | list[Any] | None,
    Field(
        description=(
            "Values of :name parameters as an object, or of ? as an array. Arrays and objects are"
            " bound as JSON text, for json_each()."
        )
    ),
]
MaxRows = Annotated[int, Field(ge=1, description="Most rows to return.")]
Result = Annotated[CallToolResult, QueryResult]


class SourceInfo(TypedDict):
    """A source: what SQL calls it, what it is, and whether it may be written."""

    name: str
    backend: str
    default: bool
    read_only: bool
    where: str
    tables: list[str]


class SourceList(TypedDict):
    """The sources of the server."""

    sources: list[SourceInfo]


class Confirmation(BaseModel):
    """The user's answer before a write."""

    send: bool = Field(title="Send it", description="Run the statement?")


_READS: Final = ToolAnnotations(read_only_hint=True, open_world_hint=False)
_WRITES: Final = ToolAnnotations(read_only_hint=False, destructive_hint=True)


def add_tools(server: MCPServer[ServerState], *, writable: bool) -> None:
    """Adds the tools to a server; ``write`` only if it is writable."""
    for tool in (query, explain, describe, sources):
        server.add_tool(tool, annotations=_READS)
    if writable:
        server.add_tool(write, annotations=_WRITES)


async def query(
    sql: Sql, ctx: ToolContext, parameters: Parameters = None, max_rows: MaxRows = 100
) -> Result:
    """Runs a SELECT and returns its rows.

    A query that is expected to make too many requests is refused before it starts. Long values are
    cut with a mark that says how to select the rest.
    """
    return await _executed(_state(ctx).readers, ctx, SqlCall(sql, parameters), max_rows)


async def explain(sql: Sql, ctx: ToolContext, parameters: Parameters = None) -> str:
    """Shows what a statement would do, and sends nothing.

    For each table: the conditions that are sent to the service, those that are checked here, and
    how many requests are needed.
    """
    state = _state(ctx)
    pool = state.writers or state.readers
    return await pool.run(partial(explained, call=SqlCall(sql, parameters)))


async def describe(
    ctx: ToolContext,
    table: Annotated[
        str | None, Field(description="A table, function or source; without it, the list of all.")
    ] = None,
) -> str:
    """Describes a table or function: columns, meaning, and the conditions a service can check."""
    state = _state(ctx)

    def work(connection: dbapi.Connection) -> str:
        driver = connection.driver
        if table is None:
            return overview(driver.sources, driver.default)
        sources, read_only = tuple(driver.sources.values()), state.writers is None
        try:
            return markdown(page(table, Reference(sources, "describe", read_only=read_only)))
        except UnknownNameError as error:
            raise ToolError(str(error)) from error

    return await state.readers.run(work)


async def sources(ctx: ToolContext) -> SourceList:
    """Lists the sources: name, backend, where the data is, and whether it can be written."""
    state = _state(ctx)

    def work(connection: dbapi.Connection) -> SourceList:
        driver = connection.driver
        return {
            "sources": [
                {
                    "name": name,
                    "backend": opened.backend.name,
                    "default": name == driver.default,
                    "read_only": state.writers is None or opened.settings.read_only,
                    "where": opened.backend.describe(),
                    "tables": list(opened.backend.resources),
                }
                for name, opened in driver.sources.items()
            ]
        }

    return await state.readers.run(work)


async def confirmed(
    sql: str, parameters: Parameters, ctx: ToolContext
) -> Elicit[Confirmation] | Confirmation:
    """The user's permission for a write; given where the client has no way to ask for it."""
    pool = _writers(ctx)
    what = await pool.run(partial(require_write, call=SqlCall(sql, parameters)))
    if not _can_ask(ctx):
        return Confirmation(send=True)
    values = f"\n\nParameters: {json.dumps(parameters, ensure_ascii=False)}" if parameters else ""
    question = escaped(f"Run this statement? It writes: {what}.\n\n{sql}{values}")
    return Elicit(question, Confirmation)


async def write(
    sql: Sql,
    ctx: ToolContext,
    permission: Annotated[ElicitationResult[Confirmation], Resolve(confirmed)],
    parameters: Parameters = None,
    max_rows: MaxRows = 100,
) -> Result:
    """Runs an INSERT, UPDATE or DELETE, or a SELECT from a function with side effects.

    The user is asked for confirmation first. RETURNING shows what the service stored.
    """
    if not (isinstance(permission, AcceptedElicitation) and permission.data.send):
        raise ToolError("The user did not confirm the statement. Nothing was sent.")
    call = SqlCall(sql, parameters)
    return await _executed(_writers(ctx), ctx, call, max_rows, writing=True)


def _state(ctx: ToolContext) -> ServerState:
    return ctx.request_context.lifespan_context


def _writers(ctx: ToolContext) -> ConnectionPool:
    pool = _state(ctx).writers
    if pool is None:
        raise ToolError("The server is read-only; it can be started with --writable.")
    return pool


def _can_ask(ctx: ToolContext) -> bool:
    """Whether the client shows forms; a bare ``elicitation: {}`` means that it does."""
    capabilities = ctx.client_capabilities
    asked = None if capabilities is None else capabilities.elicitation
    return asked is not None and (asked.form is not None or asked.url is None)


async def _executed(
    pool: ConnectionPool, ctx: ToolContext, call: SqlCall, max_rows: int, *, writing: bool = False
) -> CallToolResult:
    limits = _state(ctx).limits
    most = min(max_rows, limits.max_rows)
    work = partial(executed, call=call, max_rows=most, limits=limits, writing=writing)
    result = await pool.run(work)
    # Not as the SDK writes it, with a line for each value: that doubles what a model has to read.
    text = dump_json(result)
    return CallToolResult(
        content=[TextContent(type="text", text=text)], structured_content=dict(result)
    )
