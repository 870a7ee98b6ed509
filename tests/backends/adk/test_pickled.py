"""Pickled actions: what honest ones hold, and that hostile ones run nothing and end soon."""

from __future__ import annotations

import datetime as dt
import decimal
import enum
import os
import pickle
import sqlite3
import struct
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import sessions_vtab
from sessions_vtab.backends.adk import pickled
from sessions_vtab.backends.adk.pickled import Unreadable, data_of


class Colour(enum.Enum):
    RED = "red"


class Model:
    """As pydantic pickles a model: its state has the fields under ``__dict__``."""

    def __init__(self, **fields: Any) -> None:
        self.fields = fields

    def __reduce__(self) -> tuple[Any, ...]:
        return (Model, (), {"__dict__": self.fields, "__pydantic_fields_set__": set(self.fields)})


class Runs:
    """Runs a command when it is unpickled."""

    def __init__(self, command: str) -> None:
        self.command = command

    def __reduce__(self) -> tuple[Any, ...]:
        return (os.system, (self.command,))


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
@pytest.mark.parametrize(
    "value",
    [
        {"state_delta": {"a": 1, "b": [True, None, 1.5, 2**70, -(2**70), "ж😀"]}, "x": "y"},
        {"same": [["shared"]] * 3, "": {}, "t": [[1], [1, 2], [1, 2, 3], [1, 2, 3, 4]]},
        {str(number): [number] * 3 for number in range(1_000)},
    ],
    ids=["values", "references", "many"],
)
def test_plain_data_is_what_python_reads(value: Any, protocol: int) -> None:
    assert data_of(pickle.dumps(value, protocol)) == value


@pytest.mark.parametrize(
    ("value", "data"),
    [
        (Model(escalate=True, deep=Model(a=1)), {"escalate": True, "deep": {"a": 1}}),
        (Colour.RED, "red"),
        ({"s": {1}, "f": frozenset((2,)), "t": (3, 4)}, {"s": [1], "f": [2], "t": [3, 4]}),
        (OrderedDict(a=1, b=2), {"a": 1, "b": 2}),
        (dt.datetime(2026, 1, 1, tzinfo=dt.UTC), None),
        (decimal.Decimal("1.5"), "1.5"),
        (b"bytes", None),
        (Runs("true"), "true"),
        (int, None),
        ({(1, 2): 3, 4: 5, None: 6}, {"<class 'tuple'>": 3, "4": 5, "None": 6}),
    ],
    ids=["model", "enum", "sets", "ordered", "time", "decimal", "bytes", "call", "class", "keys"],
)
def test_objects_are_their_data(value: Any, data: Any) -> None:
    assert data_of(pickle.dumps(value)) == data


def _laughs() -> bytes:
    value: Any = ["a"]
    for _ in range(40):
        value = [value, value]
    return pickle.dumps(value)


def _deep() -> bytes:
    return b"\x80\x04" + b"]" * 5_000 + b"a" * 4_999 + b"."


def _cycle() -> bytes:
    value: dict[str, Any] = {}
    value["self"] = value
    return pickle.dumps(value)


def _opaque_cycle() -> bytes:
    """An object whose state refers to the object."""
    return b"\x80\x04ca\nB\n)\x81\x94}\x8c\x04selfh\x00sb."


HOSTILE: dict[str, Callable[[], bytes]] = {
    "2^40 references": _laughs,
    "depth": _deep,
    "a cycle": _cycle,
    "a cycle of objects": _opaque_cycle,
    "steps": lambda: b"\x80\x04" + b"N0" * 250_000 + b"N.",
    "bytes": lambda: pickle.dumps("x" * 4_000_001),
    "values": lambda: pickle.dumps([0] * 200_001),
    "junk": lambda: b"\x80\x05junk",
    "nothing": lambda: b"",
    "no end": lambda: pickle.dumps({"a": 1})[:-1],
    "a missing operand": lambda: b"\x80\x04s.",
    "a missing mark": lambda: b"\x80\x04t.",
    "a mark as the value": lambda: b"\x80\x04(.",
    "an unknown reference": lambda: b"\x80\x04h\x07.",
    "an odd number of items": lambda: b"\x80\x04}(Nu.",
    "items of a number": lambda: b"\x80\x04K\x01NNs.",
    "elements of a number": lambda: b"\x80\x04K\x01Na.",
    "a persistent id": lambda: b"\x80\x04Pid\n.",
    "an extension": lambda: b"\x80\x04\x82\x01.",
    "a length beyond the end": lambda: b"\x80\x04\x8d" + struct.pack("<Q", 2**62) + b"x.",
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_a_hostile_pickle_is_unreadable(kind: str) -> None:
    with pytest.raises(Unreadable):
        data_of(HOSTILE[kind]())


def test_every_cut_and_every_changed_byte_is_data_or_unreadable() -> None:
    whole = pickle.dumps(Model(state_delta={"a": [1, {2}]}, transfer_to_agent="x"))

    for place in range(len(whole)):
        for blob in (whole[:place], *(_changed(whole, place, byte) for byte in b"(.0Rbhs\x81\xff")):
            try:
                data_of(blob)
            except Unreadable:
                continue


def _changed(whole: bytes, place: int, byte: int) -> bytes:
    return whole[:place] + bytes((byte,)) + whole[place + 1 :]


def test_nothing_is_imported_or_called() -> None:
    """The module has no means to: it imports neither pickle nor importlib, and calls no class."""
    assert not {"pickle", "importlib", "builtins", "sys"} & vars(pickled).keys()


@pytest.mark.parametrize("kind", ["a command", *HOSTILE])
def test_a_file_with_a_hostile_pickle_is_read_with_null(kind: str, tmp_path: Path) -> None:
    proof = tmp_path / "ran"
    blob = (
        pickle.dumps(Runs(f"touch {proof}")) if kind == "a command" else HOSTILE[kind]()
    )  # fmt: skip
    path = tmp_path / "sessions.db"
    with sqlite3.connect(path) as file:
        file.executescript(
            """CREATE TABLE sessions(app_name, user_id, id, state, create_time, update_time);
            CREATE TABLE events(id, app_name, user_id, session_id, invocation_id, author, timestamp,
                                content, actions BLOB);
            INSERT INTO sessions VALUES ('a', 'u', 's', '{}', '2026-01-01', '2026-01-01')"""
        )
        for number, actions in enumerate((blob, pickle.dumps({"escalate": True}))):
            file.execute(
                "INSERT INTO events VALUES (?, 'a', 'u', 's', 'i', 'user', '2026-01-01', NULL, ?)",
                (number, actions),
            )
    file.close()

    with sessions_vtab.connect(f"adk=adk://{path}") as connection:
        rows = connection.execute("SELECT actions, raw_event->>'author' FROM events").fetchall()

    assert rows == [(None, "user"), ('{"escalate":true}', "user")]
    assert not proof.exists()
