"""StackQL's dialect for Google's sessions, translated to our own SQL.

``is_stackql`` says whether a text is in it; ``translate.translate`` translates one, and is imported
when there is one: no other statement needs that half of the modules.

* `dialect`: comments, names of three parts, and what a translation can be
* `translate`: one statement; `reading`, `writing`, `execute`, `show`: its kinds
* `naming`, `scoping`: whose column a name is, and which engines a table is about
* `provider`, `sources`: what StackQL's registry says, and which source serves an engine
"""

from __future__ import annotations

from sessions_vtab.sql.stackql.dialect import (
    EngineScope,
    ResultShape,
    StaticResult,
    Translation,
    is_stackql,
)
from sessions_vtab.sql.stackql.sources import Sources

__all__ = ["EngineScope", "ResultShape", "Sources", "StaticResult", "Translation", "is_stackql"]
