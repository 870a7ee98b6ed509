from __future__ import annotations

from typing import Any

import pytest

from sessions_vtab.backends.whylabs import WhylabsBackend
from sessions_vtab.contract.backend import Source
from sessions_vtab.errors import ConfigurationError, CredentialError

BASE = "https://songbird.example"


def _opened(location: str = "", *, from_file: bool = False, **options: Any) -> WhylabsBackend:
    return WhylabsBackend.open(Source("guest", "whylabs", location, options, from_file=from_file))


@pytest.fixture(autouse=True)
def _no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("WHYLABS_API_KEY", "WHYLABS_API_ENDPOINT"):
        monkeypatch.delenv(name, raising=False)


def test_a_base_url_is_required_since_the_platform_has_ended() -> None:
    with pytest.raises(ConfigurationError, match=r"base_url is required.*have been shut down"):
        _opened()


def test_the_endpoint_of_whylogs_is_a_base_url(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WHYLABS_API_ENDPOINT", BASE)

    assert _opened().endpoint.base_url == BASE
    assert _opened(base_url="http://127.0.0.1:1/").endpoint.base_url == "http://127.0.0.1:1"


@pytest.mark.parametrize(
    ("location", "options", "told"),
    [
        ("org", {"base_url": BASE}, "has no location"),
        ("", {"base_url": BASE, "orgid": "o"}, "orgid: there is no such setting.*org_id"),
        ("", {"base_url": "nowhere"}, r"base_url is not valid\. .*not an http"),
        ("", {"base_url": BASE, "api_key_env": "A", "api_key_file": "B"}, "two credentials"),
    ],
)
def test_an_error_names_the_setting(location: str, options: dict[str, Any], told: str) -> None:
    with pytest.raises(ConfigurationError, match=told):
        _opened(location, **options)


@pytest.mark.parametrize(
    ("options", "from_file", "asks"),
    [
        ({"base_url": "http://127.0.0.1:1"}, False, True),
        ({"base_url": "https://api.whylabsapp.com"}, False, True),
        ({"base_url": BASE}, False, False),
        ({"base_url": BASE, "api_key_env": "OTHER"}, False, False),
        ({"base_url": BASE, "api_key_env": "OTHER"}, True, True),
        ({"base_url": "https://api.whylabsapp.com.evil.example"}, False, False),
    ],
)
def test_the_key_is_sent_only_to_allowed_hosts(
    monkeypatch: pytest.MonkeyPatch, options: dict[str, Any], from_file: bool, asks: bool
) -> None:
    monkeypatch.setenv("WHYLABS_API_KEY", "k")
    backend = _opened(from_file=from_file, **options)

    assert backend.reads_back() is asks


def test_without_a_key_nothing_is_asked_that_needs_one() -> None:
    backend = _opened(base_url="http://127.0.0.1:1")

    assert not backend.reads_back()
    with pytest.raises(CredentialError, match=r"\$WHYLABS_API_KEY\. .* is not set"):
        backend.endpoint.auth.headers()


def test_a_named_key_does_not_go_over_plain_http() -> None:
    with pytest.raises(CredentialError, match="plain http"):
        _opened(base_url="http://s.example", api_key_env="K", from_file=True)


@pytest.mark.parametrize(("key", "told"), [("k", "with X-API-Key from"), ("", "as a guest")])
def test_the_description_names_host_and_credential(
    monkeypatch: pytest.MonkeyPatch, whylabs: Any, key: str, told: str
) -> None:
    monkeypatch.setenv("WHYLABS_API_KEY", key)

    said = whylabs.connection.sources["guest"].backend.describe()

    assert said.startswith(f"WhyLabs sessions at {whylabs.server.url} ")
    assert told in said
