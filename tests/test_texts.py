"""Texts that people read are plain English: no "x is no time" and no "x is none"."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import sessions_vtab

_ROOT = Path(__file__).parents[1]
_FILES = (
    *sorted(Path(sessions_vtab.__file__).parent.rglob("*.py")),
    *sorted((Path(sessions_vtab.__file__).parent / "docs" / "help").glob("*.md")),
    _ROOT / "README.md",
    _ROOT / "examples.sql",
)

# "There is no x", "there is none" and "is no longer" are plain English; "is None" is Python.
_BANNED = re.compile(
    r"(?<!\b[Tt]here )\b(?:is|are|was|were) (?:none\b|no (?!(?:longer|more|less|later)\b)[\w{'`]+)"
)


def _texts(source: str) -> Iterator[tuple[int, str]]:
    """Line and text of each string of a module, docstrings too; {} for a value in an f-string."""
    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.Constant(value=str() as text):
                yield node.lineno, text
            case ast.JoinedStr(values=parts):
                shown = (one.value if isinstance(one, ast.Constant) else "{}" for one in parts)
                yield node.lineno, "".join(shown)


def _found(text: str) -> list[str]:
    return _BANNED.findall(" ".join(text.split()))


def test_no_text_has_a_banned_construction() -> None:
    found = [
        f"{path.relative_to(_ROOT)}:{line}: {words}"
        for path in _FILES
        for line, text in (
            _texts(path.read_text("utf-8"))
            if path.suffix == ".py"
            else enumerate(path.read_text("utf-8").split("\n\n"), 1)
        )
        for words in _found(text)
    ]

    assert found == [], "write 'is not a valid x', 'is not one' or 'there is no x'"


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ("'x is no time, so it was not sent.'", ["is no time"]),
        ("'a value that is none. Nothing was sent'", ["is none"]),
        ("'''The fields are no JSON\n    object.'''", ["are no JSON"]),
        ("f'{name} is no {kind}.'", ["is no {"]),
        ("'There is no such table.'", []),
        ("'the page token, if there is none'", []),
        ("'x is no longer used; NULL where x is None'", []),
        ("'x is not a valid time'", []),
    ],
)
def test_what_is_found(source: str, found: list[str]) -> None:
    assert [words for _, text in _texts(source) for words in _found(text)] == found
