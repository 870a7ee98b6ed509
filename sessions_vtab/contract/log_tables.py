"""The tables that say what a connection has sent, has written, and would write."""

from __future__ import annotations

from sessions_vtab.contract.model import Column, ColumnType, Table

__all__ = ["DRY_RUN", "HTTP_REQUESTS", "WRITES"]

_TEXT, _INTEGER, _REAL = ColumnType.TEXT, ColumnType.INTEGER, ColumnType.REAL
_TIME, _JSON = ColumnType.TIME, ColumnType.JSON

HTTP_REQUESTS = Table(
    "http_requests",
    (
        Column("statement", _INTEGER, "Number of the statement within the connection."),
        Column("source", _TEXT, "Source that sent it."),
        Column("table", _TEXT, "Table or function it was for."),
        Column("method", _TEXT, "HTTP method."),
        Column("url", _TEXT, "URL without secrets."),
        Column("status", _INTEGER, "HTTP status; NULL if there was no response."),
        Column("attempt", _INTEGER, "Number of the attempt, from 1."),
        Column("elapsed_ms", _REAL, "Milliseconds until the response was read."),
        Column("bytes", _INTEGER, "Size of the response body in bytes."),
        Column("rows", _INTEGER, "Number of rows in the response."),
        Column("error", _TEXT, "Error message."),
    ),
    "One row per HTTP request of this connection; the last 10 000 are kept.",
    hidden=(Column("number", _INTEGER, "Sequence number of the request; key of the row."),),
    key="number",
    example="SELECT method, url, status FROM http_requests ORDER BY number DESC LIMIT 5",
)

WRITES = Table(
    "writes",
    (
        Column("statement", _INTEGER, "Number of the statement within the connection."),
        Column("row", _INTEGER, "Position of the row within the statement, from 1."),
        Column("source", _TEXT, "Source it was for."),
        Column("table", _TEXT, "Table it was for."),
        Column("action", _TEXT, "insert, update or delete."),
        Column("key", _TEXT, "Name of the row, as far as the statement gave it."),
        Column(
            "outcome", _TEXT, "sent, failed, unknown, skipped, not sent, sent although rolled back."
        ),
        Column("http_status", _INTEGER, "HTTP status of the response."),
        Column("error", _TEXT, "Error message."),
        Column("answer_key", _TEXT, "Name returned by the server."),
        Column("started", _TIME, "Time at which sending began."),
        Column("elapsed_ms", _REAL, "Milliseconds until the response was read."),
    ),
    "One row per row written by this connection, with its outcome; the last 10 000 are kept,"
    " and all of the last transaction.",
    hidden=(Column("number", _INTEGER, "Sequence number of the outcome; key of the row."),),
    key="number",
    example="SELECT key, outcome, error FROM writes WHERE outcome <> 'sent'",
)

DRY_RUN = Table(
    "dry_run",
    (
        Column("source", _TEXT, "Source it is for."),
        Column("table", _TEXT, "Table it is for."),
        Column("action", _TEXT, "insert, update or delete."),
        Column("method", _TEXT, "HTTP method, or the action on the store."),
        Column("url", _TEXT, "URL without secrets, or the row's name in the store."),
        Column("body", _JSON, "JSON body."),
    ),
    "One row per request that a write would have sent.",
    key="url",
)
