"""Long-running operations (Vertex contract, section 4)."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from sessions_vtab.emulator.vertex import listing
from sessions_vtab.emulator.vertex.errors import RPC_CODES, found_errors, not_found
from sessions_vtab.emulator.vertex.messages import format_time
from sessions_vtab.emulator.vertex.store import Rows
from sessions_vtab.emulator.vertex.wire import dumps

if TYPE_CHECKING:
    from collections.abc import Callable

    from sessions_vtab.emulator.vertex.context import EmulatedRequest, ServiceContext

_KEPT = 10_000
"""Operations that are remembered; older ones are forgotten."""

EMPTY = "google.protobuf.Empty"
_TYPE = "type.googleapis.com/"


@dataclass(frozen=True, slots=True)
class OperationCourse:
    """How an operation goes.

    Attributes:
        polls: Number of polls that find it not done.
        never: It is never done.
        error: It ends in this `google.rpc.Status` and its effect never comes about.
        hidden_gets: Number of GETs for which the created session is still 404.
    """

    polls: int = 0
    never: bool = False
    error: dict[str, Any] | None = None
    hidden_gets: int = 0


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
    plan: OperationCourse
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

    def start(self, operation: LongRunningOperation) -> LongRunningOperation:
        """Remember an operation and set it going by its plan."""
        operation.polls_left = operation.plan.polls
        operation.error = operation.plan.error
        self._by_id[operation.id] = operation
        if len(self._by_id) > _KEPT:
            del self._by_id[next(iter(self._by_id))]
        return operation

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
    context: ServiceContext, operation: LongRunningOperation, effect: Callable[[], object]
) -> LongRunningOperation:
    """Start an operation, whose effect comes about at once unless it is to end in an error."""
    if operation.plan.error is None:
        effect()
    return context.operations.start(operation)


def get(context: ServiceContext, call: EmulatedRequest) -> bytes:
    """Answer a poll; `:wait` is the same, as it may return before the operation is done."""
    operation = context.operations.find(call)
    answer = dumps(operation.message(call.version))
    operation.poll()
    return answer


def cancel(context: ServiceContext, call: EmulatedRequest) -> bytes:
    """Cancel an operation that is not done; the effect it may have had stays."""
    operation = context.operations.find(call)
    if not operation.done:
        operation.cancelled = True
        operation.error = {
            "code": RPC_CODES["CANCELLED"],
            "message": "LongRunningOperation was cancelled.",
        }
    return b"{}"


def delete(context: ServiceContext, call: EmulatedRequest) -> bytes:
    """Forget an operation."""
    context.operations.forget(context.operations.find(call))
    return b"{}"


def list_under(context: ServiceContext, call: EmulatedRequest) -> bytes:
    """List the operations of a session, an engine or a location."""
    if call.query.get("filter"):
        raise found_errors(("filter", "Filters are not supported on operations."))
    size = listing.page_size(call.query)
    scope = (call.project, call.location, *call.path[1:-1:2])
    parameters = ("operations", *scope)
    after = listing.decode(listing.page_token(call.query), parameters)
    found, more = context.operations.under(scope).page(size, after=after)
    answer: dict[str, Any] = {}
    if found:
        answer["operations"] = [operation.message(call.version) for operation in found]
    if more:
        answer["nextPageToken"] = listing.encode(more, parameters)
    return dumps(answer)
