"""What one statement shares: answers by URL, and requests that are on their way."""

from __future__ import annotations

import threading
import weakref
from collections import OrderedDict
from concurrent.futures import CancelledError, Future
from concurrent.futures import TimeoutError as FutureTimeout
from dataclasses import dataclass, field
from queue import Empty, SimpleQueue

from sessions_vtab.contract.backend import Context
from sessions_vtab.contract.predicate import Value
from sessions_vtab.errors import StoppedError
from sessions_vtab.fetch.auth import Auth, asked
from sessions_vtab.fetch.cache import Key, ResponseCache, fingerprint
from sessions_vtab.fetch.call import RequestSpec, Response
from sessions_vtab.fetch.client import Client, Sender, readable, record
from sessions_vtab.fetch.problems import stopped

__all__ = ["SLICE", "PendingRequest", "StatementResponses", "scope_of"]

SLICE = 0.05
"""Seconds between two looks at whether the user wants to stop."""

_MOST_AHEAD = 3
"""Requests started ahead and not claimed yet, in multiples of those that can be in flight: enough
that a thread always finds the next one waiting while the statement's own thread is busy."""


_LAST_WAIT = 5.0
"""Seconds that the end of a statement waits for a request that has been sent and is not wanted."""


@dataclass(slots=True, eq=False)
class PendingRequest:
    """A request that was started, or an answer that was there already.

    Attributes:
        key: what it is shared by.
        call: what is asked.
        future: the answer to come.
        stop: ends its waiting between attempts.
        epoch: of the timed answers when it was sent; None for an answer that was there already.
        claims: who still wants the answer; 0 for one that was only fetched ahead.
        unlogged: its row for the request log, until the rows of the answer are counted.
    """

    key: Key
    call: RequestSpec
    future: Future[Response]
    epoch: int | None = None
    stop: threading.Event = field(default_factory=threading.Event)
    claims: int = 0
    unlogged: dict[str, Value] | None = None

    def log(self, context: Context, rows: int | None) -> None:
        """Adds it to the request log, once."""
        row, self.unlogged = self.unlogged, None
        if row is not None:
            record(context, {**row, "rows": rows})

    def abandon(self) -> None:
        """Cancels the request: nobody wants the response, so it is not sent or retried."""
        self.stop.set()
        self.future.cancel()


class StatementResponses:
    """The answers of one statement from one source: no request is sent twice in it."""

    def __init__(self, client: Client) -> None:
        self.client = client
        # Reentrant: a request that is done calls back at once.
        self._lock = threading.RLock()
        self._responses = ResponseCache()
        self._pending: dict[Key, PendingRequest] = {}
        self._ahead: OrderedDict[Key, None] = OrderedDict()
        self._given_up = 0
        self._ended: SimpleQueue[None] = SimpleQueue()
        self._interrupted = False
        self._closed = False
        # When the engine drops the statement, its remaining requests are cancelled.
        weakref.finalize(self, _drop, self._pending, self._responses)

    def start(self, call: RequestSpec, context: Context) -> PendingRequest:
        """Claims the answer of a read: one that is there, one under way, or a new request."""
        url, auth = self.client.url_of(call)
        key = (url, "")
        with self._lock:
            self._ahead.pop(key, None)
            pending = self._pending.get(key) or self._ready(key, auth, context)
            if pending is None:
                pending = self._submit(call, (url, auth), context)
            pending.claims += 1
            return pending

    def ahead(self, call: RequestSpec, context: Context) -> None:
        """Starts a request whose answer will probably be wanted soon.

        Three times as many as can be in flight are kept; the oldest unclaimed one gives way.
        """
        address = self.client.url_of(call)
        key = (address[0], "")
        with self._lock:
            if key in self._pending or self._responses.get(key) is not None:
                return
            self._submit(call, address, context)
            self._ahead[key] = None
            while len(self._ahead) > _MOST_AHEAD * self.client.endpoint.concurrency:
                passed, _ = self._ahead.popitem(last=False)
                self._let_go(self._pending[passed], context)

    def finish(self, pending: PendingRequest, context: Context) -> Response:
        """Waits for an answer and keeps it for the statement.

        Raises:
            SessionsError: there is none; a later claim sends the request anew.
        """
        try:
            response = readable(self._wait(pending.future, context))
            pending.log(context, response.rows)
        except StoppedError:
            # Given up by the one who claimed it before: it was not to be repeated for nobody.
            given_up = pending.stop.is_set()
            self.release(pending, context)
            if not given_up or context.interrupted():
                raise
            return self.finish(self._again(pending, context), context)
        except BaseException:
            self.release(pending, context)
            raise
        self._keep(pending, response)
        return response

    def _again(self, pending: PendingRequest, context: Context) -> PendingRequest:
        with self._lock:
            self._forget(pending)
        return self.start(pending.call, context)

    def release(self, pending: PendingRequest, context: Context) -> None:
        """Gives a claim back.

        Without a claim a request that has not been sent is cancelled. One that has been sent is
        not repeated, but paid for: its response is kept for whoever asks for it next.
        """
        with self._lock:
            pending.claims -= 1
            if pending.claims <= 0:
                self._let_go(pending, context)

    def _let_go(self, pending: PendingRequest, context: Context) -> None:
        """Cancels a request that has not been sent; otherwise its response will be kept."""
        pending.stop.set()
        if pending.future.cancel():
            self._forget(pending)
            return
        # Not the scope itself: a request under way must not keep it from ending.
        scope = weakref.ref(self)

        def arrived(future: Future[Response]) -> None:
            pending.log(context, None)
            known = scope()
            if known is not None:
                known._arrived(pending, future)  # noqa: SLF001  # Its own.

        pending.future.add_done_callback(arrived)

    def _arrived(self, pending: PendingRequest, future: Future[Response]) -> None:
        with self._lock:
            if pending.claims > 0 or self._closed:
                return
            self._forget(pending)
            if not future.cancelled() and future.exception() is None:
                self._responses.put(pending.key, future.result())

    def _forget(self, pending: PendingRequest) -> None:
        if self._pending.get(pending.key) is pending:
            del self._pending[pending.key]
            self._ahead.pop(pending.key, None)

    def interrupted(self, context: Context) -> bool:
        """Whether the user wants to stop; the end of the statement then waits for nothing."""
        self._interrupted = self._interrupted or context.interrupted()
        return self._interrupted

    def close(self) -> None:
        """Ends the statement: nothing is sent or arrives after it.

        Requests that have not been sent are cancelled, those that have been are waited for, at most
        5 seconds each, and not at all after an interrupt.
        """
        with self._lock:
            self._closed = True
            left = list(self._pending.values())
            self._pending.clear()
            self._ahead.clear()
        for pending in left:
            self._give_up(pending)
        while self._given_up and not self._interrupted:
            try:
                self._ended.get(timeout=_LAST_WAIT)
            except Empty:
                break
            self._given_up -= 1
        self._responses.clear()

    def _give_up(self, pending: PendingRequest) -> None:
        pending.abandon()
        if not pending.future.done():
            self._given_up += 1
            # After the callback that logs it: callbacks are called in the order they were added.
            pending.future.add_done_callback(lambda _: self._ended.put(None))

    def _wait(self, future: Future[Response], context: Context) -> Response:
        """The result of a future; looks every 50 ms whether the user wants to stop."""
        while True:
            try:
                return future.result(SLICE)
            except CancelledError:
                raise stopped(self.client.endpoint.source) from None
            except FutureTimeout:
                if future.done():
                    return future.result()
                if self.interrupted(context):
                    raise stopped(self.client.endpoint.source) from None

    def _keep(self, pending: PendingRequest, response: Response) -> None:
        with self._lock:
            pending.claims -= 1
            if pending.claims <= 0:
                self._forget(pending)
            self._responses.put(pending.key, response)
        answers = self.client.answers
        if answers.ttl and pending.epoch is not None:
            _, auth = self.client.url_of(response.call)
            answers.put((pending.key[0], fingerprint(auth.headers())), response, pending.epoch)

    def _ready(self, key: Key, auth: Auth, context: Context) -> PendingRequest | None:
        response = self._responses.get(key)
        if response is None and self.client.answers.ttl and not context.writes:
            where = self.client.where(context.table)
            response = self.client.answers.get((key[0], fingerprint(asked(where, auth.headers))))
        if response is None:
            return None
        future: Future[Response] = Future()
        future.set_result(response)
        return PendingRequest(key, response.call, future)

    def _submit(
        self, call: RequestSpec, address: tuple[str, Auth], context: Context
    ) -> PendingRequest:
        pending = PendingRequest((address[0], ""), call, Future(), self.client.answers.epoch)
        pool = self.client.pool
        pending.future = pool.submit(_send, self.client, call, address, context, pending)
        self._pending[pending.key] = pending
        return pending


def scope_of(client: Client, context: Context) -> StatementResponses:
    """The scope of a statement, made at its first request."""
    memory = context.memory
    scope = memory.get(client)
    if not isinstance(scope, StatementResponses):
        scope = memory[client] = StatementResponses(client)
    return scope


def _send(
    client: Client,
    call: RequestSpec,
    address: tuple[str, Auth],
    context: Context,
    pending: PendingRequest,
) -> Response:
    response, pending.unlogged = Sender(client, context, pending.stop).fetch(call, address)
    if not pending.claims:
        # Nobody is known to read it: it is logged now.
        pending.log(context, response.rows)
    return response


def _drop(pending: dict[Key, PendingRequest], responses: ResponseCache) -> None:
    for one in list(pending.values()):
        one.abandon()
    responses.clear()
