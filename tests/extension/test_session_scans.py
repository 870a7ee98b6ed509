"""The scans the extension asks for: rows, batches, arguments, and keys that narrow a scan."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from sessions_vtab.contract.scan import Counted
from sessions_vtab.extension.scans import columns_of
from tests.extension.shim import EQ, Shim, fill, memory


class TestScans:
    def test_a_row_has_the_columns_that_are_asked_for_and_one_alone_is_bare(
        self, shim: Shim
    ) -> None:
        fill(shim, 2)
        words = shim.plan("mem_sessions")[1]
        both = 1 | 1 << shim.place("mem_sessions", "user_id")

        assert shim.scan("mem_sessions", words)[1] == (0, ["sessions/s00", "sessions/s01"])
        assert shim.scan("mem_sessions", shim.plan("mem_sessions", columns=both)[1], columns=both)[
            1
        ] == (0, [("sessions/s00", "bob"), ("sessions/s01", "ann")])

    def test_a_batch_ends_where_its_page_ends(self, shim: Shim) -> None:
        """With LIMIT, SQLite may want none of the next page, which costs a request."""
        fill(shim, 10)
        words = shim.plan("mem_sessions")[1]

        _, (last, rows) = shim.scan("mem_sessions", words, cursor=1)

        assert (last, len(rows), memory(shim).tables["sessions"].pages) == (0, 7, 1)
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
        fill(shim, 4)
        place = shim.place("mem_sessions", "session_id")
        offered = ((place, EQ, 1, 1, "BINARY", None),)
        uses, words, *_ = shim.result(b"B", shim.table("mem_sessions"), offered, (), 0, 1)

        _, (_, rows) = shim.scan("mem_sessions", words, ["s01", "s03", "none"])

        assert uses == ((1, 0, 1),)
        assert rows == ["sessions/s01", "sessions/s03"]

    def test_another_scan_of_the_same_cursor_remembers_what_was_read(self, shim: Shim) -> None:
        fill(shim, 4)
        words = shim.plan("mem_sessions", ("user_id", None))[1]

        for user in ("ann", "bob", "ann"):
            shim.scan("mem_sessions", words, user, cursor=1, serial=9)

        assert len(memory(shim).tables["sessions"].scans) == 2

    @pytest.mark.parametrize(("heir", "scans"), [(1, 2), (0, 3)])
    def test_a_cursor_that_takes_over_remembers_too(
        self, shim: Shim, heir: int, scans: int
    ) -> None:
        """SQLite before 3.45 opens a cursor for each run of a correlated subquery."""
        fill(shim, 4)
        words = shim.plan("mem_sessions", ("user_id", None))[1]
        shim.scan("mem_sessions", words, "ann", cursor=1, serial=9)
        shim.scan("mem_sessions", words, "bob", cursor=2, serial=9)

        shim.result(b"X", 1, heir)
        shim.scan("mem_sessions", words, "ann", cursor=3, serial=9)

        assert len(memory(shim).tables["sessions"].scans) == scans

    def test_nothing_is_remembered_behind_the_end_of_a_statement(self, shim: Shim) -> None:
        fill(shim, 4)
        words = shim.plan("mem_sessions", ("user_id", None))[1]
        shim.scan("mem_sessions", words, "ann", cursor=1, serial=9)
        shim.scan("mem_sessions", words, "bob", cursor=2, serial=9)
        shim.result(b"X", 1, 1)
        shim.result(b"X", 2, 0)

        shim.scan("mem_sessions", words, "ann", cursor=3, serial=10)

        assert len(memory(shim).tables["sessions"].scans) == 3
        assert len(shim.session._tables.host.cursors) == 1

    def test_the_look_ahead_begins_where_sqlite_stands(self, shim: Shim) -> None:
        fill(shim, 7)
        outer = shim.scan("mem_sessions", shim.plan("mem_sessions")[1], cursor=1, serial=1)
        assert len(outer[1][1]) == 7
        words = shim.plan("mem_events", ("name", None))[1]
        seen: list[list[str]] = []
        events = memory(shim).tables["events"]
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
        fill(shim, 5)
        resource = memory(shim).tables["sessions"]
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
        fill(shim, 10)
        words = shim.plan("mem_sessions")[1]

        _, (last, found) = shim.scan("mem_sessions", words, cursor=1, text=text)
        found = list(found)
        while not last:
            last, more = shim.result(b"N", 1)
            found += more

        assert len(found) == rows

    def test_plans_that_sqlite_cannot_tell_apart_are_left_alone(self, shim: Shim) -> None:
        """The same words for two promises: one has a condition that is checked by nobody else."""
        fill(shim, 10)
        words = shim.plan("mem_sessions")[1]
        place = shim.place("mem_sessions", "user_id")
        offered = ((place, EQ, 0, 0, "BINARY", None),)
        assert shim.result(b"B", shim.table("mem_sessions"), offered, (), 0, 1)[1] == words

        assert len(shim.scan("mem_sessions", words, text=self.TEXT)[1][1]) == 7
