"""The report: its numbers, its form, and what it must never do with what users said."""

from __future__ import annotations

import json
import math
import re
import sqlite3
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing
from html.parser import HTMLParser
from pathlib import Path

import pytest

from sessions_vtab import Connection, connect
from sessions_vtab.cli import main
from sessions_vtab.emulator.serve import Running, running
from sessions_vtab.emulator.service import EmulatorSettings
from sessions_vtab.errors import BudgetError, InvalidValueError, UnsupportedError
from sessions_vtab.report import NUMBERS, report
from sessions_vtab.report.page import milliseconds

VOID = {"meta", "br"}


class Page(HTMLParser):
    """The elements of a page: each must be closed in order, and none may be active."""

    def __init__(self, html: str) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.seen: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self.rows: list[list[str]] = []
        self.feed(html)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append((tag, dict(attrs)))
        if tag == "tr":
            self.rows.append([])
        elif tag in {"td", "th"}:
            self.rows[-1].append("")
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.texts.append(data)
        if self.open[-1:] and {"td", "th"} & set(self.open):
            self.rows[-1][-1] += data

    @property
    def text(self) -> str:
        return "".join(self.texts)

    def tile(self, title: str) -> str:
        return self.texts[self.texts.index(title) + 1].replace("\u202f", "")


@pytest.fixture(scope="module")
def seed_7() -> Iterator[Connection]:
    with running(EmulatorSettings(seed=7, sessions=120, events=1_500)) as emulator:
        url = f"prod=vertex://demo/us-central1/42?base_url={emulator.url}"
        with closing(connect(url)) as connection:
            yield connection


@pytest.fixture(scope="module")
def plain(seed_7: Connection) -> Iterator[sqlite3.Connection]:
    """The same sessions and events in tables of the standard library's SQLite, without a view."""
    with closing(sqlite3.connect(":memory:")) as copy:
        copy.execute("CREATE TABLE sessions(name, user_id)")
        copy.executemany(
            "INSERT INTO sessions VALUES (?, ?)",
            seed_7.execute("SELECT name, user_id FROM sessions"),
        )
        copy.execute("CREATE TABLE e(session, turn, author, at, error, content, metadata)")
        copy.executemany(
            "INSERT INTO e VALUES (?, ?, ?, ?, ?, ?, ?)",
            seed_7.execute(
                "SELECT session_name, invocation_id, author, timestamp, error_code, content,"
                " event_metadata FROM events"
            ),
        )
        copy.execute("DELETE FROM e WHERE json_extract(metadata, '$.partial')")
        copy.execute(
            "CREATE TABLE p AS SELECT session, turn, at, json_extract(value, '$.functionCall.id')"
            " AS called, json_extract(value, '$.functionResponse.id') AS answered,"
            " json_extract(value, '$.functionCall.name') AS tool,"
            " json_extract(value, '$.functionResponse.response.error') AS error"
            " FROM e, json_each(e.content, '$.parts')"
        )
        yield copy


LATENCY = "CAST(round((julianday({}) - julianday({})) * 86400000) AS INTEGER)"
CALLS = f"""SELECT c.tool AS tool, a.at IS NULL AS open, a.error AS error,
    {LATENCY.format("a.at", "c.at")} AS ms
    FROM p AS c LEFT JOIN p AS a ON a.session = c.session AND a.answered = c.called
    WHERE c.called IS NOT NULL"""
FIRST = f"""SELECT {LATENCY.format("a.at", "u.at")} AS ms FROM
    (SELECT session, turn, min(at) AS at FROM e WHERE author = 'user' GROUP BY 1, 2) AS u JOIN
    (SELECT session, turn, min(at) AS at FROM e WHERE author <> 'user' GROUP BY 1, 2) AS a
    ON a.session = u.session AND a.turn = u.turn ORDER BY ms"""


def percentile(values: list[int], share: float) -> int:
    """The least value that at least a share of all are at most."""
    return sorted(values)[max(0, math.ceil(share * len(values)) - 1)]


def test_the_tiles_of_seed_7_are_plain_sql_on_a_plain_copy(
    seed_7: Connection, plain: sqlite3.Connection
) -> None:
    page = Page(report(seed_7).html)

    def one(sql: str) -> str:
        return str(plain.execute(sql).fetchone()[0])

    assert page.tile("Sessions") == one("SELECT count(*) FROM sessions")
    assert f"{one('SELECT count(DISTINCT user_id) FROM sessions')} users" in page.texts
    assert page.tile("Turns") == one(
        "SELECT count(*) FROM (SELECT DISTINCT session, turn FROM e WHERE turn IS NOT NULL)"
    )
    assert page.tile("Errors") == one("SELECT count(error) FROM e")
    first = [ms for (ms,) in plain.execute(FIRST)]
    assert page.tile("First answer, p95") == milliseconds(percentile(first, 0.95))
    # The emulator's events tell no tokens.
    assert (page.tile("Tokens in"), page.tile("Tokens out")) == ("\u2013", "\u2013")


def test_the_tables_of_seed_7_are_plain_sql_on_a_plain_copy(
    seed_7: Connection, plain: sqlite3.Connection
) -> None:
    rows = [[one.replace("\u202f", " ") for one in row] for row in Page(report(seed_7).html).rows]
    calls: dict[str, list[tuple[int, str | None, int | None]]] = {}
    for tool, *call in plain.execute(CALLS):
        calls.setdefault(tool, []).append(tuple(call))
    errors = plain.execute(
        "SELECT error, author, count(*), count(DISTINCT session) FROM e WHERE error IS NOT NULL"
        " GROUP BY 1, 2"
    ).fetchall()

    assert len(calls) > 3
    for tool, made in calls.items():
        failed = sum(error is not None for _, error, _ in made)
        times = [ms for _, _, ms in made if ms is not None]
        counts = (len(made), failed, f"{100 * failed / len(made):.1f} %", sum(o for o, *_ in made))
        spans = (milliseconds(percentile(times, share)) for share in (0.5, 0.95))
        assert [tool, *map(str, counts), *spans] in rows
    assert len(errors) > 3
    for row in errors:
        assert [*map(str, row)] in rows


def test_the_days_of_seed_7_are_plain_sql_on_a_plain_copy(
    seed_7: Connection, plain: sqlite3.Connection
) -> None:
    days = plain.execute(
        "SELECT date(min(at)) AS day, 1 FROM e WHERE turn IS NOT NULL GROUP BY session, turn"
    )
    counts = Counter(day for day, _ in days)
    html = report(seed_7).html

    assert len(counts) > 20
    for day, turns in counts.items():
        assert f"{day}: {turns}" in html


def test_the_conversations_are_counted(vertex: Connection) -> None:
    made = report(vertex)
    page = Page(made.html)

    assert (made.sessions, made.events, made.requests) == (5, 40, 6)
    assert [page.tile(title) for title in ("Sessions", "Turns", "Errors", "Tokens in")] == [
        "5",
        "12",
        "2",
        "640",
    ]
    assert page.tile("First answer, p95") == "1.5 s"
    assert page.tile("Tokens out") == "102"
    tables = [[one.replace("\u202f", " ") for one in row] for row in page.rows]
    assert ["lookup", "4", "2", "50.0 %", "0", "282 ms", "400 ms"] in tables
    assert ["RESOURCE_EXHAUSTED", "refunds", "2", "2"] in tables
    assert ["desk", "refunds", "2", "0"] in tables
    assert "A human takes over. 😀" in page.texts


def test_every_number_is_a_select_that_gives_it(copied: Connection, vertex: Connection) -> None:
    shown = Page(report(vertex, sql=True).html)
    blocks = [text for text in shown.texts if text.lstrip().startswith(("SELECT", "WITH"))]

    assert blocks == [
        NUMBERS[key].sql
        for key in (
            "sessions",
            "turns",
            "errors",
            "first_answer",
            "turns_per_day",
            "tokens",
            "tools",
            "error_codes",
            "handovers",
            "look_at",
        )
    ]
    for sql in blocks:
        assert copied.execute(sql).fetchall()


EVIL = [
    "<script>alert(1)</script>",
    "\"'><img src=x onerror=alert(1)>",
    "</style></title></body><iframe src='http://evil.example'>",
    "\u202ereversed \u05d0\u05d1 \u2066\x00\x1b[31m",
    "&lt;b&gt; &amp; &#60;",
    "x" * 1_000_000,
]


@pytest.fixture
def hostile() -> Iterator[Connection]:
    """Every text that a service has may be anything."""
    with closing(connect("evil=local://:memory:")) as connection:
        connection.execute(
            "INSERT INTO sessions(session_id, user_id) VALUES ('s', ?)", ("<script>user",)
        )
        for number, text in enumerate(EVIL):
            call = {"functionCall": {"name": text, "args": {text[:50]: text}}}
            connection.execute(
                "INSERT INTO events(session_id, author, invocation_id, content, error_code,"
                " error_message, actions, raw_event) VALUES ('s', ?1, ?2,"
                " json_object('parts', json_array(json_object('text', ?3), json(?4))), ?3, ?3,"
                " json_object('transferAgent', ?3), json_object('modelVersion', ?3,"
                " 'usageMetadata', json_object('promptTokenCount', 1)))",
                (text if number % 2 else "user", f"t{text[:9]}", text, json.dumps(call)),
            )
        yield connection


def test_hostile_texts_are_inert_and_short(hostile: Connection) -> None:
    html = report(hostile, sql=True).html
    page = Page(html)

    tags = {tag for tag, _ in page.seen}
    attributes = {name for _, given in page.seen for name in given}
    assert not tags & {"script", "img", "iframe", "link", "object", "form", "a", "base", "embed"}
    assert not {name for name in attributes if name.startswith("on")}
    assert not attributes & {"src", "href", "style", "action"}
    assert "<script>alert(1)</script>" in page.text
    assert EVIL[4] in page.text
    assert not re.search("[\x00-\x08\x0b-\x1f\u202a-\u202e\u2066-\u2069]", html)
    assert len(html) < 200_000
    assert "url(" not in html
    assert "default-src 'none'" in html


def test_without_texts_nothing_that_was_said_is_in_it(vertex: Connection) -> None:
    html = report(vertex, texts=False).html

    for said in ("Refund my order", "Let me look", "photo", "429 quota", '"order"'):
        assert said in report(vertex).html.replace("&quot;", '"')
        assert said not in html
    assert "Without texts." in html
    assert "RESOURCE_EXHAUSTED" in html


def test_since_and_user_narrow_what_is_read(vertex: Connection, emulator: Running) -> None:
    emulator.control.reset_log()
    one = report(vertex, users=["bob@example.com"])
    requests = emulator.control.requests()
    later = Page(report(vertex, since="2026-01-05 09:00:08").html)

    assert (one.sessions, one.events, len(requests)) == (1, 17, 2)
    assert "Only users bob@example.com." in one.html
    assert later.tile("Turns") == "7"  # e-3, e-4, e-5 twice, and the one out of order.
    with pytest.raises(InvalidValueError, match="since"):
        report(vertex, since="yesterday")


def test_a_source_without_agents_and_a_refusal_make_no_report(vertex: Connection) -> None:
    clicks = connect("clicks=embedding_studio://?base_url=http://127.0.0.1:9")
    with closing(clicks), pytest.raises(UnsupportedError, match="no events of agents"):
        report(clicks)
    with pytest.raises(BudgetError):
        report(vertex, confirm=lambda _: False)
    with pytest.raises(BudgetError):
        report(vertex, max_requests=3)


def test_an_empty_source_has_a_report(opened: Callable[..., Connection]) -> None:
    page = Page(report(opened(own="local")).html)

    assert page.tile("Sessions") == page.tile("Turns") == "0"


def test_a_snapshot_has_the_report_of_its_source(copied: Connection, vertex: Connection) -> None:
    def tables(connection: Connection) -> list[list[str]]:
        return Page(report(connection).html).rows

    assert tables(copied) == tables(vertex)


def test_the_command_writes_a_private_file_and_says_what_it_cost(
    emulator: Running, vertex: Connection, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "out.html"
    url = f"prod=vertex://demo/us-central1/42?base_url={emulator.url}"

    status = main(["report", "--source", url, "-o", str(file), "--without-text"])

    assert status == 0
    assert "5 sessions, 40 events, 6 requests." in capsys.readouterr().err
    assert file.stat().st_mode & 0o077 == 0
    Page(file.read_text("utf-8"))
    assert main(["report", "--source", url, "-o", str(file), "--since", "yesterday"]) == 1
    assert "since" in capsys.readouterr().err
    assert "Agent conversations" in file.read_text("utf-8")
