"""The floor: curl reads from S3 into a pipe, and curl writes from it to the registry.

It neither hashes nor inspects nor makes an image, so it cannot be beaten by much.
"""

import secrets
import subprocess
import time
from pathlib import Path

import requests
from transition_wire.checkpoint_record import CheckpointRecord

from benchmarks.images.servers import Servers, settle


def floor_seconds(servers: Servers, record: CheckpointRecord) -> float:
    """Seconds for one blob, from the first curl's start to the registry's commit."""
    registry = servers.registry
    location = _begin(servers)
    reader = curl_config(servers.folder / "read.curl", url=servers.archive_url(record))
    writer = curl_config(
        servers.folder / "write.curl",
        url=f"{location}&digest={record.digest}",
        user=f"{registry.username}:{registry.password}",
        header="Content-Type: application/octet-stream",
    )
    # HTTP/2, curl's choice, is slower on this way: its frames are 16 KiB.
    curl = ("curl", "--silent", "--show-error", "--fail", "--http1.1")
    trust = ("--cacert", str(registry.ca_file))
    settle()
    began = time.monotonic()
    read = subprocess.Popen([*curl, *trust, "--config", reader], stdout=subprocess.PIPE)
    subprocess.run(
        [*curl, *trust, "--config", writer, "--request", "PUT", "--upload-file", "-"],
        stdin=read.stdout,
        stdout=subprocess.DEVNULL,
        check=True,
    )
    if read.wait():
        raise RuntimeError(f"curl could not read the archive: {read.returncode}")
    return time.monotonic() - began


def _begin(servers: Servers) -> str:
    registry = servers.registry
    with requests.Session() as session:
        session.trust_env = False
        answer = session.post(
            f"{registry.url}/v2/floor-{secrets.token_hex(4)}/blobs/uploads/",
            auth=(registry.username, registry.password),
            verify=str(registry.ca_file),
            timeout=10,
        )
    answer.raise_for_status()
    return str(answer.headers["Location"])


def curl_config(file: Path, **options: str) -> Path:
    """Secrets go into a file: arguments can be seen by every process."""
    file.touch(mode=0o600)
    file.write_text("".join(f'{name} = "{text}"\n' for name, text in options.items()))
    return file
