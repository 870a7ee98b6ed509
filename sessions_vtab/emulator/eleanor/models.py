"""The request bodies of the Eleanor sessions API, and what it keeps (contract, section 4)."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

ParticipantType = Literal["user", "agent"]


class CreateSession(BaseModel):
    """SessionCreateRequestV1 (PROPOSED); unknown fields are refused."""

    model_config = ConfigDict(extra="forbid")

    name: str
    description: str | None = None
    enabled: bool = True
    participants: list[str] = []
    settings: dict[str, Any] = {}


class UpdateSession(BaseModel):
    """SessionUpdateRequestV1 (PROPOSED); an absent field stays as it is.

    The defaults are never used: only the fields that were sent are.
    """

    model_config = ConfigDict(extra="forbid")

    name: str = ""
    description: str | None = None
    enabled: bool = True
    settings: dict[str, Any] = {}


class Binding(BaseModel):
    """Row of activity_session_participant: what a session keeps for one participant.

    The contract (section 4) names the columns; their types are our choice.
    """

    chat_turns: list[Any] = []
    insights: list[Any] = []
    last_integration_turn: int | None = None


class Participant(BaseModel):
    """Row of participant; the name is unique in its namespace over users and agents."""

    pkid: str
    namespace: str
    name: str
    participant_type: ParticipantType


class Session(BaseModel):
    """Row of activity_session.

    Attributes:
        data: Long text that no operation returns; `truncate` clears it.
        bindings: What is kept for each participant, by the participant's pkid.
    """

    pkid: str
    namespace: str
    name: str
    description: str | None
    enabled: bool
    create_ts: datetime
    settings: dict[str, Any]
    managed: bool = False
    deleted: bool = False
    auto_created: bool = False
    data: str | None = None
    bindings: dict[str, Binding] = {}

    def truncate(self) -> None:
        """Clear data, turns, insights and last integration; everything else stays."""
        self.data = None
        self.bindings = {pkid: Binding() for pkid in self.bindings}

    def integrate(self, agents: set[str]) -> None:
        """Mark the turns of the given participants as integrated."""
        for pkid in agents & self.bindings.keys():
            binding = self.bindings[pkid]
            binding.last_integration_turn = len(binding.chat_turns)


class State(BaseModel):
    """Sessions and participants by pkid, and the number of ids drawn so far."""

    sessions: dict[str, Session] = {}
    participants: dict[str, Participant] = {}
    draws: int = 0
