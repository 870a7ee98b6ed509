"""Shipped with the package: what the author of a backend needs to prove it right.

``conformance`` is where to begin: one list of queries (``shapes``) run against a backend and
against ``oracle``, the same rows in plain SQLite tables, selected by what the backend declares.
``hostile`` has rows to load.

* `shapes`, `several_tables`, `conditions`: queries
* `case`: a statement, and whether only what is declared is asked for
* `generated`, `cases`: statements for all that a table declares, and what of them arrived at the
  service
* `ordering`, `writing`: the order of rows, and writes
"""

from __future__ import annotations
