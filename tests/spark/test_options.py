"""Options of the data source: each has one meaning, and a mistake is an error."""

from __future__ import annotations

import json
import pickle
import sys

import pytest

import sessions_vtab.spark
from sessions_vtab.errors import ConfigurationError, MissingExtraError, UnknownNameError
from sessions_vtab.spark import OPTIONS, batches, common_schema, parsed, parts

URL = "prod=vertex://demo/us-central1/42?base_url=http://127.0.0.1:1"
LEAST = {"url": URL, "path": "events"}


def test_defaults():
    options = parsed(LEAST)

    assert (options.table, options.size, options.overlap) == ("events", 100, 300)
    assert options.columns is options.per_minute is options.sessions_where is None
    assert options.sources[URL].concurrency == 16
    assert options.sources[URL].read_only
    assert pickle.loads(pickle.dumps(options)) == options


def test_every_option_has_an_effect_in_any_case():
    given = {
        "URL": URL,
        "Path": "events",
        "WHERE": "author = 'user'",
        "sessionswhere": "user_id = 'ann'",
        "columns": "name, session_id",
        "SessionsPerPartition": "7",
        "concurrency": "3",
        "requestsPerMinute": "100",
        "tasks": "8",
        "overlap": "0",
    }

    options = parsed(given, speculation=False)

    assert {name.lower() for name in given} == {name.lower() for name in OPTIONS}
    assert (options.where, options.sessions_where) == ("author = 'user'", "user_id = 'ann'")
    assert options.columns == ("name", "session_id")
    assert (options.size, options.per_minute, options.overlap) == (7, 12, 0)
    assert options.sources[URL].concurrency == 3


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"wher": "1"}, "no option 'wher'. Did you mean where"),
        ({"pushFilters": "true"}, "no option 'pushfilters'"),
        ({"url": ""}, r"url .* is missing; add .option"),
        ({"path": ""}, r"path .* is missing; add .load"),
        ({"url": "[1]"}, "must be a URL, or a JSON list"),
        ({"url": "[]"}, "must be a URL, or a JSON list"),
        ({"url": json.dumps([URL, URL])}, "one source twice"),
        ({"sessionsPerPartition": "0"}, "sessionsPerPartition .* at least 1, not 0"),
        ({"concurrency": "many"}, "concurrency .* from 1 to 256, not 'many'"),
        ({"overlap": "-1"}, "overlap .* at least 0"),
        ({"requestsPerMinute": "60"}, "requires tasks"),
        ({"tasks": "2"}, "requires requestsPerMinute"),
        ({"requestsPerMinute": "2", "tasks": "4"}, "at least 1 for each of the 4 tasks"),
    ],
)
def test_mistakes_are_errors(given, message):
    with pytest.raises(ConfigurationError, match=message):
        parsed(LEAST | given, speculation=False)


@pytest.mark.parametrize(
    ("speculation", "message"),
    [(True, "while spark.speculation is on"), (None, r"requires sessions_vtab.spark.register")],
)
def test_a_limit_is_refused_where_it_could_not_be_kept(speculation, message):
    limited = LEAST | {"requestsPerMinute": "60", "tasks": "2"}

    with pytest.raises(ConfigurationError, match=message):
        parsed(limited, speculation=speculation)
    assert parsed(LEAST, speculation=speculation).per_minute is None


def test_a_source_is_found_by_its_name_in_the_configuration_file(tmp_path, monkeypatch):
    file = tmp_path / "config.toml"
    file.write_text('[sources.shop]\nbackend = "vertex"\nlocation = "p/us-central1/7"\n')
    monkeypatch.setenv("SESSIONS_VTAB_CONFIG", str(file))

    options = parsed(LEAST | {"url": "shop"})

    assert options.sources["shop"].location == "p/us-central1/7"
    with pytest.raises(UnknownNameError, match="Did you mean shop"):
        parsed(LEAST | {"url": "shob"})


def test_many_urls_are_one_table(emulator, db, url):
    other = url.replace("/42?", "/43?")
    db.execute("INSERT INTO sessions(session_id, user_id, reasoning_engine) VALUES ('x', 'b', 43)")
    options = parsed({"url": json.dumps([url, other]), "path": "events"})

    found = parts(options)

    assert [(part.parent.split("/")[-3], len(part.ids)) for part in found] == [("42", 6), ("43", 1)]
    assert common_schema(options).field("timestamp").type.unit == "us"


def test_tables_of_many_urls_must_have_the_same_columns():
    other = "eleanor://demo?base_url=http://127.0.0.1:1"
    urls = json.dumps([URL, other])

    with pytest.raises(ConfigurationError, match=r"differ in .*namespace.*columns"):
        common_schema(parsed({"url": urls, "path": "sessions"}))
    common = parsed({"url": urls, "path": "sessions", "columns": "name,user_id"})
    assert common_schema(common).names == ["name", "user_id"]


def test_a_task_reads_its_part_with_the_options_of_the_read_and_nothing_else(db, url, monkeypatch):
    limits = {"requestsPerMinute": "60", "tasks": "2"}
    given = {"url": url, "path": "events", "where": "1", "columns": "name"} | limits
    calls = []
    monkeypatch.setattr(
        sessions_vtab.spark, "read", lambda *args, **more: calls.append((args, more)) or []
    )

    options = parsed(given, speculation=False)
    part = parts(options)[0]
    sent = pickle.dumps((part, options))
    list(batches(*pickle.loads(sent)))

    asked = {"where": "1", "requests_per_minute": 30, "unit": "us"}
    assert calls == [((part, ("name",)), asked)]
    assert len(pickle.dumps(part)) < 1_500
    assert len(sent) < 2_500


def test_a_task_without_options_reads_all_columns_and_rows(db, url, monkeypatch):
    calls = []
    monkeypatch.setattr(
        sessions_vtab.spark, "read", lambda *args, **more: calls.append((args, more)) or []
    )

    options = parsed({"url": url, "path": "events"})
    (part,) = parts(options)
    list(batches(part, options))

    assert calls == [((part, None), {"where": None, "requests_per_minute": None, "unit": "us"})]


def test_without_pyspark_the_error_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "pyspark.sql.datasource", None)
    monkeypatch.delitem(sys.modules, "sessions_vtab.spark.source", raising=False)

    with pytest.raises(MissingExtraError, match=r"pip install .*'pyspark>=4.0'"):
        sessions_vtab.spark.SessionsDataSource  # noqa: B018
    with pytest.raises(AttributeError):
        sessions_vtab.spark.nosuch  # noqa: B018
