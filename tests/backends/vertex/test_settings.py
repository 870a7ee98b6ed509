"""A source's settings: the parts of its URL, and which host receives which credential."""

from __future__ import annotations

import threading

import pytest

import sessions_vtab
from sessions_vtab.backends.vertex import VertexBackend, host_of
from sessions_vtab.contract.backend import Source
from sessions_vtab.contract.model import name_of
from sessions_vtab.errors import ConfigurationError, CredentialError, UnsupportedError


def place_of(backend):
    return tuple(backend.scope.get(name) for name in ("project", "location", "reasoning_engine"))


@pytest.fixture(autouse=True)
def _no_environment(monkeypatch):
    for name in ("CLOUD_PROJECT", "CLOUD_LOCATION", "OAUTH_ACCESS_TOKEN", "API_KEY"):
        monkeypatch.delenv(f"GOOGLE_{name}", raising=False)


@pytest.mark.parametrize(
    ("location", "scope"),
    [
        ("p/us-central1/42", ("p", "us-central1", "42")),
        ("p/us-central1", ("p", "us-central1", None)),
        ("p/global/42", ("p", "global", "42")),
        ("/42", (None, None, "42")),
        ("42", (None, None, "42")),
        ("example.com:p/eu/42", ("example.com:p", "eu", "42")),
    ],
)
def test_a_location_names_project_location_and_engine(opened, location, scope):
    assert place_of(opened(location)) == scope


def test_a_toml_table_gives_project_location_and_engine_as_keys(opened):
    """``location`` of a TOML table is the text that follows ``://`` in a URL."""
    backend = opened("us-central1", project="p", reasoning_engine="42")
    assert place_of(backend) == ("p", "us-central1", "42")


def test_project_and_location_have_defaults_in_the_environment(opened, monkeypatch):
    monkeypatch.setenv("GOOGLE_CLOUD_PROJECT", "env-p")
    monkeypatch.setenv("GOOGLE_CLOUD_LOCATION", "europe-west1")
    assert place_of(opened("")) == ("env-p", "europe-west1", None)


@pytest.mark.parametrize(
    ("location", "options", "message"),
    [
        ("", {}, "vertex://PROJECT/LOCATION/ENGINE"),
        ("a/b/c/d", {}, "vertex://PROJECT/LOCATION/ENGINE"),
        ("my-project", {}, "'my-project' alone is not enough.*vertex://PROJECT/LOCATION/ENGINE"),
        ("p/evil.example/42", {}, "'evil.example' is not a valid location"),
        ("my-project/42", {}, "'42' is not a valid location.*vertex://PROJECT/LOCATION/ENGINE"),
        ("p/us-central1/../42", {}, "vertex://"),
        ("P/us-central1/42", {}, "'P' is not a valid project"),
        ("p/us-central1/4?2", {}, "is not a valid reasoning_engine"),
        ("p/us-central1/42", {"api_version": "v2"}, "api_version"),
        ("p/us-central1/42", {"api_versoin": "v1"}, "api_versoin: there is no such setting"),
        ("p/us-central1/42", {"api_key_env": "A", "token_env": "B"}, "two credentials"),
        ("p/us-central1/42", {"base_url": "127.0.0.1:8787"}, "base_url"),
        ("p/us-central1/42", {"project": "q"}, "project is 'q' in the settings but 'p'"),
        ("p/us-central1/42", {"location": "eu"}, "location is 'eu'"),
        ("p/us-central1/42", {"reasoning_engine": "77"}, "reasoning_engine is '77'"),
        ("/42", {"project": "p", "location": "us-central1"}, "location is 'us-central1'"),
        ("/42", {"location": "us-central1"}, "location is 'us-central1'"),
        ("/42", {"api_version": "v1"}, "api_version v1 has no sessions with an API key"),
    ],
)
def test_a_wrong_setting_is_named(location, options, message):
    with pytest.raises(ConfigurationError, match=message) as caught:
        VertexBackend.open(Source("prod", "vertex", location, options))
    assert "prod" in str(caught.value)


@pytest.mark.parametrize(
    ("location", "host"),
    [
        ("us-central1", "us-central1-aiplatform.googleapis.com"),
        ("global", "aiplatform.googleapis.com"),
        (None, "aiplatform.googleapis.com"),
        ("us", "aiplatform.us.rep.googleapis.com"),
        ("eu", "aiplatform.eu.rep.googleapis.com"),
    ],
)
def test_a_location_determines_the_host_which_may_receive_the_credential(opened, location, host):
    assert host_of(location) == host
    assert opened("p/us-central1/42").endpoint.is_provider(host)


@pytest.mark.parametrize(
    "host",
    [
        "evil-aiplatform.googleapis.com.evil.net",
        "x.googleapis.com",
        "aiplatform.googleapis.com.evil",
        "us-central1-aiplatformXgoogleapis.com",
    ],
)
def test_other_hosts_do_not_belong_to_the_provider(opened, host):
    assert not opened("p/us-central1/42").endpoint.is_provider(host)


@pytest.mark.parametrize(
    ("location", "options", "environment", "credential"),
    [
        ("p/us-central1/42", {}, {}, "Google application-default credentials"),
        (
            "p/us-central1/42",
            {},
            {"GOOGLE_OAUTH_ACCESS_TOKEN": "t"},
            "Authorization from $GOOGLE_OAUTH_ACCESS_TOKEN",
        ),
        (
            "p/us-central1/42",
            {"token_env": "MINE"},
            {"GOOGLE_OAUTH_ACCESS_TOKEN": "t"},
            "Authorization from $MINE",
        ),
        ("p/us-central1/42", {"api_key_file": "/k"}, {}, "x-goog-api-key from /k"),
        ("42", {}, {}, "x-goog-api-key from $GOOGLE_API_KEY"),
        ("42", {"api_key_env": "MINE"}, {}, "x-goog-api-key from $MINE"),
        (
            "p/us-central1/42",
            {"base_url": "http://127.0.0.1:1"},
            {"GOOGLE_OAUTH_ACCESS_TOKEN": "t"},
            "no credential",
        ),
        (
            "p/us-central1/42",
            {"base_url": "http://127.0.0.1:1", "token_env": "MINE"},
            {},
            "Authorization from $MINE",
        ),
        (
            "p/us-central1/42",
            {"base_url": "https://other.net"},
            {"GOOGLE_OAUTH_ACCESS_TOKEN": "t"},
            "no credential",
        ),
        (
            "p/us-central1/42",
            {"base_url": "https://other.net", "token_env": "MINE"},
            {},
            "no credential",
        ),
    ],
)
def test_the_description_names_the_credential(
    monkeypatch, location, options, environment, credential
):
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    backend = VertexBackend.open(Source("prod", "vertex", location, options))
    assert backend.describe().endswith(f"with {credential}")
    backend.close()


def test_a_source_from_the_user_s_file_may_name_a_credential_for_another_host():
    options = {"base_url": "https://proxy.example", "token_env": "MINE"}
    backend = VertexBackend.open(
        Source("prod", "vertex", "p/us-central1/42", options, from_file=True)
    )
    assert backend.describe().endswith("with Authorization from $MINE")
    backend.close()


def test_a_named_credential_over_plain_http_is_refused():
    options = {"base_url": "http://proxy.example", "token_env": "MINE"}
    with pytest.raises(CredentialError, match="plain http"):
        VertexBackend.open(Source("prod", "vertex", "p/us-central1/42", options, from_file=True))


def test_express_paths_name_neither_project_nor_location(sources, monkeypatch):
    monkeypatch.setenv("MY_KEY", "abc")
    vertex = sources(location="/42", options={"api_key_env": "MY_KEY"})
    row = vertex.rows("sessions", "list", limit=1)[0]
    assert (row.project, row.location, row.reasoning_engine) == (None, None, "42")
    assert row.name == f"reasoningEngines/42/sessions/{row.session_id}"
    request = vertex.requests()[0]
    assert request["path"] == "/v1beta1/reasoningEngines/42/sessions"
    assert request["headers"]["x-goog-api-key"] == "abc"
    assert "authorization" not in request["headers"]
    outcome = vertex.insert("sessions", user_id="zoe", session_id="express")
    assert outcome.key == "reasoningEngines/42/sessions/express"


def test_compact_session_is_refused_with_an_api_key(sources):
    vertex = sources(location="/42")
    with pytest.raises(UnsupportedError, match="vertex://PROJECT/LOCATION/ENGINE"):
        vertex.call("compact_session", session="express", summarization="AUTO")
    assert vertex.requests() == []


def test_api_version_can_be_v1(sources):
    vertex = sources(options={"api_version": "v1"})
    vertex.rows("sessions", "list", limit=1)
    assert vertex.insert("sessions", user_id="zoe").state.value == "sent"
    assert {entry["path"].split("/")[1] for entry in vertex.requests()} == {"v1"}


@pytest.mark.parametrize(
    "where",
    [
        "session_id = 'a' AND location = 'europe-west1'",
        "name = 'projects/p/locations/europe-west1/reasoningEngines/42/sessions/a'",
    ],
)
def test_another_location_in_where_goes_to_its_own_host(where):
    with sessions_vtab.connect("vertex://p/us-central1/42") as db:
        ((_, request),) = db.preview(f"SELECT * FROM sessions WHERE {where}")
    assert request.url.startswith("https://europe-west1-aiplatform.googleapis.com/v1beta1/projects")


def test_opening_makes_no_request_and_starts_no_thread():
    before = threading.active_count()
    backend = VertexBackend.open(Source("prod", "vertex", "p/us-central1/42"))
    assert threading.active_count() == before
    backend.close()
    backend.close()


ENGINE = "projects/p/locations/us-central1/reasoningEngines/42"


@pytest.mark.parametrize(
    ("location", "name", "session_id"),
    [
        ("p/us-central1", f"{ENGINE}/sessions/a-1", "a-1"),
        ("p/us-central1", f"{ENGINE}/sessions/a-1".replace("/p/", "/example.com:p/"), "a-1"),
        ("/42", "reasoningEngines/42/sessions/a", "a"),
        ("p/us-central1", "reasoningEngines/42/sessions/a", None),
        ("/42", f"{ENGINE}/sessions/a", None),
        ("p/us-central1", f"{ENGINE}/sessions/a/", None),
        ("p/us-central1", f"{ENGINE}/sessions/A", None),
        ("p/us-central1", f"{ENGINE}/sessions/..", None),
        ("p/us-central1", f"x/{ENGINE}/sessions/a", None),
        ("p/us-central1", f"{ENGINE}/sessions/a/sessions/b", None),
        ("p/us-central1", None, None),
        ("p/us-central1", 5, None),
    ],
)
def test_names_are_parsed_completely_or_not_at_all(opened, location, name, session_id):
    backend = opened(location)
    template, event = (backend.resources[table].spec.name for table in ("sessions", "events"))
    found = backend.parse(template, name)
    assert (found and found["session_id"]) == session_id
    if found:
        assert name_of(template, found) == name
        assert backend.parse(event, f"{name}/events/123")["event_id"] == "123"
    assert backend.parse(event, f"{name}/events/1?2") is None


@pytest.mark.parametrize(
    ("text", "valid"),
    [
        ("a", True),
        ("0", True),
        ("a-b", True),
        ("x" * 63, True),
        ("", False),
        ("x" * 64, False),
        ("-a", False),
        ("a-", False),
        ("a_b", False),
        ("A", False),
        ("٣", False),
        ("a\n", False),
    ],
)
def test_session_ids(opened, text, valid):
    assert opened().fits("session_id", text) is valid


@pytest.mark.parametrize(
    "name",
    [
        "projects/1/locations/us-central1/operations/99",
        f"{ENGINE}/sessions/a/operations/99",
        "operations/1",
    ],
)
def test_an_operation_is_asked_for_by_its_own_name(sources, name):
    vertex = sources()
    vertex.control.fault("body", method="POST", body={"name": name})
    vertex.insert("sessions", user_id="zoe")
    assert vertex.requests("GET")[0]["path"] == f"/v1beta1/{name}"


@pytest.mark.parametrize(
    "name", ["../operations/1", "a//operations/1", "operations/1/x", "operations/", None]
)
def test_an_operation_with_another_name_is_not_asked_for(sources, name):
    vertex = sources()
    vertex.control.fault("body", method="POST", body={"name": name})
    outcome = vertex.insert("sessions", user_id="zoe")
    assert "not a valid operation name" in str(outcome.error)
    assert vertex.requests("GET") == []


def test_settings_show_no_secrets(opened, monkeypatch):
    monkeypatch.setenv("MINE", "canary-1")
    backend = opened("p/us-central1/42", token_env="MINE")
    assert "canary-1" not in f"{backend.settings!r} {backend.endpoint!r}"


@pytest.mark.parametrize(("value", "state"), [(None, "is not set"), ("", "is empty")])
def test_an_api_key_that_is_not_there_names_the_url_that_needs_none(
    opened, monkeypatch, value, state
):
    monkeypatch.delenv("GOOGLE_API_KEY", raising=False)
    if value is not None:
        monkeypatch.setenv("GOOGLE_API_KEY", value)
    endpoint = opened("/42").endpoint

    with pytest.raises(CredentialError) as caught:
        endpoint.credential_for(endpoint.origin).headers()

    for part in (state, "api_key_env", "vertex://PROJECT/LOCATION/ENGINE"):
        assert part in str(caught.value)
