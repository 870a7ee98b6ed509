"""A document of the package as a page of the help: the part of Markdown that documents use."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from sessions_vtab.cli.pages import Block, Code, Heading, Page, Prose

__all__ = ["document", "page_of"]

_DOCS: Final = Path(__file__).parent.parent / "docs"
_FENCE: Final = "```"
_ITEM: Final = re.compile(r"(?:-|\d+\.) ")
_MARKS: Final = re.compile(r"\*\*|`")


def document(name: str) -> Page:
    """The page of ``docs/NAME.md``, with the name as its title."""
    return page_of(name, (_DOCS / f"{name}.md").read_text("utf-8"))


def page_of(title: str, text: str) -> Page:
    """A page of a Markdown text.

    Args:
        title: topic of the help; the text's own title is left out.
        text: headings, paragraphs, lists and fenced code. An item of a list is a paragraph.
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
            yield Prose(_MARKS.sub("", " ".join(pending)))
            pending = []
        if line.startswith(_FENCE):
            code = []
        elif line.startswith("##"):
            yield Heading(_MARKS.sub("", line.lstrip("# ")))
        elif line and not line.startswith("# "):
            pending.append(line.strip())
