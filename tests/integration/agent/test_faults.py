"""Whatever is killed, full, wrong or away: one complete object, one record, no orphan parts."""

import hashlib
import os
import signal
import subprocess
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from benchmarks.archive_file import MIB, ArchiveFile
from benchmarks.relay import Relay
from lab.services.loopback import S3Endpoint
from tests.integration.agent.conftest import AgentProcess, Bucket, eventually

SMALL = ArchiveFile(heap_bytes=100_000)
LARGE = ArchiveFile(pod="shop-0", heap_bytes=150 * MIB)
IN_THE_MIDDLE = 90 * MIB


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return f"sha256:{hashlib.file_digest(file, 'sha256').hexdigest()}"


def _exactly_one(bucket: Bucket, archive: ArchiveFile, *, digest: str) -> None:
    record = bucket.wait_for_record(archive.filename)
    key = record.key.removeprefix(bucket.prefix)
    assert bucket.listed() == [key, f"{key}.record.json"]
    assert record.digest == digest
    assert f"sha256:{hashlib.sha256(bucket.read(key)).hexdigest()}" == digest
    assert bucket.open_uploads() == []


def test_an_agent_killed_in_the_middle_of_an_upload_goes_on_where_it_was(
    agent: AgentProcess, bucket: Bucket, folder: Path, relay: Relay
) -> None:
    path = LARGE.write(folder)
    relay.hold(after_bytes=IN_THE_MIDDLE)
    agent.start()
    assert relay.wait_until_held(within_seconds=60)
    agent.end(signal.SIGKILL)
    assert bucket.record(LARGE.filename) is None
    relay.release()
    agent.start()
    _exactly_one(bucket, LARGE, digest=_digest(path))
    sent_bytes = agent.wait_for_log("archive uploaded")["sent_bytes"]
    assert 0 < sent_bytes < path.stat().st_size


def test_several_interrupted_uploads_of_an_archive_leave_no_parts(
    agent: AgentProcess, bucket: Bucket, folder: Path
) -> None:
    path = LARGE.write(folder)
    for _ in range(2):
        begun = bucket.client.create_multipart_upload(
            Bucket=bucket.endpoint.bucket,
            Key=f"{bucket.prefix}cluster1-azure/shop/shop/{LARGE.filename}",
        )
        bucket.client.upload_part(
            Bucket=begun["Bucket"],
            Key=begun["Key"],
            UploadId=begun["UploadId"],
            PartNumber=1,
            Body=b"of another attempt",
        )
    agent.start()
    _exactly_one(bucket, LARGE, digest=_digest(path))


def test_a_stop_in_the_middle_of_an_upload_takes_less_than_five_seconds_and_is_resumed(
    agent: AgentProcess, bucket: Bucket, folder: Path, relay: Relay
) -> None:
    path = LARGE.write(folder)
    relay.hold(after_bytes=IN_THE_MIDDLE)
    agent.start()
    assert relay.wait_until_held(within_seconds=60)
    assert agent.end(signal.SIGTERM) < 5
    assert agent.process
    assert agent.process.returncode == 0
    agent.wait_for_log("agent stopped")
    relay.release()
    agent.start()
    _exactly_one(bucket, LARGE, digest=_digest(path))
    assert agent.wait_for_log("archive uploaded")["sent_bytes"] < path.stat().st_size


def test_an_idle_agent_stops_at_once(agent: AgentProcess) -> None:
    agent.start().wait_for_log("node facts measured")
    assert agent.end(signal.SIGTERM) < 2


def test_an_archive_written_anew_during_its_upload_is_uploaded_as_it_is_in_the_end(
    agent: AgentProcess, bucket: Bucket, folder: Path, relay: Relay
) -> None:
    path = LARGE.write(folder)
    relay.hold(after_bytes=IN_THE_MIDDLE)
    agent.start()
    assert relay.wait_until_held(within_seconds=60)
    LARGE.write(folder)
    relay.release()
    agent.wait_for_log("upload failed")
    _exactly_one(bucket, LARGE, digest=_digest(path))
    assert agent.log("upload failed")[0]["error"] == "ArchiveChanged"


def test_an_archive_truncated_during_its_upload_leaves_nothing_in_s3(
    agent: AgentProcess, bucket: Bucket, folder: Path, relay: Relay
) -> None:
    path = LARGE.write(folder)
    relay.hold(after_bytes=30 * MIB)
    agent.start()
    assert relay.wait_until_held(within_seconds=60)
    os.truncate(path, 100 * MIB)
    relay.release()
    assert agent.wait_for_log("upload failed")["error"] == "ArchiveChanged"
    eventually(lambda: bucket.open_uploads() == [], what="no parts")
    assert bucket.listed() == []


def test_an_archive_removed_while_s3_is_away_leaves_no_parts(
    make_agent: Callable[[Bucket], AgentProcess],
    make_s3: Callable[[], S3Endpoint],
    folder: Path,
) -> None:
    bucket = Bucket(make_s3(), prefix="")
    agent = make_agent(bucket)
    path = LARGE.write(folder)
    agent.start()
    eventually(bucket.open_uploads, what="an open upload")
    bucket.endpoint.server.kill()
    agent.wait_for_log("upload failed")
    path.unlink()
    bucket.endpoint.server.start()
    bucket.endpoint.server.wait_ready()
    agent.wait_for_log("archive went away")
    eventually(lambda: bucket.open_uploads() == [], what="no parts")


def test_an_agent_waits_for_an_s3_server_that_is_down(
    make_agent: Callable[[Bucket], AgentProcess],
    make_s3: Callable[[], S3Endpoint],
    folder: Path,
) -> None:
    bucket = Bucket(make_s3(), prefix="")
    bucket.endpoint.server.kill()
    agent = make_agent(bucket).start()
    path = SMALL.write(folder)
    failed = agent.wait_for_log("upload failed, trying again")
    assert failed["error"] == "StoreUnreachable"
    assert "check that the server runs" in failed["do"]
    bucket.endpoint.server.start()
    bucket.endpoint.server.wait_ready()
    _exactly_one(bucket, SMALL, digest=_digest(path))
    assert eventually(lambda: bucket.listed("nodes"), what="facts")


@pytest.mark.parametrize(
    ("change", "advice"),
    [
        ({"S3_SECRET_KEY": "wrong-but-secret"}, "check S3_SECRET_KEY"),
        ({"S3_ACCESS_KEY": "nobody"}, "check S3_ACCESS_KEY"),
        ({"S3_BUCKET": "no-such-bucket"}, "check S3_BUCKET"),
        ({"S3_CA_FILE": "/etc/ssl/certs/ca-certificates.crt"}, "set S3_CA_FILE"),
    ],
    ids=["password", "user", "bucket", "certificate"],
)
def test_a_wrong_setting_is_named_when_s3_refuses(
    agent: AgentProcess, folder: Path, change: dict[str, str], advice: str
) -> None:
    SMALL.write(folder)
    agent.start(**change)
    failed = agent.wait_for_log("upload failed, trying again")
    assert advice in failed["do"]
    assert agent.running()
    text = agent.log_file.read_text()
    assert "wrong-but-secret" not in text
    assert agent.environment["S3_SECRET_KEY"] not in text


@pytest.fixture
def small_disk(folder: Path) -> Iterator[Path]:
    """A file system of 48 MiB in place of the checkpoint folder."""
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=48m", "tmpfs", folder], check=True)
    yield folder
    subprocess.run(["umount", "--lazy", folder], check=True)


def test_on_a_full_disk_the_oldest_recorded_archives_go_and_no_others(
    agent: AgentProcess, bucket: Bucket, small_disk: Path
) -> None:
    archives = [
        ArchiveFile(created=SMALL.created + timedelta(minutes=minute), heap_bytes=12 * MIB)
        for minute in range(3)
    ]
    incomplete = small_disk / ArchiveFile(pod="web-0").filename
    incomplete.write_bytes(b"")
    agent.start(FREE_SPACE_FLOOR="20MiB")
    for archive in archives:
        archive.write(small_disk)
        bucket.wait_for_record(archive.filename)
    agent.wait_for_log("local archive removed")
    left = {path.name for path in small_disk.iterdir()}
    assert left == {archives[1].filename, archives[2].filename, incomplete.name}
    assert bucket.record(archives[0].filename)


def test_archives_stay_on_a_full_disk_as_long_as_s3_has_no_record(
    agent: AgentProcess, small_disk: Path
) -> None:
    path = ArchiveFile(heap_bytes=40 * MIB).write(small_disk)
    agent.start(FREE_SPACE_FLOOR="20MiB", S3_SECRET_KEY="wrong")
    agent.wait_for_log("upload failed", count=3)
    assert path.exists()


def test_uploads_that_nobody_goes_on_with_are_aborted_after_their_time(
    agent: AgentProcess, bucket: Bucket
) -> None:
    for cluster in ("cluster1-azure", "cluster2-aws"):
        bucket.client.create_multipart_upload(
            Bucket=bucket.endpoint.bucket, Key=f"{bucket.prefix}{cluster}/shop/web/gone.tar"
        )
    agent.start(ABORT_UPLOADS_AFTER="1ms")
    agent.wait_for_log("orphaned upload aborted")
    assert bucket.open_uploads() == [f"{bucket.prefix}cluster2-aws/shop/web/gone.tar"]


def test_a_folder_made_after_the_start_is_followed(
    agent: AgentProcess, bucket: Bucket, folder: Path
) -> None:
    folder.rmdir()
    agent.start(RESCAN_INTERVAL="1h")
    agent.wait_for_log("agent started")
    folder.mkdir()
    SMALL.write(folder)
    bucket.wait_for_record(SMALL.filename)


def test_an_agent_stops_in_time_while_s3_does_not_answer(
    agent: AgentProcess, bucket: Bucket, folder: Path, relay: Relay
) -> None:
    SMALL.write(folder)
    agent.start(KEEP_ARCHIVES_FOR="1h", RESCAN_INTERVAL="100ms")
    agent.wait_for_log("archive uploaded")
    relay.hold(after_bytes=0)
    LARGE.write(folder)
    assert relay.wait_until_held(within_seconds=60)
    assert agent.end(signal.SIGTERM) < 5
    assert bucket.record(LARGE.filename) is None
