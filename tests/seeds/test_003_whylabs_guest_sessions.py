"""Seed 003, row by row: WhyLabs' guest sessions in SQL, over real sockets."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from typing import Any

import pytest

from sessions_vtab import Connection, connect
from sessions_vtab.emulator.serve import Running, running
from sessions_vtab.emulator.service import EmulatorSettings
from sessions_vtab.errors import (
    InvalidValueError,
    MissingParameterError,
    NotFoundError,
    ReadOnlyError,
)

KEY = "abcdefghij." + "k" * 53
NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
NOON = 1_772_366_400_000
DAY = NOON - 43_200_000
HUB = "https://hub.whylabsapp.com/resources/model-1/profiles"


class Walk:
    """One connection to the emulator, and one guest session."""

    def __init__(self, server: Running) -> None:
        self.server = server
        self.connection: Connection
        self.session = ""

    def __call__(self, sql: str, *values: Any) -> list[tuple[Any, ...]]:
        """Returns the rows; the log holds the requests of this statement."""
        self.server.control.reset_log()
        return self.connection.execute(sql, values).fetchall()

    @property
    def sent(self) -> list[dict[str, Any]]:
        return self.server.control.requests()

    @property
    def went_out(self) -> list[tuple[str, str, Any, Any]]:
        """Method, path, query and body of each request; ids of sessions as SESSION."""
        return [
            (
                one["method"],
                one["path"].replace(self.session, "SESSION"),
                one["query"],
                one["body"],
            )
            for one in self.sent
        ]

    @property
    def keys(self) -> list[str | None]:
        """The key sent with each request."""
        return [one["headers"].get("x-api-key") for one in self.sent]

    def link(self, *profiles: Any) -> str:
        query = "&".join(f"profile={one}" for one in profiles)
        return f"{HUB}?{query}&sessionToken={self.session}"


@pytest.fixture(scope="module")
def server() -> Iterator[Running]:
    with running(EmulatorSettings(clock=lambda: NOW)) as emulator:
        yield emulator


@pytest.fixture
def walk(server: Running, monkeypatch: pytest.MonkeyPatch) -> Iterator[Walk]:
    monkeypatch.setenv("WHYLABS_API_KEY", KEY)
    server.control.reset()
    started = Walk(server)
    with closing(connect(f"whylabs://?base_url={server.url}")) as started.connection:
        ((started.session,),) = started.connection.execute(
            "INSERT INTO sessions(user_id) VALUES ('ann') RETURNING session_id"
        )
        yield started


# create_session


def test_a_session_is_created_for_a_user_without_the_key(walk: Walk) -> None:
    walk("INSERT INTO sessions(user_id) VALUES ('bob')")

    assert walk.went_out == [("POST", "/v0/sessions", {}, {"userId": "bob"})]
    assert walk.keys == [None]
    assert walk.session.startswith("session-")


def test_with_a_key_returning_has_all_columns(walk: Walk) -> None:
    ((session_id, name, org, model, user),) = walk(
        "INSERT INTO sessions(user_id) VALUES ('bob')"
        " RETURNING session_id, name, org_id, model_id, user_id"
    )

    assert [one["method"] for one in walk.sent] == ["POST", "GET"]
    assert name == f"sessions/{session_id}"
    assert (org[:4], model, user[:13]) == ("org-", "model-1", "session-user-")


def test_without_a_key_returning_has_only_the_id(
    walk: Walk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("WHYLABS_API_KEY")
    ((session_id, *rest),) = walk(
        "INSERT INTO sessions(user_id) VALUES ('bob')"
        " RETURNING session_id, org_id, model_id, user_id"
    )

    assert session_id.startswith("session-")
    assert rest == [None, None, None]
    assert [one["method"] for one in walk.sent] == ["POST"]


# get_session


def test_a_session_is_read_by_its_id_with_the_key(walk: Walk) -> None:
    ((session_id, model),) = walk(
        "SELECT session_id, model_id FROM sessions WHERE session_id = ?", walk.session
    )

    assert (session_id, model) == (walk.session, "model-1")
    assert walk.went_out == [("GET", "/v0/sessions/SESSION", {}, None)]
    assert walk.keys == [KEY]


@pytest.mark.parametrize("where", ["", "WHERE user_id = 'ann'", "WHERE session_id > 'a'"])
def test_the_session_id_is_required_because_there_is_no_list(walk: Walk, where: str) -> None:
    with pytest.raises(
        MissingParameterError, match=r"cannot list guest sessions.*WHERE session_id"
    ):
        walk(f"SELECT * FROM sessions {where}")

    assert walk.sent == []


# claim_guest_session


def test_claiming_takes_session_and_org_with_the_key(walk: Walk) -> None:
    rows = walk(
        "SELECT session_id, org_id, claimed FROM claim_guest_session(?, 'org-1')", walk.session
    )

    assert rows == [(walk.session, "org-1", 1)]
    claim = ("POST", "/v0/sessions/SESSION/claim", {"org_id": "org-1"}, None)
    assert walk.went_out == [claim]
    assert walk.keys == [KEY]
    (headers,) = (one["headers"] for one in walk.sent)
    assert (headers["content-length"], headers["content-type"]) == ("0", "application/json")


def test_a_claimed_session_is_over(walk: Walk) -> None:
    walk("SELECT * FROM claim_guest_session(?, 'org-1')", walk.session)

    assert walk("SELECT * FROM sessions WHERE session_id = ?", walk.session) == []
    with pytest.raises(NotFoundError, match="expired, or was claimed"):
        walk("SELECT * FROM create_reference_profile_upload(?)", walk.session)


# create_dataset_profile_upload


@pytest.mark.parametrize(
    "time", ["2026-03-01 12:00:00", "2026-03-01T13:00:00+01:00", NOON, NOON // 1000, str(NOON)]
)
def test_a_dataset_time_goes_out_as_milliseconds(walk: Walk, time: Any) -> None:
    walk("SELECT * FROM create_dataset_profile_upload(?, ?, '{}')", walk.session, time)

    body = {"datasetTimestamp": NOON, "segmentTags": []}
    assert walk.went_out == [("POST", "/v0/sessions/SESSION/upload", {}, body)]
    assert walk.keys == [None]


_TAGS = [{"key": "region", "value": "eu"}, {"key": "tier", "value": "1"}]


@pytest.mark.parametrize(
    ("given", "tags"),
    [
        ('{"region":"eu","tier":"1"}', _TAGS),
        ('[{"key":"region","value":"eu"},{"key":"tier","value":"1"}]', _TAGS),
        ("{}", []),
        ("[]", []),
    ],
)
def test_segment_tags_are_an_object_or_the_arrays_form(
    walk: Walk, given: str, tags: list[Any]
) -> None:
    walk("SELECT * FROM create_dataset_profile_upload(?, ?, ?)", walk.session, NOON, given)

    assert [one["body"]["segmentTags"] for one in walk.sent] == [tags]


@pytest.mark.parametrize("region", [None, "us-west-2"])
def test_region_is_left_out_when_null(walk: Walk, region: str | None) -> None:
    walk("SELECT * FROM create_dataset_profile_upload(?, ?, '{}', ?)", walk.session, NOON, region)

    (body,) = (one["body"] for one in walk.sent)
    assert body.get("region", "absent") == (region or "absent")


@pytest.mark.parametrize("arguments", ["?", "?, '2026-03-01'"])
def test_time_and_tags_are_required(walk: Walk, arguments: str) -> None:
    with pytest.raises(MissingParameterError, match="segment_tags"):
        walk(f"SELECT * FROM create_dataset_profile_upload({arguments})", walk.session)

    assert walk.sent == []


def test_a_dataset_upload_returns_its_target(walk: Walk) -> None:
    ((log, upload, observatory, dataset, time),) = walk(
        "SELECT log_id, upload_url, observatory_url, dataset_id, upload_time"
        " FROM create_dataset_profile_upload(?, ?, '{}')",
        walk.session,
        NOON,
    )

    assert log.startswith("log-")
    assert upload.startswith(f"{walk.server.url}/whylabs-uploads/")
    assert observatory == walk.link(DAY)
    assert (dataset, time) == ("model-1", "2026-03-01 12:00:00.000000")


# create_reference_profile_upload


@pytest.mark.parametrize(
    ("arguments", "body"),
    [
        ("?", {}),
        ("?, 'base'", {"alias": "base"}),
        ("?, NULL, '1970-01-01'", {"datasetTimestamp": 0}),
        ("?, NULL, NULL, 'us-west-2'", {"region": "us-west-2"}),
        (
            "?, 'base', '2026-03-01 12:00', 'us-west-2'",
            {"alias": "base", "datasetTimestamp": NOON, "region": "us-west-2"},
        ),
    ],
)
def test_everything_about_a_reference_is_optional(
    walk: Walk, arguments: str, body: dict[str, Any]
) -> None:
    walk(f"SELECT * FROM create_reference_profile_upload({arguments})", walk.session)

    assert walk.went_out == [("POST", "/v0/sessions/SESSION/reference", {}, body)]
    assert walk.keys == [None]


def test_a_reference_upload_returns_its_target(walk: Walk) -> None:
    ((reference, alias, model, upload, observatory, time),) = walk(
        "SELECT reference_id, reference_alias, model_id, upload_url, observatory_url, upload_time"
        " FROM create_reference_profile_upload(?, 'base', ?)",
        walk.session,
        NOON,
    )

    assert reference.startswith("ref-")
    assert (alias, model, time) == ("base", "model-1", "2026-03-01 12:00:00.000000")
    assert upload.startswith(f"{walk.server.url}/whylabs-uploads/")
    assert observatory == walk.link(reference)


# batch_create_reference_profile_upload


def test_a_batch_is_one_request_and_one_row_per_reference(walk: Walk) -> None:
    rows = walk(
        "SELECT reference_alias, reference_id, upload_time, joint_observatory_url"
        " FROM batch_create_reference_profile_upload(?, ?)",
        walk.session,
        '[{"alias":"a","dataset_timestamp":"2026-03-01 12:00"},'
        ' {"alias":"b","dataset_timestamp":0,"region":"us-west-2"}, {"alias":null}]',
    )

    references = [
        {"alias": "a", "datasetTimestamp": NOON},
        {"alias": "b", "datasetTimestamp": 0, "region": "us-west-2"},
        {},
    ]
    path = "/v0/sessions/SESSION/references"
    assert walk.went_out == [("POST", path, {}, {"references": references})]
    assert walk.keys == [None]
    assert [row[0] for row in rows[:2]] == ["a", "b"]
    times = [row[2] for row in rows]
    assert times[:2] == ["2026-03-01 12:00:00.000000", "1970-01-01 00:00:00.000000"]
    assert {row[3] for row in rows} == {walk.link(*(row[1] for row in rows))}


# session_profile_observatory_link


def test_there_is_one_link_per_profile_references_first(walk: Walk) -> None:
    rows = walk(
        "SELECT profile, observatory_url, joint_observatory_url, in_joint"
        " FROM session_profile_observatory_link(?, ?, ?)",
        walk.session,
        f'["2026-03-01 12:00", {NOON}]',
        '["ref-1","ref-2"]',
    )

    body = {"batchProfileTimestamps": [NOON, NOON], "referenceProfileIds": ["ref-1", "ref-2"]}
    assert walk.went_out == [("POST", "/v0/sessions/observatory-link/SESSION", {}, body)]
    assert walk.keys == [None]
    joint = walk.link("ref-1", "ref-2", DAY)
    assert rows == [
        ("ref-1", walk.link("ref-1"), joint, 1),
        ("ref-2", walk.link("ref-2"), joint, 1),
        (str(DAY), walk.link(DAY), joint, 1),
        (str(DAY), walk.link(DAY), joint, 0),
    ]


@pytest.mark.parametrize(
    ("arguments", "profiles"),
    [("?, '[]', '[\"ref-1\"]'", ["ref-1"]), (f"?, '[{NOON}]'", [str(DAY)])],
)
def test_either_kind_of_profile_is_enough(walk: Walk, arguments: str, profiles: list[str]) -> None:
    rows = walk(f"SELECT profile FROM session_profile_observatory_link({arguments})", walk.session)

    assert [row[0] for row in rows] == profiles


@pytest.mark.parametrize("arguments", ["?", "?, '[]'", "?, '[]', '[]'"])
def test_no_profile_at_all_is_refused_before_sending(walk: Walk, arguments: str) -> None:
    with pytest.raises(InvalidValueError, match="at least one"):
        walk(f"SELECT * FROM session_profile_observatory_link({arguments})", walk.session)

    assert walk.sent == []


def test_links_are_a_read_and_uploads_are_not(walk: Walk) -> None:
    url = f"whylabs://?base_url={walk.server.url}"
    with closing(connect(url, read_only=True)) as reader:
        sql = "SELECT profile FROM session_profile_observatory_link(?, '[]', '[\"r\"]')"
        assert reader.execute(sql, (walk.session,)).fetchall() == [("r",)]
        with pytest.raises(ReadOnlyError):
            reader.execute("SELECT * FROM create_reference_profile_upload(?)", (walk.session,))
