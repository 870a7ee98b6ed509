"""A result as a notebook shows it: the first rows as an HTML table."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import Any, Final

SHOWN: Final = 20
"""Rows that a notebook shows of a result; the rest is not read for that."""

_LONGEST: Final = 120


def html_table(columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    """The first rows of a result.

    Args:
        columns: their names.
        rows: at most ``SHOWN`` of them are shown; one more says that there are more.
    """
    head = "".join(f"<th>{escape(name)}</th>" for name in columns)
    body = "".join(
        f"<tr>{''.join(f'<td>{_cell(value)}</td>' for value in row)}</tr>" for row in rows[:SHOWN]
    )
    note = f"<p>The first {SHOWN} rows; there are more.</p>" if len(rows) > SHOWN else ""
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>{note}"


def _cell(value: Any) -> str:
    if value is None:
        return "<em>NULL</em>"
    text = f"x'{value.hex()}'" if isinstance(value, bytes) else str(value)
    return escape(text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…")
