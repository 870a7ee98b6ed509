"""Who may be asked, who may see the credential, and that a wrong setting is named."""

from __future__ import annotations

import socket
from urllib.parse import urlencode

import httpx
import pytest

from sessions_vtab.contract.backend import Source
from sessions_vtab.errors import (
    ConfigurationError,
    CredentialError,
    InvalidValueError,
    RefusedError,
)
from sessions_vtab.fetch import NO_AUTH, ApiKey, Endpoint, NoAuth, RequestSpec, Secret, path
from sessions_vtab.fetch.endpoint import (
    KeyOptions,
    check_target,
    is_loopback,
    origin_of,
    validated,
    with_prefix,
)

KEY = ApiKey("x-api-key", Secret(variable="THE_KEY"))
PROVIDER = (r"(?:[a-z0-9-]+\.)?example\.com",)


def endpoint(base_url, named=False, from_file=False, auth=KEY):
    source = Source("prod", "any", from_file=from_file)
    return Endpoint.of(source, base_url, auth, provider=PROVIDER, named=named)


@pytest.mark.parametrize(
    ("base_url", "named", "from_file", "sent"),
    [
        ("https://example.com", False, False, True),
        ("https://api.example.com/v1", False, False, True),
        ("https://example.com.evil.net", False, False, False),
        ("https://evil-example.com", False, False, False),
        ("https://other.net", False, False, False),
        ("https://other.net", True, False, False),
        ("https://other.net", False, True, False),
        ("https://other.net", True, True, True),
        ("http://127.0.0.1:8787", False, False, True),
        ("http://localhost:8787", False, False, True),
        ("http://[::1]:8787", False, False, True),
        ("http://other.net", False, False, False),
    ],
)
def test_the_credential_is_sent_to(base_url, named, from_file, sent):
    chosen = endpoint(base_url, named, from_file)
    auth = chosen.credential_for(chosen.origin)
    assert (auth is KEY) is sent
    if not sent:
        assert isinstance(auth, NoAuth)
        assert "api_key_env" in auth.reason


@pytest.mark.parametrize("base_url", ["http://example.com", "http://other.net"])
def test_a_named_credential_over_plain_http_is_refused_when_the_source_is_opened(base_url):
    with pytest.raises(CredentialError, match="plain http"):
        endpoint(base_url, named=True, from_file=True)


def test_a_usual_credential_never_goes_over_plain_http():
    chosen = endpoint("http://example.com")
    with pytest.raises(CredentialError, match="Use https"):
        chosen.credential_for(chosen.origin)


@pytest.mark.parametrize(
    "url",
    [
        "",
        "example.com",
        "ftp://example.com",
        "file:///etc/passwd",
        "https://",
        "https://user:hunter2@example.com",
        "https://exa mple.com",
        "https://example.com:port",
        "https://example.com?key=1",
        "https://example.com#x",
    ],
)
def test_a_base_url_has_to_be_a_plain_url(url):
    with pytest.raises(ConfigurationError, match="prod") as caught:
        endpoint(url)
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize(
    "origin",
    [
        "https://evil.example",
        "https://example.com.evil.net",
        "http://api.example.com",
        "https://api.example.com:8443",
    ],
)
def test_a_call_cannot_choose_a_host_that_is_not_the_provider_s(client_for, origin):
    client = client_for(lambda _: httpx.Response(200), endpoint("https://example.com"))
    with pytest.raises(ConfigurationError, match="Nothing was"):
        client.url_of(RequestSpec("GET", "/a", origin=origin))


def test_a_call_can_choose_another_host_of_the_provider(client_for):
    client = client_for(lambda _: httpx.Response(200), endpoint("https://example.com"))
    url, auth, _ = client.url_of(RequestSpec("GET", "/a", origin="https://eu.example.com"))
    assert url == "https://eu.example.com/a"
    assert auth is KEY


@pytest.mark.parametrize("moved", [".evil.net/", "@evil.net/", ":8080/", "evil"])
def test_a_path_cannot_move_the_host(client_for, moved):
    client = client_for(lambda _: httpx.Response(200), endpoint("https://example.com"))
    for _ in range(2):  # Before and after the host is known to be right.
        with pytest.raises(ConfigurationError):
            client.url_of(RequestSpec("GET", moved))
        client.url_of(RequestSpec("GET", "/a"))


def test_a_url_is_the_same_when_its_host_is_known(client_for):
    client = client_for(lambda _: httpx.Response(200), endpoint("https://example.com"))
    odd = (("filter", 'a="é" AND b'), ("none", None), ("size", 5), ("a b", ""))
    calls = [
        RequestSpec("GET", "/v1/a%2Fb"),
        RequestSpec("GET", "/v1/a", odd),
        RequestSpec("GET", "/v1/a", anonymous=True),
        RequestSpec("GET", "/v1/a", origin="https://eu.example.com"),
        RequestSpec("GET", "/v1/a", origin="https://eu.example.com", anonymous=True),
    ]
    first, second = ([client.url_of(call) for call in calls] for _ in range(2))
    assert first == second
    assert [auth is KEY for _, auth, _ in first] == [True, True, False, True, False]
    assert first[1][0] == "https://example.com/v1/a?" + urlencode(
        [(name, value) for name, value in odd if value is not None]
    )


@pytest.mark.parametrize("segment", ["", ".", ".."])
def test_a_segment_that_would_name_another_resource_is_refused(segment):
    with pytest.raises(InvalidValueError):
        path("v1", segment)


@pytest.mark.parametrize(
    ("segment", "encoded"),
    [
        ("a/b", "a%2Fb"),
        ("../x", "..%2Fx"),
        ("a?b#c", "a%3Fb%23c"),
        ("a%2Fb", "a%252Fb"),
        ("a b\n", "a%20b%0A"),
        ("é🙂", "%C3%A9%F0%9F%99%82"),
        ("a:b", "a%3Ab"),
    ],
)
def test_segments_are_percent_encoded(segment, encoded):
    assert path("v1", segment, verb=":do") == f"/v1/{encoded}:do"


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("localhost", True),
        ("127.0.0.1", True),
        ("127.8.9.1", True),
        ("::1", True),
        ("localhost.evil.net", False),
        ("10.0.0.1", False),
        ("0.0.0.0", False),
        ("127.0.0.1.nip.io", False),
    ],
)
def test_loopback_is_decided_by_the_text_alone(host, expected):
    assert is_loopback(host) is expected


def resolving(monkeypatch, address):
    found = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, 443))]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: found)


@pytest.mark.parametrize(
    ("url", "address", "allowed"),
    [
        ("https://bucket.s3.amazonaws.com/x", "52.216.1.1", True),
        ("http://bucket.s3.amazonaws.com/x", "52.216.1.1", False),
        ("https://rebind.evil.net/x", "10.0.0.7", False),
        ("https://metadata.evil.net/x", "169.254.169.254", False),
        ("https://localhost/x", "127.0.0.1", False),
        ("http://127.0.0.1:5000/x", "127.0.0.1", False),
    ],
)
def test_an_upload_target_is_https_on_a_public_address(monkeypatch, url, address, allowed):
    resolving(monkeypatch, address)
    chosen = endpoint("https://example.com")
    if allowed:
        assert check_target(url, chosen) == origin_of(url)
    else:
        with pytest.raises(ConfigurationError, match="Nothing was sent"):
            check_target(url, chosen)


@pytest.mark.parametrize(
    "url",
    [
        "https://bucket.example/x\n",
        " https://bucket.example/x",
        "https://bucket.example/a b",
        "https://buck\tet.example/x",
        "https://bucket.example/\x00",
        "https://bucket.example:99999/x",
        "https://[::1",
        "https://user:hunter2@bucket.example/x",
        "bucket.example/x",
        f"https://{'a' * 64}.example/x",
    ],
)
def test_nothing_is_sent_to_an_invalid_upload_url(url):
    with pytest.raises(
        ConfigurationError, match=r"Source prod: the upload target.*Nothing was sent"
    ):
        check_target(url, endpoint("https://example.com"))


def test_an_upload_target_may_be_the_loopback_of_an_emulator():
    check_target("http://127.0.0.1:5000/x", endpoint("http://127.0.0.1:8787"))


def test_an_upload_is_sent_without_the_credential(monkeypatch, sender_for):
    monkeypatch.setenv("THE_KEY", "s3cret")
    got = []

    def handle(request):
        got.append(request)
        return httpx.Response(204)

    sender = sender_for(handle, endpoint=endpoint("http://127.0.0.1:8787"))
    sender.send(RequestSpec("POST", target="http://127.0.0.1:5000/put?X-Amz-Signature=abc"))
    sender.send(RequestSpec("GET", "/a"))
    assert [request.headers.get("x-api-key") for request in got] == [None, "s3cret"]


def test_redirects_are_not_followed(sender_for):
    got = []

    def handle(request):
        got.append(request)
        return httpx.Response(302, headers={"Location": "http://evil.example/"})

    with pytest.raises(RefusedError, match="Redirects are not followed"):
        sender_for(handle, auth=NO_AUTH).send(RequestSpec("GET", "/a"))
    assert len(got) == 1


ADDRESSES = {
    "93.184.216.34": True,
    "2606:4700::1111": True,
    "10.0.0.1": False,
    "127.0.0.1": False,
    "169.254.169.254": False,
    "100.64.0.1": False,
    "0.0.0.0": False,
    "224.0.0.1": False,
    "239.1.1.1": False,
    "240.0.0.1": False,
    "255.255.255.255": False,
    "::1": False,
    "::": False,
    "fe80::1%eth0": False,
    "fc00::1": False,
    "fec0::1": False,
    "ff02::1": False,
    "ff0e::1": False,
    "::ffff:10.0.0.1": False,
    "::ffff:93.184.216.34": True,
    "64:ff9b::a00:1": False,
    "64:ff9b::a9fe:a9fe": False,
    "64:ff9b::5db8:d822": True,
    "64:ff9b:1::5db8:d822": False,
    "2002:a00:1::1": False,
    "2002:7f00:1::1": False,
    "2002:e000:1::1": False,
    "2001:0:5ef5:79fb:0:0:f5ff:fffe": False,
}


@pytest.mark.parametrize(("address", "public"), ADDRESSES.items())
def test_an_upload_goes_only_to_a_host_on_the_public_internet(monkeypatch, address, public):
    """An IPv6 address can lead to a private IPv4 one, through a gateway."""
    found = [(0, 0, 0, "", (address, 443))]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: found)
    endpoint = Endpoint("prod", "https://api.example.com")
    if public:
        assert check_target("https://bucket.example.net/x", endpoint).host == "bucket.example.net"
    else:
        with pytest.raises(ConfigurationError, match="is a private address"):
            check_target("https://bucket.example.net/x", endpoint)


class Model(KeyOptions):
    base_url: str
    size: int = 10


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({}, "Source x: base_url: this setting is required. Settings of demo: api_key_env"),
        ({"base_url": "u", "sise": 1}, "sise: there is no such setting. Did you mean size[?]"),
        ({"base_url": "u", "size": "canary"}, "size: Input should be a valid integer"),
        ({"base_url": "u", "api_key_env": "canary", "api_key_file": "f"}, "two credentials; keep"),
    ],
)
def test_a_wrong_setting_is_named_without_its_value(options, words):
    with pytest.raises(ConfigurationError, match=words) as caught:
        validated(Source("x", "demo", "", options), Model)
    assert "canary" not in str(caught.value)


def test_a_key_is_named_by_its_place_or_absent():
    source = Source("x", "demo", "", {"base_url": "u", "api_key_env": "KEY"})
    assert str(validated(source, Model).secret) == "$KEY"
    assert Model(base_url="u").secret is None


@pytest.mark.parametrize(
    ("base", "prefix", "whole"),
    [
        ("http://h", "/api/v1", "http://h/api/v1"),
        ("http://h/", "api/v1/", "http://h/api/v1"),
        ("http://h/api/v1/", "/api/v1", "http://h/api/v1"),
        ("http://h/x", "/", "http://h/x"),
    ],
)
def test_a_prefix_is_there_once(base, prefix, whole):
    assert with_prefix(base, prefix) == whole
