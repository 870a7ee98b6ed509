"""Long-running operations, and reasoning engines as far as the SDKs need them.

Vertex contract, sections 4 and 10.6.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar

from sessions_vtab.emulator.faults import OperationPlan
from sessions_vtab.emulator.vertex import listing
from sessions_vtab.emulator.vertex.messages import (
    failed_precondition,
    format_time,
    found_errors,
    not_found,
)
from sessions_vtab.emulator.vertex.store import Engine, EngineKey, Rows
from sessions_vtab.emulator.vertex.wire import dumps, parse_json, read_body

if TYPE_CHECKING:
    from collections.abc import Callable

    from sessions_vtab.emulator.vertex import EmulatedRequest, Vertex

T = TypeVar("T")

_KEPT = 10_000
"""Operations that are remembered; older ones are forgotten."""

_CANCELLED = 1
"""In `google.rpc.Code`, whose numbers operations carry instead of HTTP codes (section 4)."""

EMPTY = "google.protobuf.Empty"
_TYPE = "type.googleapis.com/"


@dataclass(slots=True)
class LongRunningOperation:
    """One operation.

    `kind` is the name of its metadata message and `answer` that of its response, both without the
    version, which follows the URL it is asked under (`version`, that of the call that started it,
    where the URL has none); `scope` is the project, location, engine and
    session it belongs to, as far as they apply.
    """

    id: str
    name: str
    kind: str
    scope: tuple[str, ...]
    version: str
    create_time: int
    plan: OperationPlan
    answer: str = EMPTY
    response: dict[str, Any] = field(default_factory=dict)
    polls_left: int = 0
    error: dict[str, Any] | None = None
    cancelled: bool = False

    @property
    def done(self) -> bool:
        """Whether it has ended."""
        return self.cancelled or not (self.plan.never or self.polls_left)

    def poll(self) -> None:
        """Count one poll; the last one still finds it not done."""
        if self.polls_left:
            self.polls_left -= 1

    def message(self, version: str) -> dict[str, Any]:
        """Return the operation as JSON, its types those of this version."""
        version = version if version.startswith("v") else self.version
        moment = format_time(self.create_time)
        result: dict[str, Any] = {
            "name": self.name,
            "metadata": {
                "@type": _type_url(self.kind, version),
                "genericMetadata": {"createTime": moment, "updateTime": moment},
            },
        }
        if self.done:
            result["done"] = True
            if self.error:
                result["error"] = self.error
            else:
                result["response"] = {"@type": _type_url(self.answer, version), **self.response}
        return result


def _type_url(name: str, version: str) -> str:
    """Return the `@type`; it must carry the version of the URL, as GAPIC unpacks it."""
    return _TYPE + (name if "." in name else f"google.cloud.aiplatform.{version}.{name}")


class Operations:
    """The operations of the service by their id, whatever prefix they are asked under."""

    def __init__(self) -> None:
        self._by_id: dict[str, LongRunningOperation] = {}

    def start(self, operation: LongRunningOperation) -> None:
        """Remember an operation and set it going by its plan."""
        plan = operation.plan
        operation.polls_left = plan.polls
        operation.error = None if plan.error is None else plan.error.model_dump()
        self._by_id[operation.id] = operation
        if len(self._by_id) > _KEPT:
            del self._by_id[next(iter(self._by_id))]

    def find(self, call: EmulatedRequest) -> LongRunningOperation:
        """Return the operation that the last segment of the path names, or raise a 404."""
        operation = self._by_id.get(call.path[-1])
        if operation is None:
            raise not_found(f"Operation {call.name(*call.path)} not found.")
        return operation

    def forget(self, operation: LongRunningOperation) -> None:
        """Remove an operation."""
        del self._by_id[operation.id]

    def under(self, scope: tuple[str, ...]) -> Rows[LongRunningOperation]:
        """Return the operations that belong to a scope, oldest first."""
        numbered = enumerate(self._by_id.values())
        return Rows(
            (item.create_time, number, item)
            for number, item in numbered
            if item.scope[: len(scope)] == scope
        )


def run(
    vertex: Vertex,
    call: EmulatedRequest,
    kind: str,
    parent: str,
    scope: tuple[str, ...],
    effect: Callable[[OperationPlan], object],
    response: tuple[str, dict[str, Any]] = (EMPTY, {}),
) -> bytes:
    """Start an operation and answer with it.

    Args:
        vertex: Where it is kept.
        call: The call that starts it.
        kind: Name of its metadata message.
        parent: The resource that its name begins with.
        scope: See `LongRunningOperation`.
        effect: Comes about at once, unless the operation is to end in an error.
        response: Name and fields of its response.
    """
    operation_id, plan = vertex.new_id(), vertex.plan(call)
    operation = LongRunningOperation(
        id=operation_id,
        name=f"{parent}/operations/{operation_id}",
        kind=kind,
        scope=scope,
        version=call.version,
        create_time=vertex.now(),
        plan=plan,
        answer=response[0],
        response=response[1],
    )
    if plan.error is None:
        effect(plan)
    vertex.operations.start(operation)
    return dumps(operation.message(call.version))


def get(vertex: Vertex, call: EmulatedRequest) -> bytes:
    """Answer a poll; `:wait` is the same, as it may return before the operation is done."""
    operation = vertex.operations.find(call)
    answer = dumps(operation.message(call.version))
    operation.poll()
    return answer


def cancel(vertex: Vertex, call: EmulatedRequest) -> bytes:
    """Cancel an operation that is not done; the effect it may have had stays."""
    operation = vertex.operations.find(call)
    if not operation.done:
        operation.cancelled = True
        operation.error = {
            "code": _CANCELLED,
            "message": "LongRunningOperation was cancelled.",
        }
    return b"{}"


def delete(vertex: Vertex, call: EmulatedRequest) -> bytes:
    """Forget an operation."""
    vertex.operations.forget(vertex.operations.find(call))
    return b"{}"


def list_under(vertex: Vertex, call: EmulatedRequest) -> bytes:
    """List the operations of a session, an engine or a location."""
    if call.query.get("filter"):
        raise found_errors(("filter", "Filters are not supported on operations."))
    scope = (call.project, call.location, *call.path[1:-1:2])
    rows = vertex.operations.under(scope)
    return _page(call, "operations", rows, scope, lambda one: one.message(call.version))


def _page(
    call: EmulatedRequest,
    field: str,
    rows: Rows[T],
    scope: tuple[str, ...],
    show: Callable[[T], dict[str, Any]],
) -> bytes:
    size, parameters = listing.page_size(call.query), (field, *scope)
    after = listing.decode(listing.page_token(call.query), parameters)
    found, more = rows.page(size, after=after)
    answer: dict[str, Any] = {field: [show(one) for one in found]} if found else {}
    if more:
        answer["nextPageToken"] = listing.encode(more, parameters)
    return dumps(answer)


def create_engine(vertex: Vertex, call: EmulatedRequest) -> bytes:
    """Create an engine under a new id; only its display name is kept."""
    message = read_body("ReasoningEngine", call.body, call.version, "reasoning_engine")
    now = vertex.now()
    key = EngineKey(call.project, call.location, vertex.new_id())
    engine = Engine(key, now, message.get("displayName", ""))

    def effect(_: OperationPlan) -> None:
        vertex.store.engines[key] = engine

    kind, response = "CreateReasoningEngineOperationMetadata", _message(call, engine)
    made = "ReasoningEngine", response
    return run(vertex, call, kind, response["name"], key, effect, made)


def _message(call: EmulatedRequest, engine: Engine) -> dict[str, Any]:
    message = {
        "name": call.name("reasoningEngines", engine.key.engine),
        "displayName": engine.display_name,
        "createTime": format_time(engine.create_time),
        "updateTime": format_time(engine.update_time),
    }
    return {name: value for name, value in message.items() if value}


def get_engine(vertex: Vertex, call: EmulatedRequest) -> bytes:
    """Answer with one engine."""
    return dumps(_message(call, vertex.engine(call)))


def list_engines(vertex: Vertex, call: EmulatedRequest) -> bytes:
    """Answer with a page of the engines of a location, oldest first."""
    scope = (call.project, call.location)
    engines = vertex.store.under(*scope, vertex.now())
    rows = Rows((engine.create_time, int(engine.key.engine), engine) for engine in engines)
    return _page(call, "reasoningEngines", rows, scope, lambda one: _message(call, one))


def delete_engine(vertex: Vertex, call: EmulatedRequest) -> bytes:
    """Delete an engine; one with sessions only by force, in the query or (vertexai) the body."""
    engine = vertex.engine(call)
    body = parse_json(call.body)
    forced = call.query.get("force") == "true" or (
        isinstance(body, dict) and body.get("force") is True
    )
    if engine.sessions and not forced:
        raise failed_precondition(
            f"The ReasoningEngine {engine.key.name()} contains child resources: sessions."
            " Set force to true to delete them too."
        )
    name = call.name("reasoningEngines", engine.key.engine)
    kind = "DeleteOperationMetadata"
    return run(vertex, call, kind, name, engine.key, lambda _: vertex.store.delete(engine))
