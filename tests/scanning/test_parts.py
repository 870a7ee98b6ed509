"""Parts: what they carry to another machine, and the limit they share."""

from __future__ import annotations

import pickle
from dataclasses import replace

import pytest

from sessions_vtab import config
from sessions_vtab.errors import InvalidValueError, UnsupportedError
from sessions_vtab.scanning import read, scan, split
from sessions_vtab.scanning.parts import opened, paced
from sessions_vtab.scanning.splitting import parts_of_names


def test_a_part_holds_no_secret(urls, monkeypatch):
    monkeypatch.setenv("MY_KEY", "a-very-secret-key")
    source = config.parse_source(urls["deepset"] + "&api_key_env=MY_KEY")

    parts = split(source, "upload_session_files", size=2)
    packed = pickle.dumps(parts)

    assert b"MY_KEY" in packed
    assert b"a-very-secret-key" not in packed
    assert pickle.loads(packed) == parts != []


def test_a_part_does_not_print_its_ids(url):
    part = split(url, "events", size=5)[0]

    assert repr(part) == "Part(prod.events, 5 of session_name)"
    assert len(pickle.dumps(part)) < 1_000


def test_sessions_of_two_engines_are_never_in_one_part(url):
    source = config.parse_source(url)
    names = [f"e/{engine}/sessions/{number}" for number in range(3) for engine in "ab"]

    parts = list(parts_of_names(source, "events", names, 2))

    assert [(part.parent, part.ids) for part in parts] == [
        ("e/a/sessions/", ("0", "1")),
        ("e/a/sessions/", ("2",)),
        ("e/b/sessions/", ("0", "1")),
        ("e/b/sessions/", ("2",)),
    ]
    selected = [name for part in parts for name in part.selected[0].values]
    assert sorted(selected) == sorted(names)


def test_every_setting_of_a_source_survives_pickling():
    source = config.parse_source(
        "prod=vertex://p/us-central1/1?scopes.project=p,q&rate_limit.read=60&timeout=5"
        "&concurrency=3&cache_ttl=2&max_writes=4&read_only=1&api_key_env=KEY"
    )

    assert pickle.loads(pickle.dumps(source)) == source


@pytest.mark.usefixtures("_no_paced_backends")
def test_parts_read_by_one_process_share_its_limit(url):
    """Otherwise each would begin with a request at once."""
    source = config.parse_source(url)

    with opened(paced(source, 60)) as first, opened(paced(source, 60)) as second:
        assert first is second
    with opened(source) as first, opened(source) as second:
        assert first is not second


def test_scopes_hold_for_parts_as_they_do_in_sql(url):
    source = config.parse_source(f"{url}&scopes.reasoning_engine=42")
    part = split(source, "events", size=2)[0]
    other = replace(part, parent=part.parent.replace("/42/", "/43/"))

    assert read(part).read_all().num_rows > 0
    for where in (None, "author = 'user'"):
        with pytest.raises(InvalidValueError, match="scopes allow only"):
            read(other, where=where).read_all()
    with pytest.raises(InvalidValueError, match="scopes allow only"):
        scan(source, "events", keys={"reasoning_engine": "43", "session_id": "x"}).read_all()


@pytest.mark.parametrize(("own", "given", "used"), [(60, 100, 60), (60, 10, 10), (60, None, 60)])
def test_a_limit_never_raises_the_sources_own(url, own, given, used):
    source = config.parse_source(f"{url}&rate_limit.read={own}")

    assert paced(source, given).rate_limit["read"] == used


@pytest.mark.usefixtures("_no_paced_backends")
def test_a_limit_reaches_the_requests(url, emulator, counted):
    part = split(url, "events", size=3)[0]

    _, requests = counted(
        lambda: read(part, where="author = 'user'", requests_per_minute=60_000).read_all()
    )

    started = [entry["started"] for entry in emulator.control.requests()]
    assert requests == len(started) == 3
    with pytest.raises(UnsupportedError, match="at least 1"):
        read(part, requests_per_minute=0)
