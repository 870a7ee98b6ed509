"""A report on agents' conversations: one HTML file without scripts and without network.

A private copy of the source is read, and asked.

* `numbers`: every number as a SELECT
* `page`: the answers as HTML
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import apsw

from sessions_vtab.contract import times
from sessions_vtab.contract.agent_views import views_of
from sessions_vtab.contract.predicate import literal
from sessions_vtab.errors import UnsupportedError
from sessions_vtab.report.numbers import NUMBERS, ask, conversation
from sessions_vtab.report.page import Facts, page
from sessions_vtab.snapshot import Estimate, SnapshotProgress, snapshot

if TYPE_CHECKING:
    from sessions_vtab.connection import Connection

__all__ = ["Report", "report"]


@dataclass(frozen=True, slots=True)
class Report:
    """A report and what it cost.

    Attributes:
        html: the file's text.
        sessions: sessions that were read.
        events: events that were read.
        requests: HTTP requests made.
    """

    html: str
    sessions: int
    events: int
    requests: int


def report(  # Each is an option of the command line too.
    connection: Connection,
    *,
    texts: bool = True,
    since: str | None = None,
    users: Sequence[str] = (),
    sql: bool = False,
    max_requests: int | None = None,
    progress: Callable[[SnapshotProgress], None] | None = None,
    confirm: Callable[[Estimate], bool] | None = None,
) -> Report:
    """Reads a source of agents' events and writes the report on it.

    The source is read once, into a private file that is removed; the numbers are asked of that.

    Args:
        connection: with the source as its default.
        texts: with what users and agents said; a report is often passed on.
        since: only events from this time on, in a form of ``contract.times``.
        users: only sessions of these; all unless given.
        sql: with the SELECT of every number.
        max_requests: most HTTP requests; ``snapshot.DEFAULT_BUDGET`` unless given.
        progress: called now and then.
        confirm: asked before requests are made; false ends it.

    Raises:
        UnsupportedError: the source has no events of agents.
        InvalidValueError: ``since`` is not a time.
        BudgetError: it takes more requests than it may make, or ``confirm`` said no.
        SessionsError: what the source raises.
    """
    opened = connection.sources[connection.default]
    if not {"turns", "tool_calls"} <= {view.name for view in views_of(opened.backend)}:
        raise UnsupportedError(
            f"Source {opened.name} ({opened.backend.name}) has no events of agents, so there is"
            " nothing to report on."
        )
    start = None if since is None else times.canonical(since, "since")
    with tempfile.TemporaryDirectory(prefix="sessions-vtab-report-") as folder:
        file = Path(folder) / "copy.db"
        taken = snapshot(
            connection,
            file,
            tables=["sessions", "events"],
            where=_condition(start, users),
            max_requests=max_requests,
            progress=progress,
            confirm=confirm,
        )
        facts = Facts(
            source=f"{opened.name} ({opened.backend.name})",
            made=times.to_text(times.now()),
            limits=_limits(start, users, texts=texts),
            requests=taken.requests,
            answers={},
            talks=(),
            texts=texts,
            sql=sql,
        )
        with closing(apsw.Connection(str(file))) as database:
            html = page(_asked(database, facts, start))
    return Report(html, taken.rows["sessions"], taken.rows["events"], taken.requests)


def _asked(database: apsw.Connection, facts: Facts, start: str | None) -> Facts:
    if start is not None:
        database.execute("DELETE FROM events WHERE timestamp < ?", (start,))
    answers = {key: ask(database, number) for key, number in NUMBERS.items()}
    turns = answers["look_at"].rows if facts.texts else ()
    talks = tuple(conversation(database, str(session), turn) for session, _, _, turn, *_ in turns)
    return replace(facts, answers=answers, talks=talks)


def _condition(start: str | None, users: Sequence[str]) -> str | None:
    """Sessions of which something can be in the report."""
    terms = []
    if start is not None:
        terms.append(f"update_time >= {literal(start)}")
    if users:
        terms.append(f"user_id IN ({', '.join(map(literal, users))})")
    return " AND ".join(terms) or None


def _limits(start: str | None, users: Sequence[str], *, texts: bool) -> tuple[str, ...]:
    return (
        *(() if start is None else (f"Only events since {start} UTC.",)),
        *((f"Only users {', '.join(users)}.",) if users else ()),
        *(() if texts else ("Without texts.",)),
    )
