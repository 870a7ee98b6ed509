"""Pages of the help: rendered as plain text or as Markdown, or read from a document.

Of a document, the part of Markdown that documents use is read. Topics that are about no single
table or function are documents of ``docs/help``.
"""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from types import MappingProxyType
from typing import Final, NamedTuple, TypeAlias

from sessions_vtab.cli.streams import program
from sessions_vtab.contract.times import ACCEPTED
from sessions_vtab.errors import install_command, packages_of

_INDENT = "  "
_GAP = 2
_NARROWEST = 30


@dataclass(frozen=True, slots=True)
class Prose:
    """A paragraph."""

    body: str


@dataclass(frozen=True, slots=True)
class Code:
    """SQL, TOML or commands, shown as they are."""

    body: str


@dataclass(frozen=True, slots=True)
class Heading:
    """The title of what follows on the page."""

    body: str


@dataclass(frozen=True, slots=True)
class Grid:
    """Rows of cells; the last cell of a row may be long.

    Attributes:
        head: titles of the columns, for Markdown.
        rows: the cells.
    """

    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


Block: TypeAlias = Prose | Code | Heading | Grid
"""A part of a page."""


@dataclass(frozen=True, slots=True)
class Page:
    """One topic of the reference."""

    title: str
    blocks: tuple[Block, ...]


def text(page: Page, width: int = 100) -> str:
    """The page for a terminal of a width, ending with a newline."""
    parts = [page.title]
    for previous, block in pairwise((None, *page.blocks)):
        if previous is not None and not isinstance(previous, Heading):
            parts.append("")
        parts.extend(_block_lines(block, width))
    return "\n".join(parts) + "\n"


def _block_lines(block: Block | None, width: int) -> Iterator[str]:
    match block:
        case Heading(body):
            yield body
        case Prose(body):
            yield textwrap.fill(body, width, break_long_words=False, break_on_hyphens=False)
        case Code(body):
            yield textwrap.indent(body, _INDENT)
        case Grid(_, rows):
            yield from _grid_lines(rows, width)


def _grid_lines(rows: tuple[tuple[str, ...], ...], width: int) -> Iterator[str]:
    rooms = [max(map(len, cells)) + _GAP for cells in zip(*rows, strict=True)][:-1]
    left = len(_INDENT) + sum(rooms)
    beside = left + _NARROWEST <= width
    left = left if beside else 3 * len(_INDENT)
    for row in rows:
        start = _INDENT + "".join(c.ljust(room) for c, room in zip(row[:-1], rooms, strict=True))
        if not beside:  # The last cell stands below the others.
            yield start.rstrip()
            start = " " * left
        yield textwrap.fill(
            row[-1] or " ",
            width,
            initial_indent=start,
            subsequent_indent=" " * left,
            break_long_words=False,
            break_on_hyphens=False,
        ).rstrip()


def markdown(page: Page) -> str:
    """The page as Markdown, its title a heading of the second level, ending with a newline."""
    parts = [f"## {page.title}"]
    for block in page.blocks:
        match block:
            case Heading(body):
                parts.append(f"### {body}")
            case Prose(body):
                parts.append(_plain(body))
            case Code(body):
                parts.append(f"```\n{body}\n```")
            case Grid(head, rows):
                parts.append("\n".join(_grid_markdown(head, rows)))
    return "\n\n".join(parts) + "\n"


def _grid_markdown(head: tuple[str, ...], rows: tuple[tuple[str, ...], ...]) -> Iterator[str]:
    yield f"| {' | '.join(head)} |"
    yield "|" + " --- |" * len(head)
    for row in rows:
        first, *others = row
        yield f"| `{first}` | {' | '.join(map(_plain, others))} |"


def _plain(body: str) -> str:
    """Text that Markdown would take for markup."""
    for sign in "\\|*_<":
        body = body.replace(sign, f"\\{sign}")
    return body


DOCS: Final = Path(__file__).parent.parent / "docs"
_FENCE: Final = "```"
_ITEM: Final = re.compile(r"(?:-|\d+\.) ")
_MARKS: Final = re.compile(r"\*\*|`")


def document(name: str, values: Mapping[str, str] = MappingProxyType({})) -> Page:
    """The page of ``docs/NAME.md``, its title the last part of the name.

    Args:
        name: of the document, without its ending.
        values: what stands there for names in braces.
    """
    body = (DOCS / f"{name}.md").read_text("utf-8")
    for key, value in values.items():
        body = body.replace(f"{{{key}}}", value)
    return page_of(name.rpartition("/")[2], body)


def page_of(title: str, text: str) -> Page:
    """A page of a Markdown text.

    Args:
        title: topic of the help; the text's own title is left out.
        text: headings, paragraphs, lists, tables and fenced code. An item of a list is a paragraph.
    """
    return Page(title, tuple(_blocks(text.splitlines())))


def _blocks(lines: list[str]) -> Iterator[Block]:
    pending: list[str] = []
    code: list[str] | None = None
    for line in (*lines, ""):
        if code is not None:
            if line.startswith(_FENCE):
                yield Code("\n".join(code))
                code = None
            else:
                code.append(line)
            continue
        if pending and (not line or _ITEM.match(line) or line.startswith((_FENCE, "#"))):
            prose = Prose(_MARKS.sub("", " ".join(pending)))
            yield _grid(pending) if pending[0].startswith("|") else prose
            pending = []
        if line.startswith(_FENCE):
            code = []
        elif line.startswith("##"):
            yield Heading(_MARKS.sub("", line.lstrip("# ")))
        elif line and not line.startswith("# "):
            pending.append(line.strip())


def _grid(lines: Sequence[str]) -> Grid:
    head, _, *rows = (tuple(map(str.strip, line[1:-1].split("|"))) for line in lines)
    return Grid(head, tuple(rows))


_NAMES: Final = (
    *("sources", "tables", "functions", "times", "json", "transactions", "returning", "delete"),
    *("explain", "mcp", "output", "shell", "schedule", "adk", "scale", "extension", "emulator"),
    *("questions", "dashboards"),
)
DASHBOARD: Final = (DOCS / "dashboard.yml").read_text("utf-8")
"""A dashboard for Datasette's plugin datasette-dashboards, over a snapshot."""

_VALUES: Final = {
    "dashboard": DASHBOARD.rstrip(),
    "accepted": ACCEPTED,
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


class Question(NamedTuple):
    """A question about agents' conversations, and the SELECT that answers it."""

    asks: str
    sql: str


QUESTIONS: Final = tuple(
    Question(heading.body.partition(". ")[2], code.body.removesuffix(";"))
    for heading, code in pairwise(TOPICS["questions"].blocks)
    if isinstance(heading, Heading) and isinstance(code, Code) and heading.body[0].isdigit()
)
"""Those that are numbered: each SELECT has the same rows on every source of agents' events."""


def service_pages() -> tuple[Page, ...]:
    """The pages that lead to a service; commands name the environment that is running."""
    from sessions_vtab.registry import BUILT_IN  # noqa: PLC0415  # Only these need the backends.

    documents = DOCS / "help"
    services = (o for o in BUILT_IN if o not in _NAMES and (documents / f"{o}.md").exists())
    return (*map(_service_page, services), document("help/auth"), document("help/notebooks"))


def _service_page(backend: str) -> Page:
    from sessions_vtab.registry import backend_class  # noqa: PLC0415

    found = backend_class(backend)
    values = {
        "about": found.about,
        "urls": "\n".join(found.urls),
        "install": install_command(*packages_of(backend)),
        "program": program(),
    }
    return document(f"help/{backend}", values)
