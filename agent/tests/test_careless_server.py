"""What S3 does not check, the agent does: nothing depends on one server's abilities."""

import hashlib
import threading
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr
from transition_agent.archive import Archive
from transition_agent.archives import CheckpointFolder
from transition_agent.node_facts import measure
from transition_agent.parts import MIB, PART_BYTES
from transition_agent.s3_errors import StoreError
from transition_agent.settings import AgentSettings
from transition_agent.store import Abilities, CheckpointStore
from transition_agent.upload import ReplacedArchive, Uploader

from benchmarks.archive_file import ArchiveFile

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)


@pytest.fixture
def store(careless_server: Any) -> CheckpointStore:
    settings = AgentSettings(
        CLUSTER_NAME="cluster1-azure",
        NODE_NAME="node-1",
        S3_ENDPOINT_URL=careless_server.url,
        S3_ACCESS_KEY="key",
        S3_SECRET_KEY=SecretStr("secret"),
    )
    return CheckpointStore.connect(settings, connections=4)


@pytest.fixture
def uploader(store: CheckpointStore) -> Uploader:
    facts = measure(cluster="cluster1-azure", node="node-1", now=NOON)
    return Uploader(
        store,
        cluster="cluster1-azure",
        node_facts=lambda: facts,
        now=lambda: datetime.now(UTC),
        stop=threading.Event(),
    )


def _archive(folder: Path, *, heap_bytes: int) -> Archive:
    ArchiveFile(heap_bytes=heap_bytes).write(folder)
    (archive,) = CheckpointFolder(folder).scan().complete
    return archive


def test_abilities_are_found_by_trying(store: CheckpointStore, careless_server: Any) -> None:
    assert store.abilities == Abilities(conditional_writes=False, crc32=False)
    assert careless_server.objects == {}


@pytest.mark.parametrize("heap_bytes", [1000, 40 * MIB])
def test_an_archive_is_uploaded_and_checked_by_its_md5(
    uploader: Uploader, careless_server: Any, tmp_path: Path, heap_bytes: int
) -> None:
    archive = _archive(tmp_path, heap_bytes=heap_bytes)
    record = uploader.upload(archive).record
    stored = careless_server.objects[record.key]
    assert stored == archive.path.read_bytes()
    assert record.digest == f"sha256:{hashlib.sha256(stored).hexdigest()}"
    assert set(careless_server.objects) == {record.key, f"{record.key}.record.json"}
    assert careless_server.uploads == {}


def test_bytes_that_changed_on_their_way_get_no_record(
    uploader: Uploader, careless_server: Any, tmp_path: Path
) -> None:
    careless_server.damages_parts = True
    archive = _archive(tmp_path, heap_bytes=40 * MIB)
    with pytest.raises(StoreError, match="S3 holds other bytes than were sent"):
        uploader.upload(archive)
    assert careless_server.objects == {}
    careless_server.damages_parts = False
    assert uploader.upload(archive).record.key in careless_server.objects


def test_parts_of_an_interrupted_upload_are_not_sent_again(
    uploader: Uploader, careless_server: Any, tmp_path: Path
) -> None:
    archive = _archive(tmp_path, heap_bytes=40 * MIB)
    content = archive.path.read_bytes()
    key = uploader.key_of(archive)
    careless_server.keys = {"u0": key, "older": key}
    careless_server.uploads = {"older": {1: b"?"}, "u0": {1: content[:PART_BYTES], 2: b"damaged"}}
    uploaded = uploader.upload(archive)
    assert uploaded.sent_bytes == len(content) - PART_BYTES
    assert careless_server.objects[key] == content
    assert careless_server.uploads == {}


def test_a_record_is_not_replaced_without_conditional_writes_either(
    uploader: Uploader, careless_server: Any, tmp_path: Path
) -> None:
    uploader.upload(_archive(tmp_path, heap_bytes=1000))
    before = dict(careless_server.objects)
    with pytest.raises(ReplacedArchive):
        uploader.upload(_archive(tmp_path, heap_bytes=1000))
    assert careless_server.objects == before


def test_a_file_that_was_only_touched_is_still_the_recorded_one(
    uploader: Uploader, tmp_path: Path
) -> None:
    archive = _archive(tmp_path, heap_bytes=1000)
    record = uploader.upload(archive).record
    archive.path.touch()
    (touched,) = CheckpointFolder(tmp_path).scan().complete
    assert uploader.upload(touched).record == record
