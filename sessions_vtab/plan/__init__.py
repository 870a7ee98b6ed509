"""How a scan is planned: what SQLite offers x what a table can do -> a plan. Pure functions.

``index_info`` has SQLite's question and what it is told as values, ``planner`` decides, ``plan``
says how a table is read, and writes it down for people (and for SQLite: it is the idxStr),
``binding`` fills in the values when the scan starts, ``narrowing`` plans again with what is only
known then. ``pushdown`` decides which values may narrow anything at all and which part of a
condition an access path takes, ``costs`` what that costs and when keys that are read one after the
other become a list, ``lists`` which lists there are.
"""

from __future__ import annotations
