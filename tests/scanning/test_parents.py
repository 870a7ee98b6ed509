"""Which tables a copy reads by the keys of their parent's rows."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from sessions_vtab.contract.capability import AccessPath, Capability
from sessions_vtab.contract.tables import EVENTS, SESSIONS
from sessions_vtab.scanning.splitting import parent_of, read_by_parent

KEYED = AccessPath("by session", ("session_id",), cost=100)
CHEAP = AccessPath("list", cost=1_000)
DEAR = AccessPath("fan out", cost=1_001)


def _resources(*paths: AccessPath, follows: str = ""):
    sessions = SimpleNamespace(table=SESSIONS, capability=Capability((AccessPath("list"),)))
    events = SimpleNamespace(table=EVENTS, capability=Capability(paths, follows=follows))
    return {"sessions": sessions, "events": events}


@pytest.mark.parametrize(
    ("paths", "follows", "expected"),
    [
        ((KEYED, CHEAP), "", False),
        ((CHEAP,), "", False),
        ((KEYED, DEAR), "", True),
        ((KEYED,), "", True),
        # What did not change is not read again, which no list can do.
        ((KEYED, CHEAP), "update_time", True),
        ((KEYED, DEAR), "update_time", True),
        # A column that the parent lacks promises nothing.
        ((KEYED, CHEAP), "changed", False),
    ],
)
def test_rows_are_read_by_parent_unless_one_list_costs_less(paths, follows, expected):
    resources = _resources(*paths, follows=follows)

    assert read_by_parent("events", "sessions", resources) is expected


def test_a_table_without_a_parent_is_read_as_a_list():
    resources = _resources(KEYED, follows="update_time")

    assert parent_of("sessions", SESSIONS.positions, resources) == ""
    assert not read_by_parent("sessions", "", resources)
