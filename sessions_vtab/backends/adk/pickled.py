"""Pickled ``EventActions`` of ADK up to 1.17, read as data: nothing is imported or called.

A pickle is a program for a stack machine (``pickletools`` describes its instructions). This module
carries out only those that build plain data. Where an instruction names a class or calls one, an
``Opaque`` with the operands takes the place of the object.
"""

from __future__ import annotations

import pickletools
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

_MAX_BYTES: Final = 4_000_000
_MAX_STEPS: Final = 400_000
_MAX_VALUES: Final = 200_000
_MAX_DEPTH: Final = 60
_COLLECTIONS: Final = frozenset(
    f"{module}.{name}"
    for module in ("builtins", "__builtin__")
    for name in ("set", "frozenset", "list", "tuple")
)


class Unreadable(Exception):  # noqa: N818  # Becomes NULL, not an error for the user.
    """The bytes are not a pickle of plain data within the limits."""


@dataclass(slots=True)
class Opaque:
    """An object that was not made.

    Attributes:
        of: module and name of its class.
        args: the arguments that its class would have been called with.
        state: what ``__setstate__`` would have been given.
        items: elements, or pairs of key and value, that would have been added.
    """

    of: str
    args: Any = None
    state: Any = None
    items: list[Any] = field(default_factory=list)


def data_of(blob: bytes) -> Any:
    """The data in a pickle, as JSON can hold it.

    A model of pydantic is a dictionary of its fields, an enum is its value, and a set is a list.
    Any other object is None.

    Raises:
        Unreadable: the pickle is malformed, or too large, long, deep or cyclic.
    """
    if len(blob) > _MAX_BYTES:
        raise Unreadable("too many bytes")
    try:
        return _Plain().of(_Machine().run(blob))
    except (LookupError, ValueError, TypeError, AttributeError, OverflowError) as error:
        # A malformed program: an empty stack, an unknown reference, a wrong operand.
        raise Unreadable(str(error)) from None


_MARK: Final = object()


class _Machine:
    """The stack and the memo while one pickle is read."""

    def __init__(self) -> None:
        self.stack: list[Any] = []
        self.memo: dict[int, Any] = {}

    def run(self, blob: bytes) -> Any:
        """The object that the pickle leaves on the stack."""
        for step, (operation, operand, _) in enumerate(pickletools.genops(blob)):
            if step > _MAX_STEPS:
                raise Unreadable("too many steps")
            if operation.name == "STOP":
                return self.pop()
            if operation.name in _LITERALS:
                self.stack.append(operand)
                continue
            act = _ACTIONS.get(operation.name)
            if act is None:
                raise Unreadable(f"instruction {operation.name}")
            act(self, operand)
        raise Unreadable("no end")

    def pop(self) -> Any:
        """Takes the topmost value; a mark is not a value."""
        value = self.stack.pop()
        if value is _MARK:
            raise Unreadable("a mark in place of a value")
        return value

    def top(self) -> Any:
        """The topmost value, which stays."""
        if self.stack[-1] is _MARK:
            raise Unreadable("a mark in place of a value")
        return self.stack[-1]

    def marked(self) -> list[Any]:
        """Takes the values above the topmost mark, and the mark."""
        found: list[Any] = []
        while (value := self.stack.pop()) is not _MARK:
            found.append(value)
        return found[::-1]

    def some(self, count: int) -> tuple[Any, ...]:
        """Takes a number of values, the topmost last."""
        return tuple(self.pop() for _ in range(count))[::-1]

    def set_items(self, pairs: list[Any]) -> None:
        """Adds keys and values, which alternate, to the topmost value."""
        target = self.top()
        items = zip(pairs[::2], pairs[1::2], strict=True)
        if isinstance(target, dict):
            target.update((_key(key), value) for key, value in items)
        elif isinstance(target, Opaque):
            target.items += items
        else:
            raise Unreadable("items of a value that has none")

    def append(self, values: Iterable[Any]) -> None:
        """Adds elements to the topmost value."""
        target = self.top()
        if not isinstance(target, list | Opaque):
            raise Unreadable("elements of a value that has none")
        (target if isinstance(target, list) else target.items).extend(values)

    def build(self) -> None:
        """Keeps the state of an object that was not made."""
        state, target = self.pop(), self.top()
        if isinstance(target, Opaque):
            target.state = state

    def call(self, operands: int) -> None:
        """Replaces a class and its arguments with an object that was not made."""
        made, args, *keywords = self.some(operands)
        name = made.of if isinstance(made, Opaque) else ""
        self.stack.append(Opaque(name, (args, *keywords) if keywords else args))


def _key(value: Any) -> Any:
    return value if isinstance(value, str | int | float | bytes | None) else repr(type(value))


def _pushes(make: Callable[[_Machine], Any]) -> Callable[[_Machine, Any], None]:
    def act(machine: _Machine, _: Any) -> None:
        machine.stack.append(make(machine))

    return act


def _does(change: Callable[[_Machine], object]) -> Callable[[_Machine, Any], None]:
    def act(machine: _Machine, _: Any) -> None:
        change(machine)

    return act


def _new_dict(machine: _Machine) -> None:
    pairs = machine.marked()
    machine.stack.append({})
    machine.set_items(pairs)


def _memoize(machine: _Machine, _: Any) -> None:
    machine.memo[len(machine.memo)] = machine.top()


def _put(machine: _Machine, place: Any) -> None:
    machine.memo[place] = machine.top()


def _get(machine: _Machine, place: Any) -> None:
    machine.stack.append(machine.memo[place])


def _global(machine: _Machine, name: Any) -> None:
    machine.stack.append(Opaque(str(name).replace(" ", ".")))


def _nothing(_machine: _Machine, _operand: Any) -> None:
    return


_NUMBERS: Final = "INT BININT BININT1 BININT2 LONG LONG1 LONG4 FLOAT BINFLOAT"
_TEXTS: Final = "UNICODE BINUNICODE SHORT_BINUNICODE BINUNICODE8 STRING BINSTRING SHORT_BINSTRING"
_BYTES: Final = "BINBYTES SHORT_BINBYTES BINBYTES8 BYTEARRAY8"
_LITERALS: Final = frozenset(f"{_NUMBERS} {_TEXTS} {_BYTES}".split())
_ACTIONS: Final[Mapping[str, Callable[[_Machine, Any], None]]] = {
    "PROTO": _nothing,
    "FRAME": _nothing,
    "NONE": _pushes(lambda _: None),
    "NEWTRUE": _pushes(lambda _: True),
    "NEWFALSE": _pushes(lambda _: False),
    "MARK": _pushes(lambda _: _MARK),
    "EMPTY_DICT": _pushes(lambda _: {}),
    "EMPTY_LIST": _pushes(lambda _: []),
    "EMPTY_SET": _pushes(lambda _: []),
    "EMPTY_TUPLE": _pushes(lambda _: ()),
    "TUPLE": _pushes(lambda machine: tuple(machine.marked())),
    "TUPLE1": _pushes(lambda machine: machine.some(1)),
    "TUPLE2": _pushes(lambda machine: machine.some(2)),
    "TUPLE3": _pushes(lambda machine: machine.some(3)),
    "LIST": _pushes(_Machine.marked),
    "FROZENSET": _pushes(_Machine.marked),
    "DICT": _does(_new_dict),
    "MEMOIZE": _memoize,
    "PUT": _put,
    "BINPUT": _put,
    "LONG_BINPUT": _put,
    "GET": _get,
    "BINGET": _get,
    "LONG_BINGET": _get,
    "SETITEM": _does(lambda machine: machine.set_items(list(machine.some(2)))),
    "SETITEMS": _does(lambda machine: machine.set_items(machine.marked())),
    "APPEND": _does(lambda machine: machine.append(machine.some(1))),
    "APPENDS": _does(lambda machine: machine.append(machine.marked())),
    "ADDITEMS": _does(lambda machine: machine.append(machine.marked())),
    "GLOBAL": _global,
    "STACK_GLOBAL": _pushes(lambda machine: Opaque(".".join(map(str, machine.some(2))))),
    "REDUCE": _does(lambda machine: machine.call(2)),
    "NEWOBJ": _does(lambda machine: machine.call(2)),
    "NEWOBJ_EX": _does(lambda machine: machine.call(3)),
    "BUILD": _does(_Machine.build),
    "POP": _does(lambda machine: machine.stack.pop()),
    "POP_MARK": _does(_Machine.marked),
    "DUP": _pushes(_Machine.top),
}
"""What each instruction does; a pickle with any other is not read."""


class _Plain:
    """Turns what a pickle holds into JSON values, as far as the limits allow.

    A value that is referred to several times counts each time, so that neither a cycle nor a pickle
    of doubling references takes long.
    """

    def __init__(self) -> None:
        self.left = _MAX_VALUES

    def of(self, value: Any, depth: int = 0) -> Any:
        """The JSON value; raises Unreadable beyond a limit."""
        self.left -= 1
        if self.left < 0 or depth > _MAX_DEPTH:
            raise Unreadable("too large or too deep")
        if value is None or isinstance(value, bool | int | float | str):
            return value
        if isinstance(value, dict):
            return {str(key): self.of(one, depth + 1) for key, one in value.items()}
        if isinstance(value, list | tuple):
            return [self.of(one, depth + 1) for one in value]
        return self.of(_content_of(value), depth + 1) if isinstance(value, Opaque) else None


def _content_of(value: Opaque) -> Any:
    """What an object that was not made consists of; None if that cannot be told."""
    state = value.state
    if isinstance(state, dict):
        fields = state.get("__dict__")
        return fields if isinstance(fields, dict) else state
    if value.items:
        return _items_of(value.items)
    first = value.args[0] if isinstance(value.args, tuple) and len(value.args) == 1 else None
    if value.of in _COLLECTIONS:
        return first if isinstance(first, list | tuple) else []
    return first if isinstance(first, str | int) else None  # An enum's value.


def _items_of(items: list[Any]) -> Any:
    if all(isinstance(one, tuple) and len(one) == 2 for one in items):  # noqa: PLR2004
        return {_key(key): value for key, value in items}
    return items
