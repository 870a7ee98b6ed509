"""Values as HTML: escaped, of bounded length, and unable to change what stands around them."""

from __future__ import annotations

import html
import re
from typing import Any, Final

__all__ = ["bar_chart", "count", "milliseconds", "moment", "safe", "said"]

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
