"""Rows that break careless code: the data set of the conformance suite.

Quotes, NUL, emoji, text from right to left, numbers at the edge of 64 bits, empty texts, NULLs,
large JSON, instants with six and nine digits and equal ones, the years 1 and 9999, labels with
odd keys, texts that look like numbers or times, LIKE and GLOB wildcards, texts that differ only in
case. The rows are the same in every run.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from itertools import count, cycle
from typing import Any, Final, TypeAlias

from sessions_vtab.contract.model import quoted
from sessions_vtab.contract.predicate import Value
from sessions_vtab.contract.values import dump_json

Rows: TypeAlias = Sequence[Mapping[str, Value]]
"""Rows as column name to value; absent columns are NULL."""

TEXTS: Final[tuple[str | None, ...]] = (
    "plain",
    "Plain",
    "PLAIN",
    "",
    None,
    " ",
    "plain ",
    "O'Brien",
    'say "hi"',
    "''",
    "a\x00b",
    "a",
    "\U0001f600 smile",
    "caf\u00e9",
    "CAF\u00c9",
    "cafe\u0301",
    "\u05e9\u05dc\u05d5\u05dd",
    "\u202eabc",
    "9223372036854775807",
    "9223372036854775808",
    "-9223372036854775808",
    "1",
    "01",
    "1.0",
    "1e0",
    "0x1",
    " 1",
    "10",
    "2026-01-01",
    "2026-01-01 09:00:00",
    "100%",
    "100",
    "under_score",
    "underXscore",
    "[abc]",
    "*?",
    "back\\slash",
    "line\nbreak",
    "NULL",
    "; DROP TABLE x; --",
    "z" * 3000,
)
"""Texts of ``display_name``, each with a trap of its own."""

KINDS: Final = (
    "plain",
    " ",
    "O'Brien",
    'say "hi"',
    "a\x00b",
    "\U0001f600 smile",
    "\u202eabc",
    "01",
    "2026-01-01 09:00:00",
    "100%",
    "back\\slash",
    "line\nbreak",
)
"""One of these texts for each kind of trap, where every text costs requests of its own."""

TIMES: Final = (
    "0001-01-01 00:00:00.000000",
    "1969-12-31 23:59:59.999999",
    "2024-02-29 12:00:00.000000",
    "2026-01-01 08:59:59.999999",
    "2026-01-01 09:00:00.000000",
    "2026-01-01 09:00:00.000000",
    "2026-01-01 09:00:00.000001",
    "2026-01-01 09:00:00.000000001",
    "2026-01-01 09:00:00.123456789",
    "2026-01-01 09:00:00.123456",
    "2026-01-01 10:30:00.500000",
    "2026-02-01 00:00:00.000000",
    "9999-12-31 23:59:59.999999",
)
"""Canonical texts of instants; two of them are equal."""

ODD_KEYS: Final = (
    "a.b",
    "$",
    "$.x",
    "",
    " ",
    'quo"te',
    "apo'strophe",
    "[0]",
    "0",
    "*",
    "caf\u00e9",
    "\U0001f511",
    "a:b",
)
"""Keys of JSON objects that are read wrongly when a key is taken for a path."""

_LABELS: Final[tuple[dict[str, str] | None, ...]] = (
    None,
    {},
    {"env": "prod"},
    {"env": "dev", "team": "a"},
    {"env": "prod", "team": "b"},
    {"env": ""},
    {"team": "1"},
)
_STATES: Final[tuple[dict[str, Any] | None, ...]] = (
    None,
    {},
    {"n": 1, "list": [1, "two", None], "deep": {"x": {"y": "z"}}},
    {"n": "1", "flag": True, "none": None},
    {"n": 9223372036854775807, "real": 1.5, "text": "O'Brien"},
    dict.fromkeys(ODD_KEYS, "odd"),
    {"large": "x" * 20_000, "many": list(range(500))},
    {"quote": 'a"b', "nul": "a\u0000b", "emoji": "\U0001f600"},
)
_USERS: Final = ("ann", "bob", "Ann", "7", "07", "o'neil", "\u5f20\u4f1f", "2026-01-01")
_AGENTS: Final = ("agent", "Agent", "o'agent")
_PARTS: Final[tuple[dict[str, Any], ...]] = (
    {"text": "hello"},
    {"text": "What's the weather?"},
    {"text": ""},
    {"functionCall": {"name": "get_weather", "args": {"city": "K\u00f6ln", "n": 1}}},
    {"text": "100% sure_ly"},
    {"text": "\U0001f600\u05e9\u05dc\u05d5\u05dd"},
    {"text": "a\x00b"},
    {"text": "line\nbreak"},
    {"text": "42"},
)


NATIVE_TABLES: Final = """
CREATE TEMP TABLE people(user_id TEXT, age INTEGER, nick TEXT COLLATE NOCASE);
INSERT INTO people VALUES ('ann', 30, 'ANN'), ('bob', 40, 'Bob'), ('7', 7, 'seven'),
    ('nobody', 99, NULL), (NULL, 1, 'x'), ('07', 8, 'o''neil');
CREATE TEMP TABLE numbers(n INTEGER, r REAL, x);
INSERT INTO numbers VALUES (1, 1.0, '1'), (7, 7.5, 7), (9223372036854775807, 0.0, x'01'),
    (NULL, NULL, NULL), ('', '(none)', ''), (2, 10.0, '01'), (1767258000, 1767258000.5, 1767258000);
CREATE TEMP TABLE moments(label TEXT, t TEXT);
INSERT INTO moments VALUES ('day', '2026-01-01'), ('zone', '2026-01-01T10:00:00+01:00'),
    ('nine', '2026-01-01 09:00:00.000000'), ('epoch', '1767258000'), ('none', NULL),
    ('word', 'later'), ('millis', '1767258000000'), ('end', '9999-12-31T23:59:59.999999Z');
CREATE TEMP TABLE wanted(name TEXT, session_id, rank INTEGER);
INSERT INTO wanted VALUES ('sessions/s-a', 's-a', 1), ('sessions/1', '1', 2), (NULL, NULL, 3),
    ('sessions/nowhere', 'nowhere', 4), ('sessions/s-a', 's-a', 5), ('x', 1, 6);
"""
"""Ordinary tables beside ours, made in both connections."""


def session_rows(*, odd_labels: bool = False) -> Rows:
    """The sessions.

    Args:
        odd_labels: labels also have ``ODD_KEYS``, which some services refuse as keys of labels.
            ``state`` has them always.
    """
    labels = (*_LABELS, dict.fromkeys(ODD_KEYS, "odd")) if odd_labels else _LABELS
    parts = zip(TEXTS, cycle(labels), cycle(_STATES), cycle(_USERS), cycle(TIMES), strict=False)
    return [
        {
            "name": f"sessions/{session_id}",
            "session_id": session_id,
            "user_id": user,
            "display_name": text,
            "labels": _json(label),
            "state": _json(state),
            "create_time": created,
            "update_time": TIMES[(place * 5) % len(TIMES)],
            "expire_time": "9999-01-01 00:00:00.000000" if place % 4 == 0 else None,
        }
        for (place, (text, label, state, user, created)), session_id in zip(
            enumerate(parts), _ids(), strict=False
        )
    ]


def event_rows() -> Rows:
    """Events of the first sessions: none, one or several each."""
    numbers = count(1)
    return [
        _event(session, turn, next(numbers))
        for place, session in enumerate(session_rows()[:30])
        for turn in range((place * place + place // 2) % 5)
    ]


def load(
    execute: Callable[..., Any], schema: str, table: str, rows: Rows, columns: Collection[str]
) -> None:
    """Inserts rows through SQL, one statement a row.

    Args:
        execute: a connection's ``execute``.
        schema: the table's schema.
        table: its name.
        rows: what to insert.
        columns: of these, the columns that the table takes on INSERT.
    """
    for row in rows:
        given = {name: value for name, value in row.items() if name in columns}
        names = ", ".join(map(quoted, given))
        places = ", ".join("?" * len(given))
        text = f"INSERT INTO {quoted(schema)}.{quoted(table)}({names}) VALUES ({places})"
        execute(text, tuple(given.values()))


def _ids() -> Iterator[str]:
    """Ids that any service takes, among them some that look like numbers and times."""
    yield from ("s-a", "S-B", "1", "01", "9223372036854775807", "2026-01-01", "s-A", "s_a", "sxa")
    for number in range(100):
        yield f"s-{number:03d}"


def _event(session: Mapping[str, Value], turn: int, number: int) -> dict[str, Value]:
    author = "user" if turn % 2 == 0 else _AGENTS[number % len(_AGENTS)]
    part = _PARTS[number % len(_PARTS)]
    content = {"role": "user" if author == "user" else "model", "parts": [part]}
    silent = number % 7 == 0
    return {
        "name": f"sessions/{session['session_id']!s}/events/e{number:03d}",
        "session_name": session["name"],
        "session_id": session["session_id"],
        "event_id": f"e{number:03d}",
        "timestamp": TIMES[number % len(TIMES)],
        "author": author,
        "content": None if silent else _json(content),
        "text": None if silent else part.get("text"),
    }


def _json(value: object) -> str | None:
    return None if value is None else dump_json(value)
