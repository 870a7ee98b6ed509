"""Shipped with the package: what the author of a backend needs to prove it right.

``memory`` is a small backend whose writes are queued and whose filters are strict, so that one
wrong push shows. ``oracle`` holds the same rows in plain SQLite tables and compares answers.
``conformance`` runs one list of queries against both, selected by what a backend declares.
"""

from __future__ import annotations
