"""The store's transaction: savepoints, scans between writes, isolation from other connections."""

from __future__ import annotations

import random

import pytest

from sessions_vtab.contract.predicate import Compare, Field, Op
from sessions_vtab.errors import (
    BusyError,
    ConflictError,
    InvalidValueError,
    NotFoundError,
    ReadOnlyError,
    StoreError,
)


def ids(local, **options):
    return local.values("sessions", "session_id", order="session_id", **options)


def test_nothing_is_kept_that_was_rolled_back(local):
    local.create("before")
    local.begin()
    local.create("a")
    local.append("a")
    local.call("bind_participant", "a", "ann")
    assert ids(local) == ["a", "before"]
    local.rollback()
    assert ids(local) == ["before"]
    assert local.rows("events") == local.rows("participants") == []


def test_commit_and_rollback_without_a_transaction_do_nothing(local):
    local.commit()
    local.rollback()
    local.create("a")
    assert ids(local) == ["a"]


def test_savepoints_nest_and_unknown_numbers_are_ignored(local):
    transaction = local.backend.transaction
    transaction.begin()
    local.create("a")
    transaction.savepoint(1)
    local.create("b")
    transaction.savepoint(2)
    local.create("c")
    transaction.rollback_to(2)
    assert ids(local) == ["a", "b"]
    local.create("d")
    transaction.release(2)
    transaction.rollback_to(2)
    assert ids(local) == ["a", "b", "d"]
    transaction.rollback_to(1)
    assert ids(local) == ["a"]
    transaction.rollback_to(1)
    transaction.release(7)
    transaction.rollback_to(7)
    transaction.commit()
    transaction.rollback_to(1)
    assert ids(local) == ["a"]


def test_a_savepoint_begins_a_transaction(local):
    local.backend.transaction.savepoint(5)
    local.create("a")
    local.rollback()
    assert ids(local) == []


@pytest.mark.parametrize("back", [True, False])
def test_appended_events_belong_to_their_savepoint(local, back):
    before = local.create()["update_time"]
    transaction = local.backend.transaction
    transaction.begin()
    local.append()
    transaction.savepoint(1)
    local.append()
    if back:
        transaction.rollback_to(1)
    transaction.release(1)
    row = local.append()
    transaction.commit()
    assert (row["event_id"], row["sequence"]) == (("2", 2) if back else ("3", 3))
    assert local.one("sessions")["update_time"] > before
    assert local.append()["event_id"] == ("3" if back else "4")


@pytest.mark.parametrize("read", [True, False])
def test_a_rollback_to_a_savepoint_includes_pending_changes(local, read):
    """The read makes the store write the first append's changes to the session."""
    local.create()
    transaction = local.backend.transaction
    transaction.begin()
    transaction.savepoint(1)
    first = local.append()
    transaction.savepoint(2)
    if read:
        local.rows("sessions")
    local.append()
    if read:
        local.rows("sessions")
    transaction.rollback_to(2)
    updated = local.one("sessions")["update_time"]
    assert first["timestamp"] == updated
    second = local.append()
    assert (second["event_id"], second["sequence"]) == ("2", 2)
    transaction.rollback_to(1)
    first = local.append()
    assert (first["event_id"], first["sequence"]) == ("1", 1)
    transaction.commit()


def test_a_session_made_after_a_savepoint_is_forgotten_with_it(local):
    transaction = local.backend.transaction
    transaction.begin()
    transaction.savepoint(1)
    local.create("a")
    local.append("a")
    transaction.rollback_to(1)
    with pytest.raises(NotFoundError):
        local.append("a")
    transaction.commit()


def test_events_of_more_sessions_than_are_kept_in_memory(local, monkeypatch):
    monkeypatch.setattr("sessions_vtab.backends.local.pending._MOST", 3)
    local.begin()
    for number in range(10):
        local.create(f"{number}")
    for _ in range(3):
        for number in range(10):
            local.append(f"{number}")
    local.commit()
    assert sorted(local.values("events", "event_id")) == ["1"] * 10 + ["2"] * 10 + ["3"] * 10
    assert local.sql("SELECT DISTINCT last_event, last_sequence FROM sessions") == [(3, 3)]
    assert set(local.values("events", "sequence")) == {1, 2, 3}


def test_closing_undoes_an_open_transaction(open_store):
    store = open_store()
    store.create("kept")
    store.backend.transaction.savepoint(1)
    store.create("lost")
    store.append("lost")
    store.close()
    store.backend.transaction.rollback_to(1)
    store.create("new")
    assert ids(store) == ["kept", "new"]


def test_a_row_that_fails_leaves_the_others(local):
    local.begin()
    local.create("a")
    with pytest.raises(ConflictError):
        local.create("a")
    with pytest.raises(NotFoundError):
        local.append("x")
    local.append("a", event_id="e", actions='{"stateDelta":{"k":1}}')
    with pytest.raises(ConflictError):
        local.append("a", event_id="e", actions='{"stateDelta":{"k":2,"app:k":2}}')
    local.create("b")
    local.commit()
    assert ids(local) == ["a", "b"]
    assert local.state("a") == {"k": 1}
    assert local.state("b") is None


@pytest.mark.parametrize("table", ["sessions", "events"])
def test_rows_written_while_a_scan_is_read_do_not_show_in_it(local, table):
    local.begin()
    for number in range(50):
        local.create(f"{number:02}")
        local.append(f"{number:02}")
    local.commit()
    local.begin()
    seen = 0
    for page in local.pages(table):
        for row in page:
            seen += 1
            assert seen <= 50, "the scan sees what it wrote"
            if table == "sessions":
                local.create(f"copy of {row[1]}")
            else:
                local.append(row[2])
    local.commit()
    assert len(local.rows(table)) == 100


def test_every_row_is_updated_once_although_the_order_changes(local):
    local.begin()
    for number in range(300):
        local.create(f"{number:03}")
    local.commit()
    local.begin()
    seen = [
        local.update("sessions", row[0], display_name="x").key
        for page in local.pages("sessions", order="update_time")
        for row in page
    ]
    local.commit()
    assert len(seen) == len(set(seen)) == 300


def test_every_row_is_deleted_once(local):
    local.begin()
    for number in range(300):
        local.create(f"{number:03}")
    local.commit()
    local.begin()
    for page in local.pages("sessions", order="session_id"):
        for row in page:
            local.delete("sessions", row[0])
    local.commit()
    assert ids(local) == []
    assert len(ids(local, include_deleted=1)) == 300


@pytest.mark.parametrize("end", ["commit", "rollback"])
def test_a_half_read_scan_keeps_its_rows_through_a_transaction(local, end):
    local.begin()
    for number in range(100):
        local.create(f"{number:03}")
    local.commit()
    pages = local.pages("sessions", order="session_id")
    first = next(pages)
    local.begin()
    for number in range(100):
        local.delete("sessions", f"sessions/{number:03}")
    getattr(local, end)()
    rest = [row for page in pages for row in page]
    assert [row[1] for row in [*first, *rest]] == [f"{number:03}" for number in range(100)]


def test_rows_that_do_not_fit_into_memory_are_spooled(local, monkeypatch):
    monkeypatch.setattr("sessions_vtab.backends.local.pending._IN_MEMORY", 1_000)
    monkeypatch.setattr("sessions_vtab.backends.local.pending._CHUNK", 100)
    local.create()
    local.begin()
    for number in range(1_150):
        local.append(content=f"text {number} ü")
    local.commit()
    pages = local.pages("events", columns=("event_id", "text"))
    rows = list(next(pages))
    local.create("other")
    rows += [row for page in pages for row in page]
    assert [row[7] for row in rows] == [f"text {number} ü" for number in range(1_150)]


def test_an_abandoned_scan_holds_no_lock(local):
    local.create("a")
    local.create("b")
    pages = local.pages("sessions")
    next(pages)
    pages.close()
    assert not local.backend._store._scans


# Two connections.


def test_other_connections_see_only_what_is_committed(open_store):
    one, two = open_store(), open_store()
    one.create("a")
    one.begin()
    one.create("b")
    assert ids(two) == ["a"]
    one.commit()
    assert ids(two) == ["a", "b"]


def test_a_scan_keeps_its_snapshot_while_others_write(open_store):
    one, two = open_store(), open_store()
    one.begin()
    for number in range(100):
        one.create(f"{number:03}")
    one.commit()
    pages = one.pages("sessions", order="session_id")
    first = next(pages)
    two.delete("sessions", "sessions/099")
    assert len(first) + sum(len(page) for page in pages) == 100
    assert len(ids(one)) == 99


def test_a_half_read_scan_does_not_keep_its_connection_from_writing(open_store):
    one, two = open_store(), open_store()
    for number in range(20):
        one.create(f"{number:02}")
    pages = one.pages("sessions")
    next(pages)
    two.create("x")
    one.create("y")
    assert len(ids(one)) == 22
    assert sum(len(page) for page in pages) == 12


def test_a_second_writer_waits_and_then_fails_with_an_error(open_store, monkeypatch):
    monkeypatch.setattr("sessions_vtab.backends.local.store._BUSY_SECONDS", 0.2)
    one, two = open_store(), open_store()
    one.create("a")
    ids(two)
    one.begin()
    one.create("b")
    with pytest.raises(BusyError, match="another process or connection is writing"):
        two.begin()
    with pytest.raises(BusyError):
        two.call("release_batch", "r")
    one.commit()
    two.create("c")
    assert ids(one) == ["a", "b", "c"]


def test_a_wait_for_a_lock_ends_when_the_statement_is_interrupted(open_store, monkeypatch):
    # Longer than the test's own timeout: only the interrupt can end the wait.
    monkeypatch.setattr("sessions_vtab.backends.local.store._BUSY_SECONDS", 10_000.0)
    one, two = open_store(), open_store()
    one.create("a")
    ids(two)
    one.begin()
    two.context.stop = True
    with pytest.raises(BusyError):
        two.begin()
    one.rollback()


# Functions.


def test_a_function_is_a_transaction_of_its_own(open_store):
    one, two = open_store(), open_store()
    one.create("a")
    one.call("append_event", "a", "user", "hello")
    assert two.values("events", "text") == ["hello"]


def test_a_function_that_fails_changes_nothing(open_store):
    one, two = open_store(), open_store()
    one.create("a")
    with pytest.raises(NotFoundError):
        one.call("append_event", "x", "user", "hello")
    two.create("b")
    assert ids(one) == ["a", "b"]


def test_a_function_joins_the_open_transaction(local):
    local.create("a")
    local.begin()
    local.call("append_event", "a", "user", "hello")
    assert local.values("events", "text") == ["hello"]
    local.rollback()
    assert local.rows("events") == []


# Failures.


def test_a_read_that_fails_does_not_undo_the_transaction(local):
    local.create("a", labels='{"k":"v"}')
    local.begin()
    local.create("b")
    with pytest.raises(InvalidValueError, match="is not a valid JSON path"):
        local.rows("sessions", Compare(Field("labels", "$x"), Op.EQ, "v"))
    local.commit()
    assert ids(local) == ["a", "b"]


def test_a_read_only_source_refuses_writes(open_store):
    open_store().create("a")
    reader = open_store(read_only=True)
    assert ids(reader) == ["a"]
    for write in (
        lambda: reader.create("b"),
        lambda: reader.delete("sessions", "sessions/a"),
        lambda: reader.call("append_event", "a", "user"),
    ):
        with pytest.raises(ReadOnlyError, match="source local is read-only"):
            write()


def append_for_ever(local):
    for number in range(10_000):
        local.append("kept", content=f"x{number}" * 50)


def test_a_full_disk_undoes_the_whole_transaction(local):
    local.create("kept")
    pages = local.sql("PRAGMA page_count")[0][0]
    local.sql(f"PRAGMA max_page_count = {pages + 20}")
    local.begin()
    with pytest.raises(StoreError, match="the disk is full"):
        append_for_ever(local)
    with pytest.raises(StoreError, match="the transaction was rolled back"):
        local.append("kept")
    with pytest.raises(StoreError, match="the transaction was rolled back"):
        local.commit()
    local.rollback()
    assert local.rows("events") == []
    local.sql("PRAGMA max_page_count = 1000000")
    local.append("kept")
    assert len(local.rows("events")) == 1


class Model:
    """The expected content: sessions with their number of events, and the savepoints."""

    def __init__(self) -> None:
        self.committed: dict[str, int] = {}
        self.work: dict[str, int] = {}
        self.marks: list[tuple[int, dict[str, int]]] = []

    def begin(self) -> None:
        self.work, self.marks = dict(self.committed), []

    def create(self, local, session_id):
        if session_id in self.work:
            with pytest.raises(ConflictError):
                local.create(session_id)
        else:
            local.create(session_id)
            self.work[session_id] = 0

    def append(self, local, session_id):
        if session_id in self.work:
            local.append(session_id)
            self.work[session_id] += 1
        else:
            with pytest.raises(NotFoundError):
                local.append(session_id)

    def mark(self, local, number):
        local.backend.transaction.savepoint(number)
        self.marks.append((number, dict(self.work)))

    def back(self, local, place):
        number, work = self.marks[place]
        local.backend.transaction.rollback_to(number)
        self.work = dict(work)
        del self.marks[place + 1 :]

    def release(self, local, place):
        local.backend.transaction.release(self.marks[place][0])
        del self.marks[place:]


def counted(local):
    found = dict.fromkeys(local.values("sessions", "session_id"), 0)
    for session_id in local.values("events", "session_id"):
        found[session_id] += 1
    return found


@pytest.mark.parametrize("seed", range(10))
def test_random_transactions_leave_the_rows_of_a_model(local, seed):
    """Nested savepoints, failing rows, rollbacks."""
    chance, model = random.Random(seed), Model()
    steps = [model.create, model.append, model.append, model.mark, model.back, model.release]
    for transaction in range(25):
        local.begin()
        model.begin()
        for number in range(chance.randrange(15)):
            step = chance.choice(steps)
            if step in (model.create, model.append):
                step(local, f"s{chance.randrange(15)}")
            elif step == model.mark:
                step(local, transaction * 100 + number)
            elif model.marks:
                step(local, chance.randrange(len(model.marks)))
        if chance.random() < 0.6:
            local.commit()
            model.committed = model.work
        else:
            local.rollback()
        assert counted(local) == model.committed
