"""Links into the WhyLabs observatory (contract, section 4)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import urlencode

if TYPE_CHECKING:
    from collections.abc import Sequence

HUB = "https://hub.whylabsapp.com"
"""The documented default; a link is only text to the emulator."""

MODEL_ID = "model-1"
"""The one model of a guest session."""

MAX_JOINT = 3
"""Profiles that one link shows; further ones are left out without an error."""

DAY_MS = 86_400_000


@dataclass(frozen=True, slots=True)
class Links:
    """Builds the links of one session, whose id is the token in each of them."""

    session_id: str
    hub: str = HUB

    def joint(self, profiles: Sequence[str]) -> str:
        """Return the link that shows the first three profiles together."""
        query = [("profile", profile) for profile in profiles[:MAX_JOINT]]
        query.append(("sessionToken", self.session_id))
        return f"{self.hub}/resources/{MODEL_ID}/profiles?{urlencode(query)}"

    def one(self, profile: str) -> str:
        """Return the link that shows one profile."""
        return self.joint([profile])


def day_of(timestamp: int) -> str:
    """Return the start of a time's UTC day, both in ms: how a link names a dataset profile."""
    return str(timestamp - timestamp % DAY_MS)
