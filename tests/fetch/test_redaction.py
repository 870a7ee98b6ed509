"""A canary secret must not appear anywhere that people or files can see."""

from __future__ import annotations

import logging
import pickle

import httpx
import pytest

from sessions_vtab.errors import SessionsError
from sessions_vtab.fetch import ApiKey, Bearer, Call, Secret, Site, plain, redact

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


def test_known_secrets_are_cut_wherever_they_stand():
    assert redact(f"/v0/sessions/{CANARY}/x", [CANARY, ""]) == "/v0/sessions/[cut]/x"


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
    monkeypatch, line_for, context, caplog, make, status
):
    monkeypatch.setenv("THE_KEY", CANARY)
    caplog.set_level(logging.DEBUG)
    echo = {"error": {"message": f"your key {CANARY} is bad", "status": CANARY}}
    line = line_for(
        lambda _: httpx.Response(status, json=echo), auth=make(Secret(variable="THE_KEY"))
    )
    seen = [repr(line.client), repr(line.client.site), repr(line.client.site.auth)]
    try:
        line.send(Call("GET", f"/a/{CANARY}", query=(("q", CANARY),)))
    except SessionsError as error:
        seen += [str(error), repr(error), str(pickle.loads(pickle.dumps(error)))]
    seen += [repr(context.requests), caplog.text]
    assert context.requests
    assert not [text for text in seen if CANARY in text]


def test_a_call_can_name_secrets_of_its_own(line_for, context):
    line = line_for(lambda _: httpx.Response(404, json={"message": f"no {CANARY}"}))
    with pytest.raises(SessionsError) as caught:
        line.send(Call("GET", f"/v0/sessions/{CANARY}", secrets=(CANARY,)))
    assert CANARY not in str(caught.value) + repr(context.requests)


def test_the_credential_is_sent_all_the_same(monkeypatch, line_for):
    monkeypatch.setenv("THE_KEY", CANARY)
    got = []
    line = line_for(
        lambda request: got.append(request) or httpx.Response(200, json={}),
        site=Site("prod", "http://127.0.0.1:9", Bearer(Secret(variable="THE_KEY"))),
    )
    line.send(Call("GET"))
    line.send(Call("GET", anonymous=True))
    assert [r.headers.get("authorization") for r in got] == [f"Bearer {CANARY}", None]
