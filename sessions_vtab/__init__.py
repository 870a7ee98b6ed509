"""SQL over session APIs: virtual tables for agent sessions, events and upload sessions."""

from __future__ import annotations
