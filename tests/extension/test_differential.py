"""Random SELECTs of the kit's generator: tables of sources answer as ordinary ones do.

``EXTENSION_DIFFERENTIAL=1000`` asks that many of each host and stage, other ones with each
``EXTENSION_SEED``; otherwise a few.
"""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from sessions_vtab import connect
from sessions_vtab.emulator.serve import Running
from sessions_vtab.testing import hostile
from tests.conformance.stages import STAGES
from tests.extension.conftest import Host, Setting
from tests.extension.pair import Pair, Rows, rows_of
from tests.random_statements import Query, ask

_COUNT = int(os.environ.get("EXTENSION_DIFFERENTIAL", "8"))
_SEED = int(os.environ.get("EXTENSION_SEED", "0"))

SOURCES = """
default = "local"
[sources.local]
url = "local://{folder}/store.db"
[sources.prod]
url = "vertex://demo/us-central1/42?base_url={url}"
"""
# Each table to the source that it is read from.
_STAGES = {
    "local": {"sessions": "local", "events": "local"},
    "vertex": {"sessions": "prod", "events": "prod"},
    "both": {"sessions": "local", "events": "prod"},
}


@pytest.fixture(scope="module")
def configured(tmp_path_factory: pytest.TempPathFactory, emulator: Running) -> Iterator[Rows]:
    """A store with the kit's rows, and the emulator with the stage's."""
    with pytest.MonkeyPatch.context() as patch:
        folder = tmp_path_factory.mktemp("differential")
        one = Setting(folder, patch)
        one.configure(SOURCES.format(folder=folder, url=emulator.url))
        with connect(config=one.file) as ours:
            made = {"sessions": hostile.session_rows(), "events": hostile.event_rows()}
            state = emulator.control.dump()
            STAGES["vertex"].fill(state, ours)
            _like_the_kit(state)
            emulator.control.load(state)
            for table, some in made.items():
                resource = ours.sources["local"].backend.resources[table]
                columns = resource.capability.writes.insert
                hostile.load(ours.execute, "local", table, some, columns)
        rows = rows_of(ours)
        ours.close()
        yield rows
        one.end()


def _like_the_kit(state: dict) -> None:  # type: ignore[type-arg]
    """Users, labels and states that the generator asks for."""
    (engine,) = state["vertex"]["engines"]
    for number, session in enumerate(engine["sessions"]):
        session["userId"] = ("ann", "bob", "Ann", "7", "o'neil")[number % 5]
        session["labels"] |= ({"env": "prod"}, {"env": "dev", "team": "a"}, {"env": ""})[number % 3]


@pytest.fixture(params=_STAGES)
def pair(request: pytest.FixtureRequest, configured: Rows, host: Host) -> Iterator[Pair]:
    connection = host.connect()
    yield Pair(connection, _STAGES[request.param], configured, host.error)
    connection.close()


def test_any_query_returns_the_rows_of_ordinary_tables(pair: Pair) -> None:
    def check(query: Query) -> None:
        pair.check(query.sql, query.bindings, query.compare, query.unlimited)

    ask(_COUNT, _SEED, check)

    print(f"{pair.asked} statements, {pair.rows} rows")
    assert pair.rows > pair.asked
