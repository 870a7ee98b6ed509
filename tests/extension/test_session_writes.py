"""Writes and transactions as the extension hands them to its Python process."""

from __future__ import annotations

from pathlib import Path

import pytest

from sessions_vtab.errors import (
    ReadOnlyError,
    UnsupportedError,
)
from tests.extension.shim import Shim, fill, memory


class TestWrites:
    def test_rows_wait_for_the_end_of_the_transaction(self, shim: Shim) -> None:
        shim.table("mem_sessions")
        shim.step("mem_sessions", "b", 1, serial=1)
        shim.insert("mem_sessions", 1, name="a")
        shim.insert("mem_sessions", 2, name="b")
        before = list(memory(shim).sent)

        shim.step("mem_sessions", "s")
        shim.step("mem_sessions", "c")

        assert (before, [one.values["name"] for one in memory(shim).sent]) == ([], ["a", "b"])

    def test_an_update_tells_unchanged_columns_from_null(self, shim: Shim) -> None:
        fill(shim, 1)
        shim.table("mem_sessions")
        columns = shim.tables["mem_sessions"][1]
        fields = [... for _ in columns]
        fields[columns.index("labels")] = None
        key = "sessions/s00"

        shim.result(b"U", shim.table("mem_sessions"), 1, 2, None, (key, key, *fields))
        shim.step("mem_sessions", "s")

        assert [dict(one.values) for one in memory(shim).sent] == [{"labels": None}]

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
        assert len(memory(shim).sent) == 1

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
