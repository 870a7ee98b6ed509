"""The way to a service of one's own: its help page, the check, and ``init``."""

from __future__ import annotations

import shlex
import stat
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from sessions_vtab import config, registry
from sessions_vtab.cli import pages
from sessions_vtab.cli.pages import ALIASES, service_pages
from sessions_vtab.emulator.serve import Running, running
from sessions_vtab.emulator.service import EmulatorSettings

PAGES = {page.title: page for page in service_pages()}
CODES = [
    (title, line)
    for title, page in PAGES.items()
    for block in page.blocks
    if isinstance(block, pages.Code)
    for line in block.body.splitlines()
]
PLACES = {
    "vertex://PROJECT/LOCATION/ENGINE": "vertex://demo/us-central1/42?base_url={url}",
    "vertex://PROJECT/LOCATION": "vertex://demo/us-central1?base_url={url}",
    "deepset://WORKSPACE": "deepset://my-workspace?base_url={url}",
    "https://HOST": "{url}",
    "NAMESPACE": "ns",
}


@pytest.fixture(scope="module")
def emulator() -> Iterator[Running]:
    with running(EmulatorSettings(seed=1, sessions=5, events=5)) as started:
        yield started


@pytest.mark.parametrize(
    ("title", "line"), [one for one in CODES if one[1].startswith("sessions-vtab --source")]
)
def test_every_command_of_a_page_works(
    title: str,
    line: str,
    emulator: Running,
    cli: Callable[..., Any],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("DEEPSET_API_KEY", "key")
    for place, real in PLACES.items():
        line = line.replace(place, real.format(url=emulator.url))

    done = cli(*shlex.split(line)[1:])

    assert done.status == 0, (title, done.err)


def test_every_service_has_a_page_with_the_forms_of_its_url(cli: Callable[..., Any]) -> None:
    for backend in set(registry.BUILT_IN) - {"local", "memory"}:
        shown = cli("help", backend).out
        assert all(form in shown for form in registry.backend_class(backend).urls)


@pytest.mark.parametrize("word", [*PAGES, *ALIASES, "Login"])
def test_every_topic_is_found_by_its_words(word: str, cli: Callable[..., Any]) -> None:
    done = cli("help", word)

    assert done.status == 0
    assert done.out.startswith(ALIASES.get(word.lower(), word))


def test_a_page_also_describes_the_source_of_that_name(cli: Callable[..., Any]) -> None:
    shown = cli("--source", "vertex://p/us-central1/1", "help", "vertex").out

    assert "gcloud auth application-default login" in shown
    assert "reasoning_engines" in shown.rpartition("tables")[2]


def test_the_python_of_the_notebook_page_runs() -> None:
    pytest.importorskip("pandas")
    (block,) = [b.body for b in PAGES["notebooks"].blocks if getattr(b, "body", "")[:4] == "from"]

    exec(block, {})


def test_a_check_lists_the_engines_where_none_is_given(
    emulator: Running, cli: Callable[..., Any]
) -> None:
    source = f"prod=vertex://demo/us-central1?base_url={emulator.url}"

    done = cli("--source", source, "sources", "--check")

    assert done.status == 0
    assert done.out.splitlines()[1:] == ["  reasoning_engine 42  Support agent"]
    named = cli("--source", source.replace("?", "/42?"), "sources", "--check")
    assert len(named.out.splitlines()) == 1


class TestInit:
    @pytest.fixture
    def file(self, home: Any) -> Any:
        return home / "config" / "sessions-vtab" / "config.toml"

    def test_it_writes_a_file_that_works(self, cli: Any, file: Any) -> None:
        done = cli("init", stdin="deepset\nmy-workspace\ndocs\n\n")

        assert done.status == 0, done.err
        assert file.read_text() == (
            'default = "docs"\n\n[sources.docs]\nurl = "deepset://my-workspace"\nread_only = true\n'
        )
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
        assert f"Written to {file}" in done.out
        assert "API_KEY" in done.out
        assert cli("sources").out.strip().startswith("docs")

    def test_a_second_source_is_added_and_the_first_stays(self, cli: Any, file: Any) -> None:
        file.parent.mkdir(parents=True)
        file.write_text('# mine\ndefault = "a"\n[sources.a]\nurl = "local://:memory:"\n')

        assert cli("init", stdin="eleanor\nns\nhost.example\nb\nn\n").status == 0

        assert file.read_text().startswith('# mine\ndefault = "a"\n[sources.a]\n')
        loaded = config.load(config=file)
        assert (list(loaded.sources), loaded.default) == (["a", "b"], "a")
        assert loaded.sources["b"].options["base_url"] == "https://host.example"
        assert not loaded.sources["b"].read_only

    def test_a_file_that_cannot_be_written_is_an_error(self, cli: Any, home: Any) -> None:
        (home / "taken").write_text("not a folder")

        done = cli("init", "--config", str(home / "taken" / "c.toml"), stdin="local\n\na\n\n")

        assert done.status == 1
        assert "Error: " in done.err
        assert "taken" in done.err

    def test_the_engines_are_offered(
        self, cli: Any, file: Any, emulator: Running, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The URLs that are asked for lead to the emulator, in place of Google's hosts."""
        at_emulator = tuple(f"{form}?base_url={emulator.url}" for form in self._vertex_forms())
        monkeypatch.setattr(registry.backend_class("vertex"), "urls", at_emulator)

        done = cli("init", stdin="vertex\ndemo\nus-central1\n\nprod\n\n")

        assert done.status == 0, done.err
        assert "  42  Support agent\n" in done.err
        assert "ENGINE [42]: " in done.err
        assert "vertex://demo/us-central1/42?" in file.read_text()

    def test_engines_that_cannot_be_listed_are_asked_for(
        self, cli: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        nowhere = tuple(f"{form}?base_url=http://127.0.0.1:1" for form in self._vertex_forms())
        monkeypatch.setattr(registry.backend_class("vertex"), "urls", nowhere)

        done = cli("init", stdin="vertex\ndemo\nus-central1\n77\nprod\n\n")

        assert done.status == 0, done.err
        assert "They could not be listed" in done.err

    @pytest.mark.parametrize(
        ("answers", "reason"),
        [
            ("vertx\n", "Did you mean vertex?"),
            ("deepset\n", "input ended"),
            ("deepset\nws\nmain\n\n", "main"),
            ("deepset\nws\na\n\n", "already exists"),
            ("whylabs\nhost/?api_key=secret-canary\nw\n\n", ""),
        ],
    )
    def test_wrong_answers_write_nothing(
        self, cli: Any, file: Any, answers: str, reason: str
    ) -> None:
        file.parent.mkdir(parents=True)
        file.write_text('[sources.a]\nurl = "local://:memory:"\n')
        before = file.read_bytes()

        done = cli("init", stdin=answers)

        assert done.status == 2
        assert reason in done.err
        assert file.read_bytes() == before

    @staticmethod
    def _vertex_forms() -> list[str]:
        return ["vertex://PROJECT/LOCATION/ENGINE", "vertex://PROJECT/LOCATION"]
