"""The table ``sessions``: by id, by batch, and registrations that the service changes."""

from __future__ import annotations

import json

import pytest

from sessions_vtab.errors import (
    ConflictError,
    InvalidValueError,
    MissingParameterError,
    ProtocolError,
    RefusedError,
    UnsupportedError,
)

REGISTER = "INSERT INTO sessions(session_id, search_query, search_results"
BATCH = "GET internal/batch/sessions"

# By id


def test_a_row_has_the_core_columns_first_and_its_own_after_them(sql):
    result = {"object_id": "o1", "rank": 0.5, "meta": {"a": 1}}
    sql.add("a/b", 1, user_id="ann", search_results=[result], search_meta={"lang": "en"})
    (row,) = sql("SELECT * FROM sessions WHERE session_id = 'a/b'")
    assert row[:6] == ("sessions/a%2Fb", "a/b", "ann", None, None, None)
    assert row[6].endswith(".000000")
    assert row[7:17] == (
        *(None, None, "q", '[{"object_id":"o1","rank":0.5,"meta":{"a":1}}]'),
        *('{"lang":"en"}', None, None, 0, None, None),
    )
    assert [event["event_id"] for event in json.loads(row[17])] == ["e1"]


@pytest.mark.parametrize(
    ("where", "asked"),
    [
        ("session_id = 's'", ["s"]),
        ("session_id IN ('s', 't')", ["s", "t"]),
        ("name = 'sessions/s'", ["s"]),
        ("name = 'sessions/a%2Fb'", ["a/b"]),
        ("name = 'sessions/a/b'", []),
        ("session_id = NULL", []),
        ("session_id = 's' AND user_id = 'ann'", ["s"]),
    ],
)
def test_sessions_are_read_by_id(sql, where, asked):
    sql.add("s")
    sql(f"SELECT session_id FROM sessions WHERE {where}")
    assert sorted(query["session_id"] for _, _, query, _ in sql.sent()) == asked


def test_a_missing_session_gives_no_row(sql):
    assert sql("SELECT * FROM sessions WHERE session_id = 'nope'") == []


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT * FROM sessions",
        "SELECT * FROM sessions WHERE user_id = 'ann'",
        "UPDATE sessions SET is_irrelevant = 1",
    ],
)
def test_without_a_key_the_error_names_the_keys_and_the_source_of_batch_ids(sql, statement):
    with pytest.raises(
        MissingParameterError, match=r"name or session_id or batch_id .* release_batch"
    ):
        sql(statement)
    assert sql.sent() == []


def test_batch_and_number_are_null_until_the_batch_is_read(sql):
    sql.add("s")
    batch = sql.release()
    place = "SELECT batch_id, session_number FROM sessions WHERE session_id = 's'"
    assert sql(place) == [(None, None)]
    sql("SELECT session_id FROM sessions WHERE batch_id = ?", batch)
    assert sql(place) == [(batch, 1)]


def test_a_session_of_a_batch_is_looked_for_in_that_batch(sql):
    for number in range(3):
        sql.add(f"s{number}")
    batch = sql.release()
    found = "SELECT session_number FROM sessions WHERE session_id IN ('s1', 'x') AND batch_id = ?"
    assert sql(found, batch) == [(2,)]
    assert sql(found, "another") == []
    assert sql.paths() == [BATCH, BATCH]


# By batch


@pytest.fixture
def batch(sql):
    """A released batch of five sessions, one with 130 events."""
    for number in range(1, 6):
        sql.add(f"s{number}", events=130 if number == 3 else 0)
    return sql.release()


@pytest.mark.parametrize(
    ("where", "after", "found"),
    [
        ("1", "0", [1, 2, 3, 4, 5]),
        ("session_number > 3", "3", [4, 5]),
        ("session_number >= 3", "2", [3, 4, 5]),
        ("session_number > 2.5", "2", [3, 4, 5]),
        ("session_number >= 2.5", "2", [3, 4, 5]),
        ("session_number = 4", "3", [4]),
        ("session_number IN (2, 4)", "1", [2, 4]),
        ("session_number BETWEEN 2 AND 3", "1", [2, 3]),
        ("session_number < 3", "0", [1, 2]),
        ("session_number > -5", "0", [1, 2, 3, 4, 5]),
        ("session_number > 9223372036854775807", "9223372036854775807", []),
        ("session_number > 9e99", "4611686018427387904", []),
        ("session_number > '3'", "3", [4, 5]),
        ("session_number <> 3", "0", [1, 2, 4, 5]),
    ],
)
def test_conditions_on_the_number_are_sent_as_after_number(sql, batch, where, after, found):
    rows = sql(f"SELECT session_number FROM sessions WHERE batch_id = ? AND {where}", batch)
    assert [number for (number,) in rows] == found
    assert [query["after_number"] for _, _, query, _ in sql.sent()] == [after]


@pytest.mark.parametrize(
    "where", ["< 1", "= 2.5 AND session_number > 3", "< 2 AND session_number > 3"]
)
def test_numbers_that_cannot_match_send_no_request(sql, batch, where):
    found = sql(f"SELECT * FROM sessions WHERE batch_id = ? AND session_number {where}", batch)
    assert (found, sql.sent()) == ([], [])


@pytest.mark.parametrize(("wanted", "pages"), [("'s1', 's8'", 4), ("'s1', 's2'", 1), ("'s9'", 5)])
def test_pages_of_a_batch_are_read_until_all_wanted_sessions_are_found(sql, wanted, pages):
    for number in range(1, 14):
        sql.add(f"s{number}")
    batch = sql.release()
    where = f"batch_id = ? AND session_id IN ({wanted}) AND page_size = 2"
    rows = sql(f"SELECT session_id FROM sessions WHERE {where} ORDER BY 1", batch)
    assert [f"'{one}'" for (one,) in rows] == wanted.split(", ")
    assert len(sql.sent()) == pages


def test_pages_are_read_until_the_batch_ends(sql, batch):
    rows = sql("SELECT session_id FROM sessions WHERE batch_id = ? AND page_size = 2", batch)
    assert len(rows) == 5
    asked = [(query["after_number"], query["limit"]) for _, _, query, _ in sql.sent()]
    assert asked == [("0", "2"), ("2", "2"), ("4", "2")]


def test_a_limit_sets_the_page_size_and_the_order_is_the_services(sql, batch):
    ordered = (
        "SELECT session_id FROM sessions WHERE batch_id = ? ORDER BY session_number {} LIMIT 2"
    )
    assert sql(ordered.format(""), batch) == [("s1",), ("s2",)]
    assert [query["limit"] for _, _, query, _ in sql.sent()] == ["2"]
    assert sql(ordered.format("DESC"), batch) == [("s5",), ("s4",)]


def test_several_batches_are_one_sorted_list(sql, batch):
    sql.add("t1")
    sql.add("t2")
    other = sql.release("r2")
    rows = sql(
        "SELECT session_id FROM sessions WHERE batch_id IN (?, ?, 'none') AND session_number < 3"
        " ORDER BY session_number, session_id",
        *(batch, other),
    )
    assert rows == [("s1",), ("t1",), ("s2",), ("t2",)]


@pytest.mark.parametrize("size", [0, -1, "'all'", 1.5])
def test_page_size_is_at_least_one(sql, batch, size):
    with pytest.raises(InvalidValueError, match="page_size must be a number of at least 1"):
        sql(f"SELECT * FROM sessions WHERE batch_id = ? AND page_size = {size}", batch)
    assert sql.sent() == []


def test_events_are_only_fetched_if_used_and_then_all(sql, batch):
    sql("SELECT session_id FROM sessions WHERE batch_id = ?", batch)
    assert [query["events_limit"] for _, _, query, _ in sql.sent()] == ["1"]
    counted = "SELECT json_array_length(events) FROM sessions WHERE batch_id = ?"
    assert max(sql(counted, batch)) == (130,)
    assert [query["events_limit"] for _, _, query, _ in sql.sent()] == ["0"]


def test_an_unknown_batch_has_no_sessions(sql):
    assert sql("SELECT * FROM sessions WHERE batch_id = 'none'") == []


# INSERT


def test_a_registration_is_sent_and_read_back(sql):
    rows = sql(
        "INSERT INTO sessions(session_id, search_query, search_results, search_meta, sort_by, user_id)"
        " VALUES ('s', 'coat', '[{\"object_id\":\"o\",\"rank\":1}]', '{\"a\":1}', '{\"field\":\"f\"}', 'ann')"
        " RETURNING name, search_results, sort_by, is_irrelevant"
    )
    assert rows == [
        (
            "sessions/s",
            '[{"object_id":"o","rank":1.0,"meta":null}]',
            '{"field":"f","order":"asc","force_not_payload":false}',
            0,
        )
    ]
    (method, path, _, body), look = sql.sent()
    assert (method, path, look[:3]) == ("POST", "session", ("GET", "session", {"session_id": "s"}))
    assert body == {
        "session_id": "s",
        "search_query": "coat",
        "user_id": "ann",
        "search_results": [{"object_id": "o", "rank": 1}],
        "search_meta": {"a": 1},
        "sort_by": {"field": "f", "order": "asc"},
    }


@pytest.mark.parametrize(
    ("columns", "values", "error", "words"),
    [
        ("search_results", "'[]'", MissingParameterError, "requires search_query"),
        ("search_query", "'q'", MissingParameterError, "requires search_results"),
        (
            "search_query, search_results",
            "'q', '[]'",
            MissingParameterError,
            "session_id is required",
        ),
    ],
)
def test_missing_columns_are_named(sql, columns, values, error, words):
    with pytest.raises(error, match=words):
        sql(f"INSERT INTO sessions({columns}) VALUES ({values})")


@pytest.mark.parametrize(
    ("column", "value", "words"),
    [
        ("search_results", "{}", "must be a JSON array"),
        ("search_results", "[1]", r"search_results\[0\] must be an object with a text object_id"),
        ("search_results", '[{"object_id":7}]', "text object_id"),
        ("search_results", '[{"object_id":"o","rank":"1"}]', "rank must be a number"),
        ("search_results", '[{"object_id":"o","rank":true}]', "rank must be a number"),
        ("search_results", '[{"object_id":"o","meta":[]}]', "meta must be an object"),
        ("search_results", '[{"object_id":"o","item_info":{}}]', "would discard item_info"),
        ("search_results", "[", "must be JSON"),
        ("search_meta", "[1]", "search_meta must be a JSON object"),
        ("sort_by", '{"field":"f","direction":"asc"}', "would discard direction"),
        ("payload_filter", "[]", "must be a JSON object"),
        ("payload_filter", '{"match":{}}', "would not store this filter"),
        ("payload_filter", '{"query":{}}', "would not store this filter"),
        (
            "payload_filter",
            '{"query":{"field":"f","range":{"gt":1}}}',
            "a range is allowed only inside such a list",
        ),
        ("payload_filter", '{"query":{"bool":{"must":[]}}}', "would not store this filter"),
        (
            "payload_filter",
            '{"query":{"match":{"field":"f","value":1}}}',
            "would not store this filter",
        ),
        ("payload_filter", '{"query":{"must":[{"field":"f"}]}}', "would not store this filter"),
        ("payload_filter", '{"query":{"must":{}}}', "would not store this filter"),
        ("payload_filter", '{"query":{"field":5}}', "would not store this filter"),
        (
            "payload_filter",
            '{"query":{"field":"f","force_not_payload":"x"}}',
            "would not store this filter",
        ),
        (
            "payload_filter",
            '{"query":{"must":[{"field":"day","range":{"gte":"2026-01-01"}}]}}',
            "a range is allowed only inside such a list, and only with numbers",
        ),
        (
            "payload_filter",
            '{"query":{"must":[{"field":"f","range":{"from":1}}]}}',
            "would not store this filter",
        ),
        ("create_time", "2026-01-01 00:00:00.5", "whole seconds"),
        ("name", "sessions/other", "session_id = 's' contradicts the name"),
        ("name", "s", "is not a valid session name"),
    ],
)
def test_values_that_the_service_would_discard_or_reject_are_not_sent(sql, column, value, words):
    given = {"session_id": "s", "search_query": "q", "search_results": "[]", column: value}
    places = ", ".join("?" * len(given))
    with pytest.raises(InvalidValueError, match=words):
        sql(f"INSERT INTO sessions({', '.join(given)}) VALUES ({places})", *given.values())
    assert sql.sent() == []


@pytest.mark.parametrize(
    "query",
    [
        {"match": {"field": "f", "value": "v"}},
        {"match_phrase": {"field": "f", "value": "v"}},
        {"wildcard": {"field": "f", "value": "v*"}},
        {"term": {"field": "f", "value": 3}},
        {"terms": {"field": "f", "values": ["a", "b"]}},
        {"all": {"field": "f", "values": [1, 2]}},
        {"any": {"field": "f", "values": [True]}},
        {"field": "f"},
        {"must": [{"field": "f", "range": {"gte": 1, "lt": 2.5}}], "must_not": None},
        {"should": [{"must": [{"term": {"field": "f", "value": "v"}}]}]},
    ],
)
def test_filters_that_the_service_stores_are_registered(sql, query):
    values = ("s", json.dumps({"query": query}))
    sql(f"{REGISTER}, payload_filter) VALUES (?, 'q', '[]', ?)", *values)
    ((kept,),) = sql("SELECT payload_filter FROM sessions WHERE session_id = 's'")
    assert json.loads(kept)["query"].keys() >= query.keys()


def test_a_filter_stored_differently_is_an_error_that_shows_the_stored_one(sql):
    kept = {
        "session_id": "s",
        "search_query": "q",
        "search_results": [],
        "payload_filter": {"query": {}},
    }
    sql.control.fault("status", method="GET", status=200, body=kept)
    match = '{"query": {"match": {"field": "f", "value": "v"}}}'
    with pytest.raises(RefusedError, match=r"a different payload_filter: {.query.:{}}"):
        sql(f"{REGISTER}, payload_filter) VALUES ('s', 'q', '[]', ?)", match)


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("search_query", "other"),
        ("search_results", '[{"object_id":"x"}]'),
        ("search_meta", '{"a":2}'),
        ("user_id", "bob"),
        ("sort_by", '{"field":"g"}'),
    ],
)
def test_an_id_registered_with_other_values_is_a_conflict(sql, column, value):
    given = {"session_id": "s", "search_query": "q", "search_results": "[]"}
    sql(f"{REGISTER}) VALUES (?, ?, ?)", *given.values())
    given[column] = value
    places = ", ".join("?" * len(given))
    with pytest.raises(
        ConflictError, match=f"already registered with different values of {column}"
    ):
        sql(f"INSERT INTO sessions({', '.join(given)}) VALUES ({places})", *given.values())


def test_omitting_a_value_of_the_first_registration_is_a_conflict(sql):
    sql.add("s", user_id="ann", search_meta={"a": 1})
    with pytest.raises(ConflictError, match="different values of search_meta, user_id"):
        sql(f"{REGISTER}) VALUES ('s', 'q', '[]')")


def test_registering_the_same_session_again_is_not_an_error(sql):
    for _ in range(2):
        sql(f"{REGISTER}) VALUES ('s', 'q', '[]')")
    assert len(sql.state()["sessions"]) == 1


def test_or_ignore_skips_an_existing_id(sql):
    sql.add("s", search_query="first")
    sql(f"INSERT OR IGNORE {REGISTER.removeprefix('INSERT ')}) VALUES ('s', 'second', '[]')")
    assert sql("SELECT outcome FROM writes") == [("skipped",)]


def test_a_time_outside_the_window_is_the_services_error_with_the_window(sql):
    with pytest.raises(RefusedError, match=r"400 .*Invalid utc timestamp: 1577836800.* 12 hours"):
        sql(f"{REGISTER}, create_time) VALUES ('s', 'q', '[]', '2020-01-01')")


@pytest.mark.parametrize(
    ("column", "words"),
    [
        *((one, f"{one} cannot be given on INSERT") for one in ("batch_id", "session_number")),
        *((one, f"{one} cannot be given on INSERT") for one in ("events", "is_irrelevant")),
        ("labels", "labels is always NULL"),
    ],
)
def test_columns_that_the_service_sets_cannot_be_inserted(sql, column, words):
    with pytest.raises(UnsupportedError, match=words):
        sql(f"{REGISTER}, {column}) VALUES ('s', 'q', '[]', '1')")
    assert sql.sent() == []


# UPDATE and DELETE


def test_a_session_is_marked_as_irrelevant(sql):
    sql.add("s")
    rows = sql(
        "UPDATE sessions SET is_irrelevant = 1 WHERE session_id = 's' RETURNING is_irrelevant"
    )
    assert rows == [(1,)]
    assert [one[1:] for one in sql.sent() if one[0] == "POST"] == [
        ("session/irrelevant", {}, {"session_id": "s"})
    ]


def test_a_marked_session_is_not_marked_again(sql):
    sql.add("s")
    for _ in range(2):
        sql("UPDATE sessions SET is_irrelevant = 1 WHERE session_id = 's'")
    assert sum(one[0] == "POST" for one in sql.sent()) == 1


@pytest.mark.parametrize("value", ["0", "NULL"])
def test_is_irrelevant_cannot_be_reset(sql, value):
    sql.add("s")
    sql("SELECT * FROM mark_session_irrelevant('s')")
    with pytest.raises(InvalidValueError, match="can only be set to 1, and this cannot be undone"):
        sql(f"UPDATE sessions SET is_irrelevant = {value} WHERE session_id = 's'")


@pytest.mark.parametrize(
    ("statement", "words"),
    [
        (
            "UPDATE sessions SET user_id = 'x' WHERE session_id = 's'",
            "cannot be changed, except by setting is_irrelevant = 1",
        ),
        ("DELETE FROM sessions WHERE session_id = 's'", "never deletes sessions"),
    ],
)
def test_other_changes_of_a_session_are_refused(sql, statement, words):
    sql.add("s")
    with pytest.raises(UnsupportedError, match=words):
        sql(statement)


# Responses


@pytest.mark.parametrize(
    ("session", "words"),
    [
        ({"session_id": 7}, "field session_id should be text"),
        ({"session_id": "s", "created_at": 1.5}, "created_at should be whole seconds"),
        ({"session_id": "s", "created_at": 10**15}, "between the years 1 and 9999"),
        ({"session_id": "s", "search_results": {}}, "search_results should be a list"),
        ({"session_id": "s", "events": None}, "field events should be a list of objects"),
        ({"session_id": "s", "events": [1]}, "field events should be a list of objects"),
        ([], "should be a JSON object"),
    ],
)
def test_a_field_of_the_wrong_type_is_an_error_that_names_it(sql, session, words):
    body = {"events": [], **session} if session else session
    sql.control.fault("status", method="GET", status=200, body=body)
    with pytest.raises(ProtocolError, match=words):
        sql("SELECT * FROM sessions WHERE session_id = 's'")


@pytest.mark.parametrize(
    "page",
    [
        {"sessions": [{"session_id": "s"}], "last_number": 1},
        {"sessions": [{"session_id": "s", "session_number": 2**70}], "last_number": 1},
        {"sessions": [{"session_id": "s", "session_number": 1}], "last_number": None},
        {"sessions": 7, "last_number": None},
    ],
)
def test_an_invalid_page_is_an_error(sql, page):
    sql.control.fault("status", method="GET", status=200, body=page)
    with pytest.raises(ProtocolError, match=r"sessions: the response to GET"):
        sql("SELECT * FROM sessions WHERE batch_id = 'b' AND page_size = 1")
