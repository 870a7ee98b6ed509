"""How SQLite sees it: what speaks to apsw.

``install`` puts the tables of the sources into a connection. ``table`` and ``cursor`` are the
virtual table and its scans, ``function`` the table-valued functions, ``unit_of_work`` the writes,
``statements`` what is running, ``logs`` what was sent: two tables, and the audit file.
https://sqlite.org/vtab.html has the words.

* reading: `modules`, `best_index`, `cursor`; over requests: `remote_cursor`, `memo`,
  `look_ahead`, `counting`; lists that are bought: `purchase`, `index`; or were read: `read_lists`
* writing: `write_queue`, `transactions` (which tables take part, and what the reads
  of a store see); rows before and after: `rows`
* refusing: `access`; the connection: `host`; what would be done: `looking`
"""

from __future__ import annotations
