"""From arguments to request bodies, checked before anything is sent.

Optional fields are left out, never null: the vendor's own client refuses a null.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sessions_vtab.errors import InvalidValueError
from sessions_vtab.spec import times
from sessions_vtab.spec.backend import Arguments
from sessions_vtab.spec.near import did_you_mean
from sessions_vtab.spec.predicate import Value
from sessions_vtab.spec.values import load_json

__all__ = ["dataset_body", "links_body", "milliseconds", "reference_body", "references_body"]

_MS = 1_000_000
_FIELDS = ("alias", "dataset_timestamp", "region")

# Whole numbers of 9 to 11 digits are seconds wherever SQL takes a time, and would be milliseconds
# here: nobody means the years 1970 to 1973.
_AMBIGUOUS = range(10**8, 10**11)


def dataset_body(arguments: Arguments, where: str) -> dict[str, Any]:
    """LogAsyncRequest."""
    body: dict[str, Any] = {
        "datasetTimestamp": _instant(arguments["dataset_timestamp"], where),
        "segmentTags": _tags(arguments["segment_tags"], f"{where}: segment_tags"),
    }
    return _with_region(body, arguments)


def reference_body(arguments: Arguments, where: str) -> dict[str, Any]:
    """LogReferenceRequest; ``{}`` if nothing is given."""
    body: dict[str, Any] = {}
    if arguments.get("alias") is not None:
        body["alias"] = arguments["alias"]
    if arguments.get("dataset_timestamp") is not None:
        body["datasetTimestamp"] = _instant(arguments["dataset_timestamp"], where)
    return _with_region(body, arguments)


def references_body(arguments: Arguments, where: str) -> dict[str, Any]:
    """BatchLogReferenceRequest; InvalidValueError naming the element that is wrong."""
    what = f"{where}: reference_list"
    given = _list(arguments["reference_list"], what)
    if not given:
        raise InvalidValueError(f"{what} needs at least one reference. Nothing was sent.")
    return {"references": [_reference(one, f"{what}[{place}]") for place, one in enumerate(given)]}


def links_body(arguments: Arguments, where: str) -> dict[str, Any]:
    """GetProfileObservatoryLinkRequest; InvalidValueError if it names no profile."""
    stamps = _list(
        arguments.get("batch_profile_timestamps", "[]"), f"{where}: batch_profile_timestamps"
    )
    ids = _list(arguments.get("reference_profile_ids", "[]"), f"{where}: reference_profile_ids")
    if not (stamps or ids):
        raise InvalidValueError(
            f"{where} needs at least one of batch_profile_timestamps and"
            " reference_profile_ids. Nothing was sent."
        )
    return {
        "batchProfileTimestamps": [
            milliseconds(one, f"{where}: batch_profile_timestamps[{place}]")
            for place, one in enumerate(stamps)
        ],
        "referenceProfileIds": [
            _text(one, f"{where}: reference_profile_ids[{place}]") for place, one in enumerate(ids)
        ],
    }


def milliseconds(value: Any, where: str) -> int:
    """A time in JSON as milliseconds since 1970: a time's text, or that number itself.

    Raises:
        InvalidValueError: it is neither, or a number that might be meant as seconds.
    """
    if isinstance(value, int) and not isinstance(value, bool):
        if abs(value) in _AMBIGUOUS:
            raise InvalidValueError(
                f"{where}: {value} could mean seconds or milliseconds since 1970. Write a"
                " time such as '2026-01-01 09:00:00'. Nothing was sent."
            )
        return value
    return times.require(value if isinstance(value, str) else None, where) // _MS


def _instant(value: Value, where: str) -> int:
    return times.require(value, f"{where}: dataset_timestamp") // _MS


def _with_region(body: dict[str, Any], arguments: Arguments) -> dict[str, Any]:
    return body if arguments.get("region") is None else {**body, "region": arguments["region"]}


def _reference(given: Any, where: str) -> dict[str, Any]:
    if not isinstance(given, dict):
        raise InvalidValueError(f"{where} must be a JSON object. Nothing was sent.")
    for name in given:
        if name not in _FIELDS:
            raise InvalidValueError(
                f"{where} has no field {name!r:.60}.{did_you_mean(name, _FIELDS)} Fields:"
                f" {', '.join(_FIELDS)}. Nothing was sent."
            )
    body: dict[str, Any] = {
        name: _text(given[name], f"{where}.{name}", empty=name == "alias")
        for name in ("alias", "region")
        if given.get(name) is not None
    }
    if given.get("dataset_timestamp") is not None:
        body["datasetTimestamp"] = milliseconds(
            given["dataset_timestamp"], f"{where}.dataset_timestamp"
        )
    return body


def _tags(value: Value, where: str) -> list[dict[str, str]]:
    """Tags as an object, or in the API's own form."""
    given = load_json(value, where)
    if isinstance(given, dict):
        given = [{"key": key, "value": held} for key, held in given.items()]
    if not isinstance(given, list) or not all(map(_is_tag, given)):
        raise InvalidValueError(
            f"{where} must be a JSON object with text values, or an array of {{key, value}}"
            " objects; neither keys nor values may be empty. Nothing was sent."
        )
    return given


def _is_tag(given: Any) -> bool:
    """The vendor's client demands a text of at least one character for both."""
    if not isinstance(given, Mapping) or given.keys() != {"key", "value"}:
        return False
    return all(isinstance(text, str) and text for text in given.values())


def _list(value: Value, where: str) -> list[Any]:
    given = load_json(value, where)
    if not isinstance(given, list):
        raise InvalidValueError(f"{where} must be a JSON array. Nothing was sent.")
    return given


def _text(value: Any, where: str, *, empty: bool = False) -> str:
    if not isinstance(value, str) or not (value or empty):
        raise InvalidValueError(f"{where} must be text. Nothing was sent.")
    return value
