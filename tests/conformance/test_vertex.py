"""The shipped suite over real sockets: vertex returns the oracle's rows, in both filter modes.

The rows are the suite's own hostile ones, as far as the API can hold them, and lie in the emulator
before the first request: times that no client could set are among them.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence

import pytest

from sessions_vtab import connect
from sessions_vtab.contract.predicate import Op
from sessions_vtab.emulator.control import Control
from sessions_vtab.emulator.serve import Running, running
from sessions_vtab.emulator.service import EmulatorSettings
from sessions_vtab.testing.conformance import SHAPES, Probe, Shape, Suite
from tests.conformance.vertex_rows import engine_of, fill
from tests.shapes import check_each, grouped


@pytest.fixture(scope="module", params=[False, True], ids=["lenient", "strict"])
def strict(request: pytest.FixtureRequest) -> bool:
    return bool(request.param)


@pytest.fixture(scope="module")
def emulator(strict: bool) -> Iterator[Running]:
    with running(EmulatorSettings(strict_filters=strict)) as started:
        yield started


@pytest.fixture(scope="module")
def control(emulator: Running) -> Control:
    return emulator.control


@pytest.fixture(scope="module")
def suite(emulator: Running, control: Control) -> Iterator[Suite]:
    with connect(f"prod=vertex://demo/us-central1/42?base_url={emulator.url}") as connection:
        connection.execute("SELECT 1 FROM sessions LIMIT 1").fetchall()  # Creates the engine.
        fill(control)
        suite = Suite(connection, "prod")
        yield suite
        suite.close()
    connection.close()


@pytest.mark.parametrize("shapes", grouped(SHAPES))
def test_each_shape_returns_the_oracle_s_rows(
    suite: Suite, strict: bool, shapes: Sequence[Shape]
) -> None:
    # Only the filters of sessions differ: every other shape, and all of them on demand, in
    # test_vertex_large.
    check_each(suite, shapes[:: 2 if strict else 1])


def test_every_row_is_read_as_the_service_stores_it(suite: Suite, control: Control) -> None:
    columns = "session_id, user_id, display_name, create_time, labels, state"
    rows = suite.connection.execute(f"SELECT {columns} FROM prod.sessions").fetchall()

    stored = {one["id"]: one for one in engine_of(control.dump())["sessions"]}

    assert {row[0] for row in rows} == stored.keys()
    for session_id, user, name, created, labels, state in rows:
        one = stored[session_id]
        assert (user, name or "") == (one["user"], one["displayName"])
        assert created.rstrip("0.").replace(" ", "T") == one["createTime"].rstrip("0.Z")
        assert (json.loads(labels or "{}"), json.loads(state or "{}")) == (
            one["labels"],
            one["state"],
        )


# With every filter allowed, test_generated checks the log of every path; the filters of other
# tables are the same in both modes.
@pytest.mark.parametrize("strict", [True], indirect=True)
def test_only_declared_requests_are_in_the_log(
    suite: Suite, control: Control, monkeypatch: pytest.MonkeyPatch
) -> None:
    everything = control.dump()
    few = control.dump()
    engine_of(few)["sessions"] = engine_of(few)["sessions"][
        :2
    ]  # Each value costs one request per probe.
    control.load(few)

    monkeypatch.setattr(suite, "resources", {"sessions": suite.resources["sessions"]})
    made = suite.check_operators(_looking_into(control))

    control.load(everything)
    assert made > 100


def _looking_into(control: Control) -> Callable[[Probe, bool], None]:
    """Compares the reported requests with those that the emulator received."""
    control.reset_log()

    def look(probe: Probe, was_sent: bool) -> None:
        log = control.requests()
        control.reset_log()
        filters = [str(entry["query"].get("filter", "")) for entry in log]
        narrowed = any(filters) or any("orderBy" in entry["query"] for entry in log)
        whole = any(entry["path"].endswith(("/sessions", "/reasoningEngines")) for entry in log)
        if not was_sent and probe.op is not Op.IN:  # SQLite may request these value by value.
            assert not any(probe.column in text for text in filters), probe
            assert whole, probe
        elif (
            was_sent
            and log
            and whole
            and probe.column not in {"project", "location", "reasoning_engine"}
        ):
            assert narrowed, probe

    return look
