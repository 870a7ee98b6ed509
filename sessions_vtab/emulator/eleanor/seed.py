"""The deterministic data set of a seed: sessions and participants of the namespace `demo`."""

from __future__ import annotations

import random
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from sessions_vtab.emulator.eleanor.models import Binding, Session

if TYPE_CHECKING:
    from sessions_vtab.emulator.eleanor.store import Store

NAMESPACE = "demo"
SESSIONS = 20
USERS = ("ann", "bob", "cyn")
AGENTS = ("agent-iris", "agent-otto")


def fill(store: Store, seed: int, now: datetime) -> None:
    """Add sessions of a user and an agent each, one a day; every seventh is deleted."""
    source = random.Random(f"eleanor-data:{seed}")
    for number in range(SESSIONS):
        _add(store, source, number, now - timedelta(days=SESSIONS - number))


def _add(store: Store, source: random.Random, number: int, created: datetime) -> None:
    people = [source.choice(USERS), source.choice(AGENTS)]
    bound = [store.participant(NAMESPACE, name).pkid for name in people]
    turns = [{"role": "user", "content": f"Question {n}"} for n in range(source.randint(0, 4))]
    session = Session(
        pkid=store.draws.uuid(),
        namespace=NAMESPACE,
        name=f"session-{number:02}",
        description=source.choice((None, f"{people[0]} asks {people[1]}")),
        enabled=number % 5 != 4,  # noqa: PLR2004  (every fifth is disabled)
        create_ts=created,
        settings={"sync_chat": number % 2 == 0},
        managed=number == 0,
        deleted=number % 7 == 6,  # noqa: PLR2004  (every seventh is deleted)
        bindings={pkid: Binding(chat_turns=turns) for pkid in bound},
    )
    store.state.sessions[session.pkid] = session
