"""Where credentials come from, and what is said when they are not there."""

from __future__ import annotations

import builtins
import subprocess
import sys
import threading

import google.auth
import httpx
import pytest
from google.auth.exceptions import DefaultCredentialsError, RefreshError, TransportError

from sessions_vtab.errors import CredentialError, MissingExtraError, UnavailableError
from sessions_vtab.fetch import ApiKey, Bearer, Google, NoAuth, Reader, RequestSpec, Secret


class Credentials:
    """As much of google-auth's as is used."""

    def __init__(self, failing=None):
        self.valid, self.token, self.failing = False, "", failing
        self.refreshed = 0

    def refresh(self, _request):
        if self.failing:
            raise self.failing
        self.refreshed += 1
        self.valid, self.token = True, f"token-{self.refreshed}"

    def apply(self, headers):
        headers["authorization"] = f"Bearer {self.token}"
        headers["x-goog-user-project"] = "billing"


@pytest.fixture
def login(monkeypatch):
    def use(credentials):
        monkeypatch.setattr(google.auth, "default", lambda **_: (credentials, "p"))
        return credentials

    return use


def test_importing_fetch_imports_no_google_auth():
    code = "import sys, sessions_vtab.fetch; sys.exit('google.auth' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_a_secret_is_read_from_a_variable_when_it_is_needed(monkeypatch):
    auth = Bearer(Secret(variable="THE_KEY"))
    monkeypatch.setenv("THE_KEY", " abc ")
    assert auth.headers() == {"Authorization": "Bearer abc"}


def test_a_secret_is_the_first_line_of_a_file(tmp_path):
    file = tmp_path / "key"
    file.write_text("abc\nsecond\n")
    assert ApiKey("X-API-Key", Secret(file=str(file))).headers() == {"X-API-Key": "abc"}


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (None, "not set"),
        ("", "is empty"),
        ("a b", "whitespace"),
        ("a\nb", "whitespace"),
        ("ä", "whitespace"),
    ],
)
def test_an_unusable_variable_is_named_without_its_value(monkeypatch, value, reason):
    monkeypatch.delenv("THE_KEY", raising=False)
    if value is not None:
        monkeypatch.setenv("THE_KEY", value)
    with pytest.raises(CredentialError, match=rf"\$THE_KEY.*{reason}"):
        Secret(variable="THE_KEY").read()


def test_a_missing_file_is_named():
    with pytest.raises(CredentialError, match=r"/no/such/file cannot be read"):
        Secret(file="/no/such/file").read()


def test_a_401_makes_it_read_the_file_again(tmp_path, sender_for):
    file = tmp_path / "key"
    file.write_text("old")
    got = []

    def handle(request):
        got.append(request.headers["x-api-key"])
        file.write_text("new")
        return httpx.Response(200 if got[-1] == "new" else 401, json={})

    sender = sender_for(handle, auth=ApiKey("X-API-Key", Secret(file=str(file))))
    sender.send(RequestSpec("POST", json={}))
    assert got == ["old", "new"]


@pytest.mark.parametrize("kind", ["file", "google"])
def test_requests_side_by_side_that_are_refused_all_go_on_with_the_new_credential(
    kind, tmp_path, login, client_for, context
):
    file, held = tmp_path / "key", login(Credentials())
    file.write_text("token-1")
    together = threading.Barrier(8, lambda: file.write_text("token-2"))

    def handle(request):
        if request.headers["authorization"] != "Bearer token-1":
            return httpx.Response(200, json={})
        together.wait(5)
        return httpx.Response(401, json={})

    auth = Google() if kind == "google" else Bearer(Secret(file=str(file)))
    client = client_for(handle, auth=auth)
    replies = list(
        Reader(client, context).gather(RequestSpec("GET", f"/{number}") for number in range(8))
    )
    assert [reply.status for reply in replies] == [200] * 8
    assert held.refreshed == (2 if kind == "google" else 0)


def test_a_401_with_the_same_key_is_final(monkeypatch, sender_for):
    monkeypatch.setenv("THE_KEY", "abc")
    got = []
    sender = sender_for(
        lambda r: got.append(r) or httpx.Response(401, json={}),
        auth=Bearer(Secret(variable="THE_KEY")),
    )
    with pytest.raises(CredentialError, match=r"\$THE_KEY"):
        sender.send(RequestSpec("GET"))
    assert len(got) == 1


def test_a_401_without_credential_explains_why_none_was_sent(sender_for):
    with pytest.raises(CredentialError, match="because"):
        sender_for(lambda _: httpx.Response(401, json={}), auth=NoAuth("None, because.")).send(
            RequestSpec("GET")
        )


def test_google_tokens_are_had_once_and_renewed_when_they_expire(login):
    held = login(Credentials())
    auth = Google()
    assert auth.headers() == {"authorization": "Bearer token-1", "x-goog-user-project": "billing"}
    auth.headers()
    held.valid = False
    assert auth.headers()["authorization"] == "Bearer token-2"
    assert set(auth.secrets()) == {"token-1", "token-2"}


def test_a_401_renews_google_s_token_once(login, sender_for):
    login(Credentials())
    got = []

    def handle(request):
        got.append(request.headers["authorization"])
        return httpx.Response(401, json={})

    with pytest.raises(CredentialError, match="application-default"):
        sender_for(handle, auth=Google()).send(RequestSpec("GET"))
    assert got == ["Bearer token-1", "Bearer token-2"]


@pytest.mark.parametrize(
    ("failing", "error", "hint"),
    [
        (RefreshError("reauth needed: token abc"), CredentialError, "gcloud auth .* login' again"),
        (TransportError("abc"), UnavailableError, "cannot be reached.*Check the network"),
    ],
)
def test_a_login_that_cannot_be_renewed_says_what_to_do(login, failing, error, hint):
    login(Credentials(failing))
    with pytest.raises(error, match=hint) as caught:
        Google().headers()
    assert "abc" not in str(caught.value)


def test_the_error_without_a_login_shows_how_to_log_in(monkeypatch):
    def default(**_):
        raise DefaultCredentialsError("none")

    monkeypatch.setattr(google.auth, "default", default)
    with pytest.raises(CredentialError, match="GOOGLE_OAUTH_ACCESS_TOKEN"):
        Google().headers()


def test_without_the_extra_the_error_names_what_to_install(monkeypatch):
    real = builtins.__import__

    def without(name, *rest):
        if name.startswith("google"):
            raise ImportError(name)
        return real(name, *rest)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(MissingExtraError, match=r"-m pip install google-auth requests"):
        Google().headers()
