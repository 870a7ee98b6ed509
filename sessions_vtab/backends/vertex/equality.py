"""Whether an event in a response is the one that was sent: equal in all that the service stores.

The service responds in camelCase, omits default values, and writes bytes in the standard base64
alphabet (contract, section 2). Both events are brought into one form before they are compared.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from sessions_vtab.contract import times
from sessions_vtab.fetch import Item

__all__ = ["is_event"]

_TEXTS = ("author", "invocationId", "errorCode", "errorMessage")
_MESSAGES = ("content", "actions", "eventMetadata", "rawEvent")

_STANDARD = str.maketrans("-_", "+/")
_HUMP = re.compile(r"_([a-z0-9])")


def is_event(item: Item, sent: Mapping[str, Any]) -> bool:
    """Whether a listed event equals the one that was sent.

    Args:
        item: the event as the service returned it.
        sent: the body of the append call.
    """
    if times.parse(item.get("timestamp")) != times.parse(sent["timestamp"]):
        return False
    if any((item.get(field) or "") != (sent.get(field) or "") for field in _TEXTS):
        return False
    return all(_form(item.get(field)) == _form(sent.get(field)) for field in _MESSAGES)


def _form(value: Any) -> Any:
    """A JSON value in one spelling and without default values; None if nothing is left."""
    if isinstance(value, dict):
        fields = {_camel(key): _form(held) for key, held in value.items()}
        return {key: held for key, held in fields.items() if held is not None} or None
    if isinstance(value, list):
        return [_form(held) for held in value] or None
    if isinstance(value, str):
        return value.translate(_STANDARD).rstrip("=") or None
    return value or None  # Zero and false are default values.


def _camel(key: str) -> str:
    return _HUMP.sub(lambda match: match[1].upper(), key)
