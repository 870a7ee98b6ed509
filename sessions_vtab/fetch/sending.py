"""How writes are sent: lanes of rows that have to go in order, side by side.

A lane is a session: its rows are sent one after the other, and those behind a row that failed are
not sent. Of the lanes that can go on, the longest goes first, which keeps the pool busy to the end.
"""

from __future__ import annotations

import heapq
import threading
import time
from collections import deque
from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from concurrent.futures import Future
from dataclasses import replace
from functools import partial
from queue import Empty, SimpleQueue
from typing import TypeVar

from sessions_vtab.errors import (
    ConflictError,
    RefusedError,
    SessionsError,
    TransientError,
    UnknownOutcomeError,
)
from sessions_vtab.fetch.client import Client, Line
from sessions_vtab.fetch.problems import doubtful, stopped
from sessions_vtab.fetch.scope import SLICE
from sessions_vtab.spec.backend import Context
from sessions_vtab.spec.write import Outcome, OutcomeState, Write

__all__ = ["deliver", "run_job"]

T = TypeVar("T")

_GRACE = 5.0
"""Seconds that writes in flight have after the user stopped the statement."""

_GOES_ON = frozenset((OutcomeState.SENT, OutcomeState.SKIPPED))


def run_job(client: Client, context: Context, job: Callable[[Line], T]) -> T:
    """Runs a job that sends in the pool, and waits for it as the statement's thread has to.

    For effect functions: ``run_job(client, context, lambda line: line.send(call))``.

    Raises:
        UnknownOutcomeError: the user stopped the statement while the job was sending, or the job
            failed behind a change that was accepted or may have been.
        SessionsError: as the job.
    """
    stop = threading.Event()
    line = Line(client, context, stop)
    future = client.pool.submit(_told, job, line)
    until = None
    while True:
        try:
            return future.result(SLICE)
        except TimeoutError:
            if future.done():
                return future.result()
        if until is None and context.interrupted():
            stop.set()
            until = time.monotonic() + _GRACE
        if until is not None and time.monotonic() > until:
            future.cancel()
            raise UnknownOutcomeError(
                f"{line.where}: interrupted while a request was in progress; the service may"
                " or may not have acted."
            )


def _told(job: Callable[[Line], T], line: Line) -> T:
    try:
        return job(line)
    except SessionsError as error:
        raise _as_known(error, line) from error.__cause__


def _as_known(error: SessionsError, line: Line) -> SessionsError:
    """The error of a job, or an UnknownOutcomeError if its change may have been performed."""
    return doubtful(error, line.change) if line.in_doubt and line.change else error


def deliver(
    client: Client,
    writes: Sequence[Write],
    context: Context,
    lane: Callable[[Write], Hashable],
    perform: Callable[[Write, Line], Outcome],
) -> Iterator[Outcome]:
    """Sends queued writes, an outcome for each.

    Args:
        client: whose pool and connections.
        writes: in statement order.
        context: the statement.
        lane: what a write belongs to; those of one lane go in order. None: it depends on nothing.
        perform: sends one write; a SessionsError becomes its outcome.
    """
    return _Delivery(client, context, perform).run(_lanes(writes, lane))


def _lanes(writes: Iterable[Write], lane: Callable[[Write], Hashable]) -> list[deque[Write]]:
    lanes: dict[Hashable, deque[Write]] = {}
    for write in writes:
        key = lane(write)
        lanes.setdefault(("alone", write.number) if key is None else ("lane", key), deque()).append(
            write
        )
    return list(lanes.values())


class _Delivery:
    """The state of one unit of work that is being sent."""

    def __init__(
        self, client: Client, context: Context, perform: Callable[[Write, Line], Outcome]
    ) -> None:
        self._client = client
        self._context = context
        self._perform = perform
        self._stop = threading.Event()
        self._done: SimpleQueue[tuple[deque[Write], Future[Outcome]]] = SimpleQueue()
        self._flying: dict[Future[Outcome], Write] = {}
        self._ready: list[tuple[int, int, deque[Write]]] = []
        self._until = 0.0

    def run(self, lanes: list[deque[Write]]) -> Iterator[Outcome]:
        for queue in lanes:
            self._make_ready(queue)
        try:
            while self._ready or self._flying:
                self._launch()
                landed = self._next()
                if landed is None:
                    break
                yield from self._land(*landed)
            yield from self._give_up()
        finally:
            self._stop.set()
            for future in self._flying:
                future.cancel()

    def _make_ready(self, queue: deque[Write]) -> None:
        heapq.heappush(self._ready, (-len(queue), queue[0].number, queue))

    def _launch(self) -> None:
        while self._ready and len(self._flying) < self._client.site.concurrency:
            _, _, queue = heapq.heappop(self._ready)
            write = queue.popleft()
            future = self._client.pool.submit(self._one, write)
            self._flying[future] = write
            future.add_done_callback(partial(self._landed, queue))

    def _landed(self, queue: deque[Write], future: Future[Outcome]) -> None:
        self._done.put((queue, future))

    def _next(self) -> tuple[deque[Write], Future[Outcome]] | None:
        """Waits for a completed write; None if the user stopped and the grace period has ended."""
        while True:
            # Also where answers come so fast that there is nothing to wait for.
            if not self._stop.is_set() and self._context.interrupted():
                self._stop.set()
                self._until = time.monotonic() + _GRACE
            try:
                return self._done.get(timeout=SLICE)
            except Empty:
                if self._stop.is_set() and time.monotonic() > self._until:
                    return None

    def _land(self, queue: deque[Write], future: Future[Outcome]) -> Iterator[Outcome]:
        self._flying.pop(future)
        outcome = future.result()
        yield outcome
        if outcome.state not in _GOES_ON:
            yield from _not_sent(queue, "an earlier row of the same session did not succeed")
        elif queue:
            self._make_ready(queue)

    def _give_up(self) -> Iterator[Outcome]:
        """Outcomes of what was left when the user stopped the statement."""
        for future, write in list(self._flying.items()):
            waited = future.cancel()
            state = OutcomeState.NOT_SENT if waited else OutcomeState.UNKNOWN
            yield Outcome(write, state, key=write.key, error=stopped(self._client.site.source))
        for _, _, queue in self._ready:
            yield from _not_sent(queue, "the statement was interrupted")
        self._flying.clear()

    def _one(self, write: Write) -> Outcome:
        """One write in a pool thread; every error is its outcome."""
        line = Line(self._client, self._context, self._stop, write.table)
        started = time.perf_counter()
        try:
            outcome = self._perform(write, line)
        except SessionsError as error:
            outcome = _failed(write, error, line)
        elapsed = round((time.perf_counter() - started) * 1000, 3)
        return replace(outcome, elapsed_ms=elapsed)


def _failed(write: Write, error: SessionsError, line: Line) -> Outcome:
    status = error.status if isinstance(error, RefusedError | TransientError) else None
    if line.in_doubt or isinstance(error, UnknownOutcomeError):
        state = OutcomeState.UNKNOWN
    elif write.ignore and isinstance(error, ConflictError):
        state = OutcomeState.SKIPPED
    elif line.sent == 0:
        state = OutcomeState.NOT_SENT
    else:
        state = OutcomeState.FAILED
    told = _as_known(error, line)
    return Outcome(write, state, key=write.key, error=told, http_status=status)


def _not_sent(queue: Iterable[Write], reason: str) -> Iterator[Outcome]:
    for write in queue:
        error = SessionsError(f"Not sent: {reason}.")
        yield Outcome(write, OutcomeState.NOT_SENT, key=write.key, error=error)
