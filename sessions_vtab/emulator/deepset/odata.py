"""The OData filter of the files listing: comparisons of metadata keys, joined by `and`.

The reference promises exact match and AND only; the comparisons are used in its examples
(contract, section 7). Whatever else OData has is refused.
"""

from __future__ import annotations

import json
import operator
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

_CONDITION = re.compile(
    r"""\s*(?P<key>[^\W\d][\w./-]*)
        \s+(?P<operator>eq|ge|le|gt|lt)
        \s+(?P<value>'(?:[^']|'')*'|true|false|null|-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?)
        (?P<end>\s+and(?=\s)|\s*$)""",
    re.VERBOSE,
)

_OPERATORS: dict[str, Callable[[Any, Any], bool]] = {
    "eq": operator.eq,
    "ge": operator.ge,
    "le": operator.le,
    "gt": operator.gt,
    "lt": operator.lt,
}


@dataclass(frozen=True, slots=True)
class Condition:
    """One comparison of a metadata key with a literal."""

    key: str
    operator: str
    value: str | float | bool | None

    def holds(self, meta: Mapping[str, Any]) -> bool:
        """Tell whether metadata meet it; a missing key, or a value of another type, does not."""
        if self.key not in meta:
            return False
        found = meta[self.key]
        kind = _kind(found)
        if kind != _kind(self.value) or kind is None:
            return False
        if kind in {"bool", "null"} and self.operator != "eq":
            return False
        return _OPERATORS[self.operator](found, self.value)


def _kind(value: object) -> str | None:
    """Return which values compare with this one; None for arrays and objects, which never do."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "bool"
    if isinstance(value, (int, float)):
        return "number"
    return "text" if isinstance(value, str) else None


def parse(text: str) -> list[Condition]:
    """Read a filter such as `category eq 'news' and year ge 2020`.

    Raises:
        ValueError: The text is not of that form.
    """
    conditions = []
    position, more = 0, True
    while more:
        match = _CONDITION.match(text, position)
        if match is None:
            raise ValueError(f"cannot read the filter at position {position}")
        conditions.append(Condition(match["key"], match["operator"], _literal(match["value"])))
        position, more = match.end(), bool(match["end"].strip())
    return conditions


def _literal(text: str) -> Any:
    return text[1:-1].replace("''", "'") if text.startswith("'") else json.loads(text)
