"""Where an exception was raised, for the message that says whose mistake it is."""

from __future__ import annotations

__all__ = ["raised_in"]


def raised_in(error: BaseException) -> str:
    """The line that raised an exception, after a blank: ``(tickets.py, line 12)``."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    if trace is None:
        return ""
    name = trace.tb_frame.f_code.co_filename.replace("\\", "/").rpartition("/")[2]
    return f" ({name}, line {trace.tb_lineno})"
