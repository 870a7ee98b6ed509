"""A report on agents' conversations: one HTML file without scripts and without network."""

from __future__ import annotations

from sessions_vtab.report.run import Report, report

__all__ = ["Report", "report"]
