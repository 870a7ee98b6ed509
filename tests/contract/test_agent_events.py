"""One definition for events of every writer: what each of them stores, and what is read from it."""

from __future__ import annotations

from typing import Any

import pytest

from sessions_vtab.contract.agent_events import FACTS, Documents
from sessions_vtab.contract.tables import FACT_COLUMNS

USAGE = {"promptTokenCount": 120, "candidatesTokenCount": 9, "thoughtsTokenCount": 30}
SNAKE_USAGE = {"prompt_token_count": 120, "candidates_token_count": 9, "thoughts_token_count": 30}
COUNTED = {"input_tokens": 120, "output_tokens": 39, "reasoning_tokens": 30}


def facts(actions: Any = None, event_metadata: Any = None, raw_event: Any = None) -> dict[str, Any]:
    documents = Documents(actions, event_metadata, raw_event)
    read = {name: fact(documents) for name, fact in FACTS.items()}
    return {name: value for name, value in read.items() if value is not None}


def test_every_column_is_defined_in_the_order_of_the_table() -> None:
    assert list(FACTS) == list(FACT_COLUMNS)


# What the writers store: ADK for Python on Vertex AI, in both places; JavaScript; Java; Go.
@pytest.mark.parametrize(
    ("documents", "expected"),
    [
        pytest.param(
            {"event_metadata": {"customMetadata": {"_usage_metadata": SNAKE_USAGE}}},
            COUNTED,
            id="python, custom metadata in snake_case",
        ),
        pytest.param(
            {"raw_event": {"usageMetadata": USAGE, "modelVersion": "m", "finishReason": "STOP"}},
            {**COUNTED, "model_version": "m", "finish_reason": "STOP"},
            id="python, raw event in camelCase",
        ),
        pytest.param(
            {"event_metadata": {"customMetadata": {"_usage_metadata": USAGE}}},
            COUNTED,
            id="javascript",
        ),
        pytest.param({"event_metadata": {"usageMetadata": USAGE}}, COUNTED, id="java"),
        pytest.param({"actions": {"stateDelta": {"a": 1}}}, {}, id="go stores no usage"),
        pytest.param(
            {"raw_event": {"usage_metadata": SNAKE_USAGE, "model_version": "m"}},
            {**COUNTED, "model_version": "m"},
            id="ADK's own files",
        ),
        pytest.param(
            {"raw_event": {"usageMetadata": {key: float(n) for key, n in USAGE.items()}}},
            COUNTED,
            id="numbers of a protobuf Struct",
        ),
        pytest.param(
            {
                "raw_event": {
                    "usageMetadata": {
                        "promptTokenCount": 100,
                        "toolUsePromptTokenCount": 11,
                        "cachedContentTokenCount": 64,
                        "totalTokenCount": 999,
                    }
                }
            },
            {"input_tokens": 111, "cached_tokens": 64, "total_tokens": 999},
            id="tokens of tools are part of the prompt; the total is the model's own",
        ),
        pytest.param(
            {"raw_event": {"usageMetadata": {"toolUsePromptTokenCount": 0}}},
            {"input_tokens": 0},
            id="zero is a count, missing is not",
        ),
        pytest.param(
            {
                "event_metadata": {
                    "branch": "desk.refunds",
                    "partial": True,
                    "longRunningToolIds": ["c2"],
                }
            },
            {"branch": "desk.refunds", "partial": 1, "long_running_tool_ids": '["c2"]'},
            id="metadata of Vertex AI",
        ),
        pytest.param(
            {"event_metadata": {"branch": "", "partial": False, "longRunningToolIds": []}},
            {},
            id="nothing said is NULL",
        ),
        pytest.param(
            {"event_metadata": {"branch": ""}, "raw_event": {"branch": "a", "partial": True}},
            {"branch": "a", "partial": 1},
            id="the raw event where the metadata says nothing",
        ),
        pytest.param(
            {"actions": {"transferAgent": "b", "escalate": True}},
            {"transfer_to": "b", "escalate": 1},
            id="actions of Vertex AI",
        ),
        pytest.param({"actions": {"transfer_to_agent": "b"}}, {"transfer_to": "b"}, id="of ADK"),
        pytest.param(
            {"raw_event": {"actions": {"transferToAgent": "b", "escalate": True}}},
            {"transfer_to": "b", "escalate": 1},
            id="actions in the raw event",
        ),
        pytest.param(
            {
                "raw_event": {
                    "actions": {
                        "rewindBeforeInvocationId": "e-3",
                        "compaction": {"startTimestamp": 1.5},
                    }
                }
            },
            {"rewind_before": "e-3", "compaction": '{"startTimestamp":1.5}'},
            id="rewind and compaction",
        ),
        pytest.param(
            {"event_metadata": {"customMetadata": {"_compaction": {"startTime": 1}}}},
            {"compaction": '{"startTime":1}'},
            id="compaction of javascript",
        ),
    ],
)
def test_each_writer_s_form_gives_the_same_columns(
    documents: dict[str, Any], expected: dict[str, Any]
) -> None:
    assert facts(**documents) == expected


@pytest.mark.parametrize("value", [7, "text", True, [], {}, [1], {"a": 1}, None, 1e300, 2**70])
def test_a_value_of_another_type_is_no_value_and_no_error(value: Any) -> None:
    usage = dict.fromkeys(USAGE, value)
    found = facts(
        {"transferAgent": value, "escalate": value},
        {"branch": value, "partial": value, "longRunningToolIds": value, "customMetadata": value},
        {"usageMetadata": usage, "modelVersion": value, "actions": {"compaction": value}},
    )
    texts = {"branch", "transfer_to", "model_version"}
    numbers = {"input_tokens", "output_tokens", "reasoning_tokens"}

    assert {name for name in texts if name in found} == (texts if value == "text" else set())
    assert numbers & found.keys() == (numbers if value == 7 else set())
    assert {"partial", "escalate"} & found.keys() == (
        {"partial", "escalate"} if value is True else set()
    )
    assert facts(value, value, value) == {}


def test_half_a_surrogate_pair_becomes_a_replacement_character() -> None:
    assert facts(event_metadata={"branch": "a\ud83d"}) == {"branch": "a�"}
