from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sessions_vtab.contract.names import ids_of, resource_name

IDS = st.text(st.characters(exclude_categories=["Cs"]))


@given(IDS, IDS)
def test_ids_of_any_text_are_recovered_from_their_name(session, event):
    name = resource_name(("sessions", session), ("events", event))
    assert ids_of(name, "sessions", "events") == (session, event)
    assert ids_of(name, "sessions") is None


@pytest.mark.parametrize(
    "name",
    [
        "",
        "s",
        "sessions",
        "sessions/a/b",
        "other/a",
        "sessions/a b",
        "sessions/%61",
        "sessions/%ff",
    ],
)
def test_another_spelling_is_not_a_valid_name(name):
    assert ids_of(name, "sessions") is None


@pytest.mark.parametrize("value", [None, 7, b"sessions/a"])
def test_only_text_can_be_a_name(value):
    assert ids_of(value, "sessions") is None
