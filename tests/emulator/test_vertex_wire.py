"""The rules of proto JSON: what comes in, what comes out, what is refused with which words."""

from __future__ import annotations

import json

import pytest

from sessions_vtab.emulator.vertex import messages
from sessions_vtab.emulator.vertex.messages import ApiError
from sessions_vtab.emulator.vertex.wire import read_body, written


def event(body: object, version: str = "v1beta1") -> dict:
    message = read_body("SessionEvent", json.dumps(body).encode(), version, "event")
    return {name: written("SessionEvent", name, value) for name, value in message.items()}


def part(body: object, version: str = "v1beta1") -> dict:
    return event({"content": {"parts": [body]}}, version)["content"]["parts"][0]


def refusal(body: object, version: str = "v1beta1", message: str = "SessionEvent") -> str:
    path = "event" if message == "SessionEvent" else "session"
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    with pytest.raises(ApiError) as caught:
        read_body(message, raw, version, path)
    assert (caught.value.code, caught.value.status) == (400, "INVALID_ARGUMENT")
    return caught.value.message


TIMES = [
    ("2026-01-02T03:04:05Z", "2026-01-02T03:04:05Z"),
    ("2026-01-02t03:04:05z", "2026-01-02T03:04:05Z"),
    ("2026-01-02T03:04:05.5Z", "2026-01-02T03:04:05.500Z"),
    ("2026-01-02T03:04:05.120000Z", "2026-01-02T03:04:05.120Z"),
    ("2026-01-02T03:04:05.123456+00:00", "2026-01-02T03:04:05.123456Z"),
    ("2026-01-02T03:04:05.123456789Z", "2026-01-02T03:04:05.123456789Z"),
    ("2026-01-02T03:04:05.000000001Z", "2026-01-02T03:04:05.000000001Z"),
    ("2026-01-02T01:00:00+02:30", "2026-01-01T22:30:00Z"),
    ("2026-12-31T23:59:59-01:00", "2027-01-01T00:59:59Z"),
    ("0001-01-01T00:00:00Z", "0001-01-01T00:00:00Z"),
    ("9999-12-31T23:59:59.999999999Z", "9999-12-31T23:59:59.999999999Z"),
    ("1969-12-31T23:59:59.999Z", "1969-12-31T23:59:59.999Z"),
    ({"seconds": 1767323045, "nanos": 5000}, "2026-01-02T03:04:05.000005Z"),
    ({"seconds": "1767323045"}, "2026-01-02T03:04:05Z"),
]


@pytest.mark.parametrize(("sent", "shown"), TIMES)
def test_times(sent: object, shown: str) -> None:
    assert event({"timestamp": sent})["timestamp"] == shown


@pytest.mark.parametrize(
    "sent",
    [
        "2026-01-02T03:04:05",
        "2026-01-02 03:04:05Z",
        "2026-01-02",
        "2026-02-30T00:00:00Z",
        "2026-01-02T24:00:00Z",
        "2026-01-02T03:04:05.1234567890Z",
        "0001-01-01T00:00:00+01:00",
        "2026-01-02T03:04:05+0200",
        "2026-01-02T03:04:05+24:00",
        "٢٠٢٦-01-02T03:04:05Z",
        1767323045,
        {"seconds": "x"},
        {"seconds": 10**15},
    ],
)
def test_invalid_times(sent: object) -> None:
    message = refusal({"timestamp": sent})
    assert "'event.timestamp' (type.googleapis.com/google.protobuf.Timestamp)" in message
    assert "timestamps must end with 'Z' or have a valid timezone offset." in message


@pytest.mark.parametrize(
    ("sent", "nanoseconds", "shown"),
    [
        ("172800s", 172_800 * 10**9, "172800s"),
        ("1.5s", 1_500_000_000, "1.500s"),
        ("0.000000001s", 1, "0.000000001s"),
        ("-3.25s", -3_250_000_000, "-3.250s"),
    ],
)
def test_durations(sent: str, nanoseconds: int, shown: str) -> None:
    assert messages.parse_duration(sent) == nanoseconds
    assert messages.format_duration(nanoseconds) == shown
    assert part({"text": "", "videoMetadata": {"start_offset": sent}})["videoMetadata"] == {
        "startOffset": shown
    }


@pytest.mark.parametrize("sent", [172800, "172800", "1h", "", "1 s", None])
def test_invalid_durations(sent: object) -> None:
    if sent is None:
        assert read_body("Session", b'{"ttl": null}', "v1", "session") == {}
    else:
        assert "Duration" in refusal({"ttl": sent}, message="Session")


STRUCTS = [
    ({"a": 3.0}, {"a": 3}),
    ({"a": 1.5}, {"a": 1.5}),
    ({"a": 2**53}, {"a": 2**53}),
    ({"a": 2**53 + 1}, {"a": 2**53}),
    ({"a": -(2**53) - 1}, {"a": -(2**53)}),
    ({"a": 10**30}, {"a": 1e30}),
    ({"a": None}, {"a": None}),
    ({"a": [1, [2, {"b_c": None}], "x"]}, {"a": [1, [2, {"b_c": None}], "x"]}),
    ({"snake_key": {"camelKey": True, "": 0}}, {"snake_key": {"camelKey": True, "": 0}}),
    (
        {"a": "", "b": [], "c": {}, "d": False, "e": 0},
        {"a": "", "b": [], "c": {}, "d": False, "e": 0},
    ),
    ({"emoji 👟": "\x00"}, {"emoji 👟": "\x00"}),
    ({}, {}),
]


@pytest.mark.parametrize(("sent", "kept"), STRUCTS)
def test_free_form_values_are_untouched_but_for_their_numbers(sent: dict, kept: dict) -> None:
    body = {"raw_event": sent, "actions": {"state_delta": sent, "requested_auth_configs": sent}}
    shown = event(body)
    assert shown["rawEvent"] == kept
    assert shown["actions"] == {"stateDelta": kept, "requestedAuthConfigs": kept}
    assert part({"function_call": {"args": sent}})["functionCall"] == {"args": kept}
    answer = part({"function_response": {"response": sent}})["functionResponse"]
    assert answer == {"response": kept}


def test_numbers_are_written_as_doubles_are() -> None:
    text = json.dumps(event({"rawEvent": {"a": 3.0, "b": 2**53 + 1, "c": 1e22}})["rawEvent"])
    assert text == '{"a": 3, "b": 9007199254740992, "c": 1e+22}'


def test_key_order_is_not_kept_but_stable() -> None:
    one = event({"rawEvent": {"b": {"d": 1, "c": 2}, "a": 1}})["rawEvent"]
    assert json.dumps(one) == '{"a": 1, "b": {"c": 2, "d": 1}}'


@pytest.mark.parametrize("sent", [[], [1], "x", 1, True])
def test_a_struct_is_an_object(sent: object) -> None:
    message = refusal({"rawEvent": sent})
    assert "rawEvent" in message


@pytest.mark.parametrize(
    "raw",
    [
        b'{"rawEvent": {"a": 1e999}}',
        b'{"rawEvent": {"a": %s}}' % (b"9" * 400),
        b'{"rawEvent": {"a": NaN}}',
        b'{"rawEvent": {"a": "\\ud800"}}',
        b'{"rawEvent": {"a": %s1%s}}' % (b"[" * 150, b"]" * 150),
        b"[" * 200_000,
        b"[]",
        b'"x"',
        b"{",
        b"{'a': 1}",
        b"\xff\xfe",
    ],
)
def test_invalid_request_bodies(raw: bytes) -> None:
    assert refusal(raw)


def test_both_spellings_in_one_body_and_camel_case_out() -> None:
    sent = {
        "invocationId": "i",
        "error_code": "E",
        "content": {
            "parts": [
                {"function_call": {"name": "f", "partial_args": [{"json_path": "$.a"}]}},
                {"functionResponse": {"id": "1"}},
                {"inline_data": {"mime_type": "image/png", "displayName": "d"}},
            ]
        },
        "actions": {"transfer_agent": "b", "artifact_delta": {"my_file.txt": 1}},
        "eventMetadata": {"turn_complete": True, "long_running_tool_ids": ["x"]},
    }
    assert event(sent) == {
        "invocationId": "i",
        "errorCode": "E",
        "content": {
            "parts": [
                {"functionCall": {"name": "f", "partialArgs": [{"jsonPath": "$.a"}]}},
                {"functionResponse": {"id": "1"}},
                {"inlineData": {"mimeType": "image/png", "displayName": "d"}},
            ]
        },
        "actions": {"transferAgent": "b", "artifactDelta": {"my_file.txt": 1}},
        "eventMetadata": {"turnComplete": True, "longRunningToolIds": ["x"]},
    }


def test_one_field_in_two_spellings_is_refused() -> None:
    assert "set twice" in refusal({"invocationId": "i", "invocation_id": "j"})


def test_defaults_are_left_out() -> None:
    sent = {
        "author": "",
        "actions": {"escalate": False, "artifactDelta": {}, "skipSummarization": False},
        "eventMetadata": {"partial": False, "turnComplete": False, "longRunningToolIds": []},
        "content": {"parts": [], "role": ""},
        "errorMessage": None,
    }
    assert event(sent) == {"actions": {}, "eventMetadata": {}, "content": {}}


def test_a_member_of_a_oneof_is_written_even_with_its_default() -> None:
    assert part({"text": ""}) == {"text": ""}
    assert part({"functionCall": {"partialArgs": [{"boolValue": False}, {"nullValue": None}]}}) == {
        "functionCall": {"partialArgs": [{"boolValue": False}, {"nullValue": None}]}
    }


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({"text": "a", "functionCall": {}}, "functionCall"),
        ({"text": "", "inline_data": {}}, "inlineData"),
        ({"text": "", "executableCode": {}, "codeExecutionResult": {}}, "executableCode"),
    ],
)
def test_a_oneof_set_twice(body: dict, message: str) -> None:
    text = refusal({"content": {"parts": [body]}})
    assert f"oneof field 'data' is already set. Cannot set '{message}'" in text


def test_ttl_and_expire_time_exclude_each_other() -> None:
    body = {"ttl": "86400s", "expire_time": "2030-01-01T00:00:00Z"}
    assert "oneof field 'expiration' is already set" in refusal(body, message="Session")


UNKNOWN = [
    ({"nonsense": 1}, "nonsense", "event"),
    (
        {"content": {"parts": [{"text": "", "part_metadata": {}}]}},
        "part_metadata",
        "event.content.parts[0]",
    ),
    (
        {"content": {"parts": [{"text": ""}, {"partMetadata": {}}]}},
        "partMetadata",
        "event.content.parts[1]",
    ),
    ({"actions": {"transferToAgent": "x"}}, "transferToAgent", "event.actions"),
    ({"event_metadata": {"usage": 1}}, "usage", "event.event_metadata"),
    ({"Author": "x"}, "Author", "event"),
    (
        {"content": {"parts": [{"function_call": {"extra": 1}}]}},
        "extra",
        "event.content.parts[0].function_call",
    ),
]


@pytest.mark.parametrize(("body", "name", "path"), UNKNOWN)
def test_unknown_fields_word_for_word(body: dict, name: str, path: str) -> None:
    assert refusal(body) == (
        f"Invalid JSON payload received. Unknown name \"{name}\" at '{path}': Cannot find field."
    )


def test_all_problems_are_in_one_answer() -> None:
    with pytest.raises(ApiError) as caught:
        read_body("SessionEvent", b'{"a": 1, "content": {"b": 2}, "author": 3}', "v1", "event")
    violations = caught.value.details[0]["fieldViolations"]
    assert [item["field"] for item in violations] == ["event", "event.content", "event.author"]
    assert caught.value.message.count("\n") == 2


def test_what_adk_java_sends_is_kept() -> None:
    usage = {"promptTokenCount": 3, "details": [{"modality": "TEXT"}]}
    body = {"eventMetadata": {"usageMetadata": usage}, "actions": {"endOfAgent": True}}
    assert event(body) == body


def test_grounding_keeps_what_the_schema_lacks() -> None:
    grounding = {"web_search_queries": ["q"], "newField": {"x_y": 1}}
    shown = event({"event_metadata": {"grounding_metadata": grounding}})
    assert shown["eventMetadata"]["groundingMetadata"] == {
        "webSearchQueries": ["q"],
        "newField": {"x_y": 1},
    }
    # The leniency ends with that message.
    assert "'event'" in refusal({"eventMetadata": {"groundingMetadata": {"x": 1}}, "y": 1})


def test_media_processing_is_v1beta1_only() -> None:
    body = {"text": "", "mediaProcessing": "AGENTIC"}
    assert part(body) == body
    assert 'Unknown name "mediaProcessing"' in refusal({"content": {"parts": [body]}}, "v1")


@pytest.mark.parametrize(
    ("sent", "kept"),
    [("+/+/", "+/+/"), ("-_-_", "+/+/"), ("YQ==", "YQ=="), ("YQ", "YQ=="), ("YWI", "YWI=")],
)
def test_bytes_come_in_both_alphabets(sent: str, kept: str) -> None:
    assert part({"thought_signature": sent}) == {"thoughtSignature": kept}
    # Within a free-form value the text stays.
    assert event({"rawEvent": {"data": sent}})["rawEvent"] == {"data": sent}


@pytest.mark.parametrize(
    ("sent", "kept"),
    [
        ("PYTHON", {"language": "PYTHON"}),
        (1, {"language": "PYTHON"}),
        ("LANGUAGE_UNSPECIFIED", {}),
        (0, {}),
    ],
)
def test_enums(sent: object, kept: dict) -> None:
    assert part({"executableCode": {"language": sent}}) == {"executableCode": kept}


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({"author": 3}, "Invalid value at 'event.author' (TYPE_STRING), 3"),
        ({"author": ["a"]}, "Proto field is not repeating, cannot start list."),
        ({"content": "x"}, "'event.content'"),
        ({"content": {"parts": {"text": ""}}}, "'event.content.parts'"),
        ({"content": {"parts": ["x"]}}, "'event.content.parts[0]'"),
        ({"eventMetadata": {"partial": 1.5}}, "TYPE_BOOL"),
        ({"actions": {"artifactDelta": {"f": 1.5}}}, "TYPE_INT32"),
        ({"actions": {"artifactDelta": {"f": 2**31}}}, "TYPE_INT32"),
        ({"actions": {"artifactDelta": [1]}}, "cannot start list"),
        ({"content": {"parts": [{"executableCode": {"language": "python"}}]}}, "Language"),
        ({"content": {"parts": [{"executableCode": {"language": 9}}]}}, "Language"),
        ({"content": {"parts": [{"thoughtSignature": "a?"}]}}, "TYPE_BYTES"),
        ({"content": {"parts": [{"videoMetadata": {"fps": "x"}}]}}, "TYPE_DOUBLE"),
    ],
)
def test_values_of_the_wrong_type(body: dict, words: str) -> None:
    assert words in refusal(body)


@pytest.mark.parametrize(("sent", "kept"), [(5, 5), ("5", 5), (5.0, 5), (-1, -1)])
def test_int32_takes_texts_and_whole_doubles(sent: object, kept: int) -> None:
    assert event({"actions": {"artifactDelta": {"f": sent}}})["actions"]["artifactDelta"] == {
        "f": kept
    }


def test_an_empty_body_is_an_empty_message() -> None:
    assert read_body("Session", b" ", "v1", "session") == {}
