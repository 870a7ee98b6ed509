"""What one statement shares: answers by URL, and requests that are on their way."""

from __future__ import annotations

import threading
import time
import weakref
from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import CancelledError, Future
from concurrent.futures import TimeoutError as FutureTimeout
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from queue import Empty, SimpleQueue

from sessions_vtab.contract.backend import Context
from sessions_vtab.contract.predicate import Value
from sessions_vtab.errors import SessionsError, StoppedError
from sessions_vtab.fetch.auth import Auth, asked
from sessions_vtab.fetch.cache import CAP, Key, Spool, SpoolPlace, fingerprint
from sessions_vtab.fetch.call import RequestSpec, Response
from sessions_vtab.fetch.client import Client, Sender, record
from sessions_vtab.fetch.exchange import Address, Exchange
from sessions_vtab.fetch.problems import stopped
from sessions_vtab.fetch.sockets import SLICE

_MOST_AHEAD = 3
"""Requests started ahead and not claimed yet, in multiples of those that can be in flight: enough
that a thread always finds the next one waiting while the statement's own thread is busy."""

_IN_MEMORY = 4 << 20
"""Bytes of answers that a statement keeps in memory."""

_LAST_WAIT = 5.0
"""Seconds that the end of a statement waits for a request that has been sent and is not wanted."""


@dataclass(slots=True, eq=False)
class PendingRequest:
    """A request that was started, or an answer that was there already.

    Attributes:
        key: what it is shared by.
        call: what is asked.
        response: the answer, if it is there already.
        future: the answer to come of a thread of the pool; else None.
        sent: what the statement's own thread has sent, and will wait for; else None.
        stop: ends that thread's waiting between attempts.
        epoch: of the timed answers when it was sent; None for an answer that was there already.
        claims: who still wants the answer; 0 for one that was only fetched ahead.
        unlogged: its row for the request log, until the rows of the answer are counted.
    """

    key: Key
    call: RequestSpec
    response: Response | None = None
    future: Future[Response] | None = None
    sent: Exchange | None = None
    stop: threading.Event | None = None
    epoch: int | None = None
    claims: int = 0
    unlogged: dict[str, Value] | None = None

    @property
    def given_up(self) -> bool:
        """Whether it was told to stop."""
        return self.stop is not None and self.stop.is_set()

    def log(self, context: Context, rows: int | None) -> None:
        """Adds it to the request log, once."""
        row, self.unlogged = self.unlogged, None
        if row is not None:
            record(context, {**row, "rows": rows})

    def when_done(self, call_back: Callable[[], None]) -> None:
        """Calls back when the answer, or an error, is there: at once, or from another thread."""
        if self.future is None:
            call_back()
        else:
            self.future.add_done_callback(lambda _: call_back())

    def abandon(self) -> bool:
        """Cancels the request: nobody wants the response, so it is not sent or retried.

        Returns:
            Whether it has not been sent.
        """
        if self.stop is not None:
            self.stop.set()
        return self.future is not None and self.future.cancel()


class ResponseCache:
    """Answers by URL, the first ones up to a cap: what is read again is read from the start.

    Args:
        cap: bytes of answers; what comes beyond that is asked for again.
        in_memory: how many of them stay in memory; the rest goes to a temporary file, so that a
            long stream does not grow the process.
    """

    def __init__(self, cap: int = CAP, in_memory: int = _IN_MEMORY) -> None:
        self._cap = cap
        self._in_memory = in_memory
        self._size = 0
        self._kept: dict[Key, tuple[Response, SpoolPlace | None]] = {}
        self._spool: Spool | None = None

    def __len__(self) -> int:
        return len(self._kept)

    def get(self, key: Key) -> Response | None:
        """The answer, or None."""
        response, spilled = self._kept.get(key, (None, None))
        if response is None or spilled is None or self._spool is None:
            return response
        return response.unread(self._spool.get(spilled))

    def put(self, key: Key, response: Response) -> None:
        """Keeps an answer, without its parsed form, if there is room."""
        size = len(response.content)
        if key in self._kept or self._size + size > self._cap:
            return
        if self._size + size <= self._in_memory:
            self._kept[key] = response.unread(), None
        else:
            self._spool = self._spool or Spool()
            spilled = self._spool.put(response.content)
            if spilled is None:
                return  # The disk has no room: it is asked for again.
            self._kept[key] = response.unread(b""), spilled
        self._size += size

    def clear(self) -> None:
        """Forgets everything."""
        self._kept.clear()
        self._size = 0
        if self._spool is not None:
            self._spool.clear()


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

    def __del__(self) -> None:
        """The engine drops the statement: its remaining requests are cancelled."""
        if self._closed:
            return
        for one in list(self._pending.values()):
            one.abandon()
            if one.sent is not None:
                one.sent.abandon()
        self._responses.clear()

    def start(
        self, call: RequestSpec, context: Context, *, in_turn: bool = False
    ) -> PendingRequest:
        """Claims the answer of a read: one that is there, one under way, or a new request.

        Args:
            call: what to ask for.
            context: the statement.
            in_turn: nothing waits for the response but ``finish``. Then the statement's own thread
                sends the request, if nothing else has to be waited for: to hand it over to another
                thread and back would cost a third of its CPU time. Until ``finish`` the response
                waits in the socket's buffer.
        """
        address = self.client.url_of(call)
        key = (address.url, "")
        with self._lock:
            self._ahead.pop(key, None)
            pending = self._pending.get(key) or self._ready(key, address.auth, context)
        if pending is None:
            pending = PendingRequest(key, call, epoch=self.client.answers.epoch, claims=1)
            exchange = self._exchange(call, address, context)
            if in_turn and exchange.begin():
                pending.sent = exchange
                with self._lock:
                    self._pending[key] = pending
            else:
                self._submit(pending, exchange, context)
            return pending
        pending.claims += 1
        return pending

    def ahead(self, call: RequestSpec, context: Context) -> None:
        """Starts a request whose answer will probably be wanted soon.

        Three times as many as can be in flight are kept; the oldest unclaimed one gives way.
        """
        address = self.client.url_of(call)
        key = (address.url, "")
        with self._lock:
            if key in self._pending or self._responses.get(key) is not None:
                return
            pending = PendingRequest(key, call, epoch=self.client.answers.epoch)
            self._submit(pending, self._exchange(call, address, context), context)
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
            response = (pending.response or self._wait(pending, context)).parsed()
            pending.log(context, response.rows)
        except StoppedError:
            # Given up by the one who claimed it before: it was not to be repeated for nobody.
            given_up = pending.given_up
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
        if pending.sent is not None:
            return  # Whoever asks for it next waits for it, or the end of the statement.
        if pending.abandon():
            self._forget(pending)
            return
        # Not the scope itself: a request under way must not keep it from ending.
        scope = weakref.ref(self)

        def arrived() -> None:
            pending.log(context, None)
            known = scope()
            if known is not None:
                known._arrived(pending)  # noqa: SLF001  # Its own.

        pending.when_done(arrived)

    def _arrived(self, pending: PendingRequest) -> None:
        with self._lock:
            if pending.claims > 0 or self._closed:
                return
            self._forget(pending)
            response, future = pending.response, pending.future
            if future is not None and not future.cancelled() and future.exception() is None:
                response = future.result()
            if response is not None:
                self._responses.put(pending.key, response)

    def _forget(self, pending: PendingRequest) -> None:
        if self._pending.get(pending.key) is pending:
            del self._pending[pending.key]
            self._ahead.pop(pending.key, None)

    def interrupted(self, context: Context) -> bool:
        """Whether the user wants to stop; the end of the statement then waits for nothing."""
        self._interrupted = self._interrupted or context.interrupted()
        return self._interrupted

    def stop(self) -> None:
        """The user wants to stop: the end of the statement waits for nothing."""
        self._interrupted = True

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
            if pending.sent is not None:
                self._read_out(pending.sent)
            else:
                self._give_up(pending)
        while self._given_up and not self._interrupted:
            try:
                self._ended.get(timeout=_LAST_WAIT)
            except Empty:
                break
            self._given_up -= 1
        self._responses.clear()

    def _read_out(self, exchange: Exchange) -> None:
        """Reads a response that nobody wants: the next statement can use its connection."""
        end = time.monotonic() + _LAST_WAIT

        def look() -> None:
            if self._interrupted or time.monotonic() > end:
                raise stopped(self.client.endpoint.source)

        exchange.unread = False
        with suppress(SessionsError):
            exchange.finish(look)

    def _give_up(self, pending: PendingRequest) -> None:
        pending.abandon()
        self._given_up += 1
        # After the callback that logs it: callbacks are called in the order they were added.
        pending.when_done(lambda: self._ended.put(None))

    def _wait(self, pending: PendingRequest, context: Context) -> Response:
        """The response; looks every 50 ms whether the user wants to stop."""
        exchange, pending.sent = pending.sent, None
        if exchange is not None:
            pending.response = exchange.finish(partial(self._look, context))
            pending.unlogged = exchange.unlogged
            if pending.response is not None:
                return pending.response
            self._submit(pending, exchange, context)
        while (future := pending.future) is not None:
            try:
                return future.result(SLICE)
            except CancelledError:
                break
            except FutureTimeout:
                if future.done():
                    return future.result()
                self._look(context)
        raise stopped(self.client.endpoint.source)

    def _keep(self, pending: PendingRequest, response: Response) -> None:
        with self._lock:
            pending.claims -= 1
            if pending.claims <= 0:
                self._forget(pending)
            self._responses.put(pending.key, response)
        answers = self.client.answers
        if answers.ttl and pending.epoch is not None:
            auth = self.client.url_of(response.call).auth
            answers.put((pending.key[0], fingerprint(auth.headers())), response, pending.epoch)

    def _ready(self, key: Key, auth: Auth, context: Context) -> PendingRequest | None:
        response = self._responses.get(key)
        if response is None and self.client.answers.ttl and not context.writes:
            where = self.client.where(context.table)
            response = self.client.answers.get((key[0], fingerprint(asked(where, auth.headers))))
        if response is None:
            return None
        return PendingRequest(key, response.call, response)

    def _exchange(self, call: RequestSpec, address: Address, context: Context) -> Exchange:
        # Parsed where it is used: in pool threads, each of them would hold a parsed page, and
        # spread their memory over as many of the allocator's arenas.
        sender = Sender(self.client, context, self.client.closing)
        return Exchange(sender, call, address, unread=True)

    def _look(self, context: Context) -> None:
        """Raises StoppedError if the user wants to stop."""
        if self.interrupted(context):
            raise stopped(self.client.endpoint.source)

    def _submit(self, pending: PendingRequest, exchange: Exchange, context: Context) -> None:
        """Hands a request over to a thread of the pool."""
        with self._lock:
            pending.stop = exchange.stop = threading.Event()
            pending.future = self.client.pool.submit(_send, exchange, context, pending)
            self._pending[pending.key] = pending


def scope_of(client: Client, context: Context) -> StatementResponses:
    """The scope of a statement, made at its first request."""
    memory = context.memory
    scope = memory.get(client)
    if not isinstance(scope, StatementResponses):
        scope = memory[client] = StatementResponses(client)
    return scope


def _send(exchange: Exchange, context: Context, pending: PendingRequest) -> Response:
    response = exchange.run()
    pending.unlogged = exchange.unlogged
    if not pending.claims:
        # Nobody is known to read it: it is logged now.
        pending.log(context, response.rows)
    return response
