"""The frames between the extension and its Python process, byte for byte."""

from __future__ import annotations

import socket
from typing import Any

import apsw
import pytest

from sessions_vtab.errors import NotFoundError, StoppedError
from sessions_vtab.extension.hosted import (
    ERROR,
    RESULT,
    RUN_FIRST,
    SocketLink,
    decoded,
    encoded,
    reported,
)

# Kind, value, and the frame: length, kind, three zeros, and marshal's version 2.
_GOLDEN = [
    pytest.param(RESULT, None, "01000000 52 000000 4e", id="no plan"),
    pytest.param(RESULT, (), "05000000 52 000000 28 00000000", id="nothing to say"),
    pytest.param(
        RESULT,
        (1, []),
        "0f000000 52 000000 28 02000000 69 01000000 5b 00000000",
        id="the last batch, without rows",
    ),
    pytest.param(
        RESULT,
        (0, [("s1", None), ("s\u00e9", 2.5)]),
        "32000000 52 000000 28 02000000 69 00000000 5b 02000000"
        " 28 02000000 75 02000000 7331 4e 28 02000000 75 03000000 73c3a9 67 0000000000000440",
        id="a batch of two columns",
    ),
    pytest.param(
        RESULT, (-1,), "0a000000 52 000000 28 01000000 69 ffffffff", id="the first is earlier"
    ),
    pytest.param(
        RESULT,
        (2**63 - 1, -(2**31) - 1),
        "1f000000 52 000000 28 02000000 6c 05000000 ff7f ff7f ff7f ff7f 0700"
        " 6c fdffffff 0100 0000 0200",
        id="integers of more than 32 bits, in digits of 15",
    ),
    pytest.param(
        RESULT,
        (True, False, b"\x00\xff"),
        "0e000000 52 000000 28 03000000 54 46 73 02000000 00ff",
        id="truth values and a blob",
    ),
    pytest.param(
        ERROR,
        (1, "No."),
        "12000000 45 000000 28 02000000 69 01000000 75 03000000 4e6f2e",
        id="an error",
    ),
    pytest.param(
        RUN_FIRST,
        ("X",),
        "0b000000 4a 000000 28 01000000 75 01000000 58",
        id="a statement to run first",
    ),
]


@pytest.mark.parametrize(("kind", "value", "frame"), _GOLDEN)
def test_an_answer_is_these_bytes(kind: bytes, value: Any, frame: str) -> None:
    assert encoded(kind, value).hex(" ") == bytes.fromhex(frame).hex(" ")
    assert decoded(encoded(kind, value)[8:]) == value


_ASKED = [
    pytest.param("28 01000000 69 07000000", (7,), id="a cursor"),
    pytest.param("4e", None, id="a cancel"),
    pytest.param(
        "28 02000000 5b 02000000 75 01000000 61 75 01000000 62 2e", (["a", "b"], ...), id="a set"
    ),
    pytest.param("28 01000000 6c ffffffff 0100", (-1,), id="a long of one digit"),
]


@pytest.mark.parametrize(("payload", "value"), _ASKED)
def test_a_request_is_read_as_the_extension_writes_it(payload: str, value: Any) -> None:
    assert decoded(bytes.fromhex(payload)) == value


def test_a_constant_of_the_source_is_no_interned_text() -> None:
    """Later versions of marshal have other types for those, which the extension does not read."""
    assert {encoded(RESULT, ("name", "name"))[k] for k in (13, 22)} == {ord("u")}


class TestALink:
    @pytest.fixture
    def ends(self) -> Any:
        one, other = socket.socketpair()
        link = SocketLink(one)
        yield link, other
        link.close()
        other.close()

    def test_reads_a_frame_that_comes_in_pieces(self, ends: Any) -> None:
        link, other = ends
        frame = encoded(b"N", (7,))
        for piece in (frame[:3], frame[3:9], frame[9:]):
            other.sendall(piece)

        kind, payload = link.read()

        assert (kind, decoded(payload)) == (b"N", (7,))

    def test_says_that_something_came_meanwhile(self, ends: Any) -> None:
        link, other = ends
        assert not link.waiting()

        other.sendall(encoded(b"K", None))

        assert link.waiting()

    def test_says_that_the_host_has_gone(self, ends: Any) -> None:
        link, other = ends
        other.close()

        assert link.waiting()
        with pytest.raises(EOFError):
            link.read()


def _noted(error: Exception) -> Exception:
    error.add_note("2 earlier calls have taken effect.")
    return error


@pytest.mark.parametrize(
    ("error", "code", "text"),
    [
        (NotFoundError("prod.sessions has no s1."), apsw.SQLITE_ERROR, "prod.sessions has no s1."),
        (
            _noted(NotFoundError("No s1.")),
            apsw.SQLITE_ERROR,
            "No s1. 2 earlier calls have taken effect.",
        ),
        (StoppedError("stopped"), apsw.SQLITE_INTERRUPT, "interrupted"),
        (apsw.InterruptError("x"), apsw.SQLITE_INTERRUPT, "interrupted"),
        (KeyError("s1"), apsw.SQLITE_ERROR, "KeyError: 's1'"),
    ],
    ids=lambda one: type(one).__name__,
)
def test_an_error_as_sqlite_reports_it(error: Exception, code: int, text: str) -> None:
    assert reported(error) == (code, text)
