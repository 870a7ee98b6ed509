"""Topics of the help about no single table or function: each is a document of ``docs/help``."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import pairwise
from types import MappingProxyType
from typing import Final, NamedTuple

from sessions_vtab.cli.extension import CLIENTS
from sessions_vtab.cli.pages import DOCS, Code, Heading, Page, document
from sessions_vtab.cli.streams import program
from sessions_vtab.contract.messages import install_command, packages_of
from sessions_vtab.contract.times import ACCEPTED
from sessions_vtab.scanning.estimate import APPENDS, QUOTA, QUOTA_ROWS

__all__ = [
    "ADK",
    "ALIASES",
    "DASHBOARD",
    "EVAL_SET",
    "IDLE",
    "MCP_CLIENTS",
    "QUESTIONS",
    "RESUME",
    "TOPICS",
    "service_pages",
]

_NAMES: Final = (
    *("sources", "tables", "functions", "times", "json", "transactions", "returning", "delete"),
    *("explain", "mcp", "output", "shell", "schedule", "adk", "scale", "extension", "emulator"),
    *("questions", "dashboards"),
)
_SERVICES: Final = ("vertex", "deepset", "whylabs", "embedding_studio", "eleanor", "adk_api")
DASHBOARD: Final = (DOCS / "dashboard.yml").read_text("utf-8")
"""A dashboard for Datasette's plugin datasette-dashboards, over a snapshot."""

_VALUES: Final = {
    "dashboard": DASHBOARD.rstrip(),
    "accepted": ACCEPTED,
    "quota": str(QUOTA),
    "appends": str(APPENDS),
    "times": "\n".join(
        f"| {sessions} sessions | {requests} requests | {every} | snapshot {changed}, stream"
        f" {stream} |"
        for sessions, requests, every, changed, stream in QUOTA_ROWS
    ),
    "programs": "\n".join(f"| {name} | {form.format(path='PATH')} |" for name, form in CLIENTS),
}
"""What stands in braces in the documents."""

TOPICS: Final[Mapping[str, Page]] = MappingProxyType(
    {
        page.title: page
        for page in (
            *(document(f"help/{name}", _VALUES) for name in _NAMES),
            document("pushdown"),
            document("backends"),
        )
    }
)
"""Pages by topic, in the order of the reference."""

ALIASES: Final[Mapping[str, str]] = MappingProxyType(
    {
        **dict.fromkeys(("login", "credential", "credentials", "token"), "auth"),
        **dict.fromkeys(("pandas", "jupyter", "ipython", "harlequin", "sqlalchemy"), "notebooks"),
        **dict.fromkeys(("cron", "systemd", "alert", "alerts"), "schedule"),
        **dict.fromkeys(("superset", "bi"), "notebooks"),
    }
)
"""Other words for a topic."""


def _sample(topic: str, place: int) -> str:
    """What a page has in a block of code, the first being 0."""
    return [block.body for block in TOPICS[topic].blocks if isinstance(block, Code)][place]


IDLE: Final = _sample("delete", 1)
"""Finds and deletes sessions that nobody has used for a month; a test runs it."""
RESUME: Final = _sample("transactions", 1)
"""A bulk write that goes on where it stopped, in three statements; a test runs it."""
MCP_CLIENTS: Final = _sample("mcp", 0)
"""The configuration of a client that starts the server; a test starts what it names."""
ADK: Final = _sample("adk", 3)
"""Copies one app's sessions from ADK's file into the store; a test runs it."""


class Question(NamedTuple):
    """A question about agents' conversations, and the SELECT that answers it."""

    asks: str
    sql: str


def _questions() -> Iterator[Question]:
    for heading, code in pairwise(TOPICS["questions"].blocks):
        if isinstance(heading, Heading) and isinstance(code, Code):
            yield Question(heading.body.partition(". ")[2], code.body.removesuffix(";"))


*QUESTIONS, (_, EVAL_SET) = _questions()
"""Tests run them: each SELECT has the same rows on every source of agents' events; the last one
makes an eval set of ADK, in one row."""


def service_pages() -> tuple[Page, ...]:
    """The pages that lead to a service; commands name the environment that is running."""
    return (*map(_service_page, _SERVICES), document("help/auth"), document("help/notebooks"))


def _service_page(backend: str) -> Page:
    from sessions_vtab import registry  # noqa: PLC0415  # Only these pages need the backends.

    found = registry.backend_class(backend)
    values = {
        "about": found.about,
        "urls": "\n".join(found.urls),
        "install": install_command(*packages_of(backend)),
        "program": program(),
    }
    return document(f"help/{backend}", values)
