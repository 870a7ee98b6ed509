from __future__ import annotations

import json
from typing import Any

import pytest

from sessions_vtab.backends.whylabs import (
    dataset_body,
    links_body,
    milliseconds,
    references_body,
)
from sessions_vtab.errors import InvalidValueError

TIME = "2026-03-01 12:00:00.000000"
MS = 1_772_366_400_000


@pytest.mark.parametrize(
    ("value", "instant"),
    [
        (MS, MS),
        (0, 0),
        (967_561, 967_561),
        (-1, -1),
        (99_999_999, 99_999_999),
        (100_000_000_000, 100_000_000_000),
        ("2026-03-01", MS - 43_200_000),
        ("2026-03-01T13:00:00.0019+01:00", MS + 1),
        ("1772366400", MS),
    ],
)
def test_times_in_json_are_texts_or_milliseconds(value: Any, instant: int) -> None:
    assert milliseconds(value, "f: x") == instant


@pytest.mark.parametrize(
    ("value", "told"),
    [
        (1_772_366_400, "could mean seconds or milliseconds"),
        (100_000_000, "could mean seconds or milliseconds"),
        ("now", "must be a time"),
        (1.5, "must be a time"),
        (True, "must be a time"),
        (None, "must be a time"),
        ([], "must be a time"),
    ],
)
def test_what_is_no_time_or_may_be_two_is_refused(value: Any, told: str) -> None:
    with pytest.raises(InvalidValueError, match=f"f: x.*{told}"):
        milliseconds(value, "f: x")


@pytest.mark.parametrize(
    "tags",
    [
        '{"a":""}',
        '{"":"a"}',
        '{"a":1}',
        '{"a":null}',
        '[{"key":"a"}]',
        '[{"key":"a","value":"b","more":1}]',
        '["a"]',
        '"a"',
        "5",
    ],
)
def test_tags_are_texts_of_at_least_one_character(tags: str) -> None:
    with pytest.raises(InvalidValueError, match="f: segment_tags must be"):
        dataset_body({"dataset_timestamp": TIME, "segment_tags": tags}, "f")


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ([], "at least one reference"),
        ({}, "must be a JSON array"),
        ([5], r"reference_list\[0\] must be a JSON object"),
        ([{}, {"alais": "a"}], r"reference_list\[1\] has no field 'alais'. Did you mean alias\?"),
        ([{"datasetTimestamp": 0}], "Did you mean dataset_timestamp"),
        ([{"alias": 5}], r"reference_list\[0\].alias must be text"),
        ([{"region": ""}], r"reference_list\[0\].region must be text"),
        ([{"dataset_timestamp": "x"}], r"reference_list\[0\].dataset_timestamp must be a time"),
    ],
)
def test_a_wrong_reference_is_named_by_its_place(given: Any, told: str) -> None:
    with pytest.raises(InvalidValueError, match=told):
        references_body({"reference_list": json.dumps(given)}, "f")


def test_nothing_is_ever_null() -> None:
    given = [{"alias": None, "dataset_timestamp": None, "region": None}, {"alias": ""}]

    body = references_body({"reference_list": json.dumps(given)}, "f")

    assert body == {"references": [{}, {"alias": ""}]}


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ({"batch_profile_timestamps": "{}"}, "batch_profile_timestamps must be a JSON array"),
        ({"reference_profile_ids": "[5]"}, r"reference_profile_ids\[0\] must be text"),
        ({"reference_profile_ids": '[""]'}, r"reference_profile_ids\[0\] must be text"),
        ({"batch_profile_timestamps": '["x"]'}, r"batch_profile_timestamps\[0\] must be a time"),
    ],
)
def test_a_wrong_profile_is_named_by_its_place(arguments: dict[str, str], told: str) -> None:
    with pytest.raises(InvalidValueError, match=told):
        links_body(arguments, "f")
