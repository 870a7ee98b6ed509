"""The emulated WhyLabs against its contract."""

from __future__ import annotations

import json
import re
from base64 import urlsafe_b64decode
from urllib.parse import parse_qsl, urlsplit

import httpx
import pytest

from sessions_vtab.emulator.whylabs import WhyLabs
from tests.emulator.apis import START, ServiceApi, of_each_test

KEY = "0123456789." + "k" * 53


class Api(ServiceApi):
    """WhyLabs."""

    def __init__(self, **settings) -> None:
        super().__init__(WhyLabs, **settings)

    def session(self) -> str:
        return self("POST", "/v0/sessions", json={"userId": "me"}).json()["id"]

    def get(self, session, key=KEY, **options):
        headers = {"X-API-Key": key} if key else {}
        return self("GET", f"/v0/sessions/{session}", headers=headers, **options)

    def claim(self, session, org="org-1", key=KEY):
        url = f"/v0/sessions/{session}/claim"
        headers = {"X-API-Key": key, "Content-Type": "application/json"}
        return self("POST", url, params={"org_id": org} if org else {}, headers=headers)

    def post(self, session, operation, body):
        return self("POST", f"/v0/sessions/{session}/{operation}", json=body)

    def links(self, session, timestamps=(), references=()):
        body = {
            "batchProfileTimestamps": list(timestamps),
            "referenceProfileIds": list(references),
        }
        return self("POST", f"/v0/sessions/observatory-link/{session}", json=body)

    def __call__(self, method, url, **options) -> httpx.Response:
        return self.request(method, url, **options)


api = of_each_test(Api)


NOW = int(START.timestamp() * 1000)
DAY = NOW - NOW % 86_400_000
DATASET = {"datasetTimestamp": NOW, "segmentTags": []}


def profiles(link: str) -> list[str]:
    return [value for name, value in parse_qsl(urlsplit(link).query) if name == "profile"]


# Sessions and keys


def test_a_session_is_created_without_a_key(api):
    answer = api("POST", "/v0/sessions", json={"userId": "me", "extra": 1})
    assert answer.status_code == 200
    assert answer.json().keys() == {"id"}
    assert re.fullmatch(r"session-[a-zA-Z0-9]+", answer.json()["id"])
    assert api.session() != api.session()


def test_a_session_is_a_fresh_org_with_a_generated_user(api):
    first, second = (api.get(api.session()).json()["session"] for _ in range(2))
    assert first.keys() == {"sessionId", "orgId", "modelId", "userId"}
    assert first["modelId"] == "model-1"
    assert first["userId"].startswith("session-user-")
    assert first["orgId"] != second["orgId"]


@pytest.mark.parametrize(
    ("key", "status"),
    [
        (KEY, 200),
        (KEY + ":org-abc", 200),
        (None, 401),
        ("", 401),
        ("short", 403),
        ("0123456789-" + "k" * 53, 403),
        ("0123456789." + "k" * 52, 403),
        ("0123456789." + "k" * 54, 403),
        ("01234_6789." + "k" * 53, 403),
    ],
)
def test_get_session_asks_for_a_key_of_the_format(api, key, status):
    answer = api.get(api.session(), key)
    assert answer.status_code == status
    if status > 400:
        assert answer.json().keys() == {"message", "requestId", "type"}


def test_the_key_may_come_as_a_cookie(api):
    headers = {"Cookie": f"X-API-Key={KEY}"}
    answer = api("GET", f"/v0/sessions/{api.session()}", headers=headers)
    assert answer.status_code == 200


def test_the_key_is_checked_before_the_session(api):
    assert api.get("session-none", None).status_code == 401
    assert api.claim("session-none", key="short").status_code == 403


def test_guest_routes_ignore_a_bad_key(api):
    headers = {"X-API-Key": "short"}
    answer = api("POST", "/v0/sessions", json={"userId": "me"}, headers=headers)
    assert answer.status_code == 200


# Claims and the end of a session


def test_a_claim_returns_an_empty_object(api):
    answer = api.claim(api.session())
    assert (answer.status_code, answer.json()) == (200, {})


@pytest.mark.parametrize(
    ("org", "key", "status"),
    [
        ("org-1", KEY, 200),
        ("org-1", KEY + ":org-1", 200),
        ("org-1", KEY + ":org-2", 403),
        ("org-1", "short", 403),
        ("org-1", "", 401),
        (None, KEY, 400),
        ("", KEY, 400),
    ],
)
def test_a_claim_is_for_the_org_of_the_key(api, org, key, status):
    session = api.session()
    assert api.claim(session, org, key).status_code == status
    assert api.get(session).status_code == (404 if status == 200 else 200)


@pytest.mark.parametrize("end", ["claim", "expiry", "never was"])
def test_every_operation_fails_on_a_session_that_has_ended(api, end):
    session = api.session()
    if end == "claim":
        api.claim(session)
    elif end == "expiry":
        api.pass_time(days=7)
    else:
        session = "session-none"
    answers = [
        api.get(session),
        api.claim(session),
        api.post(session, "reference", {}),
        api.post(session, "references", {"references": [{}]}),
        api.post(session, "upload", DATASET),
        api.links(session, [1]),
    ]
    assert [answer.status_code for answer in answers] == [404] * 6
    for answer in answers:
        assert answer.json()["type"] == "ResourceNotFound"
        assert answer.json()["message"] == f"Resource session with ID {session} not found."


def test_a_session_lives_until_its_expiry(api):
    session = api.session()
    api.pass_time(days=7, seconds=-1)
    assert api.get(session).status_code == 200


# References


def test_a_reference_needs_no_field(api):
    session = api.session()
    body = api.post(session, "reference", {}).json()
    assert re.fullmatch(r"ref-[a-zA-Z0-9]{16}", body["id"])
    assert body["alias"] == f"ref-{START.isoformat()}"
    assert (body["modelId"], body["uploadTimestamp"]) == ("model-1", NOW)
    assert profiles(body["observatoryUrl"]) == [body["id"]]
    assert body["uploadUrl"].startswith("http://e.test/whylabs-uploads/")
    assert None not in body.values()


@pytest.mark.parametrize(
    ("sent", "expected"),
    [
        ({"alias": "a", "datasetTimestamp": 0}, {"alias": "a", "uploadTimestamp": 0}),
        ({"alias": None, "datasetTimestamp": None, "region": None}, {"uploadTimestamp": NOW}),
        ({"alias": ""}, {"alias": ""}),
        ({"region": "us-west-2"}, {"modelId": "model-1"}),
        ({"datasetTimestamp": 5.0}, {"uploadTimestamp": 5}),
    ],
)
def test_the_fields_of_a_reference_are_returned(api, sent, expected):
    body = api.post(api.session(), "reference", sent).json()
    assert {key: body[key] for key in expected} == expected


def test_a_batch_keeps_the_order_and_has_a_joint_link(api):
    rows = [{"alias": alias, "datasetTimestamp": 0} for alias in "dabc"]
    session = api.session()
    body = api.post(session, "references", {"references": rows, "session_id": session}).json()
    assert [row["alias"] for row in body["references"]] == list("dabc")
    assert profiles(body["observatoryUrl"]) == [row["id"] for row in body["references"]][:3]


def test_a_batch_is_all_or_nothing(api):
    session = api.session()
    before = api.service.dump()
    rows = [{"alias": "a"}, {"region": "mars"}]
    assert api.post(session, "references", {"references": rows}).status_code == 400
    assert api.post(session, "references", {"references": []}).status_code == 400
    assert api.service.dump() == before


# Datasets


def test_a_dataset_upload_returns_a_dataset_id(api):
    session = api.session()
    tags = [{"key": "k", "value": "v"}]
    sent = {"datasetTimestamp": NOW, "segmentTags": tags, "dataset": "model-1"}
    body = api.post(session, "upload", sent).json()
    assert body.keys() == {"id", "observatoryUrl", "uploadUrl", "datasetId", "uploadTimestamp"}
    assert re.fullmatch(r"log-[a-zA-Z0-9]{16}", body["id"])
    assert (body["datasetId"], body["uploadTimestamp"]) == ("model-1", NOW)
    assert profiles(body["observatoryUrl"]) == [str(DAY)]


@pytest.mark.parametrize(
    ("change", "kind", "text"),
    [
        ({"datasetTimestamp": None}, "ArgumentValue", "integer"),
        ({"datasetTimestamp": 1.5}, "ArgumentValue", "integer"),
        ({"segmentTags": None}, "ArgumentValue", "list"),
        ({"segmentTags": [{"key": "", "value": "v"}]}, "ArgumentValue", "character"),
        ({"segmentTags": [{"key": "k"}]}, "ArgumentValue", "required"),
        ({"region": "mars"}, "IllegalArgument", "Unsupported region provided: mars."),
        ({"datasetTimestamp": 967_561}, "IllegalArgument", "5 years"),
        ({"datasetTimestamp": NOW - 5 * 365 * 86_400_000 - 1}, "IllegalArgument", "5 years"),
    ],
    ids=str,
)
def test_a_bad_dataset_upload_is_400(api, change, kind, text):
    answer = api.post(api.session(), "upload", {**DATASET, **change})
    assert answer.status_code == 400
    body = answer.json()
    assert body["type"] == kind
    assert text in body["message"]
    assert body["requestId"]
    assert ("parameter" in body) == (kind == "ArgumentValue")


def test_five_years_are_not_too_old(api):
    sent = {**DATASET, "datasetTimestamp": NOW - 5 * 365 * 86_400_000}
    assert api.post(api.session(), "upload", sent).status_code == 200


def test_broken_json_is_400(api):
    headers = {"Content-Type": "application/json"}
    answer = api("POST", "/v0/sessions", content=b"{", headers=headers)
    assert (answer.status_code, answer.json()["type"]) == (400, "ArgumentValue")


# Links


def test_a_link_is_to_the_hub_with_the_session_as_token(api):
    session = api.session()
    body = api.links(session, [NOW], ["ref-1"]).json()
    day = f"profile=ref-1&profile={DAY}&sessionToken={session}"
    assert body["observatoryUrl"] == (
        f"https://hub.whylabsapp.com/resources/model-1/profiles?{day}"
    )


@pytest.mark.parametrize(
    ("timestamps", "references", "expected"),
    [
        ([NOW], [], [str(DAY)]),
        ([0, 86_399_999, 86_400_000], [], ["0", "0", "86400000"]),
        ([NOW], ["r1", "r 2&"], ["r1", "r 2&", str(DAY)]),
        ([1, 2, 3], ["r1", "r2"], ["r1", "r2", "0", "0", "0"]),
    ],
)
def test_references_come_first_and_three_are_joined(api, timestamps, references, expected):
    body = api.links(api.session(), timestamps, references).json()
    assert profiles(body["observatoryUrl"]) == expected[:3]
    individual = [profiles(link) for link in body["individualObservatoryUrls"]]
    assert individual == [[profile] for profile in expected]


def test_no_profile_is_400(api):
    answer = api.links(api.session())
    assert answer.status_code == 400
    assert answer.json()["message"] == "Must provide at least one profile"
    assert answer.json()["type"] == "IllegalArgument"


# Upload targets


def test_a_target_takes_the_bytes(api):
    url = api.post(api.session(), "upload", DATASET).json()["uploadUrl"]
    assert api("PUT", url, content=b"\xff\x00").status_code == 200
    (session,) = api.service.dump()["sessions"].values()
    (profile,) = session["profiles"].values()
    assert urlsafe_b64decode(profile["content"]) == b"\xff\x00"


def test_a_target_outlives_a_claim_but_not_fifteen_minutes(api):
    session = api.session()
    url = api.post(session, "upload", DATASET).json()["uploadUrl"]
    api.claim(session)
    api.pass_time(minutes=15, seconds=-1)
    assert api("PUT", url, content=b"x").status_code == 200
    api.pass_time(seconds=1)
    answer = api("PUT", url, content=b"x")
    assert answer.status_code == 403
    assert "<Message>Request has expired</Message>" in answer.text


@pytest.mark.parametrize(
    "change",
    [
        lambda url: url[:-1] + ("0" if url[-1] != "0" else "1"),
        lambda url: url.partition("?")[0],
        lambda url: url.replace("log-", "log_"),
        lambda url: url.replace("/org-", "/org_"),
    ],
    ids=["signature", "no signature", "other profile", "other org"],
)
def test_a_target_needs_its_signature(api, change):
    url = api.post(api.session(), "upload", DATASET).json()["uploadUrl"]
    answer = api("PUT", change(url), content=b"x")
    assert answer.status_code == 403
    assert "<Code>SignatureDoesNotMatch</Code>" in answer.text


# What there is not


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/v0/sessions"),
        ("DELETE", "/v0/sessions/session-1"),
        ("POST", "/v0/sessions/session-1/close"),
        ("GET", "/v0/organizations"),
    ],
)
@pytest.mark.parametrize(("headers", "status"), [({"X-API-Key": KEY}, 404), ({}, 401)])
def test_other_routes_are_404_with_nothing_in_it(api, method, path, headers, status):
    answer = api(method, path, headers=headers)
    assert answer.status_code == status
    assert (answer.content == b"") == (status == 404)


# The service


def test_the_state_survives_its_dump(api):
    session = api.session()
    url = api.post(session, "reference", {}).json()["uploadUrl"]
    api("PUT", url, content=b"\xff")
    other = Api()
    other.service.load(json.loads(json.dumps(api.service.dump())))
    assert other.service.summary() == "1 sessions"
    assert other.get(session).json() == api.get(session).json()
    assert other.service.dump() == api.service.dump()
    with pytest.raises(ValueError, match="sessions"):
        other.service.load({"sessions": 3})


def test_a_seed_gives_the_same_ids(api):
    first, second = Api(seed=7), Api(seed=7)
    assert first.session() == second.session() != api.session()
    second.service.reset(None)
    assert second.service.summary() == ""
