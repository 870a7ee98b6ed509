"""Which requests the statement's own thread sends, and that it can be stopped while it waits."""

from __future__ import annotations

import gc
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing
from dataclasses import dataclass
from typing import Any

import pytest

from sessions_vtab.errors import BudgetError, SessionsError, StoppedError
from sessions_vtab.fetch import Client, Endpoint, NoAuth, Reader, RequestSpec, TokenPages
from tests.clocks import time_of_attempts
from tests.fakes import FakeContext
from tests.fetch.test_connections import Server, lists, serving
from tests.waiting import once, wait_for


def get(path: str) -> RequestSpec:
    return RequestSpec("GET", path, items="rows", listing=True)


@pytest.fixture
def served() -> Iterator[tuple[Server, str]]:
    with serving() as running:
        yield running


@pytest.fixture
def server(served: tuple[Server, str]) -> Server:
    return served[0]


@pytest.fixture
def client(
    served: tuple[Server, str], context: FakeContext, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Client]:
    """A client with an open connection, which does not wait between attempts."""
    with closing(Client(Endpoint("prod", served[1]))) as made:
        monkeypatch.setattr(made.clock, "wait", lambda *_: False)
        Reader(made, context).get(get("/first"))
        context.requests.clear()
        yield made


@pytest.fixture
def reader(client: Client, context: FakeContext) -> Reader:
    return Reader(client, context)


@pytest.fixture
def handed_over(client: Client, monkeypatch: pytest.MonkeyPatch) -> list[object]:
    """What the pool is given to send from now on."""
    jobs: list[object] = []
    submit = client.pool.submit

    def noted(*job: Any) -> Any:
        jobs.append(job)
        return submit(*job)

    monkeypatch.setattr(client.pool, "submit", noted)
    return jobs


class TestWhichRequests:
    def test_those_that_are_waited_for_at_once(
        self, reader: Reader, context: FakeContext, handed_over: list[object]
    ) -> None:
        for number in range(5):
            reader.get(get(f"/{number}"))
        list(reader.pages(get("/page"), TokenPages()))

        assert not handed_over
        assert [row["status"] for row in context.requests] == [200] * 6
        assert len(reader.client._sockets) == 1

    def test_not_those_that_are_started_ahead(
        self, reader: Reader, handed_over: list[object]
    ) -> None:
        reader.prefetch([get("/ahead")])
        reader.get(get("/ahead"))

        assert len(handed_over) == 1

    def test_not_those_of_lists_side_by_side(
        self, reader: Reader, handed_over: list[object]
    ) -> None:
        list(reader.gather(lists(4)))

        assert len(handed_over) == 4

    @pytest.mark.parametrize(
        "more_to_wait_for",
        [
            lambda client, _: _hang_up(client),
            lambda client, _: client.limiter.throttled("read", client.clock.now()),
            lambda client, patch: patch.setattr(NoAuth, "ready", lambda _: False),
            lambda client, patch: patch.setattr(client, "enter", _after_one(client.enter)),
        ],
        ids=["a connection", "a rate limit", "a token", "other requests"],
    )
    def test_not_where_more_than_the_response_is_waited_for(
        self,
        reader: Reader,
        handed_over: list[object],
        more_to_wait_for: Callable[[Client, pytest.MonkeyPatch], object],
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        more_to_wait_for(reader.client, monkeypatch)

        assert reader.get(get("/a")).status == 200
        assert len(handed_over) == 1

    @pytest.mark.parametrize("path", [f"/{'a' * 9_000}", "/a/.b"], ids=["long", "not plain"])
    def test_not_one_whose_url_is(
        self, reader: Reader, handed_over: list[object], path: str
    ) -> None:
        assert reader.get(get(path)).status == 200
        assert len(handed_over) == 1

    def test_the_pool_sends_again_what_failed(
        self, reader: Reader, context: FakeContext, handed_over: list[object]
    ) -> None:
        assert reader.get(get("/cut")).items() == [{"n": 1}]
        assert len(handed_over) == 1
        tried = [(row["attempt"], row["status"]) for row in context.requests]
        assert tried == [(1, None), (2, 200)]

    def test_never_more_than_the_source_allows(self) -> None:
        with closing(Client(Endpoint("prod", "http://127.0.0.1:9", concurrency=2))) as client:
            first, *others = [Sent() for _ in range(4)]
            assert [client.enter(one) for one in (first, *others[:2])] == [True, True, False]
            client.leave(first)
            client.leave(first)
            assert [client.enter(one) for one in others[1:]] == [True, False]

    def test_what_is_answered_but_not_read_leaves_its_place_to_others(self) -> None:
        with closing(Client(Endpoint("prod", "http://127.0.0.1:9", concurrency=2))) as client:
            answered = Sent(is_answered=True)
            assert client.enter(Sent())
            assert client.enter(answered)
            assert client.enter(Sent())
            assert not client.enter(Sent())
            client.leave(answered)
            assert not client.enter(Sent())


@dataclass(eq=False)
class Sent:
    """A request, as far as places are concerned."""

    is_answered: bool = False

    def abandon(self) -> None:
        """Nothing is read of it."""


FIVE = get("/five")
SECOND = FIVE.with_query(pageToken="1")


class TestTheNextPage:
    """The statement's own thread sends the request for it, and goes on with the present page."""

    def test_its_response_waits_in_the_socket(
        self, reader: Reader, server: Server, handed_over: list[object]
    ) -> None:
        pages = reader.pages(FIVE, TokenPages())
        assert next(pages).items() == [{"n": 0}]
        wait_for(lambda: len(server.paths) == 3)
        (sent,) = reader.client._under_way
        wait_for(lambda: sent.is_answered)

        assert [page.items()[0]["n"] for page in pages] == [1, 2, 3, 4]
        assert not handed_over
        assert len(reader.client._sockets) == 1

    def test_both_ends_have_a_connection_each(
        self, reader: Reader, server: Server, context: FakeContext, handed_over: list[object]
    ) -> None:
        both = [reader.shared.start(call, context) for call in lists(2, "hang")]
        wait_for(lambda: len(server.paths) == 3)
        server.release.set()
        for one in both:
            reader.shared.finish(one, context)
        handed_over.clear()
        pages = reader.both_ends(
            FIVE,
            get("/five/back"),
            TokenPages(),
            position=lambda item, _: int(item["n"]),
            identity=lambda item: item["n"],
        )

        assert [item["n"] for _, items in pages for item in items] == [0, 1, 2, 3, 4]
        # Requests that are under way together arrive in either order.
        assert "/five/back?pageToken=1" in server.paths
        assert not handed_over

    def test_one_that_is_not_wanted_is_read_at_the_end_of_the_statement(
        self, reader: Reader, server: Server, context: FakeContext, handed_over: list[object]
    ) -> None:
        pages = reader.pages(FIVE, TokenPages())
        next(pages)
        pages.close()
        reader.shared.close()

        assert [(row["status"], row["rows"]) for row in context.requests] == [(200, 1), (200, 1)]
        context.memory.clear()
        Reader(reader.client, context).get(get("/next"))
        assert not handed_over
        assert len(server.paths) == 4

    def test_one_that_is_given_back_is_not_sent_again(
        self, reader: Reader, server: Server, handed_over: list[object]
    ) -> None:
        pages = reader.pages(FIVE, TokenPages())
        next(pages)
        pages.close()

        assert reader.get(SECOND).items() == [{"n": 1}]
        assert len(server.paths) == 3
        assert not handed_over

    def test_two_may_claim_it(self, reader: Reader, server: Server, context: FakeContext) -> None:
        both = [reader.shared.start(SECOND, context, in_turn=True) for _ in range(2)]

        assert [reader.shared.finish(one, context).items() for one in both] == [[{"n": 1}]] * 2
        assert len(server.paths) == 2

    def test_the_pool_sends_it_again_if_it_failed(
        self, reader: Reader, context: FakeContext, handed_over: list[object]
    ) -> None:
        pending = reader.shared.start(get("/cut"), context, in_turn=True)
        assert not handed_over

        assert reader.shared.finish(pending, context).items() == [{"n": 1}]
        assert len(handed_over) == 1
        tried = [(row["attempt"], row["status"]) for row in context.requests]
        assert tried == [(1, None), (2, 200)]

    def test_an_error_is_raised_when_its_turn_has_come(
        self, reader: Reader, context: FakeContext
    ) -> None:
        context.left = 1
        pages = reader.pages(FIVE, TokenPages())

        assert next(pages).items() == [{"n": 0}]
        with pytest.raises(BudgetError):
            next(pages)

    @pytest.mark.parametrize("told", ["asked", "stopped"])
    def test_the_end_of_a_statement_that_was_stopped_waits_for_none(
        self, reader: Reader, context: FakeContext, told: str
    ) -> None:
        reader.shared.start(get("/hang"), context, in_turn=True)
        if told == "asked":
            context.stop = True
            assert reader.shared.interrupted(context)
        else:
            reader.shared.stop()
        reader.shared.close()

        assert [row["error"] for row in context.requests] == ["the statement was interrupted"]

    def test_a_statement_that_is_dropped_closes_its_connection(
        self, client: Client, context: FakeContext
    ) -> None:
        Reader(client, context).shared.start(get("/hang"), context, in_turn=True)
        context.memory.clear()
        gc.collect()

        assert not client._under_way

    def test_another_thread_closes_the_source(
        self, reader: Reader, server: Server, context: FakeContext
    ) -> None:
        pending = reader.shared.start(get("/hang"), context, in_turn=True)
        (connected,) = reader.client._sockets
        reader.client.close()
        assert connected.fileno() < 0
        with pytest.raises(SessionsError, match="prod: the connection is closed"):
            reader.shared.finish(pending, context)


def _hang_up(client: Client) -> None:
    """Closes the connections that are idle."""
    for stack in client._routes._direct._idle.values():
        for _, connection in stack:
            connection.close()


def _after_one(enter: Callable[..., bool]) -> Callable[..., bool]:
    """All places are taken when it is called first."""
    full = iter([True])
    return lambda request, **how: not next(full, False) and enter(request, **how)


class AlarmError(Exception):
    """What a signal handler of the user's raises."""


def once_asked(server: Server, act: Callable[[], object]) -> AbstractContextManager[None]:
    """Something that another thread does when the server has got the request of the block."""
    before = len(server.paths)
    return once(lambda: len(server.paths) > before, act)


class TestStopping:
    """The server does not answer before the test is over."""

    def test_the_user_stops_the_statement(
        self, reader: Reader, server: Server, context: FakeContext, handed_over: list[object]
    ) -> None:
        with (
            once_asked(server, lambda: setattr(context, "stop", True)),
            pytest.raises(StoppedError, match="interrupted"),
        ):
            reader.get(get("/hang"))

        context.stop = False
        assert reader.get(get("/next")).status == 200
        told = [(row["status"], row["error"]) for row in context.requests]
        assert told == [(None, "the statement was interrupted"), (200, None)]
        # The connection of the first was closed, since its response may yet come.
        assert len(handed_over) == 1

    @pytest.mark.skipif(not hasattr(signal, "pthread_kill"), reason="signals to a thread")
    @pytest.mark.parametrize("kind", [KeyboardInterrupt, SystemExit, AlarmError])
    def test_a_signal_handler_raises(
        self, reader: Reader, server: Server, context: FakeContext, kind: type[BaseException]
    ) -> None:
        def handler(*_: object) -> None:
            raise kind

        main = threading.main_thread().ident or 0
        before = signal.signal(signal.SIGUSR1, handler)
        try:
            with (
                once_asked(server, lambda: signal.pthread_kill(main, signal.SIGUSR1)),
                pytest.raises(kind),
            ):
                reader.get(get("/hang"))
        finally:
            signal.signal(signal.SIGUSR1, before)

        assert reader.get(get("/next")).status == 200
        assert [row["status"] for row in context.requests] == [None, 200]

    def test_another_thread_closes_the_source(self, reader: Reader, server: Server) -> None:
        with (
            once_asked(server, reader.client.close),
            pytest.raises(SessionsError, match=r"prod: the connection is closed|interrupted"),
        ):
            reader.get(get("/hang"))

    def test_the_time_of_an_attempt_is_over(
        self, served: tuple[Server, str], context: FakeContext, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        pass_time = time_of_attempts(monkeypatch)
        with closing(Client(Endpoint("prod", served[1], timeout=0.1))) as client:
            monkeypatch.setattr(client.clock, "wait", lambda *_: False)
            reader = Reader(client, context)
            wait_for(lambda: _answers(reader))
            context.requests.clear()
            with (
                once_asked(served[0], lambda: pass_time(1)),
                pytest.raises(SessionsError, match="no response in time"),
            ):
                reader.get(get("/hang"))
        assert [row["attempt"] for row in context.requests] == [1, 2, 3, 4, 5]


def _answers(reader: Reader) -> bool:
    """Whether a quick request is answered in time: on a busy machine it may not be."""
    try:
        return reader.get(get("/first")).status == 200
    except SessionsError:
        return False
