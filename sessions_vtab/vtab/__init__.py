"""How SQLite sees it: the home of apsw.

``install`` puts the tables of the sources into a connection. ``table`` and ``cursor`` are the
virtual table and its scans, ``function`` the table-valued functions, ``unit_of_work`` the writes,
``statements`` what is running, ``logs`` the tables ``http_requests`` and ``writes``.
https://sqlite.org/vtab.html has the words.
"""

from __future__ import annotations
