"""A canary secret must not appear anywhere that people or files can see."""

from __future__ import annotations

import logging
import pickle
from urllib.parse import quote, quote_plus

import httpx
import pytest

from sessions_vtab.errors import SessionsError
from sessions_vtab.fetch import ApiKey, Bearer, Endpoint, RequestSpec, Secret, plain, redact

CANARY = "canary-3f9c1e77"


@pytest.mark.parametrize(
    "text",
    [
        f"https://h/a?key={CANARY}&x=1",
        f"https://h/a?x=1&access_token={CANARY}",
        f"https://b.s3.amazonaws.com/k?X-Amz-Signature={CANARY}",
        f"https://b.s3.amazonaws.com/k?X-Amz-Credential={CANARY}%2F2026&X-Amz-Date=1",
        f"https://user:{CANARY}@h/a",
        f"Authorization: Bearer {CANARY}",
        f"basic {CANARY}",
        f"api_key={CANARY}",
    ],
)
def test_what_looks_like_a_credential_is_cut(text):
    assert CANARY not in redact(text)


NAMES = [
    *("X-Amz-Signature", "x-amz-credential", "X-Amz-Security-Token", "x-goog-signature"),
    *("x-goog-credential", "X-Goog-Api-Key", "x-api-key", "api_key", "api-key", "apikey"),
    *("access_token", "refresh_token", "client_secret", "oauth_token", "key", "sig"),
    *("signature", "password", "AWSAccessKeyId", "Policy"),
]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("around", ["https://h/a?{}", "https://h/a?pageToken=x&{}&pageToken=y"])
def test_every_name_of_a_credential_is_known(name, around):
    """Also by the shorter words that are looked for first."""
    for spelled in (name, name.upper(), name.lower()):
        assert redact(around.format(f"{spelled}={CANARY}")) == around.format(f"{spelled}=[cut]")


def test_a_page_token_is_shown():
    assert redact("https://h/a?pageToken=abc") == "https://h/a?pageToken=abc"


def test_known_secrets_are_cut_wherever_they_stand():
    assert redact(f"/v0/sessions/{CANARY}/x", [CANARY, ""]) == "/v0/sessions/[cut]/x"


ODD = "k\u00e9y+/=%2F canary&3f9c1e77"
ENCODED = "".join(f"%{byte:02x}" for byte in ODD.encode())


@pytest.mark.parametrize(
    ("secret", "text"),
    [
        (CANARY, quote(CANARY).replace("-", "%2D")),
        (CANARY, "".join(f"%{ord(character):02X}" for character in CANARY)),
        (CANARY, CANARY.replace("-", "%252d")),
        (CANARY, CANARY.replace("n", "%6e").replace("f", "%25256F".replace("6F", "66"))),
        (ODD, ODD),
        (ODD, quote(ODD, safe="")),
        (ODD, quote(quote(ODD, safe=""), safe="")),
        (ODD, ENCODED),
        (ODD, quote_plus(ODD)),
        (ODD, quote(quote_plus(ODD))),
        ("%00" + CANARY, quote("%00" + CANARY)),
    ],
)
@pytest.mark.parametrize("around", ["{}", "GET https://h/v0/{}/x?y=%20", "no such id '{}'"])
def test_a_secret_is_found_percent_encoded(secret, text, around):
    assert redact(around.format(text), [secret]) == around.format("[cut]")


LONG = "sk-" + "0123456789abcdef" * 4


@pytest.mark.parametrize("form", [LONG, quote(LONG).replace("-", "%2D")])
def test_a_secret_is_found_where_the_text_is_cut_off(form):
    """Services repeat what they were sent, and shorten it; so do we with a long text."""
    for kept in range(14, len(form)):
        for end in ("", "...", "\u2026", "... is no key"):
            assert redact(f"bad key {form[:kept]}{end}", [LONG]) == f"bad key [cut]{end}"
        assert redact(f"{form[-kept:]} is no key", [LONG]) == "[cut] is no key"


def test_what_only_begins_like_a_secret_stays():
    text = "session-1 is not session-3f9c1e77; sk-01234 is no key"
    assert redact(text, ["session-canary", LONG]) == text


def test_the_message_of_a_service_is_cut_before_it_is_shortened(sender_for, monkeypatch):
    """Its secret lies across the border of what is looked at; tags make what is shown shorter."""
    monkeypatch.setenv("THE_KEY", LONG)
    page = "<p>" * 1322 + "the key is " + LONG
    sender = sender_for(
        lambda _: httpx.Response(400, text=page),
        auth=ApiKey("x-api-key", Secret(variable="THE_KEY")),
    )
    with pytest.raises(SessionsError) as raised:
        sender.send(RequestSpec("GET", "/a"))
    assert "the key is [cut]" in str(raised.value)
    assert LONG[:12] not in str(raised.value)


def test_harmless_text_stays():
    url = "https://h/v1/sessions?pageSize=10&filter=user_id%3D%22a%22&pageToken=abc"
    assert redact(url) == url


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("fine", "fine"),
        ("a\x1b[31mb\r\n", "a\\x1b[31mb\\r\\n"),
        ("\u202eevil", "\\u202eevil"),
        ("x" * 600, "x" * 499 + "…"),
    ],
)
def test_server_text_is_one_short_line_without_control_characters(text, shown):
    assert plain(text) == shown


@pytest.mark.parametrize("make", [lambda s: ApiKey("x-api-key", s), Bearer])
@pytest.mark.parametrize("status", [200, 400, 401, 403, 404, 429, 500])
def test_a_secret_that_the_service_echoes_is_cut_everywhere(
    monkeypatch, sender_for, context, caplog, make, status
):
    monkeypatch.setenv("THE_KEY", CANARY)
    caplog.set_level(logging.DEBUG)
    echo = {"error": {"message": f"your key {CANARY} is bad", "status": CANARY}}
    sender = sender_for(
        lambda _: httpx.Response(status, json=echo), auth=make(Secret(variable="THE_KEY"))
    )
    seen = [repr(sender.client), repr(sender.client.endpoint), repr(sender.client.endpoint.auth)]
    try:
        sender.send(RequestSpec("GET", f"/a/{CANARY}", query=(("q", CANARY),)))
    except SessionsError as error:
        seen += [str(error), repr(error), str(pickle.loads(pickle.dumps(error)))]
    seen += [repr(context.requests), caplog.text]
    assert context.requests
    assert not [text for text in seen if CANARY in text]


def test_a_call_can_name_secrets_of_its_own(sender_for, context):
    sender = sender_for(lambda _: httpx.Response(404, json={"message": f"no {CANARY}"}))
    with pytest.raises(SessionsError) as caught:
        sender.send(RequestSpec("GET", f"/v0/sessions/{CANARY}", secrets=(CANARY,)))
    assert CANARY not in str(caught.value) + repr(context.requests)


def test_the_credential_is_sent_all_the_same(monkeypatch, sender_for):
    monkeypatch.setenv("THE_KEY", CANARY)
    got = []
    sender = sender_for(
        lambda request: got.append(request) or httpx.Response(200, json={}),
        endpoint=Endpoint("prod", "http://127.0.0.1:9", Bearer(Secret(variable="THE_KEY"))),
    )
    sender.send(RequestSpec("GET"))
    sender.send(RequestSpec("GET", anonymous=True))
    assert [r.headers.get("authorization") for r in got] == [f"Bearer {CANARY}", None]
