"""The adapter against the real harlequin, where it is installed (extra ``harlequin``)."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from importlib.metadata import entry_points
from typing import Any

import pytest

harlequin = pytest.importorskip("harlequin")
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")


@pytest.fixture
def adapter() -> Any:
    (point,) = entry_points(group="harlequin.adapter", name="sessions-vtab")
    return point.load()


@pytest.fixture
def connection(adapter: Any) -> Iterator[Any]:
    opened = adapter(("shop=local://:memory:", "old=local://:memory:"), unknown="option").connect()
    yield opened
    opened.close()


def test_statements_give_rows_columns_and_labels(connection: Any) -> None:
    insert = "INSERT INTO sessions(session_id, user_id) VALUES ('s1', 'ann'), ('s2', 'bob')"
    assert connection.execute(insert) is None

    cursor = connection.execute("SELECT session_id, create_time, labels FROM sessions ORDER BY 1")
    assert cursor.columns() == [("session_id", "s"), ("create_time", "ts"), ("labels", "{}")]
    assert [row[0] for row in cursor.fetchall()] == ["s1", "s2"]
    assert len(connection.execute("SELECT * FROM sessions").set_limit(1).fetchall()) == 1
    assert connection.execute("SELECT * FROM old.sessions").fetchall() is None


def test_an_error_has_the_hints(connection: Any) -> None:
    with pytest.raises(harlequin.exception.HarlequinQueryError, match="Did you mean user_id"):
        connection.execute("SELECT usr_id FROM sessions")


def test_the_catalog_is_what_the_sources_declare(connection: Any) -> None:
    shop, old = connection.get_catalog().items

    assert (shop.label, old.label, shop.type_label) == ("shop", "old", "loc")
    tables = {item.label: item for item in shop.children}
    assert {"sessions", "events", "tool_calls", "append_event"} <= set(tables)
    assert tables["sessions"].query_name == '"shop"."sessions"'
    columns = {item.label: item.type_label for item in tables["sessions"].children}
    assert (columns["user_id"], columns["create_time"]) == ("s", "ts")
    (user,) = [item for item in tables["sessions"].children if item.label == "user_id"]
    assert (user.query_name, user.qualified_identifier) == (
        '"user_id"',
        '"shop"."sessions"."user_id"',
    )
    assert connection.execute(f"SELECT * FROM {tables['events'].query_name}") is not None
    assert [item.type_label for item in (tables["turns"], tables["append_event"])] == ["v", "f"]


def test_read_only_and_wrong_sources(adapter: Any) -> None:
    reading = adapter(["local://:memory:"], read_only=True).connect()
    with pytest.raises(harlequin.exception.HarlequinQueryError, match="read-only"):
        reading.execute("DELETE FROM sessions")
    reading.close()
    with pytest.raises(harlequin.exception.HarlequinConnectionError, match="no backend"):
        adapter(["nosuch://x"]).connect()


def test_cancel_stops_a_statement(connection: Any) -> None:
    cursor = connection.execute(
        "WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c) SELECT n FROM c"
    )
    assert len(cursor.set_limit(5).fetchall()) == 5

    connection.cancel()

    with pytest.raises(harlequin.exception.HarlequinQueryError, match="interrupted"):
        cursor.fetchall()


def test_it_is_listed_by_the_command(adapter: Any) -> None:
    plugins = importlib.import_module("harlequin.plugins")

    assert plugins.load_adapter_plugins()["sessions-vtab"] is adapter
    assert adapter.IMPLEMENTS_CANCEL
