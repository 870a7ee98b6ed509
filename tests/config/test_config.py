from __future__ import annotations

import subprocess
import sys

import apsw
import pytest

from sessions_vtab.config import load, parse_source
from sessions_vtab.contract.backend import Source
from sessions_vtab.errors import ConfigurationError, CredentialError, UnknownNameError
from tests.config.conftest import written

CANARY = "hunter2-canary"


class TestUrl:
    @pytest.mark.parametrize(
        ("text", "name", "backend", "location"),
        [
            ("local:///path/to/file.db", "local", "local", "/path/to/file.db"),
            ("local://:memory:", "local", "local", ":memory:"),
            ("local://", "local", "local", ""),
            ("vertex://p/us-central1/42", "vertex", "vertex", "p/us-central1/42"),
            ("vertex:///42?api_key_env=GOOGLE_API_KEY", "vertex", "vertex", "/42"),
            ("prod=vertex://p/l/42", "prod", "vertex", "p/l/42"),
            ("embedding_studio://?base_url=http://a", "embedding_studio", "embedding_studio", ""),
            ("mine=local:///a%20b/%C3%A9%3F.db", "mine", "local", "/a b/é?.db"),
            (" eleanor://NS?base_url=http://a ", "eleanor", "eleanor", "NS"),
        ],
    )
    def test_it_has_a_name_a_backend_and_a_location(self, text, name, backend, location):
        source = parse_source(text)

        assert (source.name, source.backend, source.location) == (name, backend, location)

    def test_settings_of_the_backend_are_passed_on_as_text(self):
        source = parse_source("vertex://p/l/1?base_url=http://127.0.0.1:8787&api_version=v1%2B")

        assert source.options == {"base_url": "http://127.0.0.1:8787", "api_version": "v1+"}

    def test_a_dot_makes_a_table(self):
        source = parse_source("eleanor://N?fields.session_id=name&fields.pkid=id")

        assert source.options == {"fields": {"session_id": "name", "pkid": "id"}}

    @pytest.mark.parametrize(
        ("setting", "key", "value"),
        [
            ("read_only=1", "read_only", True),
            ("read_only=true", "read_only", True),
            ("read_only=Off", "read_only", False),
            ("max_writes=0", "max_writes", 0),
            ("max_requests=250000", "max_requests", 250_000),
            ("cache_ttl=0.5", "cache_ttl", 0.5),
            ("timeout=3", "timeout", 3.0),
            ("concurrency=4", "concurrency", 4),
            ("rate_limit.write=100", "rate_limit", {"write": 100}),
            ("rate_limit.read=9&rate_limit.append=300", "rate_limit", {"read": 9, "append": 300}),
            ("scopes.project=a,b", "scopes", {"project": ("a", "b")}),
        ],
    )
    def test_settings_of_every_source_are_typed(self, setting, key, value):
        source = parse_source(f"vertex://p/l/1?{setting}")

        assert getattr(source, key) == value
        assert source.options == {}

    @pytest.mark.parametrize(
        ("setting", "message"),
        [
            ("read_only=maybe", "read_only must be true or false, not 'maybe'"),
            ("max_writes=-1", "max_writes must be a whole number of at least 0, not '-1'"),
            ("max_writes=1e3", "max_writes must be a whole number of at least 0, not '1e3'"),
            ("max_requests=ten", "max_requests must be a whole number of at least 0"),
            ("cache_ttl=nan", "cache_ttl must be a number of seconds"),
            ("timeout=0", "timeout must be more than 0 seconds"),
            ("concurrency=0", "concurrency must be a whole number from 1 to 256"),
            ("concurrency=257", "concurrency must be a whole number from 1 to 256"),
            ("rate_limit=5", "rate_limit must be a table: rate_limit.read=.."),
            ("rate_limit.reads=5", "'reads' is not a valid key. Did you mean read?"),
            ("rate_limit.read=0", "rate_limit.read must be a whole number of at least 1"),
            ("scopes.project=a,,b", "scopes.project must be an array of texts"),
            ("base_url", "settings are written as key=value"),
            ("base_url=", "base_url has no value"),
            ("base_url=a&base_url=b", "base_url is given twice"),
            ("fields.a=1&fields=2", "fields is given twice"),
            ("base_url=http://a/%00", "base_url contains a control character"),
        ],
    )
    def test_an_error_names_source_and_setting(self, setting, message):
        with pytest.raises(ConfigurationError) as caught:
            parse_source(f"prod=vertex://p/l/1?{setting}")

        assert str(caught.value).startswith("Source prod: ")
        assert message in str(caught.value)

    @pytest.mark.parametrize("text", ["", "sessions.db", f"api_key={CANARY}", "local:/x"])
    def test_an_invalid_url_is_refused_without_showing_it(self, text):
        with pytest.raises(ConfigurationError, match=r"A source is written as \[NAME=\]") as caught:
            parse_source(text)

        assert CANARY not in str(caught.value)

    def test_an_unknown_backend_is_an_error_with_a_suggestion(self):
        with pytest.raises(UnknownNameError, match=r"no backend 'vertx'\. Did you mean vertex\?"):
            parse_source("vertx://p/l/1")

    def test_a_hash_must_be_encoded(self):
        with pytest.raises(ConfigurationError, match="write a literal # in a URL as %23"):
            parse_source("local:///a#b.db")


class TestNames:
    @pytest.mark.parametrize("name", ["prod", "_p", "Prod_2", "key", "plan"])
    def test_letters_digits_and_underscores_are_taken(self, name):
        assert parse_source(f"{name}=local://").name == name

    @pytest.mark.parametrize(
        "name",
        ["", "2prod", "a-b", "a b", "é", "a.b", "main", "MAIN", "temp", "sqlite_x", "select"],
    )
    def test_what_sql_would_not_take_is_refused(self, name):
        with pytest.raises(ConfigurationError):
            parse_source(f"{name}=local://")

    @pytest.mark.parametrize("keyword", sorted(apsw.keywords))
    def test_a_keyword_is_taken_only_if_sqlite_takes_it_unquoted(self, keyword):
        db = apsw.Connection(":memory:")
        try:
            parse_source(f"{keyword}=local://")
        except ConfigurationError:
            return
        db.execute(f"ATTACH ':memory:' AS {keyword}; CREATE TABLE {keyword}.sessions(a)")
        db.execute(
            f"INSERT INTO {keyword}.sessions VALUES (1); UPDATE {keyword}.sessions SET a = 2;"
            f" SELECT {keyword}.sessions.a FROM sqlite_schema, {keyword}.sessions;"
            f" DELETE FROM {keyword}.sessions"
        )

    def test_two_unnamed_sources_of_a_kind_are_refused(self):
        with pytest.raises(
            ConfigurationError, match="Two sources are named local; rename one by writing NAME="
        ):
            load(sources=["local:///a.db", "local:///b.db"])

    def test_names_that_differ_only_in_case_are_the_same_to_sqlite(self):
        with pytest.raises(ConfigurationError, match="Two sources are named"):
            load(sources={"prod": "local:///a.db", "PROD": "local:///b.db"})


class TestSecrets:
    """Design section 5: a secret is named, never written, and never shown."""

    @pytest.mark.parametrize(
        "key",
        [
            *("api_key", "apikey", "apiKey", "API_KEY", "key", "token", "access_token", "password"),
            *("passwd", "pwd", "secret", "client_secret", "authorization", "bearer", "credential"),
            *("private_key", "headers.X-API-Key", "headers.Authorization", "auth.token"),
        ],
    )
    def test_a_setting_that_would_hold_one_is_refused(self, key):
        with pytest.raises(CredentialError) as caught:
            parse_source(f"deepset://ws?{key}={CANARY}")

        assert key in str(caught.value)
        assert "api_key_env names an environment variable" in str(caught.value)
        assert CANARY not in str(caught.value)

    @pytest.mark.parametrize(
        "text",
        [
            f"deepset://user:{CANARY}@ws",
            f"deepset://{CANARY}@ws",
            f"deepset://ws?base_url=https://user:{CANARY}@api.example",
            f"deepset://ws?base_url=https://api.example/?key%3D{CANARY}",
            f"deepset://ws?header=Bearer%20{CANARY}",
            f"deepset://ws?api_key_env=AIza{'x' * 35}{CANARY}",
            f"deepset://ws?api_key_env={CANARY}",
            f"deepset://ws?note=-----BEGIN%20PRIVATE%20KEY-----{CANARY}",
            f"deepset://ws?{CANARY}",
        ],
    )
    def test_one_in_another_place_is_refused_and_not_shown(self, text):
        with pytest.raises(ConfigurationError) as caught:
            parse_source(text)

        assert CANARY not in str(caught.value)
        assert caught.value.__cause__ is None

    @pytest.mark.parametrize(
        "setting", ["api_key_env=DEEPSET_API_KEY", "api_key_file=/run/secrets/key"]
    )
    def test_its_name_is_taken(self, setting):
        key, _, value = setting.partition("=")

        assert parse_source(f"deepset://ws?{setting}").options == {key: value}

    @pytest.mark.parametrize(
        ("text", "place"),
        [
            (f"[sources.d]\nbackend='deepset'\napi_key='{CANARY}'", "[sources.d]: api_key"),
            (f"[sources.d]\nurl='deepset://ws?token={CANARY}'", "[sources.d] url"),
            (
                f"[sources.d]\nbackend='deepset'\n[sources.d.headers]\nX-API-Key='{CANARY}'",
                "[sources.d]: headers.X-API-Key",
            ),
            (
                f"[sources.d]\nbackend='deepset'\nheader=['Bearer {CANARY}']",
                "[sources.d]: header",
            ),
            (f"[sources.d]\nbackend='deepset'\napi_keys=['{CANARY}']", "[sources.d]: api_keys"),
            (f"init = \"SELECT 'Bearer x', 'https://a/?api_key={CANARY}'\"", "init"),
        ],
    )
    def test_in_a_file_the_error_names_file_table_and_key(self, home, text, place):
        path = written(home, text)

        with pytest.raises(CredentialError) as caught:
            load(config=path)

        assert str(caught.value).startswith(str(path))
        assert place in str(caught.value)
        assert CANARY not in str(caught.value)

    def test_a_column_may_be_called_token(self):
        source = parse_source("eleanor://N?fields.next_page_token=cursor.token")

        assert source.options == {"fields": {"next_page_token": "cursor.token"}}

    def test_the_file_decides_which_base_url_may_receive_a_credential(self, home):
        text = "vertex://p/l/1?base_url=https://proxy.example&api_key_env=KEY"
        path = written(home, f"[sources.filed]\nurl = '{text}'")

        sources = load(sources=[f"given={text}"], config=path).sources

        assert sources["filed"].from_file
        assert not sources["given"].from_file


class TestTogether:
    def test_with_nothing_configured_there_is_the_local_store(self):
        configuration = load()

        assert configuration.sources == {"local": Source("local", "local")}
        assert configuration.default == "local"
        assert (configuration.views, configuration.init) == ({}, ())

    @pytest.mark.parametrize(
        ("arguments", "sources", "default"),
        [
            ({}, ["a", "b"], "b"),
            ({"url": "c=local://"}, ["a", "b", "c"], "c"),
            ({"sources": ["c=local://", "d=local://"]}, ["a", "b", "c", "d"], "c"),
            ({"sources": ["B=local:///mine.db"]}, ["a", "B"], "B"),
            ({"url": "c=local://", "sources": ["d=local://"]}, ["a", "b", "c", "d"], "c"),
            ({"sources": ["c=local://"], "default": "A"}, ["a", "b", "c"], "a"),
            ({"sources": {"c": "local:///x.db"}}, ["a", "b", "c"], "c"),
            ({"sources": {"c": {"backend": "local", "timeout": 3}}}, ["a", "b", "c"], "c"),
            ({"sources": {"c": Source("x", "local")}}, ["a", "b", "c"], "c"),
            ({"sources": [Source("c", "local")]}, ["a", "b", "c"], "c"),
        ],
    )
    def test_sources_given_are_added_the_same_name_replaces(
        self, home, arguments, sources, default
    ):
        path = written(
            home, "default='b'\n[sources.a]\nurl='local://'\n[sources.b]\nurl='local://'"
        )

        configuration = load(**arguments, config=path)

        assert list(configuration.sources) == sources
        assert configuration.default == default
        assert all(source.name == name for name, source in configuration.sources.items())

    def test_without_a_default_the_files_first_source_is_it(self, home):
        path = written(home, "[sources.b]\nurl='local://'\n[sources.a]\nurl='local://'")

        assert load(config=path).default == "b"

    def test_a_default_that_is_not_configured_is_an_error_with_a_suggestion(self, home):
        path = written(home, "default = 'prd'\n[sources.prod]\nurl='local://'")

        with pytest.raises(UnknownNameError, match=r"'prd', which is not .* Did you mean prod\?"):
            load(config=path)

    def test_a_text_is_not_a_list_of_sources(self):
        with pytest.raises(ConfigurationError, match="pass a single URL as url"):
            load(sources="local://")

    def test_more_sources_than_sqlite_attaches_are_refused(self):
        with pytest.raises(
            ConfigurationError,
            match="121 sources are configured, but one connection can have at most 120",
        ):
            load(sources=[f"s{number}=local://" for number in range(121)])

    def test_a_configuration_cannot_be_changed(self):
        configuration = load("prod=vertex://p/l/1?base_url=http://a&scopes.project=a")

        for mapping in (configuration.sources, configuration.views):
            with pytest.raises(TypeError):
                mapping["x"] = "y"
        with pytest.raises(TypeError):
            configuration.sources["prod"].scopes["project"] = ()

    def test_the_default_costs_no_slow_import(self):
        code = (
            "import sys; from sessions_vtab.config import load; load();"
            "slow = {'pydantic', 'httpx', 'sqlglot', 'tomllib', 'apsw', 'fastapi'};"
            "print(sorted(slow & sys.modules.keys()))"
        )
        done = subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, check=True
        )

        assert done.stdout.strip() == "[]"
