"""StackQL's dialect for Google's sessions, translated to our own SQL.

``translate`` is the only thing to call: it answers None for a text that is not StackQL.
"""

from __future__ import annotations

from sessions_vtab.sql.stackql.dialect import Answer, Listing, Query, Scope, is_stackql
from sessions_vtab.sql.stackql.sources import Sources
from sessions_vtab.sql.stackql.translate import translate

__all__ = ["Answer", "Listing", "Query", "Scope", "Sources", "is_stackql", "translate"]
