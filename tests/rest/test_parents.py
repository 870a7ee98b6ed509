"""Keys that may be of no parent: what is asked for them is bounded by the list of parents."""

from __future__ import annotations

import json
import random
from collections.abc import Sequence
from math import inf
from typing import Any

import httpx
import pytest

from sessions_vtab.contract.model import Column
from sessions_vtab.fetch import ResponseMatcher, TokenPages
from sessions_vtab.rest import Get, List, RestBackend, RestTable
from sessions_vtab.rest.parents import Parents
from tests.declared import NOTES, THINGS, T, connected

_GONE = (ResponseMatcher(404, "no thing"),)


class Things(RestBackend):
    """Things, each with a list of notes."""

    name = "things"
    title = "Things"
    tables = (
        RestTable(
            THINGS.extended(Column("old", T.TEXT, "0 or 1.")),
            "things/{id}",
            {"id": "id"},
            get=Get("GET /things/{id}", missing=_GONE),
            list=List(
                "GET /things",
                query={"old": "{old}"},
                items="things",
                pages=TokenPages(cap=10),
                each={"old": ("0", "1")},
            ),
        ),
        RestTable(
            NOTES,
            "things/{id}/notes/{note}",
            {"note": "number"},
            parent="things",
            list=List("GET /things/{id}/notes", items="notes", missing=_GONE),
        ),
    )


THERE = [f"t{number}" for number in range(100)]
"""Their lists have 10 pages: 5 of old things, 5 of others."""


class Server:
    """A server of things, each with one note.

    Attributes:
        lists: requests of the list of things.
        others: requests for notes.
    """

    def __init__(self, late: int = 0, there: Sequence[str] = THERE) -> None:
        self.lists: list[str] = []
        self.others: list[str] = []
        self._late = late
        self._there = there

    def __call__(self, request: httpx.Request) -> httpx.Response:
        """Answers; the list does not show the last things yet."""
        path, query = request.url.path, request.url.params
        if path == "/things":
            self.lists.append(str(request.url))
            shown = self._there[: len(self._there) - self._late]
            shown = [one for at, one in enumerate(shown) if at % 2 == int(query["old"])]
            start, size = int(query.get("pageToken", 0)), int(query["pageSize"])
            page = [{"id": one} for one in shown[start : start + size]]
            more = {"nextPageToken": str(start + size)} if start + size < len(shown) else {}
            return httpx.Response(200, json={"things": page, **more})
        self.others.append(path)
        if path.split("/")[2] not in self._there:
            return httpx.Response(404, json={"error": "no thing"})
        return httpx.Response(200, json={"notes": [{"number": "1"}]})


def _found(server: Server, sql: str, keys: Any) -> int:
    with connected(Things, server) as db:
        ((count,),) = db.execute(f"SELECT count(note) FROM {sql}", (json.dumps(keys),)).fetchall()
    return int(count)


_NONE = [f"none-{number}" for number in range(300)]
_KEYS = "json_each(?1) k"
_JOINED = f"{_KEYS} JOIN notes n ON n.id = k.value"
_OUTER = f"{_KEYS} LEFT JOIN notes n ON n.thing_name = 'things/' || k.value"
_SETS = "notes WHERE id IN (SELECT value FROM json_each(?1))"


@pytest.mark.parametrize(
    ("sql", "keys", "rows", "lists", "others"),
    [
        (_JOINED, _NONE, 0, 10, 13),
        (_OUTER, _NONE, 0, 10, 13),
        (_SETS, _NONE, 0, 10, 0),
        (_JOINED, _NONE[:40], 0, 10, 13),
        (_SETS, _NONE[:40], 0, 10, 13),
        (_SETS, _NONE[:4], 0, 0, 4),
        # All of them are there: nothing else is asked.
        (_JOINED, THERE, 100, 0, 100),
        (_OUTER, THERE, 100, 0, 100),
        (_SETS, THERE, 100, 0, 100),
        # Some are there. While most are, more are under way at once.
        (_JOINED, [*THERE, *_NONE], 100, 10, 100 + 10 + 32),
        (_SETS, [*THERE, *_NONE], 100, 10, 100),
        # One is not: its request is all it costs.
        (_JOINED, [*THERE, "none"], 100, 0, 101),
        (_JOINED, ["none"], 0, 0, 1),
        (_SETS, [*THERE, "none"], 100, 10, 101),
    ],
)
def test_keys_of_no_parent_cost_no_more_than_the_list_that_tells(
    sql: str, keys: Any, rows: int, lists: int, others: int
) -> None:
    server = Server()

    assert _found(server, sql, keys) == rows
    assert len(server.lists) <= lists
    assert len(server.others) <= others
    assert len({*server.lists, *server.others}) == len(server.lists) + len(server.others)


@pytest.mark.parametrize("sql", [_JOINED, _OUTER, _SETS])
@pytest.mark.parametrize("pages", [2, 4, 10])
def test_twice_the_fewest_requests_and_three_whatever_the_keys_are(sql: str, pages: int) -> None:
    """The fewest: the rows of what is there, and a request for each other key or the whole list."""
    rng = random.Random(pages)
    there = THERE[: 10 * pages]
    for found in (0, 1, 5, 20):
        for missing in (1, 4, 8, 30, 99, 200):
            server = Server(there=there)
            keys = there[:found] + _NONE[:missing]
            rng.shuffle(keys)

            assert _found(server, sql, keys) == found
            total = len(server.lists) + len(server.others)
            assert total <= 2 * (found + min(missing, pages)) + 3, (found, missing)


@pytest.mark.parametrize("sql", [_JOINED, _OUTER, _SETS])
@pytest.mark.parametrize("late", [1, 5])
def test_what_a_list_does_not_show_yet_is_asked_for(sql: str, late: int) -> None:
    """A list may lag behind what was just created: a few keys are asked for all the same."""
    server = Server(late)
    keys = ["none", *THERE, "none-2"] if sql == _SETS else THERE

    assert _found(server, sql, keys) == 100


@pytest.mark.parametrize(
    ("missed", "read", "keys", "pages"),
    [
        # Key after key: four in vain beyond the pages that were read, then a page for each of them.
        (0, 0, 1, 0),
        (3, 0, 1, 0),
        (4, 0, 1, 4),
        (4, 4, 1, 0),
        (7, 4, 1, 0),
        (8, 4, 1, 8),
        # Many at once: at most a tenth more.
        (0, 0, 100, 0),
        (0, 0, 120, 12),
        (0, 12, 120, 0),
        (20, 0, 120, 20),
    ],
)
def test_how_much_of_the_list_is_worth_reading(
    missed: int, read: int, keys: int, pages: int
) -> None:
    assert Parents(missed=missed, read=read).pages_for(keys) == pages
    assert Parents(missed=missed, read=read, ended=True).pages_for(keys) == 0


@pytest.mark.parametrize(
    ("parents", "room"),
    [
        (Parents(), 4),
        # What is under way counts as in vain until it has found something.
        (Parents(asked={("a",): None, ("b",): None}), 2),
        (Parents(missed=3), 1),
        (Parents(missed=5), 0),
        (Parents(missed=3, read=3), 4),
        (Parents(found=10), 14),
        # Nothing is left to be found out.
        (Parents(missed=9, ended=True), inf),
    ],
)
def test_how_many_keys_may_be_asked_for_at_once(parents: Parents, room: float) -> None:
    assert parents.room == room


def test_keys_that_were_passed_over_are_no_longer_under_way() -> None:
    """The rows of an outer table that do not pass a condition: nobody waits for theirs."""
    parents = Parents()
    for key in "abcd":
        parents.take((key,))

    parents.note(("c",), missing=False)

    assert list(parents.asked) == [("d",)]
    assert (parents.found, parents.missed) == (1, 0)


@pytest.mark.parametrize(
    ("parents", "lacking"),
    [
        # Nothing is known before the end of the list, or where it may not be read.
        (Parents({("a",)}, read=1), ""),
        (Parents({("a",)}, read=1, ended=True, refused=True), ""),
        # A few are asked for: the list may lag behind.
        (Parents({("a",)}, read=1, ended=True), ""),
        (Parents({("a",)}, read=0, ended=True), "bcd"),
        (Parents({("a",)}, read=1, ended=True, missed=1), "bcd"),
        (Parents({("a",), ("b",), ("c",)}, read=1, ended=True, missed=2), ""),
    ],
)
def test_which_keys_are_not_asked_for(parents: Parents, lacking: str) -> None:
    keys = [(one,) for one in "abcd"]

    assert parents.lacks(keys) == {(one,) for one in lacking}
    # What was asked for counts: the next few are not.
    again = parents.lacks([("y",), ("z",), ("x",)])
    assert bool(again) == (parents.ended and not parents.refused and parents.read < 3)
