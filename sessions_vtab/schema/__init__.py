"""WHAT exists: every table and function, with columns, types and documentation, as data."""

from __future__ import annotations
