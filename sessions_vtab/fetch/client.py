"""The one place that sends: connections, credentials, limits and the request log.

A ``Client`` belongs to one source and is shared by all connections and statements of the process,
each of which has a ``ClientHandle``. ``Sender`` is its side that sees whoever sends: a job in a
thread of the pool, or a statement that has only the response to wait for;
``reader.Reader`` the side that a statement sees. What is sent and when it is sent again:
``exchange``.
"""

from __future__ import annotations

import os
import re
import socket
import threading
import weakref
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from functools import lru_cache
from typing import NoReturn, ParamSpec, TypeVar
from urllib.parse import urlencode

import httpcore
import httpx

from sessions_vtab.contract.backend import Context, Request
from sessions_vtab.contract.predicate import Value
from sessions_vtab.contract.values import dump_json
from sessions_vtab.errors import (
    ConfigurationError,
    ProtocolError,
    UnavailableError,
    UnsupportedError,
    inherited,
)
from sessions_vtab.fetch.auth import NO_AUTH, Auth, plain, redact
from sessions_vtab.fetch.cache import TimedCache
from sessions_vtab.fetch.call import RequestSpec, Response
from sessions_vtab.fetch.endpoint import Endpoint, check_target, origin_of
from sessions_vtab.fetch.exchange import CONNECT_TIMEOUT, Address, Exchange
from sessions_vtab.fetch.limits import Clock, RateLimiter
from sessions_vtab.fetch.problems import acted_unreadably, stopped
from sessions_vtab.fetch.routes import Routes, Shortcut, end_of_origin, is_plain, open_routes
from sessions_vtab.fetch.sockets import shut

P = ParamSpec("P")
T = TypeVar("T")

_PLAIN_VALUE = re.compile(r"[A-Za-z0-9._~-]*", re.ASCII).fullmatch

_MOST_BASES = 64
"""Beginnings of URLs whose host and credential are remembered."""

_MOMENT = 0.002
"""Seconds between two looks at whether a place has become free."""

# Contexts belong to the statement's thread; what they are told from pool threads goes one by one.
_LEDGER = threading.Lock()


def _renew() -> None:
    """In a forked process: a thread that is not there any more may have held a lock."""
    global _LEDGER, _clients_lock
    _LEDGER, _clients_lock = threading.Lock(), threading.Lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_renew)


class _Pool(ThreadPoolExecutor):
    """Threads that send; a job they cannot take is an error of this package.

    Args:
        endpoint: whose requests they send.
    """

    def __init__(self, endpoint: Endpoint) -> None:
        super().__init__(
            endpoint.concurrency, thread_name_prefix=f"sessions_vtab-{endpoint.source}"
        )
        self._source = endpoint.source

    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        """As ``Executor.submit``; raises UnavailableError where the process ends meanwhile."""
        try:
            return super().submit(fn, *args, **kwargs)
        except RuntimeError as error:
            raise UnavailableError(
                f"{self._source}: no thread can send the request ({plain(str(error), 100)})."
                " Nothing was sent. Use the connection before the process ends, and close it."
            ) from error


class Client:
    """Sends the calls of one source.

    Args:
        endpoint: where to, and how.
        clock: time and waiting.
        transport: instead of the network, for tests.
    """

    def __init__(
        self,
        endpoint: Endpoint,
        *,
        clock: Clock | None = None,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        self.endpoint = endpoint
        self.clock = clock or Clock()
        self.limiter = RateLimiter(dict(endpoint.limits), dict(endpoint.documented), self.clock)
        self._process = os.getpid()
        self.answers = TimedCache(endpoint.cache_ttl, self.clock)
        self.closing = threading.Event()
        self.timeout = httpx.Timeout(
            endpoint.timeout, connect=min(CONNECT_TIMEOUT, endpoint.timeout), pool=None
        ).as_dict()
        self._routes = None if transport is None else Routes(transport, {})
        self._bases: dict[str, tuple[Auth, int]] = {}
        self._sockets: weakref.WeakSet[socket.socket] = weakref.WeakSet()
        self._lock = threading.Lock()
        self._pool: ThreadPoolExecutor | None = None
        self._under_way: set[Exchange] = set()

    def __repr__(self) -> str:
        return f"Client({self.endpoint.source!r}, {redact(self.endpoint.base_url)!r})"

    @property
    def pool(self) -> ThreadPoolExecutor:
        """The threads that send; made when first used."""
        self.check_process()
        with self._lock:
            self._check_open()
            if self._pool is None:
                self._pool = _Pool(self.endpoint)
            return self._pool

    def transport_for(self, url: httpx.URL) -> httpx.BaseTransport:
        """The connections that lead to a URL; made when first used."""
        with self._lock:
            self._check_open()
            if self._routes is None:
                self._routes = open_routes(self._remember)
            return self._routes.transport_for(url)

    def shortcut(self, url: str) -> Shortcut | None:
        """The way of a plain URL (``Address``); None where there is none, or no connection yet."""
        routes = self._routes
        return None if routes is None else routes.shortcut(url)

    def enter(self, request: Exchange) -> bool:
        """Whether one more request may be under way; from here until ``leave`` it is.

        The pool's threads are no more than that, but a statement's own thread may send, too. What
        that has sent may be answered long before it is read, if ever.
        """
        most = self.endpoint.concurrency
        with self._lock:
            # A copy, since ``leave`` takes no lock: the garbage collector may call it anywhere.
            free = len(self._under_way) < most or (
                sum(not one.is_answered for one in list(self._under_way)) < most
            )
            if free:
                self._under_way.add(request)
            return free

    def leave(self, request: Exchange) -> None:
        """It is not under way any more. May be called twice."""
        self._under_way.discard(request)

    def check_process(self) -> None:
        """Raises UnsupportedError in a forked process: the threads are those of the other one.

        It comes before any lock, which a thread that was not copied may hold.
        """
        if os.getpid() != self._process:
            raise UnsupportedError(inherited(self.endpoint.source))

    def _check_open(self) -> None:
        if self.closing.is_set():
            raise UnavailableError(f"{self.endpoint.source}: the connection is closed.")

    def close(self) -> None:
        """Ends its threads and sockets, also those that wait for an answer. May be called twice.

        In a forked process it does nothing: the sockets are those of the other one.
        """
        if os.getpid() != self._process:
            return
        self.closing.set()
        with self._lock:
            pool, routes = self._pool, self._routes
            self._pool = self._routes = None
            sockets = list(self._sockets)
        for connected in sockets:
            shut(connected)
        for request in list(self._under_way):
            request.abandon()
        if pool is not None:
            pool.shutdown(wait=True, cancel_futures=True)
        if routes is not None:
            routes.close()

    def _remember(self, stream: httpcore.NetworkStream) -> None:
        """Notes a new connection, so that ``close`` can end it while a thread waits on it."""
        connected = stream.get_extra_info("socket")
        if not isinstance(connected, socket.socket):
            return
        with self._lock:
            self._sockets.add(connected)
        if self.closing.is_set():  # ``close`` may have come between.
            shut(connected)

    def url_of(self, call: RequestSpec) -> Address:
        """The URL of a call and the credential that may go there.

        Raises:
            ConfigurationError: the host does not belong to the source; nothing was sent.
            CredentialError: the credential may not go there.
            UnsupportedError: this process inherited the connection.
        """
        self.check_process()
        if call.target:
            check_target(call.target, self.endpoint)
            return Address(call.target, NO_AUTH)
        base = call.origin or self.endpoint.base_url
        query = _encoded(call.query)
        url = f"{base}{call.path}{'?' if query else ''}{query}"
        auth, end = self._bases.get(base, (None, 0))
        if auth is not None and is_plain(url, end):
            # In plain letters nothing can have moved the host of a base that was checked.
            return Address(url, NO_AUTH if call.anonymous else auth, plain=True)
        # Checked once more on the finished text: nothing in it may have moved the host.
        origin = origin_of(url)
        if origin != (origin_of(call.origin) if call.origin else self.endpoint.origin):
            raise ConfigurationError(
                f"{self.endpoint.source}: a path changed the host of the URL. Nothing was sent."
            )
        self.endpoint.check_origin(origin)
        end = end_of_origin(base)
        plain_url = is_plain(url, end)
        if call.anonymous:
            return Address(url, NO_AUTH, plain=plain_url)
        auth = self.endpoint.credential_for(origin)
        if len(self._bases) < _MOST_BASES:
            self._bases[base] = auth, end
        return Address(url, auth, plain=plain_url)

    def preview(self, call: RequestSpec) -> Request:
        """The request that a call would be, without secrets and without sending it.

        Raises:
            ConfigurationError, CredentialError: as ``url_of``.
        """
        url = self.url_of(call).url
        body = None if call.json is None else dump_json(call.json)
        return Request(call.method, self.shown(url, call), body)

    def where(self, table: str) -> str:
        """Who asks, for errors: ``prod.sessions``."""
        return f"{self.endpoint.source}.{table}"

    def shown(self, url: str, call: RequestSpec) -> str:
        """A URL as logs and errors show it."""
        return redact(url, (*self.endpoint.auth.secrets(), *call.secrets))


_clients: dict[tuple[int, Endpoint], Client] = {}
_uses: dict[Client, int] = {}
_clients_lock = threading.Lock()


def shared_client(endpoint: Endpoint) -> Client:
    """The client of an endpoint: the one that other connections use, else a new one.

    Equal settings share threads, sockets, rate limits and ``cache_ttl`` answers. A forked process
    has clients of its own.
    """
    with _clients_lock:
        key = (os.getpid(), endpoint)
        client = _clients.get(key)
        if client is None:
            client = _clients[key] = Client(endpoint)
        _uses[client] = _uses.get(client, 0) + 1
        return client


class ClientHandle:
    """What a backend has of a client that others may use too, until it is closed.

    Args:
        client: of ``shared_client``, or a test's own.

    Attributes:
        client: the same, until it is closed: then reading it raises UnsupportedError.
        endpoint: where it sends to, also when it is closed.
    """

    __slots__ = ("client", "endpoint")

    def __init__(self, client: Client) -> None:
        self.client = client
        self.endpoint = client.endpoint

    def __getattr__(self, name: str) -> NoReturn:
        """What it has not, or not any more."""
        if name == "client":
            raise UnsupportedError(f"{self.endpoint.source} is closed.")
        raise AttributeError(name)

    def close(self) -> None:
        """Gives it back, once; the last one closes threads and sockets."""
        try:
            client = self.client
            del self.client
        except (UnsupportedError, AttributeError):  # Another thread may have closed it.
            return
        _give_back(client)


def _give_back(client: Client) -> None:
    with _clients_lock:
        left = _uses.get(client, 1) - 1
        if left > 0:
            _uses[client] = left
            return
        _uses.pop(client, None)
        for key in [key for key, one in _clients.items() if one is client]:
            del _clients[key]
    client.close()


class Sender:
    """Sends calls in the thread it is used in, for one statement.

    Attributes:
        sent: attempts that reached, or may have reached, the service.
        where: source and table it sends for, in errors: ``prod.sessions``.
        stop: ends its waits between attempts, and the sending.
        change: the last call that was there to change something; None if there was none.
        in_doubt: the service accepted that call, or may have; a job that fails all the same does
            not know what became of it. Set to False by who finds out that nothing was done.
    """

    def __init__(
        self, client: Client, context: Context, stop: threading.Event, table: str = ""
    ) -> None:
        self.client = client
        self.sent = 0
        self.where = client.where(table or context.table)
        self.change: RequestSpec | None = None
        self.in_doubt = False
        self._context = context
        self.stop = stop

    def send(self, call: RequestSpec) -> Response:
        """The response: a success, or one that the call declares as missing or already done.

        Repeated as ``retry`` decides.

        Raises:
            SessionsError: every other answer, and no answer.
        """
        exchange = Exchange(self, call, self.client.url_of(call))
        if not call.changes:
            return exchange.run().parsed()
        self.change, self.in_doubt = call, False
        try:
            return _accepted(exchange.run())
        finally:
            self.in_doubt = exchange.may_have_acted
            self.client.answers.clear()

    def pause(self, seconds: float) -> None:
        """Waits; raises TransientError at once if the statement is stopped."""
        if self.client.clock.wait(self.stop, seconds):
            raise stopped(self.client.endpoint.source)

    def check(self) -> None:
        """Raises if the statement is stopped."""
        if self.stop.is_set() or self.client.closing.is_set():
            raise stopped(self.client.endpoint.source)

    def admit(self, kind: str) -> None:
        """Waits for the rate limit, then takes one request from the statement's budget."""
        self.check()
        if not self.client.limiter.admit(kind, self.stop):
            raise stopped(self.client.endpoint.source)
        with _LEDGER:
            self._context.spend(1)

    def admit_at_once(self, kind: str) -> bool:
        """As ``admit`` if there is no rate limit to wait for; else False."""
        if not self.client.limiter.admit_at_once(kind):
            return False
        with _LEDGER:
            self._context.spend(1)
        return True

    def wait_for_place(self, request: Exchange) -> None:
        """Waits until one more request may be under way. Hardly ever: see ``Client.enter``."""
        while not self.client.enter(request):
            self.pause(_MOMENT)

    def record(self, row: Mapping[str, Value]) -> None:
        """Adds an attempt to the request log."""
        record(self._context, row)


def record(context: Context, row: Mapping[str, Value]) -> None:
    """Adds an attempt to a statement's request log, from any thread."""
    with _LEDGER:
        context.record(row)


def _accepted(response: Response) -> Response:
    """The response to a change; raises UnknownOutcomeError if it is not JSON, but has to be."""
    try:
        return response.parsed()
    except ProtocolError as error:
        raise acted_unreadably(response, error) from None


def _encoded(query: Sequence[tuple[str, str | int | None]]) -> str:
    """As ``urlencode``, which takes its time for what needs no encoding."""
    parts = []
    for name, value in query:
        if value is None:
            continue
        text = str(value)
        if _PLAIN_VALUE(text) and _PLAIN_VALUE(name):
            parts.append(f"{name}={text}")
        else:
            parts.append(_pair(name, text))
    return "&".join(parts)


@lru_cache(maxsize=16)  # Not more: these are values of users.
def _pair(name: str, text: str) -> str:
    """A parameter that needs encoding; a filter or an order is that of the page before."""
    return urlencode([(name, text)])
