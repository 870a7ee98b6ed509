"""What the extension asks of its Python process, and what it is answered: no C is needed here."""

from __future__ import annotations

from typing import Any

import pytest

from sessions_vtab.contract import times
from sessions_vtab.errors import (
    ConfigurationError,
    MissingParameterError,
    ReadOnlyError,
    SessionsError,
    UnknownNameError,
)
from sessions_vtab.extension.child import HostSession
from sessions_vtab.extension.hosted import PROTOCOL
from tests.extension.shim import EQ, IS_NOT_NULL, ONLY_READS, TRANSACTION, Shim


class TestWhatALoadCreates:
    def test_the_default_s_tables_are_in_temp_and_the_others_with_a_prefix(
        self, shim: Shim
    ) -> None:
        temp = [one[1:4] for one in shim.entries if one[0] == "temp" and one[4] == 0]

        assert ("sessions", "own", "sessions") in temp
        assert ("mem_sessions", "mem", "sessions") in temp
        assert ("writes", "sessions_vtab_logs", "writes") in temp
        assert len({name for name, *_ in temp}) == len(temp)

    def test_every_source_is_a_schema(self, shim: Shim) -> None:
        found = {(one[0], one[1]) for one in shim.entries if one[0] not in {"", "temp"}}

        assert {("own", "sessions"), ("mem", "sessions"), ("mem", "events")} <= found

    def test_a_function_is_there_once_and_in_no_schema(self, shim: Shim) -> None:
        functions = [one for one in shim.entries if one[4] == 1]

        assert ("", "append_event", "", "append_event", 1) in functions
        assert {one[0] for one in functions} == {""}

    def test_views_are_in_temp_where_sqlite_lets_them_use_our_tables(self, shim: Shim) -> None:
        views = [one for one in shim.entries if one[4] == 2]

        assert {one[0] for one in views} == {"temp"}
        assert all(one[3].startswith("CREATE VIEW IF NOT EXISTS") for one in views)
        ((text),) = (one[3] for one in views if one[1] == "turns")
        assert '"events"' in text

    def test_an_extension_of_another_version_is_refused(self, configured: None) -> None:
        session = HostSession(lambda: False)

        with pytest.raises(SessionsError, match="Install them together"):
            session.answer(b"H", (PROTOCOL + 1, 3040001, 1))

    @pytest.mark.parametrize(
        ("source", "table", "error", "match"),
        [
            ("nosuch", "sessions", ConfigurationError, "No source is named nosuch.*own, mem"),
            ("mem", "nosuch", UnknownNameError, "The source mem has no table nosuch"),
        ],
    )
    def test_a_table_of_a_file_names_what_is_configured(
        self, shim: Shim, source: str, table: str, error: type[Exception], match: str
    ) -> None:
        with pytest.raises(error, match=match):
            shim.ask(b"C", "main", "x", source, table, 0)


class TestPlanning:
    def test_an_answer_has_a_use_for_each_constraint_and_the_plan_in_words(
        self, shim: Shim
    ) -> None:
        uses, words, ordered, cost, rows, unique = shim.plan("mem_sessions", ("user_id", "ann"))

        assert uses == ((1, 1, 0),)
        assert words == "list; sent: user_id = literal; read: name"
        assert (ordered, unique, type(cost), type(rows)) == (0, 0, float, int)

    def test_the_key_always_counts_as_used(self, shim: Shim) -> None:
        """SQLite 3.40 tells the rows of a MULTI-INDEX OR apart by it without saying so."""
        mask = 1 << shim.place("mem_sessions", "user_id")

        assert shim.plan("mem_sessions", columns=mask)[1].endswith("read: name, user_id")

    def test_a_question_about_a_parameter_column_is_sqlite_s_to_answer(self, shim: Shim) -> None:
        """Datasette asks of every column whether it is NULL."""
        place = shim.place("mem_sessions", "_push")
        offered = ((place, IS_NOT_NULL, 1, 0, "BINARY", None),)

        answer = shim.result(b"B", shim.table("mem_sessions"), offered, (), 0, 1)

        assert answer[0] == ((0, 0, 0),)

    def test_a_plan_without_its_keys_is_refused(self, shim: Shim) -> None:
        number = shim.table("append_event", "")
        place = len(shim.tables["append_event"][1]) - 1

        with pytest.raises(MissingParameterError, match=r"append_event requires .*session"):
            shim.ask(b"B", number, ((place, EQ, 1, 0, "BINARY", None),), (), 0, 1)


class TestFunctions:
    def _append(self, shim: Shim, text: str, flags: int = 0) -> tuple[bytes, Any]:
        number = shim.table("append_event", "")
        _, columns, _ = shim.tables["append_event"]
        given = {"session": "s", "author": "user", "content": "hi"}
        offered = tuple((columns.index(name), EQ, 1, 0, "BINARY", None) for name in given)
        _, words, *_ = shim.result(b"B", number, offered, (), 0, 1)
        values = [given[name] for name in words.split(",")]
        return shim.scan("append_event", words, *values, text=text, flags=flags)

    @pytest.mark.parametrize(
        ("call", "match"),
        [
            ("nosuch.append_event", r"append_event\(\) is called for nosuch; use own.append_event"),
            ("mem.append_event", r"append_event\(\) is called for mem; use own.append_event"),
        ],
    )
    def test_a_source_without_it_is_named_with_the_one_that_has_it(
        self, shim: Shim, call: str, match: str
    ) -> None:
        with pytest.raises(UnknownNameError, match=match):
            self._append(shim, f"SELECT * FROM {call}('s', 'user', 'hi')")

    @pytest.mark.parametrize("call", ["append_event", "own.append_event", "OWN.Append_Event"])
    def test_the_text_says_whose_it_is(self, shim: Shim, call: str) -> None:
        shim.table("sessions")
        shim.insert("sessions", 1, session_id="s", user_id="ann")
        shim.step("sessions", "s")
        shim.step("sessions", "c")

        kind, (_, rows) = self._append(shim, f"SELECT * FROM {call}('s', 'user', 'hi')")

        assert (kind, len(rows)) == (b"R", 1)

    def test_within_begin_its_store_joins_the_transaction_first(self, shim: Shim) -> None:
        shim.table("sessions")
        text = "SELECT * FROM append_event('s', 'user', 'hi')"
        shim.insert("sessions", 1, session_id="s", user_id="ann")
        shim.step("sessions", "s")
        shim.step("sessions", "c")

        asked = self._append(shim, text, TRANSACTION)
        shim.step("sessions", "b", 1)
        kind, _ = self._append(shim, text, TRANSACTION)
        shim.step("sessions", "r")

        assert asked == (b"J", ('DELETE FROM "temp"."sessions" WHERE 0',))
        assert kind == b"R"
        assert shim.scan("events", shim.plan("events")[1])[1] == (1, [])

    def test_it_does_not_act_where_the_connection_only_reads(self, shim: Shim) -> None:
        with pytest.raises(ReadOnlyError, match=r"append_event\(\) has side effects"):
            self._append(shim, "SELECT * FROM append_event('s', 'user', 'hi')", ONLY_READS)


class TestTimes:
    def test_the_rule_is_the_product_s(self, shim: Shim) -> None:
        pair = ("2026-01-01T10:00:00+01:00", "2026-01-01 09:00:00")

        assert shim.result(b"Z", *pair) == (times.compare(*pair),) == (0,)


def test_an_unknown_request_is_an_error(shim: Shim) -> None:
    with pytest.raises(SessionsError, match="which is not known"):
        shim.ask(b"?")
