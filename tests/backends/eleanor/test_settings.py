"""The settings of a source, and the tables of routes and fields that a user can correct."""

from __future__ import annotations

from contextlib import closing

import pytest

from sessions_vtab import connect
from sessions_vtab.backends.eleanor import EleanorBackend
from sessions_vtab.contract.backend import Source
from sessions_vtab.errors import ConfigurationError, CredentialError

BASE = "http://127.0.0.1:1"


def opened(location="demo", from_file=False, **options):
    source = Source("e", "eleanor", location, {"base_url": BASE, **options}, from_file=from_file)
    backend = EleanorBackend.open(source)
    backend.close()
    return backend


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"base_url": "nowhere"}, "base_url"),
        ({"base_url": f"{BASE}/?x=1"}, "base_url must not contain [?]"),
        ({"namespce": "x"}, "there is no such setting. Settings of eleanor"),
        ({"api_key_env": "A", "api_key_file": "b"}, "two credentials"),
        ({"routes": {"undelte": "POST /x"}}, "no setting routes.undelte. Did you mean undelete"),
        (
            {"routes": {"get": "FETCH /{namespace}/{session}"}},
            "routes.get must be a method and a path",
        ),
        ({"routes": {"get": "/{namespace}/{session}"}}, "routes.get must be a method and a path"),
        ({"routes": {"get": "POST /{namespace}/{session}"}}, "its method must be GET"),
        ({"routes": {"get": "GET /{namespace}"}}, "each of {namespace}, {session} exactly once"),
        ({"routes": {"list": "GET /{namespace}/{session}"}}, "no other placeholder"),
        ({"routes": {"get": "GET /{namespace}/{session}/{session}"}}, "exactly once"),
        ({"routes": {"list": "GET /../{namespace}"}}, "'..' is not a valid path segment"),
        ({"routes": {"list": "GET /a@b.example/{namespace}"}}, "is not a valid path segment"),
        ({"routes": {"list": "GET /{namespace}?x=1"}}, "is not a valid path segment"),
        ({"routes": {"list": 7}}, "routes.list"),
        ({"fields": {"sesion_id": "id"}}, "no setting fields.sesion_id. Did you mean session_id"),
        ({"fields": {"pkid": " "}}, "fields.pkid must be the name of a field"),
    ],
)
def test_a_wrong_setting_is_an_error_that_names_it(options, words):
    with pytest.raises(ConfigurationError, match=words.replace("{", "[{]").replace("}", "[}]")):
        opened(**options)


def test_base_url_is_required():
    with pytest.raises(ConfigurationError, match="base_url: this setting is required"):
        connect("eleanor://demo")


@pytest.mark.parametrize("namespace", [".", ".."])
def test_a_namespace_that_no_path_can_hold_is_refused(namespace):
    with pytest.raises(ConfigurationError, match="is not a valid namespace"):
        opened(namespace)


def test_a_credential_does_not_go_out_over_plain_http():
    with pytest.raises(CredentialError, match="plain http"):
        opened(from_file=True, base_url="http://eleanor.example", api_key_env="KEY")


def test_a_source_describes_itself_without_its_key(monkeypatch):
    monkeypatch.setenv("KEY", "canary")
    assert opened(api_key_env="KEY").describe() == (
        "EleanorAI demo at http://127.0.0.1:1/api/v1 with Authorization from $KEY"
    )


@pytest.mark.parametrize("given", ["", "/", "/api/v1", "/api/v1/"])
def test_base_url_may_already_end_with_the_prefix(source, server, given):
    eleanor = source(base_url=server.url + given)
    eleanor.add("s")
    assert eleanor("SELECT session_id FROM sessions") == [("s",)]


def test_another_route_is_used_as_it_is_set(source):
    eleanor = source(**{"routes.update": "PATCH /sessions/{namespace}/{session}"})
    eleanor.add("s")
    eleanor("UPDATE sessions SET description = 'd' WHERE session_id = 's'")
    assert eleanor.sent()[-1] == ("PATCH", "demo/s", {"description": "d"})


def test_a_route_may_end_with_a_slash(source):
    eleanor = source(**{"routes.list": "GET /sessions/{namespace}/"})
    with pytest.raises(Exception, match=r"the service's actual address"):
        eleanor("SELECT * FROM sessions")
    assert eleanor.sent()[0][1] == "demo/"


def test_a_missing_route_is_an_error_and_not_an_empty_answer(source):
    eleanor = source(**{"routes.get": "GET /elsewhere/{namespace}/{session}"})
    with pytest.raises(Exception, match="Correct api_prefix or routes"):
        eleanor("SELECT * FROM sessions WHERE session_id = 's'")


def test_fields_name_where_columns_are(source):
    eleanor = source(
        **{
            "fields.session_id": "pkid",
            "fields.display_name": "name",
            "fields.update_time": "create_ts",
        }
    )
    made = eleanor.add("s")
    found = eleanor("SELECT session_id, display_name, update_time IS NOT NULL FROM sessions")
    assert found == [(made["pkid"], "s", 1)]


def test_a_body_may_be_the_session_itself(server):
    options = {"base_url": server.url, "fields": {"session": ""}}
    server.control.reset(empty=True)
    server.control.fault("status", status=200, body={"name": "s", "pkid": "p"})
    with closing(connect(sources=[Source("e", "eleanor", "demo", options)])) as connection:
        rows = connection.execute("SELECT pkid FROM sessions WHERE session_id = 's'").fetchall()
    assert rows == [("p",)]


def test_another_field_has_the_task(source, server):
    eleanor = source(**{"fields.task_id": "job"})
    eleanor.add("s")
    server.control.fault("body", path="/integrate", body={"status": {}, "job": "t1"})
    assert eleanor("SELECT task_id FROM integrate_session('s')") == [("t1",)]
