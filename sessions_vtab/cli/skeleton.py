"""``new-backend``: a package with a backend, its entry point, and a test that runs the kit.

The backend works at once, against a service that its test plays: an author changes it into the
backend of another service step by step, and the test stays green.
"""

from __future__ import annotations

import keyword
import re
from pathlib import Path
from typing import Final

from sessions_vtab.errors import ConfigurationError
from sessions_vtab.registry import BUILT_IN

_NAME: Final = re.compile(r"[a-z][a-z0-9_]*", re.ASCII)
_LONGEST: Final = 40

_PYPROJECT: Final = """\
[build-system]
requires = ["hatchling"]
build-backend = "hatchling.build"

[project]
name = "sessions_vtab_@name@"
version = "0.1.0"
description = "SQL over @name@, a backend of sessions_vtab."
requires-python = ">=3.11"
dependencies = ["sessions_vtab"]

[project.optional-dependencies]
test = ["pytest"]

[project.entry-points."sessions_vtab.backends"]
@name@ = "sessions_vtab_@name@:@Class@"

# For SQLAlchemy: create_engine("sessions+@name@://?base_url=..").
[project.entry-points."sqlalchemy.dialects"]
"sessions.@name@" = "sessions_vtab.sqlalchemy:SessionsDialect"

[tool.hatch.build.targets.wheel]
only-include = ["sessions_vtab_@name@.py"]

[tool.pytest.ini_options]
pythonpath = ["."]
"""

_MODULE: Final = '''\
"""SQL over @name@: ``@name@://?base_url=https://..``.

How a backend is written: sessions-vtab help backends.
"""

from __future__ import annotations

from sessions_vtab import rest

__all__ = ["@Class@"]

ITEMS = rest.Table(
    "items",
    (
        rest.Column("name", rest.ColumnType.TEXT, "Full resource name."),
        rest.Column("id", rest.ColumnType.TEXT, "Id of the item."),
        rest.Column("owner", rest.ColumnType.TEXT, "Who it belongs to."),
        rest.Column("votes", rest.ColumnType.INTEGER, "Number of people who want it."),
        rest.Column("created", rest.ColumnType.TIME, "When it was made."),
        rest.Column("meta", rest.ColumnType.JSON, "JSON object of metadata."),
    ),
    "One row per item.",
    example="SELECT id, votes FROM items WHERE owner = 'ann'",
)
_ONE = "/v1/items/{id}"
_GONE = (rest.ResponseMatcher(404, "no such item"),)
_WRITTEN = {"owner": "owner", "votes": "votes", "meta": "meta"}


class @Class@(rest.RestBackend):
    """The items of one server."""

    name = "@name@"
    title = "@name@"
    about = "What a user should know before the first statement."
    key_variables = ("@NAME@_API_KEY",)
    tables = (
        rest.RestTable(
            ITEMS,
            "items/{id}",
            {"id": "id", "created": "createdAt", **_WRITTEN},
            get=rest.Get(f"GET {_ONE}", missing=_GONE),
            list=rest.List(
                "GET /v1/items",
                items="items",
                pages=rest.TokenPages(cap=100),
                filters={"owner": "owner"},
                exact=True,
            ),
            insert=rest.Insert(
                "POST /v1/items", body={"id": "id", **_WRITTEN}, required=("owner",)
            ),
            update=rest.Update(f"PATCH {_ONE}", body=_WRITTEN),
            delete=rest.Delete(f"DELETE {_ONE}"),
        ),
    )
'''

_TEST: Final = '''\
"""The backend against its service, which this test plays: no server is needed."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import httpx
import pytest
import sessions_vtab
from sessions_vtab.testing.conformance import run_suite

from sessions_vtab_@name@ import @Class@


class Service:
    """What the real service does with its items, as far as the backend uses it."""

    def __init__(self) -> None:
        self.items: dict[str, dict[str, Any]] = {}
        for number in range(25):
            self.add({"id": f"i{number:02d}", "owner": "ann" if number % 3 else "bob"})
            self.items[f"i{number:02d}"] |= {"votes": number % 4, "meta": {"n": number}}

    def add(self, item: dict[str, Any]) -> dict[str, Any]:
        item = {"id": f"new-{len(self.items)}", "createdAt": "2026-01-05T09:00:00Z", **item}
        return self.items.setdefault(item["id"], item)

    def __call__(self, request: httpx.Request) -> httpx.Response:
        key = request.url.path.removeprefix("/v1/items").strip("/")
        sent = json.loads(request.content or b"{}")
        if request.method == "POST":
            taken = sent.get("id") in self.items
            return httpx.Response(409) if taken else httpx.Response(200, json=self.add(sent))
        if not key:
            return self.page(request.url.params)
        if key not in self.items:
            return httpx.Response(404, json={"error": "no such item"})
        if request.method == "DELETE":
            return httpx.Response(200, json=self.items.pop(key) and {})
        self.items[key] |= sent
        return httpx.Response(200, json=self.items[key])

    def page(self, asked: httpx.QueryParams) -> httpx.Response:
        owner, start = asked.get("owner"), int(asked.get("pageToken", "0"))
        found = [one for one in self.items.values() if owner in (None, one["owner"])]
        end = start + min(int(asked.get("pageSize", "10")), 10)
        more = {"nextPageToken": str(end)} if end < len(found) else {}
        return httpx.Response(200, json={"items": found[start:end], **more})


@pytest.fixture
def db(monkeypatch: pytest.MonkeyPatch) -> Iterator[sessions_vtab.Connection]:
    monkeypatch.setenv("@NAME@_API_KEY", "for-tests")
    source = {
        "backend": @Class@,
        "base_url": "http://127.0.0.1:1",
        "transport": httpx.MockTransport(Service()),
    }
    with closing(sessions_vtab.connect(sources={"t": source}, config=os.devnull)) as connection:
        yield connection


def test_every_query_has_the_rows_of_plain_sqlite(db: sessions_vtab.Connection) -> None:
    assert run_suite(db, "t", most=10) == []  # most=None: every case, which takes longer.


def test_rows_are_written(db: sessions_vtab.Connection) -> None:
    sql = "INSERT INTO items(id, owner) VALUES ('x', 'eve') RETURNING name, owner"
    assert db.execute(sql).fetchall() == [("items/x", "eve")]
    db.execute("UPDATE items SET votes = 7 WHERE id = 'x'")
    assert db.execute("SELECT votes FROM items WHERE owner = 'eve'").fetchall() == [(7,)]
    db.execute("DELETE FROM items WHERE id = 'x'")
    assert db.execute("SELECT * FROM items WHERE id = 'x'").fetchall() == []


def test_a_condition_is_sent(db: sessions_vtab.Connection) -> None:
    db.execute("SELECT id FROM items WHERE owner = 'ann'").fetchall()
    urls = [str(url) for (url,) in db.execute("SELECT url FROM http_requests")]
    assert all("owner=ann" in url for url in urls)
'''


def write(name: str, folder: str = "") -> list[Path]:
    """Writes the package of a new backend.

    Args:
        name: of the backend, as it stands in URLs: ``NAME://..``.
        folder: an empty or new folder; by default one of that name.

    Returns:
        The files that were written.

    Raises:
        ConfigurationError: the name is not valid, or the folder cannot be written to.
    """
    _require_name(name)
    root = Path(folder or name)
    if root.exists() and (not root.is_dir() or any(root.iterdir())):
        raise ConfigurationError(f"{root} already exists and is not an empty folder.")
    module = f"sessions_vtab_{name}"
    texts = {"pyproject.toml": _PYPROJECT, f"{module}.py": _MODULE, f"test_{module}.py": _TEST}
    try:
        root.mkdir(parents=True, exist_ok=True)
        return [_written(root / file, text, name) for file, text in texts.items()]
    except OSError as error:
        raise ConfigurationError(f"{root} cannot be written: {error.strerror}.") from None


def _require_name(name: str) -> None:
    if not _NAME.fullmatch(name) or len(name) > _LONGEST or keyword.iskeyword(name):
        raise ConfigurationError(
            f"{name!r:.60} is not a valid name of a backend. Use a-z, 0-9 and _, at most"
            f" {_LONGEST} of them, and begin with a letter."
        )
    if name in BUILT_IN:
        raise ConfigurationError(f"The backend {name} is built in; choose another name.")


def _written(path: Path, text: str, name: str) -> Path:
    words = "".join(word.capitalize() for word in name.split("_"))
    for place, value in (
        ("@name@", name),
        ("@Class@", f"{words}Backend"),
        ("@NAME@", name.upper()),
    ):
        text = text.replace(place, value)
    path.write_text(text, "utf-8")
    return path
