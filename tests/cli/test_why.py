"""``explain --why``: one rule per condition, by the names of ``docs/pushdown.md``."""

from __future__ import annotations

import re
from pathlib import Path

import httpx
import pytest

import sessions_vtab
from sessions_vtab.cli.explain import explain
from sessions_vtab.contract.model import Column, ColumnType, Table
from sessions_vtab.contract.predicate import Rule
from sessions_vtab.fetch import ResponseMatcher, SinglePage
from sessions_vtab.rest import Get, List, RestBackend, RestTable

PACKAGE = Path(sessions_vtab.__file__).parent
DOCUMENT = (PACKAGE / "docs" / "pushdown.md").read_text("utf-8")


def rules(sql: str, sources: object, bindings: dict[str, str] | None = None) -> list[str]:
    """``condition: rule`` of each condition, in the order of the report."""
    with sessions_vtab.connect(sources=sources, config="/dev/null") as db:
        lines = list(explain(db, sql, bindings, why=True))
    found = [re.fullmatch(r" *why +(.*): (?:sent|here) by (\S+): .*", line) for line in lines]
    return [f"{match[1]}: {match[2]}" for match in found if match]


VERTEX = {"v": {"url": "vertex://p/us-central1/42?base_url=http://127.0.0.1:9"}}
SELECT = "SELECT * FROM sessions AS s WHERE "
JOIN = "SELECT * FROM sessions AS s JOIN events AS e USING (session_id) WHERE "
ON = "SELECT * FROM sessions AS s {} events AS e ON e.session_id = s.session_id AND {}"
LEFT = "SELECT * FROM sessions AS s LEFT JOIN events AS e USING (session_id) WHERE "


@pytest.mark.parametrize(
    ("sql", "expected"),
    [
        (SELECT + "name = 'x'", ["name = 'x': key"]),
        (SELECT + "page_size = 3", ["page_size = 3: parameter"]),
        (SELECT + "user_id = 'ann'", ["user_id = 'ann': filter"]),
        ("SELECT * FROM v.sessions WHERE user_id = 'ann'", ["user_id = 'ann': filter"]),
        (SELECT + "labels->>'env' = 'prod'", ["labels->>'env' = 'prod': text"]),
        (SELECT + "user_id = 'a' OR display_name = 'b'",
         ["user_id = 'a' OR display_name = 'b': text"]),
        (SELECT + "display_name = coalesce(:x, display_name)",
         ["display_name = coalesce(?1, display_name): part"]),
        (SELECT + "create_time > '2026-01-01'", ["create_time > '2026-01-01': order"]),
        (SELECT + "create_time > '2026-01-01' ORDER BY update_time",
         ["create_time > '2026-01-01': other-order"]),
        (SELECT + "state IS NOT NULL", ["state IS NOT NULL: no-filter"]),
        (SELECT + "user_id BETWEEN 'a' AND 'b'", ["user_id BETWEEN 'a' AND 'b': operator"]),
        (SELECT + "user_id COLLATE NOCASE = 'x'", ["user_id COLLATE NOCASE = 'x': collation"]),
        (SELECT + "lower(display_name) = 'x'", ["lower(display_name) = 'x': collation"]),
        (SELECT + "user_id = 5.5", ["user_id = 5.5: value"]),
        (SELECT + "user_id = 5", ["user_id = 5: filter"]),
        (SELECT + "length(user_id) = 3", ["length(user_id) = 3: sqlite"]),
        (SELECT + "state IS NOT 'x'", ["state IS NOT 'x': sqlite"]),
        (SELECT + "user_id = 'a' AND user_id COLLATE NOCASE = 'A'",
         ["user_id = 'a': filter", "user_id COLLATE NOCASE = 'A': collation"]),
        (JOIN + "e.timestamp > '2026-01-01'",
         ["session_id = ?: later", "e.timestamp > '2026-01-01': filter", "session_id = ?: key"]),
        (LEFT + "e.author = 'x' OR e.author IS NULL",
         ["e.author = 'x' OR e.author IS NULL: outer-join", "session_id = ?: key"]),
        (LEFT + "e.author IS NULL", ["e.author IS NULL: outer-join", "session_id = ?: key"]),
        (ON.format("JOIN", "s.user_id IN ('a', 'b') AND e.author LIKE 'x%' AND e.author <> 'y'"),
         ["s.user_id IN ('a', 'b'): filter", "session_id = ?: later",
          "e.author LIKE 'x%': no-filter", "e.author <> 'y': no-filter", "session_id = ?: key"]),
        (ON.format("LEFT JOIN", "s.user_id = 'a' AND e.author IN ('x', 'y') AND e.author <> 'z'"),
         ["s.user_id = 'a': outer-join", "e.author IN ('x', 'y'): no-filter",
          "e.author <> 'z': no-filter", "session_id = ?: key"]),
        (ON.format("RIGHT JOIN", "s.user_id = 'a' AND e.timestamp > '2026-01-01'"),
         ["s.user_id = 'a': filter", "e.timestamp > '2026-01-01': filter",
          "session_id = ?: key", "e.timestamp > '2026-01-01': outer-join"]),
        (ON.format("JOIN", "(e.author = 'x' OR e.branch = 'y') AND length(e.text) = 3"),
         ["session_id = ?: later", "(e.author = 'x' OR e.branch = 'y'): connective",
          "length(e.text) = 3: sqlite", "session_id = ?: key"]),
    ],
)  # fmt: skip
def test_each_condition_names_the_rule_that_decided_it(sql: str, expected: list[str]) -> None:
    assert rules(sql, VERTEX, {"x": "a"} if ":x" in sql else None) == expected


TICKETS = Table(
    "tickets",
    (
        Column("name", ColumnType.TEXT, "Full resource name."),
        Column("id", ColumnType.TEXT, "Id of the ticket."),
        Column("owner", ColumnType.TEXT, "Who works on it."),
        Column("place", ColumnType.TEXT, "Where it is worked on."),
    ),
    "One row per ticket.",
)


def backend(*, exact: bool) -> type[RestBackend]:
    class Tickets(RestBackend):
        """A service that finds owners by the first letter of their names."""

        name = "tickets"
        title = "Ticket service"
        tables = (
            RestTable(
                TICKETS,
                "tickets/{id}",
                {"id": "id", "owner": "owner", "place": "place"},
                get=Get("GET /tickets/{id}", missing=(ResponseMatcher(404, "no such ticket"),)),
                list=List(
                    "GET /tickets",
                    items="tickets",
                    pages=SinglePage(),
                    filters={"owner": "owner"},
                    exact=exact,
                ),
            ),
        )

    return Tickets


def test_a_wrong_pushdown_is_found_by_the_rule_it_names() -> None:
    """The service ignores case, the declaration says that it compares as SQLite does."""

    def server(request: httpx.Request) -> httpx.Response:
        tickets = [{"id": "1", "owner": "ann"}, {"id": "2", "owner": "ANN"}]
        wanted = request.url.params["owner"].lower()
        return httpx.Response(
            200, json={"tickets": [one for one in tickets if one["owner"].lower() == wanted]}
        )

    sql = "SELECT id FROM tickets WHERE owner = 'ann' AND place IS NULL"
    found = {}
    for exact in (True, False):
        source = {
            "backend": backend(exact=exact),
            "base_url": "http://127.0.0.1:9",
            "transport": httpx.MockTransport(server),
        }
        with sessions_vtab.connect(sources={"t": source}, config="/dev/null") as db:
            rows = db.execute(sql).fetchall()
        found[exact] = rows, rules(sql, {"t": source})

    assert found[True] == (
        [("1",), ("2",)],
        ["owner = 'ann': exact-filter", "place IS NULL: no-filter"],
    )
    assert found[False] == ([("1",)], ["owner = 'ann': filter", "place IS NULL: no-filter"])


def test_the_rules_of_the_docs_are_those_that_there_are() -> None:
    items = re.findall(r"^- `([\w-]+)`: (.*?); (.*) \(`(.*)`\)$", DOCUMENT, re.MULTILINE)

    assert items == [
        (rule.label, "sent" if rule.sent else "checked here", rule.says, rule.decided_in)
        for rule in Rule
    ]
    assert [rule.decided_in for rule in Rule if not (PACKAGE / rule.decided_in).exists()] == []


def test_each_rule_is_given_by_the_code_that_it_names() -> None:
    """``connective`` and ``negation`` are those of the access paths: ``tests/plan/test_pushdown``."""
    code = "".join(
        path.read_text("utf-8")
        for part in ("plan", "sql", "cli")
        for path in (PACKAGE / part).rglob("*.py")
    )

    assert [rule.name for rule in Rule if f"Rule.{rule.name}" not in code] == []


def test_the_command_line_names_rules_only_on_request(cli) -> None:
    sql = "SELECT user_id FROM sessions WHERE length(user_id) = 3"
    line = "  why       length(user_id) = 3: here by sqlite: only SQLite can decide it"

    assert line in cli("explain", "--why", sql).out
    assert line not in cli("explain", sql).out
