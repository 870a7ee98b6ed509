from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sessions_vtab.contract.model import name_of, parse_name, places_of, shape

EVENT = "apps/{app}/sessions/{session_id}/events/{event_id}#{part}"


@pytest.mark.parametrize(
    ("template", "places", "name"),
    [
        ("sessions/{id}", {"id": "a"}, "sessions/a"),
        ("sessions/{id}", {"id": ""}, "sessions/"),
        ("sessions/{id}", {"id": "a/b#c %é"}, "sessions/a%2Fb%23c%20%25%C3%A9"),
        ("n/{a}/s/{b}", {"a": "..", "b": "{a}"}, "n/../s/%7Ba%7D"),
        ("p/{project}/s/{id}", {"project": "x:y", "id": "a"}, "p/x%3Ay/s/a"),
        ("p/{+project}/s/{id}", {"project": "x:y/", "id": "a:b"}, "p/x:y%2F/s/a%3Ab"),
        (
            EVENT,
            {"app": "x", "session_id": "s", "event_id": "e#1", "part": "0"},
            "apps/x/sessions/s/events/e%231#0",
        ),
    ],
)
def test_a_name_is_made_and_read_again(template: str, places: dict[str, str], name: str) -> None:
    assert name_of(template, places) == name
    assert parse_name(template, name) == places


IDS = st.text(st.characters(exclude_categories=["Cs"]))


@given(IDS, IDS)
def test_any_text_is_recovered_from_its_name(session: str, event: str) -> None:
    places = {"session_id": session, "event_id": event}
    name = name_of("s/{session_id}/e/{+event_id}", places)
    assert parse_name("s/{session_id}/e/{+event_id}", name) == places
    assert parse_name("s/{session_id}", name) is None


@pytest.mark.parametrize(
    "name",
    [
        None,
        7,
        b"sessions/a",
        "",
        "s",
        "sessions",
        "sessions/a/b",
        "other/a",
        "Sessions/a",
        "sessions/%ff",  # Not UTF-8.
        "sessions/%61",  # Spelled in another way than name_of does.
        "sessions/a b",
        "sessions/a\n",
        "sessions/a#",
    ],
)
def test_any_other_spelling_is_not_a_name(name: object) -> None:
    assert parse_name("sessions/{id}", name) is None


def test_placeholders_and_shape() -> None:
    assert places_of(EVENT) == ("app", "session_id", "event_id", "part")
    assert places_of("p/{+project}") == ("project",)
    assert shape("n/{a}/s/{b}") == "n/../s/.."
