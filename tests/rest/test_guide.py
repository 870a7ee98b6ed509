"""The author's guide runs: its Python blocks, one after the other."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import sessions_vtab

GUIDE = Path(sessions_vtab.__file__).parent / "docs" / "backends.md"


def test_the_blocks_of_the_guide_run() -> None:
    blocks = re.findall(
        r"^```python\n(.*?)^```", GUIDE.read_text("utf-8"), re.MULTILINE | re.DOTALL
    )
    names: dict[str, Any] = {"__name__": "guide"}

    for block in blocks:
        exec(compile(block, GUIDE.name, "exec"), names)

    assert len(blocks) == 3
    assert names["Tickets"].name == "tickets"
