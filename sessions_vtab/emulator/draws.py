"""Ids that are random to a client and the same in every run of one seed."""

from __future__ import annotations

import random
import secrets
import string
from uuid import UUID

ALPHANUMERIC = string.ascii_letters + string.digits


class Draws:
    """A source of ids; the n-th one depends on the seed, the service and n alone.

    Attributes:
        count: Number of ids drawn so far. It belongs to the service's state: who restores it
            never gets an id twice.
    """

    def __init__(self, service: str, seed: int | None) -> None:
        # Without a seed two emulators should not hand out the same "random" ids.
        self._salt = f"{service}:{secrets.token_hex(8) if seed is None else seed}"
        self.count = 0

    def uuid(self) -> str:
        """Return a version 4 UUID as text."""
        return str(UUID(int=self._next().getrandbits(128), version=4))

    def alphanumeric(self, length: int) -> str:
        """Return `length` letters and digits."""
        return "".join(self._next().choices(ALPHANUMERIC, k=length))

    def hexadecimal(self, length: int) -> str:
        """Return `length` lower-case hexadecimal digits."""
        return "".join(self._next().choices("0123456789abcdef", k=length))

    def _next(self) -> random.Random:
        self.count += 1
        return random.Random(f"{self._salt}:{self.count}")
