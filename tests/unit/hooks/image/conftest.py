"""A record and its bytes, and a registry that conforms to the distribution spec over real HTTP."""

import hashlib
import json
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import pytest
from pytest_httpserver import HTTPServer
from transition_wire.archive_name import Compression, stored_key
from transition_wire.checkpoint_record import (
    ArchiveMember,
    BaseImage,
    CheckpointRecord,
    StoredArchive,
)
from transition_wire.node_facts import NodeFacts
from werkzeug import Request, Response

from airflow_transition.core.image import digest_of

(CONTAINERD,) = (Path(__file__).parents[3] / "fixtures" / "kubernetes-1.36").glob("*.tar")
CREATED = datetime(2026, 11, 23, 3, 4, 47, tzinfo=UTC)
USER, PASSWORD = "robot", "secret-that-no-message-may-show"
CONFIG_DUMP = ArchiveMember(offset_bytes=100_352, size_bytes=544)


@pytest.fixture(scope="session")
def archive() -> bytes:
    return CONTAINERD.read_bytes()


def node(name: str = "node-a") -> NodeFacts:
    return NodeFacts(
        cluster="cluster1-azure",
        node=name,
        measured=CREATED,
        kernel="6.18.5",
        architecture="x86_64",
        cpu_model="AMD EPYC",
        cpu_features=("avx2",),
        xsave_size_bytes=832,
        cgroup_version=2,
        criu="4.2",
        criu_check=None,
        runc="1.5.1",
        containerd="2.3.4",
        crio=None,
        podman=None,
    )


def record_of(
    content: bytes, *, bucket: str = "checkpoints", frame: bytes | None = None
) -> CheckpointRecord:
    """The record of an archive, stored as it is or as this zstd frame."""
    filename = "checkpoint-video-0_shop-app-2026-11-23T03:04:47Z.tar"
    compression: Compression = "none" if frame is None else "zstd"
    key = f"cluster1-azure/shop/video/{filename}"
    stored = content if frame is None else frame
    return CheckpointRecord(
        cluster="cluster1-azure",
        namespace="shop",
        pod="video-0",
        container="app",
        filename=filename,
        bucket=bucket,
        key=key,
        digest=digest_of(content),
        size_bytes=len(content),
        stored=StoredArchive(
            key=stored_key(key, compression=compression),
            digest=digest_of(stored),
            size_bytes=len(stored),
            compression=compression,
        ),
        created=CREATED,
        uploaded=CREATED,
        base_image=BaseImage(name="registry.example/counter:1", reference="sha256:" + "b" * 64),
        members={"config.dump": CONFIG_DUMP} if len(content) > 110_000 else {},
        agent_version="0.1.0",
        node=node(),
    )


@dataclass
class FakeRegistry:
    """Uploads that can be taken up again, which Debian's registry does not offer."""

    blobs: dict[str, bytes] = field(default_factory=dict)
    manifests: dict[str, bytes] = field(default_factory=dict)
    uploads: dict[str, bytearray] = field(default_factory=dict)
    requests: list[tuple[str, str]] = field(default_factory=list)
    patched: list[str] = field(default_factory=list)
    """`Content-Range` of each PATCH."""
    break_after: list[int] = field(default_factory=list)
    """Each number ends one PATCH after so many bytes, as a lost connection does."""
    forget_uploads: bool = False
    """A broken upload is unknown afterwards."""
    lose_commit: bool = False
    """The next commit is done, but its answer is lost."""
    guard: Callable[[Request], Response | None] = lambda _: None

    def __call__(self, request: Request) -> Response:
        path = request.path.removeprefix("/v2/")
        self.requests.append((request.method, path))
        refused = self.guard(request)
        if refused is not None:
            return refused
        if not path:
            return Response(status=200)
        handlers = {
            r".+/manifests/(?P<name>.+)": self.manifest,
            r".+/blobs/uploads/(?P<name>\w*)": self.upload,
            r".+/blobs/(?P<name>sha256:.+)": self.blob,
        }
        for pattern, handler in handlers.items():
            found = re.fullmatch(pattern, path)
            if found:
                return handler(request, found["name"])
        return Response(status=404)

    def upload(self, request: Request, name: str) -> Response:
        if request.method == "POST":
            name = f"upload{len(self.uploads) + 1}"
            self.uploads[name] = bytearray()
        if name not in self.uploads:
            return error(404, "BLOB_UPLOAD_UNKNOWN")
        if request.method == "PATCH":
            self.patched.append(request.headers.get("Content-Range", ""))
            self.take(request, name)
        elif request.method == "PUT":
            return self.commit(request, name)
        elif request.method == "DELETE":
            del self.uploads[name]
            return Response(status=204)
        return self.at(request, name, status=204 if request.method == "GET" else 202)

    def commit(self, request: Request, name: str) -> Response:
        content = bytes(self.uploads.pop(name)) + request.get_data()
        digest = request.args["digest"]
        if f"sha256:{hashlib.sha256(content).hexdigest()}" != digest:
            return error(400, "DIGEST_INVALID")
        self.blobs[digest] = content
        if self.lose_commit:
            self.lose_commit = False
            hang_up(request)
        return Response(status=201)

    def take(self, request: Request, name: str) -> None:
        upload, content = self.uploads[name], request.get_data()
        if not self.break_after:
            upload += content
            return
        upload += content[: self.break_after.pop(0) - len(upload)]
        if self.forget_uploads:
            del self.uploads[name]
        hang_up(request)

    def at(self, request: Request, name: str, *, status: int) -> Response:
        path = request.path.rpartition("/uploads/")[0]
        headers = {
            "Location": f"{path}/uploads/{name}?_state=x",
            "Range": f"0-{max(len(self.uploads[name]) - 1, 0)}",
        }
        return Response(status=status, headers=headers)

    def blob(self, _: Request, name: str) -> Response:
        if name not in self.blobs:
            return error(404, "BLOB_UNKNOWN")
        return Response(self.blobs[name], status=200)

    def manifest(self, request: Request, name: str) -> Response:
        if request.method == "PUT":
            content = request.get_data()
            self.manifests[name] = content
            self.manifests[f"sha256:{hashlib.sha256(content).hexdigest()}"] = content
            return Response(status=201)
        if name not in self.manifests:
            return error(404, "MANIFEST_UNKNOWN")
        return Response(self.manifests[name], status=200)


def error(status: int, code: str) -> Response:
    body = json.dumps({"errors": [{"code": code, "message": code.lower()}]})
    return Response(body, status=status, content_type="application/json")


def hang_up(request: Request) -> None:
    request.environ["werkzeug.socket"].shutdown(2)
    raise ConnectionError("hung up on purpose")


@pytest.fixture
def registry(httpserver: HTTPServer) -> FakeRegistry:
    fake = FakeRegistry()
    httpserver.expect_request(re.compile("/v2/.*")).respond_with_handler(fake)
    return fake


@pytest.fixture
def connect(monkeypatch: pytest.MonkeyPatch, httpserver: HTTPServer) -> Callable[..., None]:
    """Set the connection `transition_registry` to the fake registry."""

    def connect(**changes: object) -> None:
        connection = {
            "conn_type": "docker",
            "host": httpserver.url_for("").rstrip("/"),
            "login": USER,
            "password": PASSWORD,
            "extra": {"insecure": True},
        }
        connection.update(changes)
        monkeypatch.setenv("AIRFLOW_CONN_TRANSITION_REGISTRY", json.dumps(connection))

    return connect
