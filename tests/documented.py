"""Statements and settings that pages of the help show, for tests that run them word for word."""

from __future__ import annotations

from typing import Final

from sessions_vtab.cli.pages import TOPICS, Code


def code(topic: str, place: int) -> str:
    """What a page has in a block of code, the first being 0."""
    return [block.body for block in TOPICS[topic].blocks if isinstance(block, Code)][place]


IDLE: Final = code("delete", 1)
"""Finds and deletes sessions that nobody has used for a month."""
RESUME: Final = code("transactions", 1)
"""A bulk write that goes on where it stopped, in three statements."""
MCP_CLIENTS: Final = code("mcp", 0)
"""The configuration of a client that starts the server."""
ADK: Final = code("adk", 3)
"""Copies one app's sessions from ADK's file into the store."""
EVAL_SET: Final = code("questions", -1)
"""Makes an eval set of ADK of a session, in one row."""
