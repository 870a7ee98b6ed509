"""The configuration file: where it is found, what it may say, and errors that name the place."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from sessions_vtab import config
from sessions_vtab.config import default_file, load
from sessions_vtab.contract.backend import Source
from sessions_vtab.errors import ConfigurationError, UnknownNameError
from tests.config.conftest import written

posix = pytest.mark.skipif(sys.platform == "win32", reason="file modes are POSIX'")


class TestFile:
    FULL = """
        default = "prod"
        init = ["PRAGMA cache_size = -1", "SELECT 1"]

        [sources.own]
        url = "local:///tmp/own.db"
        max_writes = 5

        [sources.prod]
        backend = "vertex"
        location = "p/us-central1/42"
        read_only = true
        cache_ttl = 1
        scopes = {project = ["p", "q"]}
        base_url = "https://proxy.example"

        [sources.prod.rate_limit]
        write = 100

        [sources.ns]
        backend = "eleanor"
        [sources.ns.routes]
        undelete = "POST /sessions/{namespace}/{session}/undelete"
        [sources.ns.fields]
        session_id = "name"

        [views]
        recent = "SELECT 1"
        """

    def test_it_can_contain_everything_a_url_can_and_more(self, home):
        configuration = load(config=written(home, self.FULL))

        assert configuration.default == "prod"
        assert configuration.init == ("PRAGMA cache_size = -1", "SELECT 1")
        assert configuration.views == {"recent": "SELECT 1"}
        assert configuration.sources["own"] == Source(
            "own", "local", "/tmp/own.db", max_writes=5, from_file=True
        )
        assert configuration.sources["prod"] == Source(
            "prod",
            "vertex",
            "p/us-central1/42",
            {"base_url": "https://proxy.example"},
            read_only=True,
            cache_ttl=1.0,
            scopes={"project": ("p", "q")},
            rate_limit={"write": 100},
            from_file=True,
        )
        assert configuration.sources["ns"].options == {
            "routes": {"undelete": "POST /sessions/{namespace}/{session}/undelete"},
            "fields": {"session_id": "name"},
        }

    def test_the_file_is_the_arguments_else_the_variables_else_the_users(self, home, monkeypatch):
        usual = default_file(os.environ, sys.platform, home)
        written(usual.parent, "[sources.usual]\nbackend='local'", usual.name)
        named = written(home, "[sources.named]\nbackend='local'", "named.toml")
        asked = written(home, "[sources.asked]\nbackend='local'", "asked.toml")

        assert load().default == "usual"
        monkeypatch.setenv(config.VARIABLE, str(named))
        assert load().default == "named"
        assert load(config=asked).default == "asked"
        assert load(config=os.devnull).default == "local"

    @pytest.mark.parametrize(
        "name", ["config.toml", "sessions-vtab/config.toml", ".sessions-vtab.toml"]
    )
    def test_it_is_never_read_from_the_working_directory(self, name):
        written(Path.cwd(), "[sources.trap]\nbackend='local'", name)

        assert list(load().sources) == ["local"]

    @pytest.mark.parametrize("asked", ["argument", "variable"])
    def test_a_file_that_is_named_must_exist(self, home, monkeypatch, asked):
        absent = str(home / "absent.toml")
        monkeypatch.setenv(config.VARIABLE, absent if asked == "variable" else "")

        with pytest.raises(ConfigurationError, match=r"absent\.toml does not exist"):
            load(config=absent if asked == "argument" else None)

    @pytest.mark.parametrize(
        ("text", "message"),
        [
            ("defualt = 'x'", ": unknown key defualt. Did you mean default?"),
            ("= 3", " is not valid TOML: "),
            ("sources = 3", ": sources must be a table"),
            ("[sources]\nprod = 3", ": [sources.prod]: a source must be a table with url"),
            (
                "[sources.prod]\nmax_writes = 1",
                ": [sources.prod]: a source needs either url, or backend",
            ),
            ("[sources.prod]\nbackend = 'vertx'", ": [sources.prod]: there is no backend 'vertx'."),
            (
                "[sources.prod]\nbackend = 'local'\nurl = 'local://'",
                ": [sources.prod]: a source needs either url, or backend",
            ),
            (
                "[sources.prod]\nurl = 'local://?timeout=3'\ntimeout = 4",
                ": [sources.prod]: timeout is set both in the url and beside it",
            ),
            ("[sources.prod]\nurl = 'nothing'", ": [sources.prod] url: A source is written"),
            (
                "[sources.prod]\nbackend = 'local'\nmax_writes = 'many'",
                ": [sources.prod]: max_writes must be a whole number of at least 0, not 'many'",
            ),
            (
                "[sources.prod]\nbackend = 'local'\nmax_writes = true",
                ": [sources.prod]: max_writes must be a whole number of at least 0, not True",
            ),
            (
                "[sources.prod]\nbackend = 'local'\nscopes = {project = [1]}",
                ": [sources.prod]: scopes.project must be an array of texts",
            ),
            ("[sources.prod]\nbackend = 'local'\nlocation = 3", "location must be text"),
            ("[sources.a-b]\nbackend = 'local'", ": [sources.a-b]: 'a-b' is not a valid name"),
            (
                "[sources.main]\nbackend = 'local'",
                ": [sources.main]: the name main is a built-in schema",
            ),
            ("[sources.A]\nurl='local://'\n[sources.a]\nurl='local://'", "two sources are named a"),
            ("default = 3", ": default must be the name of a source"),
            ("views = 3", ": views must be a table"),
            ("[views]\nrecent = 3", ": [views] recent must be the text of a SELECT"),
            ("[views]\n'a b' = 'SELECT 1'", ": [views]: 'a b' is not a valid name"),
            ("init = [3]", ": init must be SQL text"),
            ("init = 3", ": init must be SQL text"),
        ],
    )
    def test_an_error_names_file_table_and_key(self, home, text, message):
        path = written(home, text)

        with pytest.raises((ConfigurationError, UnknownNameError)) as caught:
            load(config=path)

        assert str(caught.value).startswith(str(path))
        assert message in str(caught.value)

    def test_a_file_that_is_not_text_is_an_error(self, home):
        path = home / "config.toml"
        path.write_bytes(b"\xff\xfe")

        with pytest.raises(ConfigurationError, match="cannot be read: it is not UTF-8 text"):
            load(config=path)

    @posix
    def test_a_file_that_everyone_can_write_is_not_read(self, home):
        path = written(home, self.FULL)
        path.chmod(0o666)

        with pytest.raises(ConfigurationError, match="is writable by everyone; run chmod o-w"):
            load(config=path)

    @posix
    def test_a_file_of_another_user_is_not_read(self, home, monkeypatch):
        path = written(home, self.FULL)
        monkeypatch.setattr(os, "geteuid", lambda: path.stat().st_uid + 4321)
        if path.stat().st_uid == 0:
            os.chown(path, 1234, -1)

        with pytest.raises(ConfigurationError, match="belongs to another user"):
            load(config=path)

    @pytest.mark.parametrize(
        ("environment", "platform", "expected"),
        [
            ({}, "linux", "/home/ann/.config/sessions-vtab/config.toml"),
            ({"XDG_CONFIG_HOME": "/x"}, "linux", "/x/sessions-vtab/config.toml"),
            (
                {"XDG_CONFIG_HOME": "relative"},
                "linux",
                "/home/ann/.config/sessions-vtab/config.toml",
            ),
            (
                {},
                "darwin",
                "/home/ann/Library/Application Support/sessions-vtab/config.toml",
            ),
            ({"XDG_CONFIG_HOME": "/x"}, "darwin", "/x/sessions-vtab/config.toml"),
            (
                {"APPDATA": "/roam", "XDG_CONFIG_HOME": "/x"},
                "win32",
                "/roam/sessions-vtab/config.toml",
            ),
            ({}, "win32", "/home/ann/AppData/Roaming/sessions-vtab/config.toml"),
        ],
    )
    def test_the_users_file_is_where_the_system_keeps_such(self, environment, platform, expected):
        assert default_file(environment, platform, Path("/home/ann")) == Path(expected)
