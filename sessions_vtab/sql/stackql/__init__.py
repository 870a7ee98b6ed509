"""StackQL's dialect for Google's sessions, translated to our own SQL.

``is_stackql`` says whether a text is in it; ``translate.translate`` translates one, and is imported
when there is one: no other statement needs that half of the modules.
"""

from __future__ import annotations

from sessions_vtab.sql.stackql.dialect import Answer, Listing, Query, Scope, is_stackql
from sessions_vtab.sql.stackql.sources import Sources

__all__ = ["Answer", "Listing", "Query", "Scope", "Sources", "is_stackql"]
