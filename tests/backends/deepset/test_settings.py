from __future__ import annotations

from contextlib import closing
from typing import Any

import pytest

from sessions_vtab import registry
from sessions_vtab.contract.backend import Source
from sessions_vtab.errors import ConfigurationError, CredentialError, InvalidValueError
from sessions_vtab.fetch import NoAuth, origin_of


def _endpoint(location: str = "ws", *, from_file: bool = False, **options: Any) -> Any:
    with closing(_opened(location, options, from_file=from_file)) as backend:
        return backend.make_site()


def _opened(location: str, options: dict[str, Any], *, from_file: bool = False) -> Any:
    source = Source("docs", "deepset", location, options, from_file=from_file)
    return registry.backend_class("deepset").open(source)


@pytest.mark.parametrize(
    ("base_url", "base"),
    [
        (None, "https://api.cloud.deepset.ai"),
        ("https://api.us.deepset.ai/api/v1", "https://api.us.deepset.ai"),
        ("https://api.cloud.deepset.ai/api/v1/", "https://api.cloud.deepset.ai"),
        ("https://api.cloud.deepset.ai/v1", "https://api.cloud.deepset.ai"),
        ("http://127.0.0.1:8787/", "http://127.0.0.1:8787"),
        ("http://127.0.0.1:8787/proxy/api/v1", "http://127.0.0.1:8787/proxy"),
    ],
)
def test_base_url_is_given_with_or_without_the_version(base_url: str | None, base: str) -> None:
    options = {} if base_url is None else {"base_url": base_url}

    assert _endpoint(**options).base_url == base


@pytest.mark.parametrize(
    ("set_", "used"),
    [
        ({"DEEPSET_API_KEY": "a", "API_KEY": "b"}, "a"),
        ({"API_KEY": "b"}, "b"),
        ({"DEEPSET_API_KEY": "", "API_KEY": "b"}, "b"),
    ],
)
def test_the_key_is_read_from_the_variables_of_the_sdks(
    monkeypatch: pytest.MonkeyPatch, set_: dict[str, str], used: str
) -> None:
    for name in ("DEEPSET_API_KEY", "API_KEY"):
        monkeypatch.delenv(name, raising=False)
    for name, value in set_.items():
        monkeypatch.setenv(name, value)

    assert _endpoint().auth.headers() == {"Authorization": f"Bearer {used}"}


def test_without_a_key_the_error_names_the_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("DEEPSET_API_KEY", "API_KEY"):
        monkeypatch.delenv(name, raising=False)

    with pytest.raises(CredentialError, match=r"\$DEEPSET_API_KEY\. .* is not set"):
        _endpoint().auth.headers()


@pytest.mark.parametrize(
    ("location", "options", "told"),
    [
        ("", {}, "no workspace is given. Write the URL as deepset://WORKSPACE"),
        ("..", {}, "'..' is not a valid workspace. Write the URL as deepset://WORKSPACE"),
        ("ws", {"page_size": "5"}, "page_size: there is no such setting"),
        ("ws", {"base_url": "ftp://x"}, r"base_url is not valid\. .*not an http"),
        ("ws", {"base_url": 5}, "base_url: "),
        ("ws", {"api_key_env": "A", "api_key_file": "B"}, "api_key_env and api_key_file"),
    ],
)
def test_an_error_names_the_setting(location: str, options: dict[str, Any], told: str) -> None:
    with pytest.raises(ConfigurationError, match=told):
        _endpoint(location, **options)


@pytest.mark.parametrize(
    ("base_url", "options", "from_file", "goes"),
    [
        ("https://api.cloud.deepset.ai", {}, False, True),
        ("https://api.us.deepset.ai", {}, False, True),
        ("http://127.0.0.1:1", {}, False, True),
        ("https://evil.example", {}, False, False),
        ("https://evil.example", {"api_key_env": "K"}, False, False),
        ("https://api.cloud.deepset.ai.evil.example", {}, False, False),
        ("https://own.example", {"api_key_env": "K"}, True, True),
    ],
)
def test_the_key_is_sent_only_to_allowed_hosts(
    base_url: str, options: dict[str, Any], from_file: bool, goes: bool
) -> None:
    endpoint = _endpoint(base_url=base_url, from_file=from_file, **options)

    credential = endpoint.credential_for(origin_of(base_url))

    assert isinstance(credential, NoAuth) is not goes


def test_a_workspace_may_be_an_option() -> None:
    with closing(_opened("", {"workspace": "team a"})) as backend:
        assert backend.scope == {"workspace": "team a"}


def test_the_description_names_host_and_credential(deepset: Any) -> None:
    said = deepset.connection.sources["docs"].backend.describe()

    assert said == (
        f"deepset workspace ws at {deepset.server.url} with Authorization from $DEEPSET_API_KEY"
    )


def test_a_closed_backend_can_be_closed_again(deepset: Any) -> None:
    connection = deepset.connect()
    connection.close()
    connection.sources["docs"].backend.close()

    with pytest.raises(InvalidValueError):
        deepset("SELECT * FROM upload_sessions WHERE session_id = ''")
