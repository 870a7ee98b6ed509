"""How writes are sent: queues of rows that have to go in order, side by side.

A queue is a session: its rows are sent one after the other, and those after a row that failed are
not sent. Of the queues that can go on, the longest goes first, which keeps the pool busy to the
end.

A write that the service only begins is a long-running operation, which is asked about until it is
done (https://google.aip.dev/151).
"""

from __future__ import annotations

import heapq
import math
import threading
import time
from collections import deque
from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, replace
from functools import partial
from queue import Empty, SimpleQueue
from typing import Any, TypeAlias, TypeVar

from sessions_vtab.contract.backend import Context, Outcome, OutcomeState, Write
from sessions_vtab.errors import (
    ConflictError,
    ForbiddenError,
    NotFoundError,
    ProtocolError,
    RefusedError,
    SessionsError,
    ThrottledError,
    TransientError,
    UnavailableError,
    UnknownOutcomeError,
)
from sessions_vtab.fetch.auth import plain
from sessions_vtab.fetch.call import RequestSpec, Response
from sessions_vtab.fetch.client import Client, Sender
from sessions_vtab.fetch.problems import acted_unreadably, doubtful, stopped, unexpected
from sessions_vtab.fetch.sockets import SLICE

T = TypeVar("T")

_GRACE = 5.0
"""Seconds that writes in flight have after the user stopped the statement."""

_GOES_ON = frozenset((OutcomeState.SENT, OutcomeState.SKIPPED))


def run_job(client: Client, context: Context, job: Callable[[Sender], T]) -> T:
    """Runs a job that sends in the pool, and waits for it as the statement's thread has to.

    For functions with side effects: ``run_job(client, context, lambda line: sender.send(call))``.

    Raises:
        UnknownOutcomeError: the user stopped the statement while the job was sending, or the job
            failed after a change that was accepted or may have been.
        SessionsError: as the job.
    """
    stop = threading.Event()
    sender = Sender(client, context, stop)
    future = client.pool.submit(_run, job, sender)
    try:
        while not context.interrupted():
            try:
                return future.result(SLICE)
            except TimeoutError:
                if future.done():
                    return future.result()
    except BaseException as error:
        if not future.done():  # Else it is the job's own error.
            error.add_note(_fate(future, stop, sender))
        raise
    return _stopped(future, stop, sender)


def _stopped(future: Future[T], stop: threading.Event, sender: Sender) -> T:
    """The result of a job that is told to stop, if it comes within the grace period."""
    stop.set()
    try:
        return future.result(_GRACE)
    except TimeoutError:
        if future.cancel():
            raise stopped(sender.client.endpoint.source) from None
        raise UnknownOutcomeError(
            f"{sender.where}: interrupted while a request was in progress; the service may"
            " or may not have acted."
        ) from None


def _fate(future: Future[T], stop: threading.Event, sender: Sender) -> str:
    """What became of a job whose caller was interrupted by an exception."""
    try:
        _stopped(future, stop, sender)
    except SessionsError as error:
        return str(error)
    return f"{sender.where}: the request was completed before the statement was stopped."


def _run(job: Callable[[Sender], T], sender: Sender) -> T:
    try:
        return job(sender)
    except Exception as error:  # noqa: BLE001  # Told with the place, and with what was sent.
        reported = unexpected(error, sender.where)
        raise _as_known(reported, sender) from reported.__cause__


def _as_known(error: SessionsError, sender: Sender) -> SessionsError:
    """The error of a job, or an UnknownOutcomeError if its change may have been performed."""
    return doubtful(error, sender.change) if sender.in_doubt and sender.change else error


def deliver(
    client: Client,
    writes: Sequence[Write],
    context: Context,
    queue_key: Callable[[Write], Hashable],
    perform: Callable[[Write, Sender], Outcome],
) -> Iterator[Outcome]:
    """Sends queued writes, an outcome for each.

    The iterator may be asked on after an exception, such as a KeyboardInterrupt: then it sends
    nothing more, waits for what is in flight, and has the outcomes of the rest. ``Backend.send``
    should return it as it is: a generator around it ends with the first exception.

    Args:
        client: whose pool and connections.
        writes: in statement order.
        context: the statement.
        queue_key: what a write belongs to; those of one key go in order. None: it depends on
            nothing.
        perform: sends one write; an error becomes its outcome.
    """

    def alone(group: Sequence[Write], sender: Sender) -> list[Outcome]:
        return [perform(group[0], sender)]

    return deliver_groups(client, [[write] for write in writes], context, queue_key, alone)


def deliver_groups(
    client: Client,
    groups: Sequence[Sequence[Write]],
    context: Context,
    queue_key: Callable[[Write], Hashable],
    perform: Callable[[Sequence[Write], Sender], list[Outcome]],
) -> Iterator[Outcome]:
    """As ``deliver``, for writes of which several go out in one request.

    Args:
        client: whose pool and connections.
        groups: the writes of each request, in statement order.
        context: the statement.
        queue_key: what the first write of a group belongs to.
        perform: sends one group: an outcome for each of its writes; an error is the outcome of all.
    """
    return _Delivery(client, context, perform, groups, queue_key)


_Group: TypeAlias = Sequence[Write]
_Queue: TypeAlias = deque[_Group]


@dataclass(slots=True, eq=False)
class _Submitted:
    """A group of writes that was handed to the pool.

    Attributes:
        group: the writes.
        queue: what comes after them.
        begun: a thread has it, so that it may have been sent.
        outcomes: what became of them; None as long as that is not known.
    """

    group: _Group
    queue: _Queue
    begun: bool = False
    outcomes: list[Outcome] | None = None


class _Delivery(Iterator[Outcome]):
    """The state of one unit of work that is being sent.

    A KeyboardInterrupt may come between any two steps. So what may be sent is noted before it can
    be, and what is forgotten is forgotten last: an outcome may then be told twice, never wrongly.
    """

    def __init__(
        self,
        client: Client,
        context: Context,
        perform: Callable[[_Group, Sender], list[Outcome]],
        groups: Sequence[_Group],
        queue_key: Callable[[Write], Hashable],
    ) -> None:
        self._stop = threading.Event()
        self._client = client
        self._context = context
        self._perform = perform
        self._until = math.inf
        self._done: SimpleQueue[_Submitted] = SimpleQueue()
        self._in_flight: set[_Submitted] = set()
        self._ready: list[tuple[int, int, _Queue]] = []
        self._settled: deque[Outcome] = deque()
        self._groups = groups
        self._queue_key = queue_key

    def __next__(self) -> Outcome:
        """The next outcome; waits for it."""
        try:
            while not self._settled and (self._groups or self._ready or self._in_flight):
                self._go_on()
        except BaseException:
            # It goes to the caller at once; asked on, this has the outcomes of the rest.
            self._halt()
            raise
        if not self._settled:
            raise StopIteration
        return self._settled.popleft()

    def close(self) -> None:
        """Nobody wants the outcomes: what was not sent stays so."""
        self._stop.set()

    __del__ = close

    def _begin(self) -> None:
        """Makes the queues."""
        queues: dict[Hashable, _Queue] = {}
        for group in self._groups:
            try:
                key = self._queue_key(group[0])
            except Exception as error:  # noqa: BLE001  # It is the outcome of its own rows only.
                where = self._client.where(group[0].table)
                self._settle(group, OutcomeState.NOT_SENT, unexpected(error, where))
                continue
            own = ("alone", group[0].number) if key is None else ("key", key)
            queues.setdefault(own, deque()).append(group)
        for queue in queues.values():
            self._make_ready(queue)
        self._groups = ()

    def _make_ready(self, queue: _Queue) -> None:
        heapq.heappush(self._ready, (-len(queue), queue[0][0].number, queue))

    def _go_on(self) -> None:
        """Sends what can be sent, and waits for the outcomes of one group."""
        # Also where answers come so fast that there is nothing to wait for.
        if not self._stop.is_set() and self._context.interrupted():
            self._halt()
        if self._stop.is_set():
            self._drop_waiting()
        else:
            self._begin()
            self._launch()
        if not self._in_flight:
            return
        try:
            self._complete(self._done.get(timeout=SLICE))
        except Empty:
            for submitted in [one for one in self._in_flight if one.outcomes is not None]:
                self._complete(submitted)  # An exception came between its response and this.
            late = time.monotonic() > self._until
            self._give_up([one for one in self._in_flight if late or self._never_begins(one)])

    def _halt(self) -> None:
        """Sends nothing more; a second time, what is in flight is not waited for either."""
        self._until = -math.inf if self._stop.is_set() else time.monotonic() + _GRACE
        self._stop.set()

    def _launch(self) -> None:
        while self._ready and len(self._in_flight) < self._client.endpoint.concurrency:
            queue = self._ready[0][2]
            submitted = _Submitted(queue[0], queue)
            self._in_flight.add(submitted)
            queue.popleft()
            heapq.heappop(self._ready)
            try:
                future = self._client.pool.submit(self._one, submitted)
            except SessionsError as error:
                submitted.outcomes = _not_sent(submitted.group, error)
                self._done.put(submitted)
            else:
                # Not only when it has been run: closing the client cancels what waits.
                future.add_done_callback(partial(self._completed, submitted))

    def _completed(self, submitted: _Submitted, _: Future[None]) -> None:
        self._done.put(submitted)

    def _complete(self, submitted: _Submitted) -> None:
        if submitted not in self._in_flight:
            return
        outcomes = submitted.outcomes
        if outcomes is None:
            outcomes = _not_sent(submitted.group, stopped(self._client.endpoint.source))
        self._settled.extend(outcomes)
        if not all(outcome.state in _GOES_ON for outcome in outcomes):
            self._drop(submitted.queue, "an earlier row of the same session did not succeed")
        elif submitted.queue:
            self._make_ready(submitted.queue)
        self._in_flight.discard(submitted)

    def _drop_waiting(self) -> None:
        """Everything that waits is not sent."""
        for queue in (deque(self._groups), *(queue for _, _, queue in self._ready)):
            self._drop(queue, "the statement was interrupted")
        self._ready.clear()
        self._groups = ()

    def _drop(self, queue: _Queue, reason: str) -> None:
        for group in queue:
            self._settle(group, OutcomeState.NOT_SENT, SessionsError(f"Not sent: {reason}."))

    def _never_begins(self, submitted: _Submitted) -> bool:
        """Whether it sends nothing: the pool may never have had it, if an exception came between.

        A thread that begins it after this finds that it is to stop.
        """
        return self._stop.is_set() and not submitted.begun

    def _give_up(self, given: Iterable[_Submitted]) -> None:
        """Waits for these no longer."""
        for submitted in given:
            state = OutcomeState.UNKNOWN if submitted.begun else OutcomeState.NOT_SENT
            self._settle(submitted.group, state, stopped(self._client.endpoint.source))
            self._drop(submitted.queue, "the statement was interrupted")
            self._in_flight.discard(submitted)

    def _settle(self, group: _Group, state: OutcomeState, error: SessionsError) -> None:
        self._settled.extend(Outcome(write, state, key=write.key, error=error) for write in group)

    def _one(self, submitted: _Submitted) -> None:
        """Sends one group in a pool thread; every error is its outcome."""
        submitted.begun = True
        sender = Sender(self._client, self._context, self._stop, submitted.group[0].table)
        started = time.perf_counter()
        try:
            sender.check()
            outcomes = self._perform(submitted.group, sender)
        except BaseException as error:  # noqa: BLE001  # Nobody else would see it here.
            reported = unexpected(error, sender.where)
            outcomes = [_failed(write, reported, sender) for write in submitted.group]
        elapsed = round((time.perf_counter() - started) * 1000, 3)
        submitted.outcomes = [replace(outcome, elapsed_ms=elapsed) for outcome in outcomes]


def _not_sent(group: _Group, error: SessionsError) -> list[Outcome]:
    return [Outcome(one, OutcomeState.NOT_SENT, key=one.key, error=error) for one in group]


def _failed(write: Write, error: SessionsError, sender: Sender) -> Outcome:
    status = error.status if isinstance(error, RefusedError | TransientError) else None
    if sender.in_doubt or isinstance(error, UnknownOutcomeError):
        state = OutcomeState.UNKNOWN
    elif write.ignore and isinstance(error, ConflictError):
        state = OutcomeState.SKIPPED
    elif sender.sent == 0:
        state = OutcomeState.NOT_SENT
    else:
        state = OutcomeState.FAILED
    reported = _as_known(error, sender)
    return Outcome(write, state, key=write.key, error=reported, http_status=status)


# Long-running operations

_FIRST, _GROWTH, _LONGEST, _OVERALL = 0.5, 1.5, 5.0, 120.0

# Numbers of google.rpc.Code that mean something more exact than "refused".
_CODES: dict[object, type[SessionsError]] = {
    5: NotFoundError,
    6: ConflictError,
    7: ForbiddenError,
    8: ThrottledError,
    14: UnavailableError,
}


def finish_operation(
    sender: Sender, started: Response, look: Callable[[dict[str, Any]], RequestSpec]
) -> dict[str, Any]:
    """The operation as it is when done; asks after 0.5 s, then x1.5 up to 5 s, 120 s in all.

    Args:
        sender: of the job that started it.
        started: the answer that holds the operation.
        look: the call that asks about an operation; checks its name.

    Raises:
        UnknownOutcomeError: it did not end in time, or could not be asked about.
        SessionsError: it ended in an error, and what it was for was not done.
    """
    operation, waited, pause = _held(started), 0.0, _FIRST
    while not operation.get("done"):
        if waited >= _OVERALL:
            raise _unknown(sender, operation, f"did not finish within {_OVERALL:g} s")
        try:
            sender.pause(pause)
            operation = sender.send(look(operation)).object()
        except SessionsError as error:
            raise _unknown(sender, operation, f"could not be followed ({error})") from error
        waited, pause = waited + pause, min(_LONGEST, pause * _GROWTH)
    if operation.get("error"):
        sender.in_doubt = False
        raise _failure(sender, started, operation)
    return operation


def _held(started: Response) -> dict[str, Any]:
    try:
        operation = started.object()
    except ProtocolError as error:
        raise acted_unreadably(started, error) from None
    if not (operation.get("done") or operation.get("name")):
        unnamed = ProtocolError(f"{started.what}: the field name is not a valid operation name.")
        raise acted_unreadably(started, unnamed)
    return operation


def _unknown(sender: Sender, operation: dict[str, Any], what: str) -> UnknownOutcomeError:
    name = plain(str(operation.get("name") or "without a name"), 300)
    return UnknownOutcomeError(
        f"{sender.where}: the operation {name} {what}; the service may still finish it."
    )


def _failure(sender: Sender, started: Response, operation: dict[str, Any]) -> SessionsError:
    status = operation["error"]
    code, said = (
        (status.get("code"), status.get("message")) if isinstance(status, dict) else ("", "")
    )
    kind = _CODES.get(code, RefusedError)
    return kind(
        f"{sender.where}: {started.call.method} {started.url} was accepted, but its"
        f" operation ended in an error (code {plain(str(code), 20)}): {plain(str(said))}"
    )
