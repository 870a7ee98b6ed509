"""What a statement does: the words of its plan, and the scans that reach the backend."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any, Final

from sessions_vtab.contract.backend import Context, Resource
from sessions_vtab.contract.scan import Page, Scan

__all__ = ["plan_words", "recorded"]

_WORDS: Final = re.compile(r"VIRTUAL TABLE INDEX \d+:(.*)", re.DOTALL)


def plan_words(rows: Iterable[Sequence[Any]]) -> list[str]:
    """The words of every scan of ours in the rows of EXPLAIN QUERY PLAN."""
    found = (_WORDS.search(detail) for *_, detail in rows)
    return [match[1] for match in found if match]


@contextmanager
def recorded(resources: Iterable[Resource]) -> Iterator[list[tuple[Resource, Scan]]]:
    """Records every scan that reaches some tables while the block runs."""
    scans: list[tuple[Resource, Scan]] = []

    def scan(resource: Resource, plain: Any, asked: Scan, context: Context) -> Iterator[Page]:
        scans.append((resource, asked))
        pages: Iterator[Page] = plain(asked, context)
        return pages

    # A test may have put a scan of its own into an instance, which comes back afterwards.
    own = [(one, vars(one).get("scan")) for one in resources]
    for resource, _ in own:
        vars(resource)["scan"] = partial(scan, resource, resource.scan)
    try:
        yield scans
    finally:
        for resource, before in own:
            del vars(resource)["scan"]
            if before is not None:
                vars(resource)["scan"] = before
