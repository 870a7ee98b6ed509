"""What the extension asks of its Python process, and what it is answered: no C is needed here."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from sessions_vtab.contract import times
from sessions_vtab.contract.scan import Counted
from sessions_vtab.errors import (
    ConfigurationError,
    MissingParameterError,
    ReadOnlyError,
    SessionsError,
    UnknownNameError,
    UnsupportedError,
)
from sessions_vtab.extension.link import PROTOCOL
from sessions_vtab.extension.scan import columns_of
from sessions_vtab.extension.session import HostSession
from sessions_vtab.vtab.table import SourceTable

EQ, IS_NOT_NULL = 2, 70
READS, ONLY_READS, TRANSACTION = 1, 2, 4
CONFIGURATION = """
default = "own"
[sources.own]
url = "local://{folder}/store.db"
[sources.mem]
backend = "memory"
"""


def _columns(table: Any) -> list[str]:
    if isinstance(table, SourceTable):
        return list(table.resource.table.names)
    function = table._function
    return [one.name for one in (*function.results, *function.parameters)]


class Shim:
    """Asks as the extension does."""

    def __init__(self) -> None:
        self.session = HostSession(lambda: False)
        self.tables: dict[str, tuple[int, list[str], int]] = {}
        self.cursors = 0
        self.serial = 0
        _, (self.version, self.entries) = self.ask(b"H", PROTOCOL, 3040001, 1)

    def ask(self, kind: bytes, *request: Any) -> tuple[bytes, Any]:
        return self.session.answer(kind, request)

    def result(self, kind: bytes, *request: Any) -> Any:
        answer = self.ask(kind, *request)
        assert answer[0] == b"R"
        return answer[1]

    def table(self, name: str, schema: str = "temp") -> int:
        """The number of a table or function, which is connected on first use."""
        if name not in self.tables:
            ((source, of, kind),) = (
                (one[2], one[3], one[4]) for one in self.entries if one[:2] == (schema, name)
            )
            number, sql, key, _ = self.result(b"C", schema, name, source, of, kind)
            assert sql.startswith("CREATE TABLE x(")
            columns = _columns(self.session._tables[number].table)
            self.tables[name] = number, columns, key
        return self.tables[name][0]

    def place(self, name: str, column: str) -> int:
        self.table(name)
        return self.tables[name][1].index(column)

    def plan(self, name: str, *constraints: Any, columns: int = 1, **more: Any) -> Any:
        """Constraints are column and value; more: ``order``."""
        offered = tuple(
            (self.place(name, column), EQ, 1, 0, "BINARY", value) for column, value in constraints
        )
        return self.result(b"B", self.table(name), offered, more.get("order", ()), columns)

    def scan(self, name: str, words: str, *arguments: Any, **more: Any) -> Any:
        """Begins a scan: with the next cursor and statement unless told otherwise."""
        self.cursors += 1
        self.serial += 1
        return self.ask(
            b"F",
            self.table(name),
            more.get("cursor", self.cursors),
            more.get("serial", self.serial),
            words,
            more.get("columns", 1),
            arguments,
            more.get("positions", ()),
            more.get("flags", READS),
            more.get("text"),
        )

    def insert(self, table: str, serial: int, text: str | None = None, **values: Any) -> None:
        number = self.table(table)
        fields = [values.get(column) for column in self.tables[table][1]]
        self.result(b"U", number, serial, 2, text, (None, None, *fields))

    def step(self, name: str, hook: str, level: int = 0, serial: int = 0) -> None:
        assert self.result(b"T", self.table(name), hook, level, serial) == ()


@pytest.fixture
def configured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "config.toml"
    file.write_text(CONFIGURATION.format(folder=tmp_path))
    monkeypatch.setenv("SESSIONS_VTAB_CONFIG", str(file))


@pytest.fixture
def shim(configured: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[Shim]:
    monkeypatch.setenv("SESSIONS_VTAB_WRITABLE", "1")
    one = Shim()
    yield one
    one.session.close()


def _memory(shim: Shim) -> Any:
    return shim.session._tables.sources["mem"].backend


def _fill(shim: Shim, count: int) -> None:
    rows = _memory(shim).tables["sessions"]
    for number in range(count):
        name = f"sessions/s{number:02}"
        rows.rows[name] = dict.fromkeys(rows.table.names) | {
            "name": name,
            "session_id": f"s{number:02}",
            "user_id": "ann" if number % 2 else "bob",
            "labels": '{"env": "prod"}' if number % 3 == 0 else "{}",
        }


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

        answer = shim.result(b"B", shim.table("mem_sessions"), offered, (), 1)

        assert answer[0] == ((0, 0, 0),)

    def test_a_plan_without_its_keys_is_refused(self, shim: Shim) -> None:
        number = shim.table("append_event", "")
        place = len(shim.tables["append_event"][1]) - 1

        with pytest.raises(MissingParameterError, match=r"append_event requires .*session"):
            shim.ask(b"B", number, ((place, EQ, 1, 0, "BINARY", None),), (), 1)


class TestScans:
    def test_a_row_has_the_columns_that_are_asked_for_and_one_alone_is_bare(
        self, shim: Shim
    ) -> None:
        _fill(shim, 2)
        words = shim.plan("mem_sessions")[1]
        both = 1 | 1 << shim.place("mem_sessions", "user_id")

        assert shim.scan("mem_sessions", words)[1] == (0, ["sessions/s00", "sessions/s01"])
        assert shim.scan("mem_sessions", shim.plan("mem_sessions", columns=both)[1], columns=both)[
            1
        ] == (0, [("sessions/s00", "bob"), ("sessions/s01", "ann")])

    def test_a_batch_ends_where_its_page_ends(self, shim: Shim) -> None:
        """With LIMIT, SQLite may want none of the next page, which costs a request."""
        _fill(shim, 10)
        words = shim.plan("mem_sessions")[1]

        _, (last, rows) = shim.scan("mem_sessions", words, cursor=1)

        assert (last, len(rows), _memory(shim).tables["sessions"].pages) == (0, 7, 1)
        assert shim.result(b"N", 1) == (0, [f"sessions/s{number:02}" for number in (7, 8, 9)])

    def test_rows_of_a_file_come_in_batches_that_grow(self, shim: Shim) -> None:
        shim.table("sessions")
        for number in range(400):
            shim.insert("sessions", 1, session_id=f"s{number}", user_id="ann")
        for hook in ("s", "c"):
            shim.step("sessions", hook)
        words = shim.plan("sessions")[1]

        sizes = [len(shim.scan("sessions", words, cursor=1)[1][1])]
        while sum(sizes) < 400:
            sizes.append(len(shim.result(b"N", 1)[1]))

        assert sizes == [64, 256, 80]

    def test_a_set_comes_as_a_list(self, shim: Shim) -> None:
        _fill(shim, 4)
        place = shim.place("mem_sessions", "session_id")
        offered = ((place, EQ, 1, 1, "BINARY", None),)
        uses, words, *_ = shim.result(b"B", shim.table("mem_sessions"), offered, (), 1)

        _, (_, rows) = shim.scan("mem_sessions", words, ["s01", "s03", "none"])

        assert uses == ((1, 0, 1),)
        assert rows == ["sessions/s01", "sessions/s03"]

    def test_another_scan_of_the_same_cursor_remembers_what_was_read(self, shim: Shim) -> None:
        _fill(shim, 4)
        words = shim.plan("mem_sessions", ("user_id", None))[1]

        for user in ("ann", "bob", "ann"):
            shim.scan("mem_sessions", words, user, cursor=1, serial=9)

        assert len(_memory(shim).tables["sessions"].scans) == 2

    @pytest.mark.parametrize(("heir", "scans"), [(1, 2), (0, 3)])
    def test_a_cursor_that_takes_over_remembers_too(
        self, shim: Shim, heir: int, scans: int
    ) -> None:
        """SQLite before 3.45 opens a cursor for each run of a correlated subquery."""
        _fill(shim, 4)
        words = shim.plan("mem_sessions", ("user_id", None))[1]
        shim.scan("mem_sessions", words, "ann", cursor=1, serial=9)
        shim.scan("mem_sessions", words, "bob", cursor=2, serial=9)

        shim.result(b"X", 1, heir)
        shim.scan("mem_sessions", words, "ann", cursor=3, serial=9)

        assert len(_memory(shim).tables["sessions"].scans) == scans

    def test_nothing_is_remembered_behind_the_end_of_a_statement(self, shim: Shim) -> None:
        _fill(shim, 4)
        words = shim.plan("mem_sessions", ("user_id", None))[1]
        shim.scan("mem_sessions", words, "ann", cursor=1, serial=9)
        shim.scan("mem_sessions", words, "bob", cursor=2, serial=9)
        shim.result(b"X", 1, 1)
        shim.result(b"X", 2, 0)

        shim.scan("mem_sessions", words, "ann", cursor=3, serial=10)

        assert len(_memory(shim).tables["sessions"].scans) == 3
        assert len(shim.session._tables.host.cursors) == 1

    def test_the_look_ahead_begins_where_sqlite_stands(self, shim: Shim) -> None:
        _fill(shim, 7)
        outer = shim.scan("mem_sessions", shim.plan("mem_sessions")[1], cursor=1, serial=1)
        assert len(outer[1][1]) == 7
        words = shim.plan("mem_events", ("name", None))[1]
        seen: list[list[str]] = []
        events = _memory(shim).tables["events"]
        events.prefetch = lambda scans, _: seen.append([one.given("name")[0] for one in scans])
        for number in range(4):
            key = f"sessions/s{number:02}"
            shim.scan("mem_events", words, key, cursor=2, serial=1, positions=((1, number),))

        assert seen[0][-2:] == ["sessions/s02", "sessions/s03"]
        assert [key for keys in seen for key in keys][-1] == "sessions/s06"

    @pytest.mark.parametrize(
        ("looked_at", "keys", "read"),
        [
            (None, [None] * 5, 1),
            (0, [None, "sessions/s01", "sessions/s02", "sessions/s03", "sessions/s04"], 3),
            (4, [None] * 5, 3),
        ],
        ids=["only counted", "the first row is looked at", "the last one is"],
    )
    def test_rows_that_are_only_counted_are_not_read(
        self, shim: Shim, looked_at: int | None, keys: list[str | None], read: int
    ) -> None:
        """SQLite says that it uses the key of every scan, and asks for it, or does not."""
        _fill(shim, 5)
        resource = _memory(shim).tables["sessions"]
        rows = [resource.row(one) for one in resource.rows.values()]
        pages = []

        def scan(_scan: Any, _context: Any) -> Iterator[Any]:
            for page in (Counted(rows[:3], [((None,) * 20, 2)], frozenset()), rows[3:4], rows[4:]):
                pages.append(page)
                yield page

        resource.scan = scan
        _, (last, found) = shim.scan("mem_sessions", shim.plan("mem_sessions")[1], cursor=1)
        found, seen = list(found), []
        while True:
            if looked_at is not None and len(found) > looked_at and not seen:
                seen = shim.result(b"V", 1, looked_at)
            if last:
                break
            last, more = shim.result(b"N", 1)
            found += more

        assert (found, len(pages)) == (keys, read)
        assert list(seen) == ([] if looked_at is None else [f"sessions/s{looked_at:02}"])

    def test_columns_beyond_the_63rd_come_together(self, shim: Shim) -> None:
        assert columns_of(1 | 1 << 5, 66) == (0, 5)
        assert columns_of(1 | 1 << 63, 66) == (0, 63, 64, 65)


class TestNarrowing:
    TEXT = "SELECT name FROM mem_sessions WHERE labels->>'env' = 'prod'"

    @pytest.mark.parametrize(
        ("text", "rows"),
        [
            (TEXT, 4),
            (None, 10),
            (TEXT + " AND name IN (SELECT name FROM mem_sessions)", 10),
            ("SELECT name FROM mem.mem_sessions AS m WHERE NOT m.labels->>'env' <> 'prod'", 4),
            ("SELECT name FROM mem_sessions WHERE name = 'x' OR labels->>'env' = 'prod'", 4),
            ("SELECT name FROM mem_sessions WHERE labels->>'env' = 1.5", 10),
            ("SELECT name FROM mem_sessions WHERE labels->>'env' = ?1", 10),
            ("SELECT name FROM mem_sessions LEFT JOIN t ON labels->>'env' = 'prod'", 10),
        ],
        ids=[
            "one mention",
            "no text",
            "two mentions",
            "an alias",
            "over two columns",
            "a real number, of which SQLite writes 15 digits",
            "a parameter without its value",
            "an outer join",
        ],
    )
    def test_a_scan_reads_what_the_text_asks_for(
        self, shim: Shim, text: str | None, rows: int
    ) -> None:
        _fill(shim, 10)
        words = shim.plan("mem_sessions")[1]

        _, (last, found) = shim.scan("mem_sessions", words, cursor=1, text=text)
        found = list(found)
        while not last:
            last, more = shim.result(b"N", 1)
            found += more

        assert len(found) == rows

    def test_plans_that_sqlite_cannot_tell_apart_are_left_alone(self, shim: Shim) -> None:
        """The same words for two promises: one has a condition that is checked by nobody else."""
        _fill(shim, 10)
        words = shim.plan("mem_sessions")[1]
        place = shim.place("mem_sessions", "user_id")
        offered = ((place, EQ, 0, 0, "BINARY", None),)
        assert shim.result(b"B", shim.table("mem_sessions"), offered, (), 1)[1] == words

        assert len(shim.scan("mem_sessions", words, text=self.TEXT)[1][1]) == 7


class TestFunctions:
    def _append(self, shim: Shim, text: str, flags: int = 0) -> tuple[bytes, Any]:
        number = shim.table("append_event", "")
        _, columns, _ = shim.tables["append_event"]
        given = {"session": "s", "author": "user", "content": "hi"}
        offered = tuple((columns.index(name), EQ, 1, 0, "BINARY", None) for name in given)
        _, words, *_ = shim.result(b"B", number, offered, (), 1)
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


class TestWrites:
    def test_rows_wait_for_the_end_of_the_transaction(self, shim: Shim) -> None:
        shim.table("mem_sessions")
        shim.step("mem_sessions", "b", 1, serial=1)
        shim.insert("mem_sessions", 1, name="a")
        shim.insert("mem_sessions", 2, name="b")
        before = list(_memory(shim).sent)

        shim.step("mem_sessions", "s")
        shim.step("mem_sessions", "c")

        assert (before, [one.values["name"] for one in _memory(shim).sent]) == ([], ["a", "b"])

    def test_an_update_tells_unchanged_columns_from_null(self, shim: Shim) -> None:
        _fill(shim, 1)
        shim.table("mem_sessions")
        columns = shim.tables["mem_sessions"][1]
        fields = [... for _ in columns]
        fields[columns.index("labels")] = None
        key = "sessions/s00"

        shim.result(b"U", shim.table("mem_sessions"), 1, 2, None, (key, key, *fields))
        shim.step("mem_sessions", "s")

        assert [dict(one.values) for one in _memory(shim).sent] == [{"labels": None}]

    def test_two_sources_under_names_of_temp_are_two_participants(self, shim: Shim) -> None:
        """``temp.mem_sessions`` once took the place of ``temp.sessions``, whose rows were lost."""
        shim.table("sessions")
        shim.table("mem_sessions")
        for name in ("sessions", "mem_sessions"):
            shim.step(name, "b", 1, serial=1)
        shim.insert("sessions", 1, session_id="s", user_id="ann")
        shim.insert("mem_sessions", 2, name="a")
        for hook in ("s", "c"):
            for name in ("sessions", "mem_sessions"):
                shim.step(name, hook)

        assert shim.scan("sessions", shim.plan("sessions", columns=2)[1], columns=2)[1][1] == ["s"]
        assert len(_memory(shim).sent) == 1

    def test_a_name_in_a_transaction_cannot_become_another_table(self, shim: Shim) -> None:
        shim.table("sessions")
        shim.step("sessions", "b", 1, serial=1)

        with pytest.raises(UnsupportedError, match=r"temp\.sessions is part of the open trans"):
            shim.ask(b"C", "temp", "sessions", "mem", "sessions", 0)

    def test_returning_is_refused_with_the_first_row(self, shim: Shim) -> None:
        text = "INSERT INTO mem_sessions(name) VALUES ('a') RETURNING name"

        with pytest.raises(UnsupportedError, match=r"SELECT from mem\.sessions afterwards"):
            shim.insert("mem_sessions", 1, text, name="a")

    def test_a_word_in_quotes_is_no_returning(self, shim: Shim) -> None:
        text = "INSERT INTO mem_sessions(name) VALUES ('returning')"

        shim.insert("mem_sessions", 1, text, name="returning")

    @pytest.mark.parametrize(
        ("variable", "setting", "writable"),
        [
            (None, "", False),
            ("0", "", False),
            ("1", "", True),
            (None, "[extension]\nwritable = true", True),
            ("0", "[extension]\nwritable = true", False),
        ],
    )
    def test_writing_is_for_the_owner_to_allow(
        self,
        configured: None,
        tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch,
        variable: str | None,
        setting: str,
        writable: bool,
    ) -> None:
        with (tmp_path / "config.toml").open("a") as file:
            file.write(setting)
        monkeypatch.delenv("SESSIONS_VTAB_WRITABLE", raising=False)
        if variable is not None:
            monkeypatch.setenv("SESSIONS_VTAB_WRITABLE", variable)
        shim = Shim()
        shim.table("mem_sessions")
        try:
            shim.step("mem_sessions", "b", 1, serial=1)
            allowed = True
        except ReadOnlyError:
            allowed = False
        finally:
            shim.session.close()

        assert allowed is writable


class TestTimes:
    def test_the_rule_is_the_product_s(self, shim: Shim) -> None:
        pair = ("2026-01-01T10:00:00+01:00", "2026-01-01 09:00:00")

        assert shim.result(b"Z", *pair) == (times.compare(*pair),) == (0,)


def test_an_unknown_request_is_an_error(shim: Shim) -> None:
    with pytest.raises(SessionsError, match="which is not known"):
        shim.ask(b"?")
