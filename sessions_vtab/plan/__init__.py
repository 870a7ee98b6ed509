"""How a scan is planned: what SQLite offers x what a table can do -> a plan. Pure functions.

``offer`` has SQLite's question as values, ``planner`` answers it, ``plan`` is the answer, ``words``
writes it down for people (and for SQLite: it is the idxStr), ``binding`` fills in the values when
the scan starts, ``narrowing`` plans again with what is only known then. ``admission`` decides which
values may narrow anything at all, ``pushdown`` which part of a condition an access path takes,
``estimate`` what that costs. ``rent`` decides when keys that are read one after the other become a
list, ``lists`` which lists there are.
"""

from __future__ import annotations
