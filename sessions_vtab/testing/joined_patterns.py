"""LIKE and GLOB of every form in every join, on every side, as texts of shapes.

From ``LIKE 'a%b'`` SQLite makes a range of its own beside the pattern, and in an outer join it
tests what it makes later than what is written: a table that says it has checked one of them loses
rows. So every form is asked in each place.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

__all__ = ["joined_patterns"]

_PATTERNS: Final = (
    "LIKE 'plain'",
    "LIKE 'nobody'",
    "LIKE 'p%'",
    "LIKE 'pl%n'",
    "LIKE 'p_ain'",
    "LIKE '%a%'",
    "LIKE '_lain'",
    "LIKE '100\\%%' ESCAPE '\\'",
    "LIKE 'pla\\%n' ESCAPE '\\'",
    "LIKE ''",
    "NOT LIKE 'p%n'",
    "GLOB 'plain'",
    "GLOB 'nobody*'",
    "GLOB 'pl*n'",
    "GLOB 'p?ain'",
    "GLOB '[o-q]*'",
    "NOT GLOB 'p*'",
)
_JOINS: Final = ("JOIN", "LEFT JOIN", "RIGHT JOIN", "FULL JOIN")
_PLACES: Final = (
    ("a.{column} {pattern}", "1"),
    ("b.{column} {pattern}", "1"),
    ("1", "a.{column} {pattern}"),
    ("1", "b.{column} {pattern}"),
    ("b.{column} {pattern}", "b.name IS NULL"),
    ("b.{column} {pattern} OR a.{column} {pattern}", "1"),
)
_COLUMNS: Final = ("display_name", "user_id")


def joined_patterns(share: int = 4) -> Iterator[str]:
    """A statement for each join and place, with one SELECT for each pattern.

    Args:
        share: one pattern in so many, in each join and place other ones; 1 for all of them.
    """
    for turn, join in enumerate(_JOINS):
        for place, (on, where) in enumerate(_PLACES):
            selects = (
                f"SELECT {number}, a.name, b.name FROM {{sessions}} a {join} {{sessions}} b"
                f" ON b.user_id = a.user_id AND ({on}) WHERE {where}".replace(
                    "{column}",
                    _COLUMNS[(number + place) % 4 == 3],  # noqa: PLR2004
                ).replace("{pattern}", pattern)
                for number, pattern in enumerate(_PATTERNS)
                if (number + turn + place) % share == 0
            )
            yield " UNION ALL ".join(selects)
