"""What every backend declares of writes and of pages is so: the kit writes a row of each table."""

from __future__ import annotations

from dataclasses import replace

import pytest

from sessions_vtab.emulator.serve import running
from sessions_vtab.emulator.service import EmulatorSettings
from sessions_vtab.testing.conformance import Sample, Suite
from tests.conformance.stages import KEYS, NOW, STAGES

_SAMPLES = {
    # The labels that the rows have are none that the service takes today.
    ("vertex", "sessions"): Sample(
        {"session_id": "kit-1", "user_id": "ann"}, {"display_name": "New"}
    ),
    ("vertex", "events"): Sample(
        {
            "session_id": "",
            "author": "user",
            "invocation_id": "i",
            "timestamp": "2026-01-02 00:00:00.000000",
            "content": '{"parts":[{"text":"hello"}],"role":"user"}',
        }
    ),
    ("deepset", "upload_sessions"): Sample({"write_mode": "FAIL"}, {"status": "CLOSED"}),
    # The service makes up a user of its own.
    ("whylabs", "sessions"): Sample({"user_id": "ann"}, kept=frozenset(("user_id",))),
    ("eleanor", "sessions"): Sample(
        {"session_id": "kit-1", "description": "d"}, {"description": "e"}
    ),
    ("eleanor", "participants"): Sample({"session_id": "", "participant": "eve"}),
    ("embedding_studio", "sessions"): Sample(
        {"session_id": "kit-1", "search_query": "q", "search_results": "[]"},
        {"is_irrelevant": 1},
    ),
    ("embedding_studio", "events"): Sample(
        {"session_id": "kit-1", "event_id": "kit-1", "object_id": "o"}
    ),
}


@pytest.mark.parametrize("name", [one for one in STAGES if one != "local"])
def test_the_writes_and_pages_of_every_table(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for variable, key in KEYS.items():
        monkeypatch.setenv(variable, key)
    settings = EmulatorSettings(seed=7, sessions=12, events=40, clock=lambda: NOW)
    with running(settings) as emulator, STAGES[name].suite(emulator) as suite:
        for table in suite.known:
            suite.check_pages(table)
            suite.check_writes(table, _placed(_SAMPLES.get((name, table)), suite))


def _placed(sample: Sample | None, suite: Suite) -> Sample | None:
    """A sample whose session is one that is there; '' stands for it."""
    if sample is None or sample.values.get("session_id") != "":
        return sample
    sessions = suite.known["sessions"]
    at = sessions.table.positions["session_id"]
    there = next(row[at] for row in sessions.rows if row[at])
    return replace(sample, values={**sample.values, "session_id": there})
