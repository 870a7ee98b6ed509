"""Handlers for reasoning engines, as far as the SDKs need them (Vertex contract, section 10.6)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sessions_vtab.emulator.vertex import listing, operations, wire
from sessions_vtab.emulator.vertex.errors import failed_precondition
from sessions_vtab.emulator.vertex.messages import format_time
from sessions_vtab.emulator.vertex.operations import LongRunningOperation
from sessions_vtab.emulator.vertex.store import Engine, EngineKey, Rows
from sessions_vtab.emulator.vertex.wire import parse_json, read_body

if TYPE_CHECKING:
    from sessions_vtab.emulator.vertex.context import EmulatedRequest, ServiceContext


def create(context: ServiceContext, call: EmulatedRequest) -> bytes:
    """Create an engine under a new id; only its display name is kept."""
    message = read_body("ReasoningEngine", call.body, call.version, "reasoning_engine")
    now = context.now()
    key = EngineKey(call.project, call.location, context.new_id())
    engine = Engine(key, now, message.get("displayName", ""))
    operation = _operation(context, call, engine, "CreateReasoningEngineOperationMetadata")
    operation.answer, operation.response = "ReasoningEngine", _message(call, engine)

    def effect() -> None:
        context.store.engines[key] = engine

    operations.run(context, operation, effect)
    return wire.dumps(operation.message(call.version))


def _operation(
    context: ServiceContext, call: EmulatedRequest, engine: Engine, kind: str
) -> LongRunningOperation:
    operation_id = context.new_id()
    name = call.name("reasoningEngines", engine.key.engine, "operations", operation_id)
    return LongRunningOperation(
        id=operation_id,
        name=name,
        kind=kind,
        scope=engine.key,
        version=call.version,
        create_time=context.now(),
        plan=context.plan(call),
    )


def _message(call: EmulatedRequest, engine: Engine) -> dict[str, Any]:
    message = {
        "name": call.name("reasoningEngines", engine.key.engine),
        "displayName": engine.display_name,
        "createTime": format_time(engine.create_time),
        "updateTime": format_time(engine.update_time),
    }
    return {name: value for name, value in message.items() if value}


def get(context: ServiceContext, call: EmulatedRequest) -> bytes:
    """Answer with one engine."""
    return wire.dumps(_message(call, context.engine(call)))


def list_page(context: ServiceContext, call: EmulatedRequest) -> bytes:
    """Answer with a page of the engines of a location, oldest first."""
    size = listing.page_size(call.query)
    parameters = ("engines", call.project, call.location)
    engines = context.store.under(call.project, call.location, context.now())
    rows = Rows((engine.create_time, int(engine.key.engine), engine) for engine in engines)
    after = listing.decode(listing.page_token(call.query), parameters)
    found, more = rows.page(size, after=after)
    answer: dict[str, Any] = {}
    if found:
        answer["reasoningEngines"] = [_message(call, engine) for engine in found]
    if more:
        answer["nextPageToken"] = listing.encode(more, parameters)
    return wire.dumps(answer)


def delete(context: ServiceContext, call: EmulatedRequest) -> bytes:
    """Delete an engine; one with sessions only by force, in the query or (vertexai) the body."""
    engine = context.engine(call)
    body = parse_json(call.body)
    forced = call.query.get("force") == "true" or (
        isinstance(body, dict) and body.get("force") is True
    )
    if engine.sessions and not forced:
        raise failed_precondition(
            f"The ReasoningEngine {engine.key.name()} contains child resources: sessions."
            " Set force to true to delete them too."
        )
    operation = _operation(context, call, engine, "DeleteOperationMetadata")
    operations.run(context, operation, lambda: context.store.delete(engine))
    return wire.dumps(operation.message(call.version))
