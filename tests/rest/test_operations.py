"""What a declared operation says of its requests: whether they change something, and are repeated."""

from __future__ import annotations

import json
import re
from dataclasses import replace

import httpx
import pytest

from sessions_vtab.contract.capability import ValueForm
from sessions_vtab.contract.model import Column, Function
from sessions_vtab.errors import InvalidValueError, MissingParameterError, ProtocolError
from sessions_vtab.rest import (
    Delete,
    Get,
    Insert,
    List,
    Operation,
    RestBackend,
    RestFunction,
    RestTable,
    Update,
)
from tests.declared import BASE, NOTES, THINGS, T, connected, declared, unasked


@pytest.mark.parametrize(
    ("operation", "changes", "may_repeat"),
    [
        (Operation("GET /x"), False, True),
        (Operation("POST /x"), True, False),
        (Operation("PUT /x"), True, True),
        (Operation("POST /x", asks=True), False, True),
        (Operation("POST /x", repeatable=True), True, True),
        (Operation("PUT /x", repeatable=False), True, False),
        (Operation("GET /x", asks=False, repeatable=False), True, False),
        (Get("POST /x"), False, True),
        (List("POST /x"), False, True),
        (Insert("POST /x"), True, False),
        (Insert("PUT /x"), True, True),
        (Update("GET /x"), True, True),
        (Delete("POST /x"), True, False),
        (Delete("DELETE /x"), True, True),
    ],
    ids=repr,
)
def test_whether_it_changes_something_and_whether_it_is_repeated(
    operation: Operation, changes: bool, may_repeat: bool
) -> None:
    call = operation.call({})

    assert (call.changes, call.may_repeat) == (changes, may_repeat)
    assert call.kind == ("write" if changes else "read")


THING = RestTable(
    THINGS,
    "things/{id}",
    {"id": "id"},
    get=Get("GET /things/{id}", item="thing"),
    list=List("GET /things", items="things"),
)
NOTE = RestTable(
    NOTES,
    "things/{id}/notes/{note}",
    {"note": "number"},
    parent="things",
    inside="notes",
    listed=False,
)
"""They are read with each thing."""


@pytest.mark.parametrize(
    "body", ["", "null", "{}", '{"thing": null}', '{"thing": {}}', '{"thing": {"name": "x"}}']
)
def test_a_response_without_the_item_is_not_a_missing_row(body: str) -> None:
    """Where a list is read and then each of its items, one of them would have no rows."""

    def server(request: httpx.Request) -> httpx.Response:
        if request.url.path == "/things":
            return httpx.Response(200, json={"things": [{"id": "1"}]})
        return httpx.Response(200, text=body, headers={"content-type": "application/json"})

    with connected(declared(THING, NOTE), server) as db, pytest.raises(ProtocolError):
        db.execute("SELECT * FROM notes").fetchall()


def test_a_row_that_is_deleted_and_inserted_again_is_there_afterwards() -> None:
    """Rows that others belong to are created first, but never before what happens to them earlier."""
    there = {"a": "old"}
    sent = []

    def server(request: httpx.Request) -> httpx.Response:
        body = json.loads(request.content or "{}")
        key = body.get("id") or request.url.path.rpartition("/")[2]
        sent.append(f"{request.method} {key}")
        match request.method:
            case "GET" if key in there:
                return httpx.Response(200, json={"thing": {"id": key, "kind": there[key]}})
            case "DELETE" if key in there:
                del there[key]
                return httpx.Response(200, json={})
            case "POST":
                if key in there:
                    return httpx.Response(409, json={"error": "exists"})
                there[key] = body["kind"]
                return httpx.Response(200, json={"thing": body})
        return httpx.Response(404, json={"error": "no such thing"})

    things = replace(
        THING,
        table=THINGS.extended(Column("kind", T.TEXT, "Kind.")),
        insert=Insert("POST /things", item="thing", body={"id": "id", "kind": "kind"}),
        delete=Delete("DELETE /things/{id}"),
    )
    with connected(declared(things, NOTE), server) as db:
        db.execute("BEGIN")
        db.execute("DELETE FROM things WHERE id = 'a'")
        db.execute("INSERT INTO things(id, kind) VALUES ('a', 'new'), ('b', 'new')")
        db.execute("COMMIT")

        changes = [one for one in sent if not one.startswith("GET")]
        assert [one for one in changes if one.endswith(" a")] == ["DELETE a", "POST a"]
        assert sorted(changes) == ["DELETE a", "POST a", "POST b"]
        assert there == {"a": "new", "b": "new"}


IN_A_SPACE = THINGS.extended(Column("space", T.TEXT, "Where it is."))


class Spaces(RestBackend):
    """Things in the space that a URL names."""

    name = "spaces"
    title = "Spaces"
    location = ("space",)
    tables = (
        RestTable(
            IN_A_SPACE,
            "spaces/{space}/things/{id}",
            {"id": "id"},
            get=Get("GET /{space}/{id}"),
            insert=Insert("POST /{space}", body={"id": "id"}),
        ),
    )


class OtherSpaces(Spaces):
    """The same of another service."""

    name = "others"


class SaidSpaces(Spaces):
    """A URL of its own."""

    urls = ("spaces://THERE",)


@pytest.mark.parametrize(
    ("kind", "url"),
    [
        (Spaces, "spaces://SPACE?base_url=https://HOST"),
        (OtherSpaces, "others://SPACE?base_url=https://HOST"),
        (SaidSpaces, "spaces://THERE"),
        (type("Heir", (SaidSpaces,), {"name": "heirs"}), "spaces://THERE"),
    ],
)
def test_the_form_of_a_url_follows_from_the_location(kind: type[RestBackend], url: str) -> None:
    assert kind.urls == (url,)
    with (
        connected(kind, unasked) as db,
        pytest.raises(MissingParameterError, match=rf"has no space.*\({re.escape(url)}\)"),
    ):
        db.execute("INSERT INTO things(id) VALUES ('x')")


RENAME = Function(
    "rename",
    (
        Column("session", T.TEXT, "Name of the thing."),
        Column("to_id", T.TEXT, "Its new id."),
        Column("why", T.TEXT, "Why."),
    ),
    (
        Column("session_name", T.TEXT, "Name of the thing."),
        Column("id", T.TEXT, "Its id before."),
        Column("reason", T.TEXT, "Why."),
        Column("votes", T.INTEGER, "A number."),
        Column("done", T.BOOLEAN, "1."),
        Column("response", T.JSON, "The response."),
    ),
    "Renames a thing.",
    required=("session", "to_id"),
)
ROW = {
    "reason": lambda _, frame: frame.places.get("why"),
    "votes": "count",
    "done": lambda *_: 1,
}


@pytest.mark.parametrize(
    ("item", "body", "row"),
    [
        ("", '{"count": 3}', ("things/7", "7", "fun", 3, 1, '{"count":3}')),
        (
            "thing",
            '{"thing": {"count": 3}}',
            ("things/7", "7", "fun", 3, 1, '{"thing":{"count":3}}'),
        ),
        ("", "null", ("things/7", "7", "fun", None, 1, "null")),
        ("", "", ("things/7", "7", "fun", None, 1, None)),
    ],
)
def test_the_row_of_a_function_is_declared_by_its_results(
    item: str, body: str, row: tuple[object, ...]
) -> None:
    verb = RestFunction(RENAME, Operation("POST /things/{id}/{to_id}", item=item), ROW)
    headers = {"content-type": "application/json"}
    answer = httpx.Response(200, content=body, headers=headers)

    with connected(declared(THING, NOTE, functions_declared=(verb,)), lambda _: answer) as db:
        rows = db.execute("SELECT * FROM rename('7', '8', 'fun')").fetchall()
        asked = db.execute("SELECT method, url FROM http_requests").fetchall()

    assert rows == [row]
    assert asked == [("POST", f"{BASE}/things/7/8")]


def test_a_value_of_another_form_than_the_declared_one_is_refused_before_anything_is_sent() -> None:
    table = replace(
        Spaces.tables[0],
        forms={"id": ValueForm("[0-9]+", "number of a thing")},
        delete=Delete("DELETE /{space}/{id}"),
    )
    kind = type("Forms", (Spaces,), {"tables": (table,)})

    with connected(kind, unasked, location="here") as db:
        with pytest.raises(InvalidValueError, match="'x' is not a valid number of a thing"):
            db.execute("INSERT INTO things(id) VALUES ('x')")
        named = "SELECT * FROM things WHERE name = 'spaces/here/things/x'"
        assert db.execute(named).fetchall() == []
        assert db.execute("SELECT * FROM http_requests").fetchall() == []


@pytest.mark.parametrize("value", ["NULL", "''"])
def test_a_row_cannot_lose_its_name(value: str) -> None:
    table = replace(Spaces.tables[0], update=Update("PUT /{space}/{id}", body={"id": "id"}))
    kind = type("Renamed", (Spaces,), {"tables": (table,)})
    seven = httpx.Response(200, json={"id": "7"})

    with connected(kind, lambda _: seven, location="here") as db:
        with pytest.raises(InvalidValueError, match="id cannot be empty"):
            db.execute(f"UPDATE things SET id = {value} WHERE id = '7'")
        assert db.execute("SELECT method FROM http_requests").fetchall() == [("GET",)]
