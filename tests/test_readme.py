from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

import sessions_vtab
from sessions_vtab import config, registry
from sessions_vtab.cli.matrix import matrix

_ROOT = Path(__file__).parents[1]
_README = (_ROOT / "README.md").read_text("utf-8")


def _blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", _README, re.DOTALL)


@pytest.fixture
def connection() -> Iterator[sessions_vtab.Connection]:
    with sessions_vtab.connect("local://:memory:") as db:
        yield db
    db.close()


def test_it_is_short() -> None:
    own = re.sub(r"<!-- matrix -->.*<!-- /matrix -->", "", _README, flags=re.DOTALL)
    assert len(own.splitlines()) <= 165


def test_the_matrix_is_what_the_backends_declare() -> None:
    sources = [
        "local://:memory:",
        "vertex://p/us-central1/1",
        "deepset://ws",
        "whylabs://?base_url=http://127.0.0.1:1",
        "eleanor://ns?base_url=http://127.0.0.1:1",
        "embedding_studio://?base_url=http://127.0.0.1:1",
    ]
    parsed = map(config.parse_source, sources)
    backends = {one.name: registry.backend_class(one.backend).open(one) for one in parsed}
    assert list(backends) == list(registry.BUILT_IN)[: len(backends)]
    shown = re.search(r"<!-- matrix -->\n(.*?)\n<!-- /matrix -->", _README, re.DOTALL)

    declared = matrix(backends)

    for backend in backends.values():
        backend.close()
    assert shown is not None
    assert shown[1] == declared


def test_the_first_two_blocks_are_the_set_up_commands() -> None:
    first, second = _blocks("console")[:2]

    assert first.strip().endswith("sessions-vtab run examples.sql")
    assert second.strip().endswith("pytest -q")


def test_the_sql_of_the_two_minutes_runs(connection: sessions_vtab.Connection) -> None:
    rows = list(connection.execute(_blocks("sql")[0]))

    assert rows[0][0] == "s1"
    assert rows[-1][:2] == ("ann", 2)


@pytest.mark.parametrize("place", range(len(_blocks("python"))))
def test_a_python_block_runs(place: int) -> None:
    if "sqlalchemy" in _blocks("python")[place]:
        pytest.importorskip("sqlalchemy", minversion="2.0")
        pytest.importorskip("pyarrow")

    exec(_blocks("python")[place], {})


def test_the_configuration_block_is_accepted(tmp_path: Path) -> None:
    (block,) = _blocks("toml")
    file = tmp_path / "config.toml"
    file.write_text(block, "utf-8")

    loaded = config.load(config=file)

    assert list(loaded.sources) == list(tomllib.loads(block)["sources"])
    assert loaded.default == "prod"


def test_the_adk_recipe_copies_a_file_that_adk_wrote(
    connection: sessions_vtab.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(Path(__file__).parent / "data")

    rows = list(connection.execute(_blocks("sql")[1]))

    assert rows[:3] == [("alice", 16), ("bob@example.com", 5), ("carol", 7)]
    assert all(isinstance(calls, int) for _, calls in rows[3:])
