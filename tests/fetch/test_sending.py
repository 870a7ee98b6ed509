"""How writes are sent: in order within a queue, side by side across queues, an outcome for each."""

from __future__ import annotations

import json
import threading
import time

import httpx
import pytest

from sessions_vtab.contract.backend import Action, Outcome, OutcomeState, Write
from sessions_vtab.errors import (
    BudgetError,
    ConflictError,
    ForbiddenError,
    InvalidValueError,
    RefusedError,
    ThrottledError,
    TransientError,
    UnknownOutcomeError,
)
from sessions_vtab.fetch import (
    RequestSpec,
    ResponseMatcher,
    Sender,
    deliver,
    finish_operation,
    run_job,
)
from tests.waiting import once


def row(number, key=None, ignore=False):
    return Write(number, 1, "t", Action.INSERT, key, {"n": number}, ignore)


def perform(write, sender):
    response = sender.send(
        RequestSpec("POST", "/rows", json={"n": write.values["n"]}, kind="write")
    )
    return Outcome(write, OutcomeState.SENT, http_status=response.status)


def send(client, context, writes, how=perform):
    return list(deliver(client, writes, context, lambda write: write.key, how))


def states(outcomes):
    return {outcome.write.number: outcome.state.value for outcome in outcomes}


class Sink:
    """Notes what arrives; answers by number, while ``open``."""

    def __init__(self, answer=lambda n: httpx.Response(200, json={}), delay=0.0):
        self.answer, self.delay = answer, delay
        self.got, self.lock = [], threading.Lock()
        self.in_flight = self.most = 0
        self.open = threading.Event()
        self.open.set()

    def __call__(self, request):
        number = json.loads(request.content)["n"]
        with self.lock:
            self.got.append(number)
            self.in_flight += 1
            self.most = max(self.most, self.in_flight)
        assert self.open.wait(30)
        time.sleep(self.delay)
        with self.lock:
            self.in_flight -= 1
        return self.answer(number)


def test_every_write_has_one_outcome(client_for, context):
    sink = Sink()
    outcomes = send(client_for(sink), context, [row(n) for n in range(40)])
    assert states(outcomes) == dict.fromkeys(range(40), "sent")
    assert sorted(sink.got) == list(range(40))
    assert all(outcome.elapsed_ms is not None for outcome in outcomes)


def test_a_lane_keeps_its_order(client_for, context):
    sink = Sink(delay=0.001)
    send(client_for(sink, real_time=True), context, [row(n, f"s{n % 5}") for n in range(50)])
    for key in range(5):
        assert [n for n in sink.got if n % 5 == key] == list(range(key, 50, 5))


def test_lanes_run_side_by_side_and_the_longest_goes_first(client_for, context, monkeypatch):
    """Each queue comes to its turn early: queue after queue the last would wait for the first."""
    sink = Sink()
    sink.open.clear()
    client = client_for(sink, real_time=True)
    begun = []  # As they are handed to the pool; its threads may send them in another order.
    submit = client.pool.submit

    def noted(job, submitted):
        begun.extend(write.key for write in submitted.group)
        return submit(job, submitted)

    monkeypatch.setattr(client.pool, "submit", noted)
    writes = [row(n, f"s{n % 24}") for n in range(480)]
    with once(lambda: sink.in_flight == 16, sink.open.set):
        send(client, context, writes)
    assert sink.most == 16
    assert len(set(begun[:24])) == 24
    assert len(begun) == 480


def test_what_follows_a_failed_row_of_its_lane_is_not_sent(client_for, context):
    sink = Sink(lambda n: httpx.Response(400 if n == 2 else 200, json={}))
    writes = [row(0, "a"), row(1, "b"), row(2, "a"), row(3, "a"), row(4, "b")]
    outcomes = send(client_for(sink), context, writes)
    assert states(outcomes) == {0: "sent", 1: "sent", 2: "failed", 3: "not sent", 4: "sent"}
    failed = next(outcome for outcome in outcomes if outcome.write.number == 2)
    assert isinstance(failed.error, RefusedError)
    assert failed.http_status == 400
    assert 3 not in sink.got


@pytest.mark.parametrize(
    ("error", "state"),
    [
        (InvalidValueError("bad"), "not sent"),
        (BudgetError("used up"), "not sent"),
        (UnknownOutcomeError("?"), "unknown"),
    ],
)
def test_errors_become_outcomes(client_for, context, error, state):
    def fail(write, sender):
        raise error

    (outcome,) = send(client_for(Sink()), context, [row(1)], fail)
    assert outcome.state.value == state
    assert outcome.error is error


def test_a_row_that_exists_is_skipped_if_the_statement_says_so(client_for, context):
    client = client_for(
        Sink(lambda _: httpx.Response(400, json={"message": "already exists"})),
        meanings=((ResponseMatcher(400, "already exists"), ConflictError),),
    )
    outcomes = send(client, context, [row(1, ignore=True), row(2)])
    assert states(outcomes) == {1: "skipped", 2: "failed"}


NO = httpx.Response(403, json={"message": "no"})
BAD = httpx.Response(503)
LIST = httpx.Response(200, json=[])


def change_and_look(method):
    """A write of two requests: the change, and a look at what became of it."""

    def how(write, sender):
        sender.send(RequestSpec(method, "/rows", json={"n": 1}, kind="write")).object()
        sender.send(RequestSpec("GET", "/rows")).object()
        return Outcome(write, OutcomeState.SENT)

    return how


BEHIND_A_CHANGE = [
    # method, answers to it, answers to the look, outcome, error
    ("POST", [LIST], [], "unknown", UnknownOutcomeError),
    ("POST", [httpx.Response(200, json={})], [NO], "unknown", UnknownOutcomeError),
    ("POST", [httpx.Response(200, json={})], [BAD], "unknown", UnknownOutcomeError),
    ("POST", [httpx.Response(200, json={})], [LIST], "unknown", UnknownOutcomeError),
    ("PATCH", [httpx.Response(200, json={})], [NO], "unknown", UnknownOutcomeError),
    ("PATCH", [httpx.Response(200, json={})], [BAD], "unknown", UnknownOutcomeError),
    ("PATCH", [BAD], [], "unknown", UnknownOutcomeError),
    ("PATCH", [BAD, NO], [], "unknown", UnknownOutcomeError),
    ("PATCH", [NO], [], "failed", ForbiddenError),
    ("POST", [NO], [], "failed", ForbiddenError),
]


@pytest.mark.parametrize(("method", "done", "seen", "state", "error"), BEHIND_A_CHANGE)
def test_a_failure_after_a_possible_change_is_not_a_failed_write(
    client_for, context, method, done, seen, state, error
):
    def client():
        left = {method: list(done), "GET": list(seen)}
        return client_for(lambda request: _next(left[request.method]))

    job = change_and_look(method)

    (outcome,) = send(client(), context, [row(1)], job)

    assert (outcome.state.value, type(outcome.error)) == (state, error)
    assert ("or may have" in str(outcome.error)) == (error is UnknownOutcomeError)
    with pytest.raises(error):
        run_job(client(), context, lambda sender: job(row(1), sender))


def _next(answers):
    """The first answer; the last one stays."""
    return answers.pop(0) if len(answers) > 1 else answers[0]


def test_an_interrupt_leaves_the_rest_unsent_and_reports_it(client_for, context):
    sink = Sink()
    sink.open.clear()
    client = client_for(sink, real_time=True, concurrency=2)

    def stop():
        context.stop = True
        sink.open.set()

    with once(lambda: len(sink.got) == 2, stop):
        outcomes = send(client, context, [row(n) for n in range(60)])
    sent = [number for number, state in states(outcomes).items() if state == "sent"]
    assert sorted(sink.got) == sorted(sent)
    assert len(outcomes) == 60
    assert set(states(outcomes).values()) == {"sent", "not sent"}


def test_an_interrupt_is_noticed_between_rapid_responses(client_for, context):
    def stopped_by_the_tenth(number):
        context.stop = context.stop or number == 10
        return httpx.Response(200, json={})

    outcomes = send(client_for(Sink(stopped_by_the_tenth)), context, [row(n) for n in range(400)])
    assert set(states(outcomes).values()) == {"sent", "not sent"}


def test_a_job_runs_in_the_pool_and_its_error_comes_back(client_for, context):
    names = []

    def job(sender):
        names.append(threading.current_thread().name)
        raise RefusedError("no")

    with pytest.raises(RefusedError, match="no"):
        run_job(client_for(Sink()), context, job)
    assert names[0].startswith("sessions_vtab-prod")


def test_an_interrupted_job_that_cannot_be_stopped_has_an_unknown_outcome(
    client_for, context, monkeypatch
):
    monkeypatch.setattr("sessions_vtab.fetch.sending._GRACE", 0.1)
    sink = Sink()
    sink.open.clear()
    client = client_for(sink, real_time=True)
    stop = once(lambda: sink.got, lambda: setattr(context, "stop", True))
    with stop, pytest.raises(UnknownOutcomeError, match="interrupted"):
        run_job(client, context, lambda sender: perform(row(1), sender))
    sink.open.set()


# Operations


def operation(sender_for, *answers):
    left = list(answers)
    sender = sender_for(
        lambda _: httpx.Response(200, json=left.pop(0) if len(left) > 1 else left[0])
    )
    started = sender.send(RequestSpec("POST", "/start", json={}))
    return finish_operation(sender, started, lambda op: RequestSpec("GET", f"/{op['name']}"))


def test_a_finished_operation_is_not_polled(sender_for, clock, context):
    done = {"name": "operations/1", "done": True, "response": {"a": 1}}
    assert operation(sender_for, done) == done
    assert len(context.requests) == 1


def test_an_operation_is_polled_at_growing_intervals(sender_for, clock):
    waiting, done = {"name": "operations/1"}, {"name": "operations/1", "done": True}
    operation(sender_for, *[waiting] * 9, done)
    assert clock.waits == [0.5, 0.75, 1.125, 1.688, 2.531, 3.797, 5, 5, 5]


def test_an_operation_that_never_ends_has_an_unknown_outcome(sender_for, clock):
    with pytest.raises(
        UnknownOutcomeError, match=r"^prod[.]sessions: the operation operations/1 did not finish"
    ):
        operation(sender_for, {"name": "operations/1"})
    assert 120 <= sum(clock.waits) < 130


@pytest.mark.parametrize(
    "answer",
    [
        httpx.Response(503),
        httpx.Response(401),
        httpx.Response(403),
        httpx.Response(404, html="<html>"),
        httpx.Response(200, content=b'{"na'),
        httpx.Response(200, json=[]),
    ],
)
def test_an_operation_that_cannot_be_followed_has_an_unknown_outcome(sender_for, answer):
    started = httpx.Response(200, json={"name": "operations/1"})
    sender = sender_for(lambda request: started if request.method == "POST" else answer)
    first = sender.send(RequestSpec("POST", "/start", json={}))
    with pytest.raises(
        UnknownOutcomeError, match=r"the operation operations/1 could not be followed"
    ):
        finish_operation(sender, first, lambda op: RequestSpec("GET", f"/{op['name']}"))


def test_an_accepted_call_without_an_operation_has_an_unknown_outcome(sender_for):
    with pytest.raises(UnknownOutcomeError, match="accepted the request"):
        operation(sender_for, [])


def test_an_operation_that_ended_in_an_error_leaves_no_doubt(sender_for):
    failed = {"name": "o", "done": True, "error": {"code": 3, "message": "no"}}
    sender = sender_for(lambda _: httpx.Response(200, json=failed))
    started = sender.send(RequestSpec("POST", "/start", json={}))
    with pytest.raises(RefusedError):
        finish_operation(sender, started, lambda op: RequestSpec("GET", f"/{op['name']}"))
    assert not sender.in_doubt


@pytest.mark.parametrize(
    ("code", "kind"), [(3, RefusedError), (6, ConflictError), (8, ThrottledError)]
)
def test_the_error_of_an_operation_becomes_an_error_of_this_package(sender_for, code, kind):
    failed = {"name": "o", "done": True, "error": {"code": code, "message": "It\x07broke"}}
    with pytest.raises(kind, match=r"ended in an error \(code \d\): It\\x07broke"):
        operation(sender_for, failed)


def test_a_stopped_line_sends_nothing(client_for, context):
    stop = threading.Event()
    stop.set()
    sink = Sink()
    with pytest.raises(TransientError, match="interrupted"):
        Sender(client_for(sink), context, stop).send(RequestSpec("POST", json={"n": 1}))
    assert sink.got == []
