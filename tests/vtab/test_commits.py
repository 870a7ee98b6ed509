"""COMMIT: what it sends to one source and to several, and what ends it early."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import apsw
import pytest

from sessions_vtab import Connection
from sessions_vtab.errors import (
    ConflictError,
    UnknownOutcomeError,
    WriteError,
)
from tests.vtab.conftest import BoomError, outcomes, writes_sent


class TestWhenCommitDoesNotEndIt:
    def test_a_second_sync_sends_nothing(self, memory: Connection, tmp_path: Path) -> None:
        """A locked file makes COMMIT fail after our rows were sent; the retry sends no row again."""
        file = str(tmp_path / "native.db")
        other = apsw.Connection(file)
        other.execute("CREATE TABLE t(x)")
        memory.execute("ATTACH ? AS native", (file,))
        memory.execute("BEGIN; INSERT INTO native.t VALUES (1)")
        memory.execute("INSERT INTO sessions(name) VALUES ('a')")
        reader = other.execute("SELECT * FROM sqlite_schema")
        next(reader)

        with pytest.raises(apsw.BusyError):
            memory.execute("COMMIT")
        assert memory.in_transaction
        reader.close()
        memory.execute("COMMIT")

        assert writes_sent(memory) == [("insert", "a")]
        assert outcomes(memory) == [("a", "sent")]
        other.close()

    def test_a_rollback_after_sending_is_recorded(self, memory: Connection) -> None:
        memory.set_commit_hook(lambda: True)

        with pytest.raises(apsw.ConstraintError):
            memory.execute("INSERT INTO sessions(name) VALUES ('a')")

        memory.set_commit_hook(None)
        assert writes_sent(memory) == [("insert", "a")]
        assert outcomes(memory) == [("a", "sent although rolled back")]

    def test_a_row_that_fails_rolls_back_native_tables_and_counts_what_was_sent(
        self, memory: Connection
    ) -> None:
        memory.execute("CREATE TABLE native(x)")
        memory.execute("INSERT INTO sessions(name) VALUES ('taken')")
        memory.execute("BEGIN; INSERT INTO native VALUES (1)")
        memory.execute("INSERT INTO sessions(name) VALUES ('new'), ('taken')")

        with pytest.raises(
            WriteError, match=r"1 of 2 writes .*\(1 was sent\).* already has a row taken\. The"
        ):
            memory.execute("COMMIT")

        assert not memory.in_transaction
        assert memory.execute("SELECT count(*) FROM native").get == 0
        assert outcomes(memory) == [
            ("taken", "sent"),
            ("new", "sent although rolled back"),
            ("taken", "failed"),
        ]

    def test_the_only_row_fails_with_its_own_error(self, memory: Connection) -> None:
        memory.execute("INSERT INTO sessions(name) VALUES ('taken')")

        with pytest.raises(ConflictError, match="already has a row taken"):
            memory.execute("INSERT INTO sessions(name) VALUES ('taken')")


class TestTheEndOfAWithBlock:
    """APSW commits there by itself, and says "SQL logic error" where that fails."""

    def test_raises_what_the_service_said(self, memory: Connection) -> None:
        memory.execute("INSERT INTO sessions(name) VALUES ('taken')")

        with pytest.raises(ConflictError), memory:
            memory.execute("INSERT INTO sessions(name) VALUES ('taken')")

        assert not memory.in_transaction
        assert outcomes(memory) == [("taken", "sent"), ("taken", "failed")]

    def test_raises_what_the_block_raised(self, memory: Connection) -> None:
        def insert_and_fail() -> None:
            with memory:
                memory.execute("INSERT INTO sessions(name) VALUES ('a')")
                raise BoomError

        with pytest.raises(BoomError):
            insert_and_fail()

        assert writes_sent(memory) == []

    def test_raises_what_sqlite_says_of_its_own_tables(self, memory: Connection) -> None:
        """Not what was handled before, which has nothing to do with it."""
        memory.execute("INSERT INTO sessions(name) VALUES ('taken')")
        memory.execute("PRAGMA foreign_keys = ON")
        memory.execute("CREATE TEMP TABLE a(id PRIMARY KEY)")
        memory.execute("CREATE TEMP TABLE b(a REFERENCES a(id) DEFERRABLE INITIALLY DEFERRED)")

        def insert_after_an_error() -> None:
            try:
                memory.execute("INSERT INTO sessions(name) VALUES ('taken')")
            except ConflictError:
                with memory:
                    memory.execute("INSERT INTO temp.b VALUES (3)")

        with pytest.raises(apsw.ConstraintError, match="FOREIGN KEY"):
            insert_after_an_error()


class TestSeveralSources:
    def test_are_written_in_one_transaction(self, opened: Callable[..., Connection]) -> None:
        database = opened(one="memory", two="memory")
        database.execute("BEGIN; INSERT INTO two.sessions(name) VALUES ('b1')")
        database.execute("INSERT INTO one.sessions(name) VALUES ('a')")
        database.execute("INSERT INTO two.sessions(name) VALUES ('b2')")
        assert writes_sent(database, "one") == writes_sent(database, "two") == []

        database.execute("COMMIT")

        assert writes_sent(database, "one") == [("insert", "a")]
        assert writes_sent(database, "two") == [("insert", "b1"), ("insert", "b2")]

    def test_after_one_has_failed_the_next_is_not_sent_to(
        self, opened: Callable[..., Connection]
    ) -> None:
        database = opened(one="memory", two="memory")
        database.execute("INSERT INTO one.sessions(name) VALUES ('taken')")
        database.execute("BEGIN; INSERT INTO one.sessions(name) VALUES ('taken')")
        database.execute("INSERT INTO two.sessions(name) VALUES ('b')")

        with pytest.raises(WriteError, match="2 of 2"):
            database.execute("COMMIT")

        assert writes_sent(database, "two") == []
        assert outcomes(database)[1:] == [("taken", "failed"), ("b", "not sent")]

    @pytest.mark.parametrize("order", [("loc", "mem"), ("mem", "loc")])
    def test_a_store_of_our_own_comes_last_and_undoes_what_a_remote_refused(
        self, opened: Callable[..., Connection], order: tuple[str, str]
    ) -> None:
        database = opened(loc="local", mem="memory")
        database.execute("INSERT INTO mem.sessions(name) VALUES ('sessions/taken')")
        database.execute("BEGIN")
        for source in order:
            database.execute(f"INSERT INTO {source}.sessions(name) VALUES ('sessions/taken')")

        with pytest.raises(ConflictError):
            database.execute("COMMIT")

        assert database.execute("SELECT count(*) FROM loc.sessions").get == 0


class TestABackendThatIsCutShort:
    def _cut(self, monkeypatch: pytest.MonkeyPatch, memory: Connection, error: Exception | None):
        backend = memory.sources["mem"].backend
        whole = backend.send

        def send(writes, context):
            yield from whole(writes[:1], context)
            if error is not None:
                raise error

        monkeypatch.setattr(backend, "send", send)

    def test_by_an_error_leaves_the_rest_unknown(
        self, memory: Connection, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        self._cut(monkeypatch, memory, BoomError())

        with pytest.raises(BoomError):
            memory.execute("INSERT INTO sessions(name) VALUES ('a'), ('b')")

        assert outcomes(memory) == [("a", "sent although rolled back"), ("b", "unknown")]

    def test_without_a_word_leaves_the_rest_unknown(
        self, memory: Connection, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        self._cut(monkeypatch, memory, None)

        with pytest.raises(UnknownOutcomeError, match=r"1 of 2 .* 1 has an unknown outcome"):
            memory.execute("INSERT INTO sessions(name) VALUES ('a'), ('b')")
