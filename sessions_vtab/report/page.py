"""The page of a report: from answers to HTML, whose values cannot break out of their places."""

from __future__ import annotations

import html
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from importlib.resources import files
from typing import TYPE_CHECKING, Any, Final, TypeAlias

if TYPE_CHECKING:
    from sessions_vtab.report import QueryRows


_LONGEST: Final = 500
_UNITS: Final = ((86_400_000, "d"), (3_600_000, "h"), (60_000, "min"), (1_000, "s"))
# Control characters are not text. Marks of direction can reorder what stands around them; <bdi>
# keeps them to themselves, and nothing is lost without them.
_UNSAFE: Final = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]")
_NONE: Final = "\u2013"


def safe(value: Any) -> str:
    """A value as text of HTML, also within quotes; an en dash for NULL."""
    if value is None:
        return _NONE
    text = str(value)
    cut = len(text) - _LONGEST
    if cut > 0:
        text = text[:_LONGEST]
    escaped = html.escape(_UNSAFE.sub("\ufffd", text), quote=True)
    return f"{escaped} \u2026 ({count(cut)} more characters)" if cut > 0 else escaped


def said(value: Any) -> str:
    """What somebody said, or any other text of a service: isolated, in its own direction."""
    return _NONE if value is None else f'<bdi dir="auto">{safe(value)}</bdi>'


def count(value: float | None) -> str:
    """A number with thin spaces between thousands."""
    if value is None:
        return _NONE
    text = f"{value:,}" if isinstance(value, int) or value != int(value) else f"{int(value):,}"
    return text.replace(",", "\u202f")


def milliseconds(value: float | None) -> str:
    """A duration in the unit that fits."""
    if value is None:
        return _NONE
    for size, unit in _UNITS:
        if value >= size:
            return f"{value / size:.1f} {unit}"
    return f"{value:.0f} ms"


def moment(value: Any) -> str:
    """A time to the minute."""
    return safe(value[:16] if isinstance(value, str) else value)


_WIDTH, _HEIGHT, _LEFT, _FOOT, _HEAD = 560, 170, 44, 24, 10
_LABELS: Final = 6


def bar_chart(rows: list[tuple[str, int]], unit: str) -> str:
    """A chart of days and counts, in order, as SVG.

    Args:
        rows: label and value of each bar.
        unit: what is counted, for the description.
    """
    if not rows:
        return '<p class="note">No events.</p>'
    top = max(value for _, value in rows) or 1
    step = (_WIDTH - _LEFT - 8) / len(rows)
    width = min(step * 0.8, 40)
    parts = [_line(share, top) for share in (0.0, 0.5, 1.0)]
    for place, (label, value) in enumerate(rows):
        height = value / top * (_HEIGHT - _FOOT - _HEAD)
        x = _LEFT + place * step + (step - width) / 2
        parts.append(
            f'<rect x="{x:.1f}" y="{_HEIGHT - _FOOT - height:.1f}" width="{width:.1f}"'
            f' height="{height:.1f}"><title>{safe(label)}: {count(value)}</title></rect>'
        )
        if place % max(1, -(-len(rows) // _LABELS)) == 0:
            parts.append(
                f'<text x="{x + width / 2:.1f}" y="{_HEIGHT - 6}" text-anchor="middle">'
                f"{safe(label)}</text>"
            )
    description = f"{unit}, from {safe(rows[0][0])} to {safe(rows[-1][0])}"
    box = f'viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" aria-label="{description}"'
    # Written from right to left, what does not fit is scrolled to its end: the last days.
    return f'<div class="wide late"><svg {box}>{"".join(parts)}</svg></div>'


def _line(share: float, top: int) -> str:
    y = _HEIGHT - _FOOT - share * (_HEIGHT - _FOOT - _HEAD)
    value = top * share
    text = count(int(value)) if value == int(value) else ""
    return (
        f'<line x1="{_LEFT}" x2="{_WIDTH}" y1="{y:.1f}" y2="{y:.1f}"></line>'
        f'<text x="{_LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{text}</text>'
    )


Talk: TypeAlias = "tuple[QueryRows, Mapping[str, list[tuple[Any, ...]]]]"
"""The events of a turn, and the calls and answers of tools by event."""


@dataclass(frozen=True, slots=True)
class Facts:
    """What a page is made of.

    Attributes:
        source: the source's name and kind.
        made: when it was read, UTC.
        limits: what was left out by the caller's choice, as sentences.
        requests: HTTP requests that reading took.
        answers: by key of ``report.NUMBERS``.
        talks: the events of each turn of ``look_at``; empty without texts.
        texts: what people said is shown.
        sql: the SELECTs are shown.
    """

    source: str
    made: str
    limits: tuple[str, ...]
    requests: int
    answers: Mapping[str, QueryRows]
    talks: tuple[Talk, ...]
    texts: bool
    sql: bool


_STYLE: Final = files("sessions_vtab").joinpath("report", "style.css").read_text("utf-8").rstrip()

# No script, no request: also if something were ever written without escaping.
_POLICY: Final = (
    "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"
)


def page(facts: Facts) -> str:
    """The whole HTML file."""
    body = "\n".join(_body(facts))
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{_POLICY}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="referrer" content="no-referrer">
<title>Agent conversations</title>
<style>
{_STYLE}
</style>
</head>
<body>
{body}
</body>
</html>
"""


def _body(facts: Facts) -> Iterator[str]:
    first, last = _only(facts, "span")
    limits = "".join(f" {safe(one)}" for one in facts.limits)
    yield "<h1>Agent conversations</h1>"
    yield (
        f'<p class="note">{said(facts.source)}, events from {moment(first)} to {moment(last)} UTC.'
        f"{limits} Read {moment(facts.made)} UTC with {count(facts.requests)} requests.</p>"
    )
    yield _tiles(facts)
    chart = bar_chart(_days(facts.answers["turns_per_day"]), "Turns per day")
    yield '<div class="grid">'
    yield _section(facts, "turns_per_day", chart)
    yield _section(facts, "tokens", _table(facts.answers["tokens"]))
    yield '</div><div class="grid">'
    yield _section(facts, "tools", _table(facts.answers["tools"]))
    yield _section(facts, "error_codes", _table(facts.answers["error_codes"]))
    yield "</div>"
    yield '<div class="grid">'
    yield _section(facts, "handovers", _table(facts.answers["handovers"]))
    yield "</div>"
    yield _section(facts, "look_at", _turns(facts))


def _days(answer: QueryRows) -> list[tuple[str, int]]:
    """Turns by day, in order; also days without any, where they are not too many to show."""
    counts = {str(day): int(turns) for day, turns in reversed(answer.rows) if day}
    if not counts:
        return []
    first, last = (date.fromisoformat(day) for day in (min(counts), max(counts)))
    span = (last - first).days + 1
    if span > answer.number.most:
        return list(counts.items())
    days = (str(first + timedelta(days=number)) for number in range(span))
    return [(day, counts.get(day, 0)) for day in days]


def _only(facts: Facts, key: str) -> tuple[Any, ...]:
    """The only row of an answer."""
    rows = facts.answers[key].rows
    return rows[0] if rows else (None,)


def _tiles(facts: Facts) -> str:
    sessions, users = _only(facts, "sessions")
    turns, failed, given, made = _only(facts, "turns")
    (errors,) = _only(facts, "errors")
    (answer,) = _only(facts, "first_answer")
    shown = (
        ("Sessions", count(sessions), f"{count(users)} users"),
        ("Turns", count(turns), f"{count(round(turns / max(1, sessions), 1))} per session"),
        ("Errors", count(errors), f"in {count(failed)} turns"),
        ("First answer, p95", milliseconds(answer), "after the user's message"),
        ("Tokens in", count(given), "prompts"),
        ("Tokens out", count(made), "answers and thoughts"),
    )
    tiles = "".join(
        f"<div><span>{title}</span><b>{value}</b><small>{note}</small></div>"
        for title, value, note in shown
    )
    keys = ("sessions", "turns", "errors", "first_answer")
    return f'<div class="tiles">{tiles}</div>' + "".join(_sql(facts, key) for key in keys)


def _section(facts: Facts, key: str, content: str) -> str:
    answer = facts.answers[key]
    left = ""
    if answer.total > len(answer.rows):
        left = f'<p class="note">{len(answer.rows)} of {count(answer.total)} are shown.</p>'
    return f"<section><h2>{answer.number.title}</h2>{content}{left}{_sql(facts, key)}</section>"


def _sql(facts: Facts, key: str) -> str:
    if not facts.sql:
        return ""
    number = facts.answers[key].number
    # The statement is this program's own: escaped, and never cut.
    text = number.sql.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return (
        f"<details><summary><small>SQL: {number.title}</small></summary><pre>{text}</pre></details>"
    )


_FORMS: Final[Mapping[str, Callable[[Any], str]]] = {
    "p50_ms": milliseconds,
    "p95_ms": milliseconds,
    "failed_percent": lambda value: f"{value} %",
}
_HEADS: Final = {
    "unanswered": "no answer",
    "failed_percent": "failed %",
    "p50_ms": "p50",
    "p95_ms": "p95",
    "from_agent": "from",
    "to_agent": "to",
    "tokens_in": "in",
    "tokens_out": "out",
    "back": "hands back",
}


def _table(answer: QueryRows) -> str:
    if not answer.rows:
        return '<p class="note">None.</p>'
    marks = [
        ' class="n"' if all(isinstance(value, int | float | None) for value in values) else ""
        for values in zip(*answer.rows, strict=True)
    ]
    head = "".join(
        f"<th{mark}>{_HEADS.get(name, name)}</th>"
        for mark, name in zip(marks, answer.columns, strict=True)
    )
    rows = "".join(f"<tr>{_cells(answer.columns, row, marks)}</tr>" for row in answer.rows)
    return f'<div class="wide"><table><tr>{head}</tr>{rows}</table></div>'


def _cells(columns: tuple[str, ...], row: tuple[Any, ...], marks: list[str]) -> str:
    return "".join(
        f"<td{mark}>{(_FORMS.get(name) or (count if mark else said))(value)}</td>"
        for name, value, mark in zip(columns, row, marks, strict=True)
    )


def _turns(facts: Facts) -> str:
    answer = facts.answers["look_at"]
    if not answer.rows:
        return '<p class="note">None.</p>'
    parts = ['<p class="note">Errors first, then the longest.</p>']
    for place, row in enumerate(answer.rows):
        _, session, user, turn, started, asked, duration, events, errors = row
        noun = "error" if errors == 1 else "errors"
        bad = f', <span class="bad">{count(errors)} {noun}</span>' if errors else ""
        about = (
            f"<small>{moment(started)}, user {said(user)}, session {said(session)}, turn"
            f" {said(turn)}, {milliseconds(duration)}, {count(events)} events{bad}</small>"
        )
        if not facts.texts:
            parts.append(f"<p>{about}</p>")
            continue
        opened = " open" if place == 0 else ""
        parts.append(
            f"<details{opened}><summary>{said(asked)} {about}</summary>"
            f"{_talk(*facts.talks[place])}</details>"
        )
    return "".join(parts)


def _talk(answer: QueryRows, calls: Mapping[str, list[tuple[Any, ...]]]) -> str:
    parts = []
    for author, at, text, code, message, to, _, name in answer.rows:
        lines = [said(text)] if text else []
        lines += [_call(*call) for call in calls.get(name, ())]
        if code:
            lines.append(f'<span class="bad">{said(code)} {said(message)}</span>')
        if to:
            lines.append(f"<em>hands over to {said(to)}</em>")
        if lines:
            side = "said user" if author == "user" else "said"
            clock = f"{said(author)} {safe(at[11:19])}"
            parts.append(f'<div class="{side}"><small>{clock}</small>{"<br>".join(lines)}</div>')
    if answer.total > len(answer.rows):
        parts.append(f'<p class="note">{count(answer.total - len(answer.rows))} more events.</p>')
    return "".join(parts)


def _call(kind: str, name: str | None, given: str | None, answered: str | None) -> str:
    if kind == "functionCall":
        return f"<code>{said(name)}({said(given or '')})</code>"
    return f"<code>{said(name)} \u2192 {said(answered)}</code>"
