"""The one place that sends: connections, credentials, retries, limits and the request log.

A ``Client`` belongs to one source and is shared by all statements of the process. ``Line`` is its
side that a job in a pool thread sees; ``reader.Reader`` the side that a statement sees.
"""

from __future__ import annotations

import socket
import threading
import time
import weakref
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import cached_property
from typing import Any
from urllib.parse import urlencode

import httpx

from sessions_vtab.errors import ConfigurationError, ProtocolError, SessionsError, UnavailableError
from sessions_vtab.fetch.auth import NO_AUTH, Auth, asked
from sessions_vtab.fetch.cache import TimedCache
from sessions_vtab.fetch.call import Call, Form, Reply
from sessions_vtab.fetch.clock import Clock
from sessions_vtab.fetch.limits import RateLimiter
from sessions_vtab.fetch.problems import (
    acted_unreadably,
    may_have_acted,
    no_answer,
    refusal,
    stopped,
    too_long,
)
from sessions_vtab.fetch.redact import redact
from sessions_vtab.fetch.retry import RETRIES, Failure, backoff, may_retry, retry_after
from sessions_vtab.fetch.routes import Routes, open_routes
from sessions_vtab.fetch.site import Site, check_target, origin_of
from sessions_vtab.spec.backend import Context
from sessions_vtab.spec.predicate import Value
from sessions_vtab.spec.values import dump_json
from sessions_vtab.spec.write import Request

__all__ = ["Client", "Line", "readable", "record"]

_CONNECT_TIMEOUT = 5.0
_HEADERS = {
    "User-Agent": "sessions-vtab",
    "Accept": "application/json",
    "Accept-Encoding": "gzip, deflate",
}
_UNAUTHORIZED = 401
_THROTTLED = 429
_SERVER_ERROR = 500
_SUCCESS = range(200, 300)
_MAY_HAVE_ACTED = (408, *range(500, 600))
"""Statuses that can come after the service has done what was asked."""

# Contexts belong to the statement's thread; what they are told from pool threads goes one by one.
_LEDGER = threading.Lock()


class Client:
    """Sends the calls of one source.

    Args:
        site: where to, and how.
        clock: time and waiting.
        transport: instead of the network, for tests.
    """

    def __init__(
        self,
        site: Site,
        *,
        clock: Clock | None = None,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        self.site = site
        self.clock = clock or Clock()
        self.limiter = RateLimiter(dict(site.limits), dict(site.documented), self.clock)
        self.answers = TimedCache(site.cache_ttl, self.clock)
        self.closing = threading.Event()
        self.timeout = httpx.Timeout(
            site.timeout, connect=min(_CONNECT_TIMEOUT, site.timeout), pool=None
        ).as_dict()
        self._routes = None if transport is None else Routes(transport, {})
        self._sockets: weakref.WeakSet[socket.socket] = weakref.WeakSet()
        self._lock = threading.Lock()
        self._pool: ThreadPoolExecutor | None = None

    def __repr__(self) -> str:
        return f"Client({self.site.source!r}, {redact(self.site.base_url)!r})"

    @property
    def pool(self) -> ThreadPoolExecutor:
        """The threads that send; made when first used."""
        with self._lock:
            self._check_open()
            if self._pool is None:
                self._pool = ThreadPoolExecutor(
                    self.site.concurrency, thread_name_prefix=f"sessions_vtab-{self.site.source}"
                )
            return self._pool

    def transport_for(self, url: httpx.URL) -> httpx.BaseTransport:
        """The connections that lead to a URL; made when first used."""
        with self._lock:
            self._check_open()
            if self._routes is None:
                self._routes = open_routes(self.site.concurrency)
            return self._routes.transport_for(url)

    def _check_open(self) -> None:
        if self.closing.is_set():
            raise UnavailableError(f"{self.site.source}: the connection is closed.")

    def close(self) -> None:
        """Ends its threads and sockets, also those that wait for an answer. May be called twice."""
        self.closing.set()
        with self._lock:
            pool, routes = self._pool, self._routes
            self._pool = self._routes = None
        for connected in list(self._sockets):
            _shut(connected)
        if pool is not None:
            pool.shutdown(wait=True, cancel_futures=True)
        if routes is not None:
            routes.close()

    def remember(self, stream: Any) -> None:
        """Notes a new connection, so that ``close`` can end it while a thread waits on it."""
        connected = stream.get_extra_info("socket")
        if isinstance(connected, socket.socket):
            self._sockets.add(connected)

    def url_of(self, call: Call) -> tuple[str, Auth]:
        """The URL of a call and the credential that may go there.

        Raises:
            ConfigurationError: the host is none of the source's; nothing was sent.
            CredentialError: the credential may not go there.
        """
        if call.target:
            check_target(call.target, self.site)
            return call.target, NO_AUTH
        base = call.origin or self.site.base_url
        query = urlencode([(name, value) for name, value in call.query if value is not None])
        url = f"{base}{call.path}{'?' if query else ''}{query}"
        # Checked once more on the finished text: nothing in it may have moved the host.
        origin = origin_of(url)
        if origin != (origin_of(call.origin) if call.origin else self.site.origin):
            raise ConfigurationError(
                f"{self.site.source}: a path changed the host; nothing was sent."
            )
        self.site.check_origin(origin)
        return url, NO_AUTH if call.anonymous else self.site.credential_for(origin)

    def preview(self, call: Call) -> Request:
        """The request that a call would be, without secrets and without sending it.

        Raises:
            ConfigurationError, CredentialError: as ``url_of``.
        """
        url, _ = self.url_of(call)
        body = None if call.json is None else dump_json(call.json)
        return Request(call.method, self.shown(url, call), body)

    def shown(self, url: str, call: Call) -> str:
        """A URL as logs and errors show it."""
        return redact(url, (*self.site.auth.secrets(), *call.secrets))


class Line:
    """Sends calls in the thread it is used in, for one statement.

    Attributes:
        sent: attempts that reached, or may have reached, the service.
        where: source and table it sends for, in errors: ``prod.sessions``.
        change: the last call that was there to change something; None if there was none.
        in_doubt: the service accepted that call, or may have; a job that fails all the same does
            not know what became of it. Set to False by who finds out that nothing was done.
    """

    def __init__(
        self, client: Client, context: Context, stop: threading.Event, table: str = ""
    ) -> None:
        self.client = client
        self.sent = 0
        self.where = f"{client.site.source}.{table or context.table}"
        self.change: Call | None = None
        self.in_doubt = False
        self._context = context
        self._stop = stop

    def send(self, call: Call) -> Reply:
        """The reply: a success, or one that the call declares as missing or already done.

        Retries as law 7 says.

        Raises:
            SessionsError: every other answer, and no answer.
        """
        exchange = _Exchange(self, call, self.client.url_of(call))
        if call.is_read:
            return readable(exchange.run())
        if call.changes:
            self.change, self.in_doubt = call, False
        try:
            return readable(exchange.run())
        finally:
            if call.changes:
                self.in_doubt = exchange.may_have_acted
            self.client.answers.clear()

    def fetch(self, call: Call, address: tuple[str, Auth]) -> tuple[Reply, dict[str, Value] | None]:
        """As ``send``, but the body stays unread: to be parsed where it is used.

        Parsing in pool threads would hold a parsed page for each of them, and spread their memory
        over as many of the allocator's arenas.

        Args:
            call: what to ask for.
            address: its ``Client.url_of``.

        Returns:
            The reply, and its row for the request log, which lacks the number of rows yet.
        """
        exchange = _Exchange(self, call, address, unread=True)
        return exchange.run(), exchange.unlogged

    def pause(self, seconds: float) -> None:
        """Waits; raises TransientError at once if the statement is stopped."""
        if self.client.clock.wait(self._stop, seconds):
            raise stopped(self.client.site.source)

    def check(self) -> None:
        """Raises if the statement is stopped."""
        if self._stop.is_set() or self.client.closing.is_set():
            raise stopped(self.client.site.source)

    def admit(self, kind: str) -> None:
        """Waits for the rate limit, then takes one request from the statement's budget."""
        self.check()
        if not self.client.limiter.admit(kind, self._stop):
            raise stopped(self.client.site.source)
        with _LEDGER:
            self._context.spend(1)

    def record(self, row: Mapping[str, Value]) -> None:
        """Adds an attempt to the request log."""
        record(self._context, row)


def record(context: Context, row: Mapping[str, Value]) -> None:
    """Adds an attempt to a statement's request log, from any thread."""
    with _LEDGER:
        context.record(row)


def readable(reply: Reply) -> Reply:
    """The reply, if a body that has to be JSON is JSON.

    Raises:
        ProtocolError: it is not.
        UnknownOutcomeError: it is not, and the call was a write.
    """
    if reply.call.expects_json:
        try:
            _ = reply.json
        except ProtocolError as error:
            raise acted_unreadably(reply, error) from None
    return reply


class _Exchange:
    """One call with its retries."""

    def __init__(
        self, line: Line, call: Call, address: tuple[str, Auth], *, unread: bool = False
    ) -> None:
        self.unlogged: dict[str, Value] | None = None
        self._unread = unread
        self._line = line
        self._client = line.client
        self._clock = line.client.clock
        self._call = call
        self._url, self._auth = address
        self._used = 0.0
        self._sent: Mapping[str, str] = {}
        self.may_have_acted = False

    @cached_property
    def _shown(self) -> str:
        """The URL as logs show it; not asked for before the credential is there to be cut."""
        return self._client.shown(self._url, self._call)

    def run(self) -> Reply:
        attempt, renewed = 1, False
        while True:
            self._line.admit(self._call.kind)
            outcome = self._attempt(attempt)
            if isinstance(outcome, Reply):
                if outcome.status in _SUCCESS:
                    self.may_have_acted = True
                if outcome.status in _SUCCESS or outcome.missing or outcome.already:
                    return outcome
                refused = outcome.status == _UNAUTHORIZED and not renewed
                if refused and self._renewed():
                    renewed = True
                    self.__dict__.pop("_shown", None)
                    continue
                if outcome.status == _THROTTLED:
                    self._client.limiter.throttled(self._call.kind)
            self._wait_or_raise(outcome, attempt)
            attempt += 1

    def _renewed(self) -> bool:
        return asked(self._line.where, lambda: self._auth.refresh(self._sent))

    def _attempt(self, attempt: int) -> Reply | _Lost:
        started = time.perf_counter()
        response: httpx.Response | None = None
        lost: _Lost | None = None
        try:
            response = self._exchange()
        except httpx.InvalidURL:
            raise too_long(self._url, self._call, self._line.where) from None
        except _NOT_SENT as error:
            lost = _Lost(Failure.NOT_SENT, _words(error))
        except (httpx.HTTPError, OSError, RuntimeError) as error:
            if not isinstance(error, httpx.HTTPError) and not self._client.closing.is_set():
                raise
            lost = _Lost(Failure.LOST, _words(error))
        elapsed = (time.perf_counter() - started) * 1000
        self._used += elapsed / 1000
        if lost or response is None:
            lost = lost or _Lost(Failure.LOST, "no answer")
            self._note_lost(lost)
            self._log(attempt, elapsed, error=lost.reason)
            return lost
        self._line.sent += 1
        reply = self._reply(response, elapsed)
        self._log(attempt, elapsed, reply)
        return reply

    def _note_lost(self, lost: _Lost) -> None:
        if lost.failure is Failure.LOST:
            self._line.sent += 1
            self.may_have_acted = True

    def _exchange(self) -> httpx.Response:
        call, self._sent = self._call, asked(self._line.where, self._auth.headers)
        request = httpx.Request(
            call.method,
            self._url,
            headers={**_HEADERS, **call.headers, **self._sent},
            json=call.json,
            content=call.body,
            **_multipart(call.form),
            extensions={"trace": self._trace, "timeout": self._client.timeout},
        )
        # The transport itself, without httpx.Client: no cookies, no redirects, no netrc, and a
        # third less CPU a request.
        response = self._client.transport_for(request.url).handle_request(request)
        try:
            response.read()
        finally:
            if response.status_code >= _SERVER_ERROR:
                self._leave(response)
            response.close()
        return response

    def _leave(self, response: httpx.Response) -> None:
        """Ends the connection of a failed server: some close it without saying so.

        The next request would then be lost on it, and a POST that is lost is of unknown outcome.
        """
        stream = response.extensions.get("network_stream")
        connected = None if stream is None else stream.get_extra_info("socket")
        if isinstance(connected, socket.socket):
            _shut(connected)

    def _trace(self, event: str, info: Mapping[str, Any]) -> None:
        if event == "connection.connect_tcp.complete":
            self._client.remember(info["return_value"])

    def _reply(self, response: httpx.Response, elapsed: float) -> Reply:
        reply = Reply(
            self._call,
            self._shown,
            response.status_code,
            {name.lower(): value for name, value in response.headers.items()},
            response.content,
            elapsed_ms=elapsed,
            where=self._line.where,
        )
        if reply.status in _SUCCESS:
            return reply
        missing = any(answer.matches(reply) for answer in self._call.missing)
        done = any(answer.matches(reply) for answer in self._call.done)
        already = self.may_have_acted and done
        self.may_have_acted = self.may_have_acted or reply.status in _MAY_HAVE_ACTED
        return replace(reply, missing=missing and not already, already=already)

    def _wait_or_raise(self, outcome: Reply | _Lost, attempt: int) -> None:
        policy = RETRIES
        kind = outcome.status if isinstance(outcome, Reply) else outcome.failure
        attempts = 2 if kind in self._client.site.once_more else policy.attempts
        if attempt < attempts and may_retry(self._call, kind):
            asked = None
            if isinstance(outcome, Reply):
                asked = retry_after(outcome.headers.get("retry-after"), self._clock.wall())
            wait = backoff(policy, attempt, asked, self._clock.chance())
            self._used += wait  # Pacing for a rate limit is not counted.
            if self._used <= policy.deadline:
                self._line.pause(wait)
                return
        raise self._error(outcome, attempt)

    def _error(self, outcome: Reply | _Lost, attempt: int) -> SessionsError:
        site, where = self._client.site, self._line.where
        if isinstance(outcome, Reply):
            if outcome.status in _MAY_HAVE_ACTED and not self._call.may_repeat:
                return may_have_acted(outcome, site, self._auth, attempt)
            return refusal(outcome, site, self._auth, attempt)
        acted = outcome.failure is Failure.LOST
        return no_answer(self._call, self._shown, outcome.reason, where, may_have_acted=acted)

    def _log(
        self, attempt: int, elapsed: float, reply: Reply | None = None, error: str = ""
    ) -> None:
        row: dict[str, Value] = {
            "method": self._call.method,
            "url": self._shown,
            "status": reply.status if reply else None,
            "attempt": attempt,
            "elapsed_ms": round(elapsed, 3),
            "bytes": len(reply.content) if reply else None,
            "rows": None,
            "error": error or None,
        }
        if reply is None or reply.status not in _SUCCESS:
            self._line.record(row)
        elif self._unread:
            self.unlogged = row
        else:
            self._line.record({**row, "rows": reply.rows})


class _Lost:
    """An attempt without an answer."""

    __slots__ = ("failure", "reason")

    def __init__(self, failure: Failure, reason: str) -> None:
        self.failure = failure
        self.reason = reason


_NOT_SENT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.ProxyError)


def _words(error: Exception) -> str:
    """What went wrong, without the host's own words: they can hold anything."""
    match error:
        case httpx.ConnectTimeout():
            return f"no connection within {_CONNECT_TIMEOUT:g} s"
        case httpx.TimeoutException():
            return "no answer in time (the source's 'timeout' says how long)"
        case httpx.ConnectError():
            return "the connection was refused, or the host is not known"
        case httpx.ProxyError():
            return "the proxy did not connect"
        case httpx.DecodingError():
            return "the answer's compression is broken"
        case httpx.NetworkError() | httpx.RemoteProtocolError():
            return "the connection was dropped before the answer was complete"
        case _:
            return f"the exchange failed ({type(error).__name__})"


def _multipart(form: Form | None) -> dict[str, Any]:
    if form is None:
        return {}
    file = (form.file_name, form.content, form.content_type)
    return {"data": dict(form.fields), "files": {form.name: file}}


def _shut(connected: socket.socket) -> None:
    try:
        connected.shutdown(socket.SHUT_RDWR)
    except OSError:
        return
