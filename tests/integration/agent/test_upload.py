"""Each complete archive is in S3 exactly once, with its record written last."""

import hashlib
import os
import signal
import urllib.request
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from backports import zstd
from transition_wire.node_facts import NodeFacts

from benchmarks.archive_file import MIB, ArchiveFile
from lab.services.ports import free_ports
from tests.integration.agent.conftest import AgentProcess, Bucket, eventually

SMALL = ArchiveFile(heap_bytes=100_000)
LARGE = ArchiveFile(pod="shop-0", heap_bytes=70 * MIB)
TEXT = ArchiveFile(pod="text-0", heap_bytes=70 * MIB, compressible=True)

READING_ONLY = [
    "setpriv",
    "--reuid=65534",
    "--regid=65534",
    "--clear-groups",
    "--no-new-privs",
    "--bounding-set=-all,+dac_read_search",
    "--inh-caps=-all,+dac_read_search",
    "--ambient-caps=-all,+dac_read_search",
    "--",
]


def _digest(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def test_an_archive_and_its_record_are_in_s3(
    agent: AgentProcess, bucket: Bucket, folder: Path
) -> None:
    agent.start()
    for archive in (SMALL, LARGE):
        path = archive.write(folder)
        record = bucket.wait_for_record(archive.filename)
        assert bucket.read(record.key.removeprefix(bucket.prefix)) == path.read_bytes()
        assert record.digest == _digest(path.read_bytes())
        assert record.size_bytes == path.stat().st_size
        assert (record.namespace, record.pod, record.container) == ("shop", archive.pod, "app")
        assert record.node.node == "node-1"
    workloads = {SMALL: "video", LARGE: "shop"}
    expected = {f"cluster1-azure/shop/{workloads[a]}/{a.filename}" for a in workloads}
    assert set(bucket.listed()) == expected | {f"{key}.record.json" for key in expected}
    assert bucket.open_uploads() == []
    assert bucket.listed("probes") == []


def test_an_archive_that_compresses_is_stored_so_and_comes_back_as_it_was(
    agent: AgentProcess, bucket: Bucket, folder: Path
) -> None:
    agent.start()
    path = TEXT.write(folder)
    record = bucket.wait_for_record(TEXT.filename)
    frame = bucket.read(record.stored.key.removeprefix(bucket.prefix))
    assert zstd.decompress(frame) == path.read_bytes()
    assert (record.digest, record.size_bytes) == (_digest(path.read_bytes()), path.stat().st_size)
    assert (record.stored.digest, record.stored.size_bytes) == (_digest(frame), len(frame))
    key = f"cluster1-azure/shop/text/{TEXT.filename}"
    assert bucket.listed() == [f"{key}.record.json", f"{key}.zst"]
    assert agent.wait_for_log("archive uploaded")["sent_bytes"] == len(frame) < path.stat().st_size
    assert bucket.open_uploads() == []


def test_a_compressed_archive_whose_record_was_never_written_is_not_sent_again(
    agent: AgentProcess, bucket: Bucket, folder: Path
) -> None:
    TEXT.write(folder)
    agent.start()
    record = bucket.wait_for_record(TEXT.filename)
    agent.end(signal.SIGKILL)
    bucket.client.delete_object(Bucket=record.bucket, Key=f"{record.key}.record.json")
    agent.start()
    assert bucket.wait_for_record(TEXT.filename).stored == record.stored
    assert agent.wait_for_log("archive uploaded", count=2)["sent_bytes"] == 0


def test_compression_can_be_switched_off(agent: AgentProcess, bucket: Bucket, folder: Path) -> None:
    agent.start(COMPRESSION="off")
    path = TEXT.write(folder)
    record = bucket.wait_for_record(TEXT.filename)
    assert record.stored.compression == "none"
    assert bucket.read(record.key.removeprefix(bucket.prefix)) == path.read_bytes()


def test_the_dumps_are_where_the_record_says(
    agent: AgentProcess, bucket: Bucket, folder: Path
) -> None:
    path = SMALL.write(folder)
    agent.start()
    record = bucket.wait_for_record(SMALL.filename)
    config = record.members["config.dump"]
    content = path.read_bytes()[config.offset_bytes : config.offset_bytes + config.size_bytes]
    assert content.startswith(b'{"id"')
    assert content.endswith(b"}")


def test_the_nodes_facts_are_published(agent: AgentProcess, bucket: Bucket) -> None:
    agent.start()
    (key,) = eventually(lambda: bucket.listed("nodes"), what="facts")
    assert key == "nodes/cluster1-azure/node-1.json"
    facts = NodeFacts.model_validate_json(bucket.read(key))
    assert facts.kernel == os.uname().release
    assert datetime.now(UTC) - facts.measured < timedelta(minutes=5)


def test_a_restarted_agent_sends_nothing_that_is_there(
    agent: AgentProcess, bucket: Bucket, folder: Path
) -> None:
    LARGE.write(folder)
    agent.start()
    before = bucket.wait_for_record(LARGE.filename)
    agent.end(signal.SIGTERM)
    agent.start()
    agent.wait_for_log("archive is in S3 already")
    assert len(agent.log("archive uploaded")) == 1
    assert bucket.wait_for_record(LARGE.filename) == before


def test_an_archive_whose_record_was_never_written_gets_it_without_being_sent_again(
    agent: AgentProcess, bucket: Bucket, folder: Path
) -> None:
    LARGE.write(folder)
    agent.start()
    record = bucket.wait_for_record(LARGE.filename)
    agent.end(signal.SIGKILL)
    bucket.client.delete_object(Bucket=record.bucket, Key=f"{record.key}.record.json")
    agent.start()
    again = bucket.wait_for_record(LARGE.filename)
    assert again.digest == record.digest
    assert agent.wait_for_log("archive uploaded", count=2)["sent_bytes"] == 0


def test_other_bytes_under_the_same_key_are_replaced_as_long_as_no_record_vouches_for_them(
    agent: AgentProcess, bucket: Bucket, folder: Path
) -> None:
    path = SMALL.write(folder)
    key = f"cluster1-azure/shop/video/{SMALL.filename}"
    bucket.client.put_object(
        Bucket=bucket.endpoint.bucket,
        Key=f"{bucket.prefix}{key}",
        Body=bytes(path.stat().st_size),
        ChecksumAlgorithm="CRC32",
    )
    agent.start()
    bucket.wait_for_record(SMALL.filename)
    assert bucket.read(key) == path.read_bytes()


def test_a_truncated_archive_is_uploaded_only_once_it_is_complete(
    agent: AgentProcess, bucket: Bucket, folder: Path
) -> None:
    content = LARGE.content()
    path = folder / LARGE.filename
    path.write_bytes(content[:-512])
    agent.start()
    SMALL.write(folder)
    bucket.wait_for_record(SMALL.filename)
    assert not [key for key in bucket.listed() if LARGE.filename in key]
    assert bucket.open_uploads() == []
    with path.open("ab") as out:
        out.write(content[-512:])
    assert bucket.wait_for_record(LARGE.filename).digest == _digest(content)


def test_a_slow_writer_gets_one_upload_of_all_it_wrote(
    agent: AgentProcess, bucket: Bucket, folder: Path
) -> None:
    content = ArchiveFile(heap_bytes=3 * MIB).content()
    agent.start()
    agent.wait_for_log("agent started")
    with (folder / SMALL.filename).open("wb", buffering=0) as out:
        for start in range(0, len(content), 256 * 1024):
            out.write(content[start : start + 256 * 1024])
            os.fsync(out.fileno())
    assert bucket.wait_for_record(SMALL.filename).digest == _digest(content)
    assert len(agent.log("archive uploaded")) == 1
    assert not agent.log("archive refused")


def test_two_archives_at_once_are_both_uploaded(
    agent: AgentProcess, bucket: Bucket, folder: Path
) -> None:
    archives = [ArchiveFile(pod=f"shop-{number}", heap_bytes=40 * MIB) for number in (0, 1)]
    for archive in archives:
        archive.write(folder)
    agent.start()
    for archive in archives:
        record = bucket.wait_for_record(archive.filename)
        assert record.digest == _digest((folder / archive.filename).read_bytes())
    assert bucket.open_uploads() == []


def test_an_archive_that_takes_the_name_of_a_recorded_one_is_refused(
    agent: AgentProcess, bucket: Bucket, folder: Path
) -> None:
    SMALL.write(folder)
    agent.start()
    before = bucket.wait_for_record(SMALL.filename)
    agent.wait_for_log("archive uploaded")
    SMALL.write(folder)
    refused = agent.wait_for_log("archive refused")
    assert refused["error"] == "ReplacedArchive"
    assert "more than a second apart" in refused["do"]
    assert bucket.wait_for_record(SMALL.filename) == before


def test_metrics_tell_what_was_done(agent: AgentProcess, bucket: Bucket, folder: Path) -> None:
    (port,) = free_ports(1)
    path = SMALL.write(folder)
    agent.start(METRICS_ADDRESS=f"127.0.0.1:{port}")
    bucket.wait_for_record(SMALL.filename)
    agent.wait_for_log("archive uploaded")

    def shown() -> bool:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics") as answer:
            text = answer.read().decode()
        return all(
            line in text.splitlines()
            for line in (
                'transition_agent_uploads_total{result="recorded"} 1.0',
                'transition_agent_archives{state="recorded"} 1.0',
                f"transition_agent_sent_bytes_total {float(path.stat().st_size)}",
            )
        )

    eventually(shown, what="metrics")


def _peak_bytes(agent: AgentProcess) -> int:
    assert agent.process
    status = Path(f"/proc/{agent.process.pid}/status").read_text()
    (line,) = [line for line in status.splitlines() if line.startswith("VmHWM:")]
    return int(line.split()[1]) * 1024


@pytest.mark.parametrize("compression", ["auto", "off"])
def test_memory_stays_bounded_and_flat_whatever_is_uploaded(
    agent: AgentProcess, bucket: Bucket, folder: Path, compression: str
) -> None:
    agent.start(COMPRESSION=compression)
    one = ArchiveFile(pod="shop-0", heap_bytes=100 * MIB, compressible=True)
    one.write(folder)
    bucket.wait_for_record(one.filename)
    after_one = _peak_bytes(agent)
    for number in (1, 2):
        archive = ArchiveFile(pod=f"shop-{number}", heap_bytes=250 * MIB, compressible=True)
        archive.write(folder)
    bucket.wait_for_record(archive.filename)
    assert _peak_bytes(agent) < 200 * MIB
    # A busy machine may not have needed all 64 MiB of part buffers for the first archive.
    assert _peak_bytes(agent) - after_one < (64 + 32) * MIB


def test_the_right_to_read_is_all_that_the_agent_needs(
    agent: AgentProcess, bucket: Bucket, folder: Path
) -> None:
    """As agent/deploy/transition-agent.service runs it: nobody's user, one capability."""
    path = SMALL.write(folder)
    path.chmod(0o600)
    folder.chmod(0o700)
    agent.start(inside=READING_ONLY)
    bucket.wait_for_record(SMALL.filename)
