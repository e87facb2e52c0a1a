"""What the hook does with a registry's every mood, over real HTTP."""

import io
import json
from base64 import b64encode
from collections.abc import Callable
from datetime import timedelta

import pytest
from backports import zstd
from pytest_httpserver import HTTPServer
from werkzeug import Request, Response

from airflow_transition.core.errors import PermanentError, TemporaryError
from airflow_transition.core.image import (
    CONFIG_TYPE,
    MANIFEST_TYPE,
    ZSTD_LAYER_TYPE,
    Descriptor,
    describe,
    digest_of,
)
from airflow_transition.core.tar_header import UnsafeMemberError
from airflow_transition.hooks.archive_check import ArchiveDigestError
from airflow_transition.hooks.connection import ConnectionNotGivenError
from airflow_transition.hooks.oci_registry import OciRegistryHook
from airflow_transition.hooks.registry_errors import (
    ImageDamagedError,
    ImageMissingError,
    RegistryConnectionError,
    RegistryDeniedError,
    RegistryRefusedError,
    RegistryUnavailableError,
)
from benchmarks.archive_file import ArchiveFile
from tests.unit.hooks.image.conftest import (
    PASSWORD,
    USER,
    FakeRegistry,
    error,
    record_of,
)

REPOSITORY = "checkpoints/checkpoint-shop_video-0-app"


class CountingFile(io.BytesIO):
    """An archive that knows how much of it was read."""

    bytes_read = 0

    def read(self, size: int | None = -1, /) -> bytes:
        content = super().read(size)
        self.bytes_read += len(content)
        return content


@pytest.fixture
def hook(connect: Callable[..., None], registry: FakeRegistry) -> OciRegistryHook:
    connect()
    return OciRegistryHook(patience=timedelta(seconds=2))


def basic(request: Request) -> bool:
    expected = b64encode(f"{USER}:{PASSWORD}".encode()).decode()
    return request.headers.get("Authorization") == f"Basic {expected}"


def test_a_push_reads_the_archive_once(
    hook: OciRegistryHook, registry: FakeRegistry, archive: bytes
) -> None:
    source = CountingFile(archive)
    image = hook.push_checkpoint_image(record=record_of(archive), archive=source)
    assert source.bytes_read == len(archive)
    assert registry.blobs[record_of(archive).digest] == archive
    assert image.moved_bytes == len(archive)
    assert len([method for method, _ in registry.requests if method == "PATCH"]) == 1


def test_a_repeated_push_reads_one_document(
    hook: OciRegistryHook, registry: FakeRegistry, archive: bytes
) -> None:
    first = hook.push_checkpoint_image(record=record_of(archive), archive=io.BytesIO(archive))
    source = CountingFile(archive)
    second = hook.push_checkpoint_image(record=record_of(archive), archive=source)
    assert second.reference == first.reference
    assert second.moved_bytes == 0
    assert source.bytes_read == 544


@pytest.mark.parametrize("breaks", [[50_000], [2], [40_000, 90_000, 150_000]])
def test_a_broken_upload_goes_on_where_the_registry_has_it(
    hook: OciRegistryHook, registry: FakeRegistry, archive: bytes, breaks: list[int]
) -> None:
    registry.break_after = list(breaks)
    hook.push_checkpoint_image(record=record_of(archive), archive=io.BytesIO(archive))
    assert registry.blobs[record_of(archive).digest] == archive
    starts = [int(span.partition("-")[0]) for span in registry.patched]
    assert len(starts) == len(breaks) + 1
    assert starts == sorted(starts)
    assert all(start > 0 for start in starts[1:])


def test_an_upload_that_the_registry_forgot_begins_anew(
    hook: OciRegistryHook, registry: FakeRegistry, archive: bytes
) -> None:
    registry.break_after, registry.forget_uploads = [50_000], True
    hook.push_checkpoint_image(record=record_of(archive), archive=io.BytesIO(archive))
    assert registry.blobs[record_of(archive).digest] == archive
    assert [span.partition("-")[0] for span in registry.patched] == ["0", "0"]


def test_a_compressed_archive_is_the_layer_as_it_is_stored(
    hook: OciRegistryHook, registry: FakeRegistry, archive: bytes
) -> None:
    frame = zstd.compress(archive)
    record = record_of(archive, frame=frame)
    first, second = (
        hook.push_checkpoint_image(record=record, archive=io.BytesIO(frame)) for _ in range(2)
    )
    assert first.layer == Descriptor(ZSTD_LAYER_TYPE, digest_of(frame), len(frame))
    assert registry.blobs[digest_of(frame)] == frame
    manifest = json.loads(registry.manifests[first.reference.partition("@")[2]])
    config = json.loads(registry.blobs[manifest["config"]["digest"]])
    assert config["rootfs"]["diff_ids"][0] == record.digest
    assert first.moved_bytes == len(frame)
    assert (second.reference, second.moved_bytes) == (first.reference, 0)


def test_a_broken_compressed_upload_goes_on_where_the_registry_has_it(
    hook: OciRegistryHook, registry: FakeRegistry, archive: bytes
) -> None:
    frame = zstd.compress(archive)
    registry.break_after = [3_000, 9_000]
    source = CountingFile(frame)
    hook.push_checkpoint_image(record=record_of(archive, frame=frame), archive=source)
    assert registry.blobs[digest_of(frame)] == frame
    assert [int(span.partition("-")[0]) > 0 for span in registry.patched] == [False, True, True]


@pytest.mark.parametrize(
    ("frame_of", "found"),
    [
        (lambda archive: zstd.compress(archive)[:-1], "instead of"),
        (lambda archive: zstd.compress(archive) + b"x", "behind its zstd frame"),
        (lambda archive: zstd.compress(archive) * 2, "behind its zstd frame"),
        (lambda archive: zstd.compress(archive + bytes(64 << 20)), "an archive of more than"),
        (lambda archive: zstd.compress(archive.replace(b"shop", b"hops")), "an archive sha256:"),
        (lambda archive: zstd.compress(archive[:-512]), "an archive sha256:"),
        (lambda archive: archive, "frame"),
    ],
    ids=["cut", "trailing byte", "two frames", "bomb", "other bytes", "shorter", "no zstd"],
)
def test_a_frame_that_is_not_of_the_recorded_archive_is_never_committed(
    hook: OciRegistryHook,
    registry: FakeRegistry,
    archive: bytes,
    frame_of: Callable[[bytes], bytes],
    found: str,
) -> None:
    frame = frame_of(archive)
    with pytest.raises(ArchiveDigestError, match=found):
        hook.push_checkpoint_image(
            record=record_of(archive, frame=frame), archive=io.BytesIO(frame)
        )
    assert not registry.blobs
    assert not registry.manifests


def test_a_frame_that_wants_more_memory_than_every_decoder_has_is_refused(
    hook: OciRegistryHook, registry: FakeRegistry
) -> None:
    content = ArchiveFile(heap_bytes=32 << 20, compressible=True).content()
    compressor = zstd.ZstdCompressor(options={zstd.CompressionParameter.window_log: 25})
    frame = compressor.compress(content) + compressor.flush()
    with pytest.raises(ArchiveDigestError, match="memory"):
        hook.push_checkpoint_image(
            record=record_of(content, frame=frame), archive=io.BytesIO(frame)
        )
    assert not registry.blobs


@pytest.mark.parametrize("change", ["none", "same size"])
def test_other_bytes_than_the_recorded_frame_are_never_committed(
    hook: OciRegistryHook, registry: FakeRegistry, archive: bytes, change: str
) -> None:
    """Another frame of the very same archive is not the layer that was recorded."""
    frame = zstd.compress(archive)
    other = zstd.compress(archive, 19)
    given = other if change == "none" else other.ljust(len(frame), b"\0")[: len(frame)]
    with pytest.raises(ArchiveDigestError):
        hook.push_checkpoint_image(
            record=record_of(archive, frame=frame), archive=io.BytesIO(given)
        )
    assert not registry.blobs


def test_a_commit_whose_answer_was_lost_is_not_sent_again(
    hook: OciRegistryHook, registry: FakeRegistry, archive: bytes
) -> None:
    registry.lose_commit = True
    hook.push_checkpoint_image(record=record_of(archive), archive=io.BytesIO(archive))
    assert len(registry.patched) == 1


def test_patience_ends(hook: OciRegistryHook, registry: FakeRegistry, archive: bytes) -> None:
    registry.guard = lambda request: error(503, "X") if request.method == "PATCH" else None
    hook.patience = timedelta(milliseconds=300)
    with pytest.raises(RegistryUnavailableError) as caught:
        hook.push_checkpoint_image(record=record_of(archive), archive=io.BytesIO(archive))
    assert isinstance(caught.value, TemporaryError)
    assert not registry.manifests


def test_other_bytes_than_recorded_are_never_committed(
    hook: OciRegistryHook, registry: FakeRegistry, archive: bytes
) -> None:
    with pytest.raises(ArchiveDigestError):
        hook.push_checkpoint_image(
            record=record_of(archive), archive=io.BytesIO(archive.replace(b"shop", b"hops"))
        )
    assert not registry.blobs
    assert not registry.manifests
    assert not registry.uploads


@pytest.mark.parametrize("length", [100_000, 184_319])
def test_an_archive_that_ends_early_is_not_waited_for(
    hook: OciRegistryHook, registry: FakeRegistry, archive: bytes, length: int
) -> None:
    with pytest.raises(ArchiveDigestError, match=f"ends after {length} bytes"):
        hook.push_checkpoint_image(record=record_of(archive), archive=io.BytesIO(archive[:length]))
    assert not registry.manifests


@pytest.mark.parametrize("compressed", [False, True])
def test_a_hostile_archive_never_becomes_a_blob(
    hook: OciRegistryHook, registry: FakeRegistry, archive: bytes, *, compressed: bool
) -> None:
    evil = bytearray(archive)
    evil[0:7] = b"/etc/x\x00"
    evil[148:156] = b" " * 8
    evil[148:156] = b"%06o\x00 " % sum(evil[:512])
    content = bytes(evil)
    frame = zstd.compress(content) if compressed else None
    with pytest.raises(UnsafeMemberError):
        hook.push_checkpoint_image(
            record=record_of(content, frame=frame), archive=io.BytesIO(frame or content)
        )
    assert not registry.blobs


def test_basic_credentials_are_sent_when_asked_for(
    hook: OciRegistryHook, registry: FakeRegistry, archive: bytes
) -> None:
    challenge = Response(status=401, headers={"WWW-Authenticate": 'Basic realm="r"'})
    registry.guard = lambda request: None if basic(request) else challenge
    hook.push_checkpoint_image(record=record_of(archive), archive=io.BytesIO(archive))
    assert len(registry.manifests) == 2


def test_a_token_is_fetched_for_the_repository_and_used(
    hook: OciRegistryHook, registry: FakeRegistry, archive: bytes, httpserver: HTTPServer
) -> None:
    asked: list[str] = []

    def token(request: Request) -> Response:
        assert basic(request)
        asked.append(request.args["scope"])
        return Response(json.dumps({"token": "t1"}), content_type="application/json")

    httpserver.expect_request("/token").respond_with_handler(token)
    realm = f'Bearer realm="{httpserver.url_for("/token")}",service="s"'
    challenge = Response(status=401, headers={"WWW-Authenticate": realm})
    registry.guard = lambda request: (
        None if request.headers.get("Authorization") == "Bearer t1" else challenge
    )
    hook.push_checkpoint_image(record=record_of(archive), archive=io.BytesIO(archive))
    assert asked == [f"repository:{REPOSITORY}:pull,push"]


def test_an_expired_token_is_replaced(
    hook: OciRegistryHook, registry: FakeRegistry, archive: bytes, httpserver: HTTPServer
) -> None:
    tokens = iter(["old", "new", "newer"])
    httpserver.expect_request("/token").respond_with_handler(
        lambda _: Response(json.dumps({"access_token": next(tokens)}))
    )
    realm = f'Bearer realm="{httpserver.url_for("/token")}"'

    def guard(request: Request) -> Response | None:
        good = "old" if not registry.patched else "new"
        if request.headers.get("Authorization") == f"Bearer {good}":
            return None
        return Response(status=401, headers={"WWW-Authenticate": realm})

    registry.guard = guard
    hook.push_checkpoint_image(record=record_of(archive), archive=io.BytesIO(archive))
    assert len(registry.patched) == 1
    assert next(tokens) == "newer"


@pytest.mark.parametrize("scheme", ["Basic", "Bearer"])
def test_a_wrong_password_is_permanent_and_stays_secret(
    hook: OciRegistryHook,
    registry: FakeRegistry,
    archive: bytes,
    httpserver: HTTPServer,
    scheme: str,
) -> None:
    httpserver.expect_request("/token").respond_with_data(status=401)
    realm = f'{scheme} realm="{httpserver.url_for("/token")}"'
    registry.guard = lambda _: Response(status=401, headers={"WWW-Authenticate": realm})
    with pytest.raises(RegistryDeniedError) as caught:
        hook.push_checkpoint_image(record=record_of(archive), archive=io.BytesIO(archive))
    assert isinstance(caught.value, PermanentError)
    assert PASSWORD not in str(caught.value)


def test_a_check_asks_with_the_credentials_and_changes_nothing(
    hook: OciRegistryHook, registry: FakeRegistry
) -> None:
    challenge = Response(status=401, headers={"WWW-Authenticate": 'Basic realm="r"'})
    registry.guard = lambda request: None if basic(request) else challenge
    hook.check()
    assert set(registry.requests) == {("GET", "")}
    registry.guard = lambda _: challenge
    with pytest.raises(RegistryDeniedError):
        hook.check()


def test_a_redirect_is_followed_without_our_credentials(
    hook: OciRegistryHook, registry: FakeRegistry, archive: bytes
) -> None:
    hook.push_checkpoint_image(record=record_of(archive), archive=io.BytesIO(archive))
    manifest = next(iter(registry.manifests.values()))
    with HTTPServer() as elsewhere:
        seen: list[str | None] = []

        def serve(request: Request) -> Response:
            seen.append(request.headers.get("Authorization"))
            return Response(manifest)

        elsewhere.expect_request("/blob").respond_with_handler(serve)
        challenge = Response(status=401, headers={"WWW-Authenticate": "Basic"})
        moved = Response(status=307, headers={"Location": elsewhere.url_for("/blob")})
        registry.guard = lambda request: moved if basic(request) else challenge
        reference = f"{hook._client.host}/{REPOSITORY}@{digest_of(manifest)}"
        hook.read_manifest(reference)
    assert seen == [None]


def test_redirects_end(hook: OciRegistryHook, registry: FakeRegistry) -> None:
    registry.guard = lambda request: Response(status=302, headers={"Location": request.url})
    with pytest.raises(RegistryRefusedError, match="too many redirects"):
        hook.read_manifest(f"{hook._client.host}/a@sha256:{'0' * 64}")


@pytest.mark.parametrize(
    ("answer", "expected", "words"),
    [
        (error(403, "DENIED"), RegistryDeniedError, "403 DENIED"),
        (error(404, "NAME_UNKNOWN"), ImageMissingError, "404 NAME_UNKNOWN"),
        (error(413, "SIZE_LIMIT"), RegistryRefusedError, "413"),
        (error(500, "UNKNOWN"), RegistryUnavailableError, "500 UNKNOWN"),
        (Response("<html>" + PASSWORD, status=502), RegistryUnavailableError, "502"),
        (
            Response(status=429, headers={"Retry-After": "17"}),
            RegistryUnavailableError,
            "429",
        ),
    ],
)
def test_each_refusal_has_its_name(
    hook: OciRegistryHook,
    registry: FakeRegistry,
    answer: Response,
    expected: type[Exception],
    words: str,
) -> None:
    registry.guard = lambda _: answer
    with pytest.raises(expected, match=words) as caught:
        hook.read_manifest(f"{hook._client.host}/a@sha256:{'0' * 64}")
    assert PASSWORD not in str(caught.value)
    if "429" in words:
        assert isinstance(caught.value, TemporaryError)
        assert caught.value.retry_after == timedelta(seconds=17)


def test_an_endless_answer_is_cut_off(hook: OciRegistryHook, registry: FakeRegistry) -> None:
    registry.guard = lambda _: Response(bytes(5 << 20))
    with pytest.raises(ImageDamagedError, match="too large"):
        hook.read_manifest(f"{hook._client.host}/a@sha256:{'0' * 64}")


def test_a_manifest_of_another_digest_is_refused(
    hook: OciRegistryHook, registry: FakeRegistry
) -> None:
    digest = f"sha256:{'0' * 64}"
    registry.manifests[digest] = b'{"schemaVersion":2}'
    with pytest.raises(ImageDamagedError, match="another manifest"):
        hook.read_manifest(f"{hook._client.host}/a@{digest}")


def test_nobody_listening_is_temporary(connect: Callable[..., None]) -> None:
    connect(host="http://127.0.0.1:1")
    with pytest.raises(RegistryUnavailableError) as caught:
        OciRegistryHook().read_manifest(f"127.0.0.1:1/a@sha256:{'0' * 64}")
    assert isinstance(caught.value, TemporaryError)


def test_a_server_without_tls_is_named(
    connect: Callable[..., None], httpserver: HTTPServer
) -> None:
    connect(host=f"https://{httpserver.host}:{httpserver.port}", extra={})
    with pytest.raises(PermanentError, match="no trusted TLS connection"):
        OciRegistryHook().read_manifest(f"{httpserver.host}:{httpserver.port}/a@sha256:{'0' * 64}")


@pytest.mark.parametrize(
    "changes",
    [
        {"host": "http://registry.example", "extra": {}},
        {"host": "https://user:pass@registry.example"},
        {"host": ""},
        {"host": "ftp://registry.example"},
    ],
)
def test_a_connection_without_a_safe_address_is_refused(
    connect: Callable[..., None], changes: dict[str, object]
) -> None:
    connect(**changes)
    with pytest.raises(RegistryConnectionError):
        OciRegistryHook().read_manifest(f"registry.example/a@sha256:{'0' * 64}")


@pytest.mark.parametrize(
    ("changes", "host"),
    [
        ({"host": "registry.example", "port": 5000, "extra": {}}, "registry.example:5000"),
        ({"host": "https://registry.example:5000/", "extra": {}}, "registry.example:5000"),
        ({"host": "registry.example", "extra": {}}, "registry.example"),
    ],
)
def test_the_usual_ways_to_write_a_host_are_understood(
    connect: Callable[..., None], changes: dict[str, object], host: str
) -> None:
    connect(**changes)
    assert OciRegistryHook()._client.base_url == f"https://{host}"


def _manifest(*, config: str) -> bytes:
    part = Descriptor(CONFIG_TYPE, config, 2).document()
    return json.dumps({"schemaVersion": 2, "config": part, "layers": []}).encode()


def test_a_tag_is_resolved_only_to_the_image_that_ran(
    hook: OciRegistryHook, registry: FakeRegistry
) -> None:
    manifest = _manifest(config=f"sha256:{'c' * 64}")
    registry.manifests["1"] = manifest
    name = f"{hook._client.host}/video:1"
    expected = f"{hook._client.host}/video@{digest_of(manifest)}"
    assert hook.resolve(name, image_id=f"sha256:{'c' * 64}") == expected
    with pytest.raises(ImageDamagedError, match="no longer leads to the image"):
        hook.resolve(name, image_id=f"sha256:{'e' * 64}")


def test_a_record_without_members_is_read_whole(
    hook: OciRegistryHook, registry: FakeRegistry, archive: bytes
) -> None:
    record = record_of(archive).model_copy(update={"members": {}})
    first, second = (
        hook.push_checkpoint_image(record=record, archive=io.BytesIO(archive)) for _ in range(2)
    )
    assert (second.reference, second.moved_bytes) == (first.reference, 0)


def test_a_tag_of_many_platforms_is_resolved_to_the_one_that_ran(
    hook: OciRegistryHook, registry: FakeRegistry
) -> None:
    one, other = (_manifest(config=f"sha256:{letter * 64}") for letter in "ab")
    parts = [describe(each, media_type=MANIFEST_TYPE).document() for each in (one, other)]
    index = json.dumps({"schemaVersion": 2, "manifests": parts}).encode()
    registry.manifests |= {"1": index, digest_of(one): one, digest_of(other): other}
    found = hook.resolve(f"{hook._client.host}/video:1", image_id=f"sha256:{'b' * 64}")
    assert found == f"{hook._client.host}/video@{digest_of(other)}"


def test_a_connection_that_airflow_does_not_give_is_asked_for_again() -> None:
    with pytest.raises(ConnectionNotGivenError, match="connection nowhere"):
        OciRegistryHook("nowhere").read_manifest(f"a.example/a@sha256:{'0' * 64}")


def test_a_manifest_of_another_shape_does_not_verify(
    hook: OciRegistryHook, registry: FakeRegistry
) -> None:
    manifest = b'{"schemaVersion":2,"config":{},"layers":7}'
    registry.manifests[digest_of(manifest)] = manifest
    with pytest.raises(ImageDamagedError, match="no OCI manifest"):
        hook.verify_image(f"{hook._client.host}/a@{digest_of(manifest)}")
