"""One call on its way: what goes over the wire, what becomes of it, and when it is sent again."""

from __future__ import annotations

import socket
import ssl
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

import httpcore
import httpx

from sessions_vtab.contract.predicate import Value
from sessions_vtab.errors import SessionsError, StoppedError
from sessions_vtab.fetch.auth import Auth, asked, redact
from sessions_vtab.fetch.call import MultipartForm, RequestSpec, Response
from sessions_vtab.fetch.connection import (
    ENCODINGS,
    DirectConnection,
    Received,
    TooLongError,
    read_body,
)
from sessions_vtab.fetch.problems import (
    broken,
    endless,
    may_have_acted,
    no_answer,
    refusal,
    too_long,
    unsendable,
)
from sessions_vtab.fetch.retry import RETRIES, Failure, backoff, may_retry, retry_after
from sessions_vtab.fetch.sockets import within

if TYPE_CHECKING:
    from sessions_vtab.fetch.client import Sender


CONNECT_TIMEOUT = 5.0
"""Seconds for a connection to be made."""

_LEAST_SECONDS = 1.0
"""For the last attempt, which may begin when the time of the whole exchange is nearly over."""

_HEADERS = {
    "User-Agent": "sessions-vtab",
    "Accept": "application/json",
    "Accept-Encoding": ENCODINGS,
}
_SHORT = 8_192
"""Characters of a URL that a socket takes at once, without waiting for room."""
_UNAUTHORIZED = 401
_THROTTLED = 429
_SUCCESS = range(200, 300)
_MAY_HAVE_ACTED = (408, *range(500, 600))
"""Statuses that can come after the service has done what was asked."""


_Received: TypeAlias = httpx.Response | Received


class Address(NamedTuple):
    """Where a call goes.

    Attributes:
        url: the whole URL.
        auth: the credential that may go there.
        plain: the URL is sent as it is written: httpx need not read it.
    """

    url: str
    auth: Auth
    plain: bool = False


class Exchange:
    """One call with its retries.

    Args:
        sender: of the job that sends it.
        call: what to send.
        address: its ``Client.url_of``.
        unread: see the attribute.

    Attributes:
        unread: the body is parsed where it is used; its row for the log waits for that.
        unlogged: that row.
        may_have_acted: the service did what was asked, or may have.
    """

    def __init__(
        self, sender: Sender, call: RequestSpec, address: Address, *, unread: bool = False
    ) -> None:
        self.unlogged: dict[str, Value] | None = None
        self.unread = unread
        self._sender = sender
        self._client = sender.client
        self._clock = sender.client.clock
        self._call = call
        self._url, self._auth, plain = address
        self._plain = plain and _is_bare(call)
        self._used = 0.0
        self._number = 1
        self._admitted = self._renewed = False
        self._failed: Response | _Lost | None = None
        self._sent: Mapping[str, str] = {}
        self._sent_at = 0.0
        self._connection: DirectConnection | None = None
        self._receive: Callable[[], Received] | None = None
        self.may_have_acted = False

    @cached_property
    def _shown(self) -> str:
        """The URL as logs show it; not asked for before the credential is there to be cut."""
        return redact(self._url, (*self._client.endpoint.auth.secrets(), *self._call.secrets))

    @property
    def stop(self) -> threading.Event:
        """Ends the waits of ``run``."""
        return self._sender.stop

    @stop.setter
    def stop(self, stop: threading.Event) -> None:
        self._sender.stop = stop

    def run(self) -> Response:
        """The response: a success, or one that the call declares; others raise SessionsError."""
        # A loop of our own, not the retries of a library: whether a request may be sent again
        # depends on what the service may have done with it (``retry``).
        while True:
            if self._failed is not None:
                self._get_ready_again(self._failed)
            if not self._admitted:
                self._sender.admit(self._call.kind)
            try:
                self._sender.wait_for_place(self)
                response = self._ask(self._prepared())
            finally:
                self._client.leave(self)
            if response is not None:
                return response

    def begin(self) -> bool:
        """Sends it from the statement's own thread, where only the response has to be waited for.

        The rest is ``finish``'s. If this is not possible, ``run`` has to send it, in a thread of
        the pool: it connects, and waits for a rate limit, a token, or other requests.
        """
        if not (self._plain and len(self._url) < _SHORT and self._auth.ready()):
            return False
        way = self._client.shortcut(self._url)
        if way is None or not self._client.enter(self):
            return False
        try:
            self._sent = asked(self._sender.where, self._auth.headers)
            self._admitted = self._sender.admit_at_once(self._call.kind)
            if self._admitted:
                self._connection = way.take()
            if self._connection is not None:
                self._receive = way.send(self._connection, self._headers(), self._client.timeout)
                self._sent_at = time.perf_counter()
        except (SessionsError, httpx.HTTPError):
            pass  # In the pool it fails again, and is raised when it is the response's turn.
        finally:
            if self._receive is None:
                self._client.leave(self)
        return self._receive is not None

    def finish(self, look: Callable[[], None]) -> Response | None:
        """Waits for the response to what ``begin`` has sent.

        Args:
            look: called every 50 ms while it waits; raises what ends it.

        Returns:
            None if ``run`` has to go on, in a thread of the pool: it decides about responses that
            are not what was asked for.

        Raises:
            UnsupportedError: in a forked process: the response is for the other one.
        """
        self._client.check_process()
        receive, self._receive = self._receive, None
        if receive is None:
            return None
        try:
            return self._ask(receive, look)
        finally:
            self._client.leave(self)

    @property
    def is_answered(self) -> bool:
        """Whether the response to what ``begin`` has sent is there, but was not read."""
        connection = self._connection
        return self._receive is not None and connection is not None and connection.is_readable()

    def abandon(self) -> None:
        """Ends what ``begin`` has begun, if anything; the response is not read."""
        self._client.leave(self)
        if self._receive is not None and self._connection is not None:
            self._receive = None
            self._connection.close()

    def _ask(
        self, send: Callable[[], _Received], look: Callable[[], None] | None = None
    ) -> Response | None:
        """The response of an attempt, if it is one that ``run`` returns."""
        self._admitted = False
        outcome = self._attempt(send, look)
        if isinstance(outcome, Response):
            if outcome.status in _SUCCESS:
                self.may_have_acted = True
            if outcome.status in _SUCCESS or outcome.missing or outcome.already:
                return outcome
            if outcome.status == _THROTTLED:
                began = self._clock.now() - outcome.elapsed_ms / 1000
                self._client.limiter.throttled(self._call.kind, began)
        self._failed = outcome
        return None

    def _get_ready_again(self, failed: Response | _Lost) -> None:
        """Renews the credential or waits, so that another attempt may succeed; or raises."""
        refused = isinstance(failed, Response) and failed.status == _UNAUTHORIZED
        renews = refused and not self._renewed
        if renews and asked(self._sender.where, lambda: self._auth.refresh(self._sent)):
            self._renewed = True
            self.__dict__.pop("_shown", None)
            return
        self._wait_or_raise(failed)
        self._number += 1

    def _attempt(
        self, send: Callable[[], _Received], look: Callable[[], None] | None
    ) -> Response | _Lost:
        started, seconds = time.perf_counter(), self._seconds()
        received: _Received | None = None
        try:
            with within(seconds, look):
                received = send()
                body = read_body(received, self._client.endpoint.max_response)
        except _NOT_SENT as error:
            return self._lost(started, Failure.NOT_SENT, _words(error, seconds))
        except TooLongError:
            raise self._broken_off(received, started) from None
        except (httpx.HTTPError, httpcore.TimeoutException, OSError) as error:
            return self._lost(started, Failure.LOST, _words(error, seconds))
        except BaseException as error:
            lost = self._lost(started, Failure.LOST, _words(error, seconds))
            # In the statement's own thread it may be what ``look`` or a signal handler has raised.
            if look is not None or not isinstance(error, Exception):
                raise
            if self._client.closing.is_set():  # Its sockets were closed under the request.
                return lost
            raise broken(self._call, self._shown, self._sender.where, error) from error
        elapsed = self._spent(started)
        self._sender.sent += 1
        response = self._response(received, body, elapsed)
        self._log(elapsed, response)
        return response

    def _seconds(self) -> float:
        """How long an attempt may take; what is left of the whole exchange if that is less."""
        timeout = self._client.endpoint.timeout
        left = max(RETRIES.deadline, timeout) - self._used
        return min(timeout, max(left, _LEAST_SECONDS))

    def _spent(self, started: float) -> float:
        """Milliseconds since an attempt began; those it was waited for count for the exchange."""
        now, sent_at = time.perf_counter(), self._sent_at
        self._used += now - started
        self._sent_at = 0.0
        return (now - (sent_at or started)) * 1000

    def _lost(self, started: float, failure: Failure, reason: str) -> _Lost:
        elapsed = self._spent(started)
        if failure is Failure.LOST:
            self._sender.sent += 1
            self.may_have_acted = True
        self._log(elapsed, error=reason)
        return _Lost(failure, reason)

    def _broken_off(self, received: _Received | None, started: float) -> SessionsError:
        """The error of an answer that is too long to be read; sent again, it would be so again."""
        status = None if received is None else received.status_code
        self._sender.sent += 1
        self.may_have_acted |= status in _SUCCESS or status in _MAY_HAVE_ACTED
        self._log(self._spent(started), error="the response is too long", status=status)
        return endless(
            self._call, self._shown, self._sender.where, self._client.endpoint.max_response
        )

    def _prepared(self) -> Callable[[], _Received]:
        """What sends the request.

        By a transport, without httpx.Client: no cookies, no redirects, no netrc, and less CPU time.

        Raises:
            InvalidValueError: it cannot be written, for instance because its JSON is too deep.
            SessionsError: there is no credential.
        """
        call, self._sent = self._call, asked(self._sender.where, self._auth.headers)
        way = self._client.shortcut(self._url) if self._plain else None
        if way is not None:
            return partial(way.get, self._headers(), self._client.timeout)
        try:
            request = httpx.Request(
                call.method,
                self._url,
                headers=self._headers(),
                json=call.json,
                content=call.body,
                **_multipart(call.form),
                extensions={"timeout": self._client.timeout},
            )
        except httpx.InvalidURL:
            raise too_long(self._url, call, self._sender.where) from None
        except (ValueError, TypeError, RecursionError, MemoryError) as error:
            raise unsendable(call, self._shown, self._sender.where, error) from error
        return lambda: self._client.transport_for(request.url).handle_request(request)

    def _headers(self) -> dict[str, str]:
        """All headers but Host."""
        return {**_HEADERS, **self._call.headers, **self._sent}

    def _response(self, received: _Received, body: bytes, elapsed: float) -> Response:
        response = Response(
            self._call,
            self._shown,
            received.status_code,
            {name.lower(): value for name, value in received.headers.items()},
            body,
            elapsed_ms=elapsed,
            where=self._sender.where,
        )
        if response.status in _SUCCESS:
            return response
        missing = any(answer.matches(response) for answer in self._call.missing)
        done = any(answer.matches(response) for answer in self._call.done)
        already = self.may_have_acted and done
        self.may_have_acted = self.may_have_acted or response.status in _MAY_HAVE_ACTED
        return replace(response, missing=missing and not already, already=already)

    def _wait_or_raise(self, outcome: Response | _Lost) -> None:
        policy, attempt = RETRIES, self._number
        kind = outcome.status if isinstance(outcome, Response) else outcome.failure
        attempts = 2 if kind in self._client.endpoint.once_more else policy.attempts
        if attempt < attempts and may_retry(self._call, kind):
            named = None
            if isinstance(outcome, Response):
                named = retry_after(outcome.headers.get("retry-after"), self._clock.wall())
            wait = backoff(policy, attempt, named, self._clock.chance())
            self._used += wait  # Pacing for a rate limit is not counted.
            if self._used <= policy.deadline:
                self._sender.pause(wait)
                return
        raise self._error(outcome)

    def _error(self, outcome: Response | _Lost) -> SessionsError:
        endpoint, where = self._client.endpoint, self._sender.where
        if isinstance(outcome, Response):
            if outcome.status in _MAY_HAVE_ACTED and not self._call.may_repeat:
                return may_have_acted(outcome, endpoint, self._auth, self._number)
            return refusal(outcome, endpoint, self._auth, self._number)
        acted = outcome.failure is Failure.LOST
        return no_answer(self._call, self._shown, outcome.reason, where, may_have_acted=acted)

    def _log(
        self,
        elapsed: float,
        response: Response | None = None,
        error: str = "",
        status: int | None = None,
    ) -> None:
        row: dict[str, Value] = {
            "method": self._call.method,
            "url": self._shown,
            "status": response.status if response else status,
            "attempt": self._number,
            "elapsed_ms": round(elapsed, 3),
            "bytes": len(response.content) if response else None,
            "rows": None,
            "error": error or None,
        }
        if response is None or response.status not in _SUCCESS:
            self._sender.record(row)
        elif self.unread:
            self.unlogged = row
        else:
            self._sender.record({**row, "rows": response.rows})


class _Lost:
    """An attempt without an answer."""

    __slots__ = ("failure", "reason")

    def __init__(self, failure: Failure, reason: str) -> None:
        self.failure = failure
        self.reason = reason


_NOT_SENT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.ProxyError)


def _words(error: BaseException, seconds: float) -> str:
    """What went wrong in so many seconds, without the host's own words: they can hold anything."""
    match error:
        case httpx.ConnectTimeout() if seconds >= CONNECT_TIMEOUT:
            return f"no connection within {CONNECT_TIMEOUT:g} s"
        case httpx.ConnectTimeout():
            return f"no connection within {seconds:.2g} s (see the source's setting 'timeout')"
        case httpx.TimeoutException() | httpcore.TimeoutException():
            return "no response in time (see the source's setting 'timeout')"
        case httpx.ConnectError():
            return _why_not_connected(error)
        case httpx.ProxyError():
            return "the proxy failed to connect"
        case httpx.DecodingError():
            return "the response could not be decompressed"
        case httpx.NetworkError() | httpx.RemoteProtocolError():
            return "the connection was closed before the response was complete"
        case StoppedError() | KeyboardInterrupt():
            return "the statement was interrupted"
        case _:
            return f"the request failed ({type(error).__name__})"


def _why_not_connected(error: BaseException) -> str:
    """Which step of connecting failed."""
    cause: BaseException | None = error
    while cause is not None:
        match cause:
            case socket.gaierror():
                return "the host is unknown"
            case ssl.SSLCertVerificationError():
                return "the host's certificate is not trusted"
            case ssl.SSLError():
                return "the host does not answer by TLS (https)"
        cause = cause.__cause__ or cause.__context__
    return "the connection was refused, or the host cannot be reached"


def _is_bare(call: RequestSpec) -> bool:
    """Whether it is a GET without a body."""
    return call.method == "GET" and call.json is None and call.form is None and call.body is None


def _multipart(form: MultipartForm | None) -> dict[str, Any]:
    if form is None:
        return {}
    file = (form.file_name, form.content, form.content_type)
    return {"data": dict(form.fields), "files": {form.name: file}}
