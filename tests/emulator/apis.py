"""Services without a socket, each alone on an application, with a clock that a test moves."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from sessions_vtab.emulator.deepset import Deepset
from sessions_vtab.emulator.embedding_studio import EmbeddingStudio
from sessions_vtab.emulator.service import EmulatorSettings

START = datetime(2026, 1, 1, 12, tzinfo=UTC)
NOW = int(START.timestamp())


def is_null(answer: httpx.Response) -> bool:
    return (answer.status_code, answer.json()) == (200, None)


class ServiceApi:
    """One service, made with settings."""

    def __init__(self, service: Callable[[EmulatorSettings], Any], **settings: Any) -> None:
        self.time = START
        self.settings = EmulatorSettings(clock=lambda: self.time, **settings)
        self.service = service(self.settings)
        self.app = FastAPI()
        self.app.router.routes.extend(self.service.router.routes)

    def restart(self) -> None:
        """As if it were made anew, which takes FastAPI tens of milliseconds."""
        self.time = START
        self.service.reset(self.settings.seed)

    def pass_time(self, **delta: float) -> None:
        self.time += timedelta(**delta)

    def request(self, method: str, url: str, **options: Any) -> httpx.Response:
        async def send() -> httpx.Response:
            transport = httpx.ASGITransport(self.app, raise_app_exceptions=False)
            async with httpx.AsyncClient(transport=transport, base_url="http://e.test") as client:
                return await client.request(method, url, **options)

        return asyncio.run(send())


def of_each_test(make: Callable[[], ServiceApi]) -> Any:
    """The fixture of a service that is as new in each test of a module, and made once for all."""
    made = cache(make)

    @pytest.fixture
    def api() -> ServiceApi:
        made().restart()
        return made()

    return api


class DeepsetApi(ServiceApi):
    """The deepset Cloud."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(Deepset, **settings)

    def __call__(self, method, path, key="api_key", workspace="ws", **options) -> httpx.Response:
        """Send a request; a path that starts with no slash is below the workspace."""
        url = path if path.startswith(("/", "http")) else f"/api/v1/workspaces/{workspace}/{path}"
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        return self.request(method, url, headers=headers, **options)

    def open(self, **body):
        return self("POST", "upload_sessions", json=body).json()

    def close(self, session):
        return self("PUT", f"upload_sessions/{session['session_id']}", json={"status": "CLOSED"})

    def ingest(self, session):
        self.close(session)
        self.pass_time(seconds=1)

    def counters(self, session):
        return self("GET", f"upload_sessions/{session['session_id']}").json()["ingestion_status"]

    def put(self, session, name, content=b"text", **fields):
        """Send the presigned form, its fields first and the file last."""
        form = session["aws_prefixed_request_config"]
        sent = {k: v for k, v in {**form["fields"], **fields}.items() if v is not None}
        return self("POST", form["url"], key=None, data=sent, files={"file": (name, content)})

    def rows(self, path, **params):
        return self("GET", path, params=params).json()["data"]

    def upload(self, name, meta=None, content=b"text", **params):
        data = {} if meta is None else {"meta": json.dumps(meta)}
        files = {"file": (name, content)}
        return self("POST", "files", data=data, files=files, params=params)


class StudioApi(ServiceApi):
    """The Embedding Studio."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(EmbeddingStudio, **settings)

    def __call__(self, method, path, **options) -> httpx.Response:
        url = path if path.startswith("/") else f"/api/v1/clickstream/{path}"
        return self.request(method, url, **options)

    def register(self, session_id="s", **fields):
        body = {"session_id": session_id, "search_query": "q", "search_results": [], **fields}
        return self("POST", "session", json=body)

    def session(self, session_id="s"):
        return self("GET", "session", params={"session_id": session_id}).json()

    def push(self, *events, session_id="s"):
        """Push events given by their ids, or as objects."""
        rows = [e if isinstance(e, dict) else {"event_id": e, "object_id": "o"} for e in events]
        return self("POST", "session/events", json={"session_id": session_id, "events": rows})

    def event_ids(self, session_id="s"):
        return [event["event_id"] for event in self.session(session_id)["events"]]

    def release(self, release_id="r"):
        return self("POST", "internal/batch/release", json={"release_id": release_id})

    def batch(self, batch_id, **params):
        params = {"batch_id": batch_id, **params}
        return self("GET", "internal/batch/sessions", params=params).json()

    def numbers(self, batch_id, **params):
        sessions = self.batch(batch_id, **params)["sessions"]
        return {session["session_id"]: session["session_number"] for session in sessions}

    def improve(self, session_id="s"):
        body = {"session_id": session_id}
        return self("POST", "internal/session/use-for-improvement", json=body)

    def queued(self):
        return [row["session_id"] for row in self.service.dump()["improvements"]]
