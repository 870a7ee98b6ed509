"""The vendors' own clients, unchanged, against the emulator over a real socket.

Each part runs where its client can be imported:
deepset-cloud-sdk 1.7.8.post0, haystack-enterprise-sdk 1.1.1, whylabs-client 0.6.16, whylogs 1.6.4.

The two deepset SDKs want environments of their own, with the emulator's dependencies, httpx and
pytest beside them; there, `pytest --noconftest` on this file is enough.
"""

from __future__ import annotations

import asyncio
import importlib
import json
import os
import subprocess
import sys
from datetime import UTC, datetime
from urllib.parse import unquote
from uuid import UUID, uuid4

import httpx
import pytest

from sessions_vtab.emulator.serve import running

pytestmark = [
    # Their warnings are not ours.
    pytest.mark.filterwarnings("ignore"),
    pytest.mark.timeout(180),
]

KEY = "0123456789." + "k" * 53


@pytest.fixture(scope="module")
def base_url():
    with running() as emulator:
        yield emulator.url


@pytest.fixture(autouse=True)
def _no_proxy(monkeypatch):
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)


# deepset Cloud


class Deepset:
    """One of the two SDKs, with what differs between them."""

    def __init__(self, package: str, prefix: str, base_url: str, api_path: str) -> None:
        pytest.importorskip(package)
        self._package = package
        self.api_url = base_url + api_path
        self.files = self.module("workflows.sync_client.files")
        self.sessions = self.module("_api.upload_sessions")
        self.text_file = getattr(self.module("models"), f"{prefix}File")
        self.workspace = f"workspace-{uuid4()}"
        self.key = f"api_{uuid4()}"

    def module(self, name: str):
        return importlib.import_module(f"{self._package}.{name}")

    @property
    def common(self):
        return {
            "api_key": self.key,
            "api_url": self.api_url,
            "workspace_name": self.workspace,
        }

    def texts(self, names, meta=None):
        return [self.text_file(name=name, text=f"text of {name}", meta=meta) for name in names]

    def upload(self, names, meta=None, **options):
        files = self.texts(names, meta)
        return self.files.upload_texts(files, **self.common, show_progress=False, **options)

    def listed(self):
        return [file for batch in self.files.list_files(**self.common) for file in batch]

    def list_sessions(self, **options):
        batches = self.files.list_upload_sessions(**self.common, **options)
        return [session for batch in batches for session in batch]

    def service(self, work, key=None):
        """Run a coroutine function over the SDK's own service object."""
        config = self.module("_api.config").CommonConfig(
            api_key=key or self.key, api_url=self.api_url
        )
        service = self.module("_service.files_service").FilesService

        async def go():
            async with service.factory(config) as opened:
                return await work(opened)

        return asyncio.run(go())


@pytest.fixture(
    params=[
        ("deepset_cloud_sdk", "DeepsetCloud", "/api/v1"),
        ("haystack_enterprise_sdk", "HaystackEnterprise", ""),
    ],
    ids=["deepset", "haystack"],
)
def deepset(request, base_url):
    package, prefix, api_path = request.param
    return Deepset(package, prefix, base_url, api_path)


HOSTILE = ["a b+ü.txt", "100%.txt", "a#b.txt", 'q"uote.txt', "[x]{y}.txt", "tilde~^.txt"]


def test_deepset_uploads_many_texts_through_a_session(deepset):
    names = [f"{i}.txt" for i in range(20)] + HOSTILE
    summary = deepset.upload(names, {"kind": "news"}, blocking=True, timeout_s=30)
    assert summary.successful_upload_count == 2 * len(names)
    assert summary.failed_upload_count == 0
    files = deepset.listed()
    safe = deepset.module("_s3.upload").make_safe_file_name
    assert sorted(f.name for f in files) == sorted(unquote(safe(name)) for name in names)
    assert all(file.meta == {"kind": "news"} for file in files)
    (session,) = deepset.list_sessions()
    assert session.status.value == "CLOSED"
    detail = deepset.files.get_upload_session(**deepset.common, session_id=session.session_id)
    assert detail.ingestion_status.finished_files == len(names)


@pytest.mark.parametrize(("mode", "count"), [("KEEP", 2), ("OVERWRITE", 1), ("FAIL", 1)])
def test_deepset_uploads_few_texts_without_a_session(deepset, mode, count):
    modes = deepset.sessions.WriteMode
    deepset.upload(["a.txt"], None, blocking=False)
    summary = deepset.upload(
        ["a.txt"], {"second": 1}, write_mode=getattr(modes, mode), blocking=False
    )
    assert summary.failed_upload_count == (mode == "FAIL")
    assert len(deepset.listed()) == count
    assert deepset.list_sessions() == []


def test_deepset_lists_files_by_name_filter_and_over_pages(deepset, tmp_path):
    names = [f"{i:02}.txt" for i in range(30)]
    deepset.upload(names[:15], {"year": 2019}, blocking=False)
    deepset.upload(names[15:], {"year": 2021}, blocking=False)
    batches = list(deepset.files.list_files(**deepset.common, batch_size=7))
    assert [len(batch) for batch in batches] == [7, 7, 7, 7, 2]
    assert sorted(file.name for batch in batches for file in batch) == names
    by_name = list(deepset.files.list_files(**deepset.common, name="2"))
    assert len(by_name[0]) == 12
    new = list(deepset.files.list_files(**deepset.common, odata_filter="year ge 2020"))
    assert sorted(file.name for file in new[0]) == names[15:]
    options = {key: deepset.common[key] for key in ("api_key", "api_url")}
    deepset.files.download(
        workspace_name=deepset.workspace, file_dir=tmp_path, show_progress=False, **options
    )
    assert (tmp_path / "07.txt").read_text() == "text of 07.txt"
    assert json.loads((tmp_path / "07.txt.meta.json").read_text()) == {"year": 2019}


def test_deepset_has_ten_open_sessions(deepset):
    async def open_all(service):
        create = service._upload_sessions.create
        opened = [await create(deepset.workspace) for _ in range(10)]
        with pytest.raises(Exception, match="406"):
            await create(deepset.workspace)
        await service._upload_sessions.close(deepset.workspace, opened[0].session_id)
        await create(deepset.workspace)
        return opened

    opened = deepset.service(open_all)
    sessions = deepset.list_sessions(batch_size=4)
    assert len(sessions) == 11
    assert {s.session_id for s in opened} < {s.session_id for s in sessions}
    assert [s.status.value for s in sessions].count("CLOSED") == 1
    assert deepset.list_sessions(is_expired=True) == []


def test_deepset_refuses_uploads_and_closes_after_the_close(deepset):
    async def until_closed(service):
        session = await service._upload_sessions.create(deepset.workspace)
        await service._s3.upload_in_memory(session, deepset.texts(["a.txt"]), False)
        await service._upload_sessions.close(deepset.workspace, session.session_id)
        with pytest.raises(Exception, match="409"):
            await service._upload_sessions.close(deepset.workspace, session.session_id)
        return session

    session = deepset.service(until_closed)

    # The SDK's uploader takes one set of files, so the late one needs another.
    async def late(service):
        return await service._s3.upload_in_memory(session, deepset.texts(["b.txt"]), False)

    summary = deepset.service(late)
    assert summary.failed_upload_count == 1
    assert "403" in str(summary.failed[0].exception)


def test_deepset_sdk_raises_its_errors(deepset):
    async def wrong(service):
        sessions = service._upload_sessions
        with pytest.raises(Exception, match=r"401|Authentication failed"):
            await sessions.create(deepset.workspace)

    deepset.service(wrong, key="invalid-key")
    with pytest.raises(Exception, match="404"):
        deepset.files.get_upload_session(**deepset.common, session_id=UUID(int=1))
    with pytest.raises(Exception, match="422"):
        deepset.list_sessions(batch_size=101)


# WhyLabs


@pytest.fixture
def whylabs(base_url):
    """The sessions API of whylabs-client, without and with a key."""
    client = pytest.importorskip("whylabs_client")
    api = importlib.import_module("whylabs_client.api.sessions_api").SessionsApi
    keyed = client.Configuration(host=base_url, api_key={"ApiKeyAuth": KEY})
    plain = client.Configuration(host=base_url)
    return api(client.ApiClient(plain)), api(client.ApiClient(keyed))


def model(name: str, **fields):
    snake = "".join(f"_{c.lower()}" if c.isupper() else c for c in name).lstrip("_")
    module = importlib.import_module(f"whylabs_client.model.{snake}")
    return getattr(module, name)(**fields)


def test_whylabs_client_runs_all_seven_operations(whylabs):
    guest, keyed = whylabs
    session = guest.create_session(model("CreateSessionRequest", user_id="me")).id
    found = keyed.get_session(session).session
    assert (found.session_id, found.model_id) == (session, "model-1")

    reference = guest.create_reference_profile_upload(session, model("LogReferenceRequest"))
    assert reference.id.startswith("ref-")
    rows = [model("LogReferenceRequest", alias=a, dataset_timestamp=0) for a in "abcd"]
    batch = guest.batch_create_reference_profile_upload(
        session, model("BatchLogReferenceRequest", references=rows)
    )
    assert [row.alias for row in batch.references] == list("abcd")

    now = int(datetime.now(UTC).timestamp() * 1000)
    tag = model("SegmentTag", key="k", value="v")
    upload = guest.create_dataset_profile_upload(
        session, model("LogAsyncRequest", dataset_timestamp=now, segment_tags=[tag])
    )
    assert (upload.dataset_id, upload.upload_timestamp) == ("model-1", now)
    assert httpx.put(upload.upload_url, content=b"bytes").status_code == 200

    links = guest.get_session_profile_observatory_link(
        session,
        model(
            "GetProfileObservatoryLinkRequest",
            batch_profile_timestamps=[now],
            reference_profile_ids=[reference.id],
        ),
    )
    assert len(links.individual_observatory_urls) == 2

    keyed.claim_guest_session(session, "org-1")
    exceptions = importlib.import_module("whylabs_client.exceptions")
    with pytest.raises(exceptions.NotFoundException):
        keyed.get_session(session)


def test_whylabs_client_gets_its_exceptions(whylabs):
    guest, keyed = whylabs
    exceptions = importlib.import_module("whylabs_client.exceptions")
    with pytest.raises(exceptions.UnauthorizedException):
        guest.get_session("session-x")
    with pytest.raises(exceptions.NotFoundException) as missing:
        keyed.get_session("session-x")
    assert "Resource session with ID session-x not found." in missing.value.body
    keyed.api_client.configuration.api_key = {"ApiKeyAuth": "short"}
    with pytest.raises(exceptions.ForbiddenException):
        keyed.get_session("session-x")


WHYLOGS = """
import json
import whylogs as why

session = why.init(allow_anonymous=True)
results = why.log(row={"a": 1, "b": "x"})
print(type(session).__name__)
first = session.upload_batch_profile(results)
print(first.viewing_url)
second = session.upload_reference_profiles({"one": results, "two": results})
print(json.dumps(second.individual_viewing_urls))
"""


def test_whylogs_guest_session_uploads(base_url, tmp_path):
    pytest.importorskip("whylogs")
    if not hasattr(pytest.importorskip("numpy"), "unicode_"):
        pytest.skip("whylogs 1.6 uses names that NumPy 2 has removed")
    environment = {
        **os.environ,
        "WHYLABS_API_ENDPOINT": base_url,
        "WHYLOGS_CONFIG_PATH": str(tmp_path),
        "WHYLOGS_NO_ANALYTICS": "True",
    }
    environment.pop("WHYLABS_API_KEY", None)
    done = subprocess.run(
        [sys.executable, "-c", WHYLOGS],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    lines = [line for line in done.stdout.splitlines() if line.strip()]
    assert "GuestSession" in lines
    assert len(json.loads(lines[-1])) == 2
    assert "sessionToken=session-" in lines[-1]
