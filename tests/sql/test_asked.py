"""Parameter columns that conditions name, and rows that are hidden: right, or refused."""

from __future__ import annotations

from collections.abc import Iterator

import apsw
import pytest

from sessions_vtab import Connection, connect, register
from sessions_vtab.contract.backend import Source
from sessions_vtab.emulator.serve import Running, running
from sessions_vtab.emulator.service import EmulatorSettings
from sessions_vtab.errors import UnsupportedError

_SELF = "FROM sessions a {join} sessions b ON b.session_id = a.session_id"


@pytest.fixture(scope="module")
def emulator() -> Iterator[Running]:
    with running(EmulatorSettings(seed=7, sessions=12, events=3)) as started:
        yield started


@pytest.fixture(scope="module")
def vertex(emulator: Running) -> Iterator[Connection]:
    with connect(f"vertex://demo/us-central1/42?base_url={emulator.url}") as connection:
        yield connection
    connection.close()


class TestAParameter:
    @pytest.mark.parametrize(
        "condition",
        [
            "page_size = 5",
            "5 = page_size",
            "(page_size) = (5)",
            "page_size == 5",
            "page_size IN (5)",
            "page_size = (SELECT 5)",
            "page_size = 5 AND page_size = 5",
            "page_size = 2 + 3 AND user_id IS NOT NULL",
        ],
    )
    def test_with_one_value_changes_how_the_rows_are_read_and_no_row(
        self, vertex: Connection, emulator: Running, condition: str
    ) -> None:
        emulator.log.reset()

        assert vertex.execute(f"SELECT count(*) FROM sessions WHERE {condition}").get == 12
        assert emulator.log.entries()[0]["query"]["pageSize"] == "5"

    @pytest.mark.parametrize(
        "condition",
        [
            "page_size IN (5, 10)",
            "page_size IN (SELECT 5)",
            "page_size = 5 OR page_size = 10",
            "page_size = 5 OR user_id IS NOT NULL",
            "page_size = 5 AND page_size = 6",
            "page_size = 5 AND page_size > 3",
            "page_size = page_size",
            "page_size IS 5",
            "page_size IS NOT 5",
            "page_size IS NULL",
            "page_size IS TRUE",
            "page_size > 5",
            "page_size BETWEEN 5 AND 5",
            "page_size LIKE '5'",
            "NOT page_size = 5",
            "+page_size = 5",
            "page_size",
            "coalesce(page_size, 5) = 5",
            "(page_size, user_id) IN (VALUES (5, 'ann'))",
            "filter <> ''",
        ],
    )
    def test_in_any_other_condition_is_refused_before_anything_is_sent(
        self, vertex: Connection, emulator: Running, condition: str
    ) -> None:
        emulator.log.reset()

        with pytest.raises(UnsupportedError, match=r"vertex\.sessions\.(page_size|filter) is"):
            vertex.execute(f"SELECT count(*) FROM sessions WHERE {condition}").fetchall()

        assert emulator.log.entries() == []

    def test_in_having_is_refused(self, vertex: Connection) -> None:
        with pytest.raises(UnsupportedError, match="page_size is a parameter"):
            vertex.execute("SELECT user_id FROM sessions GROUP BY 1 HAVING max(page_size) = 7")

    @pytest.mark.parametrize(
        ("join", "rest", "works"),
        [
            ("JOIN", "WHERE b.page_size = 7", True),
            ("JOIN", "AND b.page_size = 7 AND a.page_size = 5", True),
            ("LEFT JOIN", "WHERE a.page_size = 7", True),
            ("LEFT JOIN", "AND b.page_size = 7", True),
            ("LEFT JOIN", "WHERE b.page_size = 7", False),
            ("LEFT JOIN", "WHERE b.filter = 'user_id=\"ann\"'", False),
            ("LEFT JOIN", "AND a.page_size = 7", False),
            ("RIGHT JOIN", "WHERE a.page_size = 7", False),
            ("RIGHT JOIN", "AND b.page_size = 7", False),
            ("FULL JOIN", "WHERE b.page_size = 7", False),
            ("FULL JOIN", "AND a.page_size = 7", False),
        ],
    )
    def test_in_a_join_counts_where_sqlite_hands_it_to_the_table(
        self, vertex: Connection, join: str, rest: str, works: bool
    ) -> None:
        sql = f"SELECT count(*) {_SELF.format(join=join)} {rest}"

        if works:
            assert vertex.execute(sql).get == 12
        else:
            with pytest.raises(UnsupportedError, match=r"in the ON of its own table"):
                vertex.execute(sql)

    @pytest.mark.parametrize(
        "condition",
        ["include_deleted IN (0, 1)", "include_deleted IS NOT 0", "include_deleted > 0"],
    )
    def test_is_refused_on_a_connection_of_the_users_own(self, condition: str) -> None:
        connection = apsw.Connection(":memory:")
        register(connection, sources=[Source("loc", "local", ":memory:")])

        with pytest.raises(
            UnsupportedError, match=r"loc\.sessions\.include_deleted is a parameter"
        ):
            connection.execute(f"SELECT 1 FROM sessions WHERE {condition}").fetchall()
        connection.close()


_SHOWN = [
    "deleted = 1",
    "deleted",
    "deleted IS TRUE",
    "deleted IS 1",
    "deleted IS NOT 0",
    "deleted IS NOT FALSE",
    "deleted IS DISTINCT FROM 0",
    "NOT deleted = 0",
    "NOT (deleted IS FALSE)",
    "deleted + 0 = 1",
    "+deleted",
    "coalesce(deleted, 0) = 1",
    "max(deleted, 0) = 1",
    "deleted > 0",
    "deleted <> 0",
    "deleted IN (1)",
    "deleted IN (SELECT 1)",
    "deleted = (SELECT 1)",
    "deleted BETWEEN 1 AND 2",
    "deleted LIKE '1'",
    "deleted || '' = '1'",
    "CASE WHEN deleted THEN 1 END",
    "(deleted = 1 AND user_id = 'ann')",
    "(deleted, user_id) = (1, 'ann')",
    "(deleted, user_id) IN (SELECT 1, 'ann')",
    "EXISTS (SELECT 1 WHERE 1) AND deleted IS TRUE",
]


@pytest.fixture(scope="module", params=["local", "eleanor"])
def hiding(request: pytest.FixtureRequest) -> Iterator[Connection]:
    """One session that is deleted, one that is not."""
    with running(EmulatorSettings(sessions=0)) as started:
        url = f"eleanor://team?base_url={started.url}"
        source = Source("local", "local", ":memory:") if request.param == "local" else url
        connection = connect(sources=[source])
        connection.execute(
            "INSERT INTO sessions(session_id, user_id) VALUES ('gone', 'ann'), ('here', 'bob')"
            if request.param == "local"
            else "INSERT INTO sessions(session_id) VALUES ('gone'), ('here')"
        )
        connection.execute("DELETE FROM sessions WHERE session_id = 'gone'")
        yield connection
        connection.close()


class TestHiddenRows:
    @pytest.mark.parametrize("condition", _SHOWN)
    def test_come_whatever_form_the_condition_on_their_column_has(
        self, hiding: Connection, condition: str
    ) -> None:
        local = "local" in hiding.sources
        asked = condition if local else condition.replace("user_id", "'ann'")

        rows = hiding.execute(f"SELECT session_id FROM sessions WHERE {asked}").fetchall()

        assert rows == [("gone",)]

    @pytest.mark.parametrize(
        ("sql", "count"),
        [
            ("SELECT count(*) FROM sessions", 1),
            ("SELECT count(*) FROM sessions WHERE deleted = 0", 1),
            ("SELECT count(*) FROM sessions WHERE deleted IS NOT TRUE", 1),
            ("SELECT count(*) FROM sessions WHERE deleted IS NOT NULL", 2),
            ("SELECT count(deleted) FROM sessions", 1),
            ("SELECT count(*) FROM (SELECT session_id, deleted FROM sessions ORDER BY deleted)", 1),
            (("SELECT count(*) FROM sessions a LEFT JOIN sessions b ON b.deleted IS TRUE"
             " WHERE b.session_id = 'gone'"), 1),
            ("SELECT count(*) FROM sessions a LEFT JOIN sessions b ON 1 WHERE b.deleted = 1", 1),
            (("SELECT count(*) FROM sessions a FULL JOIN sessions b USING (session_id)"
             " WHERE b.deleted = 1"), 1),
            ("SELECT count(*) FROM sessions a JOIN sessions b ON b.deleted = a.deleted + 1", 1),
            ("SELECT count(*) FROM sessions HAVING max(deleted) = 1", 2),
        ],
    )  # fmt: skip
    def test_come_only_to_a_condition_on_it(self, hiding: Connection, sql: str, count: int) -> None:
        assert hiding.execute(sql).get == count

    def test_are_changed_by_what_shows_them(self, local: Connection) -> None:
        local.execute("INSERT INTO sessions(session_id, user_id) VALUES ('a', 'x'), ('b', 'x')")
        local.execute("DELETE FROM sessions")

        local.execute("DELETE FROM sessions WHERE deleted IS TRUE AND session_id = 'a'")

        left = local.execute("SELECT session_id FROM sessions WHERE include_deleted = 1")
        assert left.fetchall() == [("b",)]

    def test_come_on_a_connection_of_the_users_own_where_sqlite_offers_the_condition(self) -> None:
        connection = apsw.Connection(":memory:")
        register(connection, sources=[Source("local", "local", ":memory:")])
        connection.execute("INSERT INTO sessions(session_id, user_id) VALUES ('a', 'x')")
        connection.execute("DELETE FROM sessions")

        for condition in ("deleted IS NOT 0", "deleted LIKE '1'", "deleted = 1"):
            sql = f"SELECT count(*) FROM sessions WHERE {condition}"
            assert connection.execute(sql).get == 1, condition
        connection.close()
