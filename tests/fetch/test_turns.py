"""Pages arrive in any order and are handed out in the list's."""

from __future__ import annotations

import random
import threading
import time
from contextlib import closing
from itertools import islice

import httpx
import pytest

from sessions_vtab.errors import ForbiddenError, ProtocolError
from sessions_vtab.fetch import Reader, RequestSpec, TokenPages
from sessions_vtab.fetch.call import Response
from sessions_vtab.fetch.scope import scope_of
from sessions_vtab.fetch.turns import Shelf, SideBySide
from tests.fetch.conftest import settle
from tests.waiting import once

LIST = RequestSpec("GET", "/list", (("pageSize", 4),), items="rows", listing=True)


class Service:
    """Lists of numbers, or of (position, id); some answers are overtaken by others.

    Args:
        rows: positions of the rows of each list, in ascending order.
        seed: chooses the answers that are late; None for none.
        mirrored: descending order is the exact reverse of the ascending one.
    """

    def __init__(self, rows, seed=None, mirrored=True):
        self.rows = [{"n": n, "id": index} for index, n in enumerate(rows)]
        self.mirrored = mirrored
        self.total = self.under_way = 0
        self._random = None if seed is None else random.Random(seed)
        self._answered = 0
        self._change = threading.Condition()

    def __call__(self, request):
        with self._change:
            self.total += 1
            self.under_way += 1
            if self._random is not None and self._random.random() < 0.5:
                goal = self._answered + self._random.randint(1, 3)
                self._change.wait_for(lambda: self._answered >= goal, timeout=0.003)
            self._answered += 1
            self.under_way -= 1
            self._change.notify_all()
        return self.answer(request)

    def answer(self, request):
        query = request.url.params
        rows = self.rows
        if query.get("orderBy") == "n desc":
            by_position = sorted(rows, key=lambda row: row["n"], reverse=True)
            rows = rows[::-1] if self.mirrored else by_position
        at, size = int(query.get("pageToken", 0)), int(query.get("pageSize", 100))
        body = {"rows": rows[at : at + size]}
        if at + size < len(rows):
            body["nextPageToken"] = str(at + size)
        return httpx.Response(200, json=body)


def both(reader):
    return reader.both_ends(
        LIST.with_query(orderBy="n"),
        LIST.with_query(orderBy="n desc"),
        TokenPages(),
        position=lambda row, _: row["n"],
        identity=lambda row: row["id"],
    )


def ids(pages):
    return [row["id"] for _, items in pages for row in items]


def even(count):
    return range(count)


def bursts(count):
    """Half of the rows within a moment, then one a day."""
    return [n if n < count // 2 else n * 86_400 for n in range(count)]


def tied(count):
    """Pairs of rows of equal position."""
    return [n // 2 for n in range(count)]


def equal(count):
    return [7] * count


def growing(count):
    return [1_000_000 - (count - n) ** 3 for n in range(count)]


class TestBothEnds:
    @pytest.mark.parametrize("rows", [even, bursts, tied, equal, growing])
    @pytest.mark.parametrize("seed", [None, 1, 2])
    def test_hand_out_the_list_in_its_order(self, client_for, context, rows, seed):
        for count in (0, 1, 12, 13, 16, 20, 21, 48, 97):
            context.memory.clear()
            service = Service(rows(count), seed)
            reader = Reader(client_for(service, real_time=True), context)
            assert ids(both(reader)) == list(range(count))

    @pytest.mark.parametrize("rows", [even, tied, equal, growing])
    def test_take_one_request_more_than_pages_at_most(self, client_for, context, rows):
        for count in range(90):
            context.memory.clear()
            service = Service(rows(count))
            assert len(ids(both(Reader(client_for(service), context)))) == count
            assert service.total <= max(1, -(-count // 4)) + 1

    def test_take_half_as_many_steps(self, client_for, context):
        service = Service(even(400))
        near = [
            response.call.parameter("orderBy")
            for response, _ in both(Reader(client_for(service), context))
        ].count("n")

        assert service.total <= 101
        assert near <= 100 / 2 + 3

    def test_hand_out_ties_in_the_same_order_where_the_service_mirrors_none(
        self, client_for, context
    ):
        """Which of the two orders of a tie is the list's own is then for nobody to know."""
        found = set()
        for seed in (None, 1, 2, 3, 4):
            context.memory.clear()
            service = Service(tied(60), seed, mirrored=False)
            found.add(tuple(ids(both(Reader(client_for(service, real_time=True), context)))))

        (order,) = found
        assert sorted(order) == list(range(60))

    def test_lose_nothing_where_the_service_does_not_sort(self, client_for, context):
        service = Service([5, 3, 9, 1, 8, 2, 7, 4] * 6)
        assert ids(both(Reader(client_for(service), context))) == list(range(48))

    def test_keep_no_request_under_way_when_they_have_met(self, client_for, context):
        service = Service(even(61))
        reader = Reader(client_for(service, real_time=True), context)
        for _ in both(reader):
            pass
        assert service.under_way == 0


def lists(count):
    return [
        RequestSpec("GET", f"/l{n}", (("pageSize", 4),), items="rows", listing=True)
        for n in range(count)
    ]


def read_into(paths, responses):
    paths.extend(response.call.path for response in responses)


class TestManyLists:
    @pytest.mark.parametrize("seed", range(4))
    def test_come_one_after_the_other_whichever_answer_is_late(self, client_for, context, seed):
        client = client_for(Service(even(10), seed), real_time=True, concurrency=4)
        responses = Reader(client, context).fan_out(lists(9), TokenPages())
        assert [
            (response.call.path, row["id"]) for response in responses for row in response.items()
        ] == [(f"/l{at}", n) for at in range(9) for n in range(10)]

    def test_are_read_on_while_the_first_is_long(self, client_for, context):
        """A list of many pages does not keep the others from being read beside it."""
        service = Service(even(10))
        client = client_for(service, real_time=True, concurrency=3)
        with closing(Reader(client, context).fan_out(lists(60), TokenPages())) as responses:
            for number, _ in enumerate(islice(responses, 5), 1):
                assert settle(client, service) >= number + 3

    def test_are_started_a_few_further_ahead_for_each_page_that_was_wanted(
        self, client_for, context
    ):
        """However slowly rows are read: most statements that stop early stop after a few pages."""
        service = Service(even(1))
        client = client_for(service, real_time=True, concurrency=16)
        side = SideBySide(Reader(client, context), iter(lists(200)), TokenPages(), 16)
        started = []
        with closing(side.run()) as responses:
            for _ in islice(responses, 6):
                while side._arrived.qsize() < side._under_way:
                    time.sleep(0.001)
                started.append(service.total)
        # Sixteen at once; for each page handed out that one, and four more ahead.
        assert all(total <= 16 + 5 * pages for pages, total in enumerate(started)), started

    def test_pause_where_there_is_no_room(self, client_for, context):
        service = Service(even(10))
        client = client_for(service, real_time=True, concurrency=3)
        side = SideBySide(Reader(client, context), iter(lists(20)), TokenPages(), 3)
        side._shelf = Shelf(room=1)
        ahead = 0
        for number, _ in enumerate(side.run(), 1):
            ahead = max(ahead, service.total - number)
        assert (number, service.total) == (60, 60)
        assert ahead <= 3

    def test_an_error_waits_for_its_turn(self, client_for, context):
        service = Service(even(1))

        def handle(request):
            if request.url.path == "/l3":
                return httpx.Response(403, json={})
            return service(request)

        client = client_for(handle, real_time=True, concurrency=8)
        read = []
        with pytest.raises(ForbiddenError):
            read_into(read, Reader(client, context).fan_out(lists(20), TokenPages()))
        assert read == ["/l0", "/l1", "/l2"]

    def test_pages_that_form_a_loop_are_an_error_in_its_turn(self, client_for, context):
        service = Service(even(1))

        def handle(request):
            if request.url.path == "/l3":
                return httpx.Response(200, json={"rows": [{"n": 1}], "nextPageToken": "a"})
            return service(request)

        client = client_for(handle, real_time=True, concurrency=8)
        read = []
        with pytest.raises(ProtocolError, match="loop"):
            read_into(read, Reader(client, context).fan_out(lists(20), TokenPages()))
        assert read[:3] == ["/l0", "/l1", "/l2"]
        assert set(read[3:]) == {"/l3"}

    def test_an_error_of_where_the_lists_come_from_waits_for_its_turn(self, client_for, context):
        def calls():
            yield from lists(2)
            raise ForbiddenError("no more")

        client = client_for(Service(even(1), seed=1), real_time=True)
        read = []
        with pytest.raises(ForbiddenError, match="no more"):
            read_into(read, Reader(client, context).fan_out(calls(), TokenPages()))
        assert read == ["/l0", "/l1"]


def response(number, size=100):
    body = b'{"n": %d, "x": "%s"}' % (number, b"x" * size)
    return Response(LIST, f"http://h/{number}", 200, {}, body)


class TestTheShelf:
    @pytest.mark.parametrize("last_first", [False, True])
    @pytest.mark.parametrize("in_memory", [0, 360, 10_000])
    def test_gives_pages_back_as_they_were(self, in_memory, last_first):
        shelf = Shelf(parsed=120, in_memory=in_memory)
        pages = [shelf.put(response(number)) for number in range(9)]
        assert sum(page.place is not None for page in pages) == {0: 8, 360: 6, 10_000: 0}[in_memory]

        order = list(range(9))[:: -1 if last_first else 1]
        assert [shelf.take(pages[number]).json["n"] for number in order] == order

    def test_begins_a_new_file_when_the_last_one_is_read(self, monkeypatch):
        monkeypatch.setattr("sessions_vtab.fetch.cache._BUFFER", 1)
        shelf = Shelf(parsed=0, in_memory=0)
        for number in range(3):
            assert shelf.take(shelf.put(response(number))).json["n"] == number
            assert shelf._spool._file is None

    def test_keeps_a_page_for_which_the_disk_has_no_room(self, monkeypatch):
        def full(*_, **__):
            raise OSError("no space left on device")

        monkeypatch.setattr("tempfile.TemporaryFile", full)
        monkeypatch.setattr("sessions_vtab.fetch.cache._BUFFER", 1)
        shelf = Shelf(parsed=0, in_memory=0)
        assert shelf.take(shelf.put(response(1))).json["n"] == 1

    def test_says_when_it_is_full(self):
        shelf = Shelf(room=300)
        pages = []
        while not shelf.full:
            pages.append(shelf.put(response(len(pages))))
        assert len(pages) == 3
        shelf.take(pages[0])
        assert not shelf.full


class Gate:
    """Answers when it is opened."""

    def __init__(self):
        self.open = threading.Event()
        self.asked = threading.Semaphore(0)
        self.started = self.answered = 0

    def __call__(self, request):
        self.started += 1
        self.asked.release()
        self.open.wait(30)
        self.answered += 1
        return httpx.Response(200, json={"rows": []})


class TestTheEndOfAStatement:
    @pytest.fixture
    def gate(self):
        gate = Gate()
        yield gate
        gate.open.set()

    def test_waits_for_what_was_sent_and_cancels_the_rest(self, client_for, context, gate):
        client = client_for(gate, real_time=True, concurrency=2)
        reader = Reader(client, context)
        reader.prefetch(lists(4))
        pending = reader.shared.start(LIST, reader.context)
        gate.asked.acquire()
        gate.asked.acquire()
        reader.shared.release(pending, reader.context)
        scope = scope_of(client, context)
        futures = [one.future for one in scope._pending.values()]

        with once(lambda: sum(one.cancelled() for one in futures) == 2, gate.open.set):
            scope.close()

        assert (gate.started, gate.answered) == (2, 2)
        assert len(context.requests) == 2

    def test_waits_for_nothing_after_an_interrupt(self, client_for, context, gate):
        client = client_for(gate, real_time=True, concurrency=2)
        scope = scope_of(client, context)
        Reader(client, context).prefetch(lists(2))
        gate.asked.acquire()
        context.stop = True
        assert scope.interrupted(context)

        scope.close()

        assert gate.answered == 0
