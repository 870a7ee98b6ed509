"""A report on agents' conversations: one HTML file without scripts and without network.

* `run`: a private copy of the source is read, and asked
* `numbers`: every number as a SELECT
* `page`: the answers as HTML
"""

from __future__ import annotations

from sessions_vtab.report.run import Report, report

__all__ = ["Report", "report"]
