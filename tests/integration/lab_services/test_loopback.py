"""The servers are the real thing: they know their users, and a fault loses nothing."""

import http.client
import socket
import ssl
import subprocess
import sys
from base64 import b64encode
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from urllib.parse import urlsplit

import boto3
import pytest
from botocore.exceptions import ClientError

from lab.description import RegistryAccess
from lab.services.daemon import DaemonError
from lab.services.loopback import GitEndpoint, RegistryEndpoint, S3Endpoint
from lab.services.registry import Registry
from lab.services.service import Service


def get(url: str, *, ca_file: Path, user: str | None = None, method: str = "GET") -> int:
    where = urlsplit(url)
    connection = http.client.HTTPSConnection(
        where.netloc, timeout=10, context=ssl.create_default_context(cafile=ca_file)
    )
    headers = {"Authorization": f"Basic {b64encode(user.encode()).decode()}"} if user else {}
    try:
        connection.request(method, where.path or "/", headers=headers)
        return connection.getresponse().status
    finally:
        connection.close()


def restart_after_fault(server: Service) -> None:
    server.kill()
    assert server.daemon.pid() is None
    assert not server.ready()
    server.start()
    server.wait_ready()


def test_s3_refuses_a_wrong_secret_and_nobody(s3_server: S3Endpoint) -> None:
    wrong = boto3.client(
        "s3",
        endpoint_url=s3_server.url,
        aws_access_key_id=s3_server.access_key,
        aws_secret_access_key="x" * 40,
        region_name=s3_server.region,
        verify=str(s3_server.ca_file),
    )
    try:
        with pytest.raises(ClientError) as refused:
            wrong.list_objects_v2(Bucket=s3_server.bucket)
    finally:
        wrong.close()
    assert refused.value.response["ResponseMetadata"]["HTTPStatusCode"] == 403
    assert get(f"{s3_server.url}/{s3_server.bucket}", ca_file=s3_server.ca_file) == 403


def test_s3_keeps_what_it_acknowledged_when_it_is_killed(
    make_s3: Callable[[], S3Endpoint],
) -> None:
    s3 = make_s3()
    client = s3.server.client()
    try:
        client.put_object(Bucket=s3.bucket, Key="kept", Body=b"acknowledged")
        restart_after_fault(s3.server)
        assert client.get_object(Bucket=s3.bucket, Key="kept")["Body"].read() == b"acknowledged"
    finally:
        client.close()


def test_s3_honours_conditional_writes(s3_server: S3Endpoint) -> None:
    client = s3_server.server.client()
    try:
        client.put_object(Bucket=s3_server.bucket, Key="once", Body=b"1", IfNoneMatch="*")
        with pytest.raises(ClientError) as refused:
            client.put_object(Bucket=s3_server.bucket, Key="once", Body=b"2", IfNoneMatch="*")
    finally:
        client.close()
    assert refused.value.response["ResponseMetadata"]["HTTPStatusCode"] == 412


def test_s3_leaves_no_sockets_behind(make_s3: Callable[[], S3Endpoint]) -> None:
    s3 = make_s3()
    ports = s3.server.internal_ports().values()

    def sockets() -> list[Path]:
        every = Path("/tmp").glob("seaweedfs-*.sock")  # noqa: S108 - where weed puts them
        return [file for file in every if any(str(port) in file.name for port in ports)]

    assert sockets()
    s3.server.stop()
    assert not sockets()


def test_the_registry_refuses_a_wrong_password_and_nobody(registry: RegistryEndpoint) -> None:
    url = f"{registry.url}/v2/"
    assert get(url, ca_file=registry.ca_file) == 401
    assert get(url, ca_file=registry.ca_file, user=f"{registry.username}:wrong") == 401
    right = f"{registry.username}:{registry.password}"
    assert get(url, ca_file=registry.ca_file, user=right) == 200


def test_the_registry_goes_on_after_a_kill(make_registry: Callable[[], RegistryEndpoint]) -> None:
    registry = make_registry()
    user = f"{registry.username}:{registry.password}"
    begin = f"{registry.url}/v2/checkpoints/blobs/uploads/"
    assert get(begin, ca_file=registry.ca_file, user=user, method="POST") == 202
    restart_after_fault(registry.server)
    tags = f"{registry.url}/v2/checkpoints/tags/list"
    assert get(tags, ca_file=registry.ca_file, user=user) == 404  # it knows it has no image yet
    uploads = registry.server.folder / "data/docker/registry/v2/repositories/checkpoints/_uploads"
    assert len(list(uploads.iterdir())) == 1


def test_git_refuses_a_wrong_password_and_nobody(git_server: GitEndpoint) -> None:
    url = f"{git_server.new_repository()}/HEAD"
    assert get(url, ca_file=git_server.ca_file) == 401
    assert get(url, ca_file=git_server.ca_file, user=f"{git_server.username}:wrong") == 401
    right = f"{git_server.username}:{git_server.password}"
    assert get(url, ca_file=git_server.ca_file, user=right) == 200


def test_no_secret_is_in_a_command_line(
    s3_server: S3Endpoint, registry: RegistryEndpoint, git_server: GitEndpoint
) -> None:
    secrets = (s3_server.secret_key, registry.password, git_server.password)
    for server in (s3_server.server, registry.server, git_server.server):
        command = Path(f"/proc/{server.daemon.pid()}/cmdline").read_text()
        assert not any(secret in command for secret in secrets)


def test_a_server_that_cannot_start_says_why(registry: RegistryEndpoint, tmp_path: Path) -> None:
    place = replace(registry.server.place, state=tmp_path)  # the port is taken
    second = Registry(
        place, access=RegistryAccess(address="", url="", username="other", password="other")
    )
    second.start()
    try:
        with pytest.raises(DaemonError, match="address already in use"):
            second.wait_ready()
    finally:
        second.stop()


def test_a_second_start_changes_nothing(registry: RegistryEndpoint) -> None:
    before = registry.server.daemon.pid()
    registry.server.start()
    assert registry.server.daemon.pid() == before


def test_nothing_is_left_when_the_owner_is_killed(tmp_path: Path) -> None:
    script = (
        "import os, signal\n"
        "from lab.services.loopback import Loopback\n"
        "with Loopback() as loopback:\n"
        "    server = loopback.start_registry().server\n"
        "    print(server.place.state, server.place.port, flush=True)\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    owner = subprocess.run(
        [sys.executable, "-c", script],
        capture_output=True,
        text=True,
        check=False,
        env={"TMPDIR": str(tmp_path), "PATH": "/usr/bin:/usr/sbin"},
        timeout=60,
    )
    # The sweeper holds the other end of our pipe: that it ended here means that it is done.
    state, port = owner.stdout.split()
    assert not Path(state).parent.exists()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", int(port)), timeout=5).close()
