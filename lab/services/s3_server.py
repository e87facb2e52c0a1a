"""The lab's S3: SeaweedFS (`weed`) behind TLS, with one private bucket.

Only the S3 port is on the service's address. Master, volume and filer stay on the loopback of its
network namespace, as their gRPC ports ask nobody for a password; their HTTP ports want signed
tokens all the same, for tests share the host's loopback.
"""

import json
import secrets
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from lab.description import S3Access, write_private
from lab.services.ports import free_ports
from lab.services.service import Service

if TYPE_CHECKING:
    from mypy_boto3_s3.client import S3Client

_LOOPBACK = "127.0.0.1"
_FOLDER = "s3"
_PORTS_FILE = "ports.json"
_PROBE_BUCKET = "lab-probe"
_INTERNAL_PORTS = (
    "master.port",
    "master.port.grpc",
    "volume.port",
    "volume.port.grpc",
    "filer.port",
    "filer.port.grpc",
    "s3.port.grpc",
)
_STOP_PATIENCE = timedelta(seconds=1)
_SIGNING_KEYS = (
    "WEED_JWT_SIGNING_KEY",
    "WEED_JWT_SIGNING_READ_KEY",
    "WEED_JWT_FILER_SIGNING_KEY",
    "WEED_JWT_FILER_SIGNING_READ_KEY",
)


@dataclass(frozen=True)
class S3Server(Service):
    access: S3Access
    memory_limit: str = "1GiB"
    """Without a limit it was seen to grow to 3.3 GB."""

    @property
    def name(self) -> str:
        return _FOLDER

    def start(self) -> None:
        self.daemon.start(self._argv(), environment=self._environment())

    def stop(self) -> None:
        """Its own clean end takes 15 s and saves nothing: what it acknowledged is on disk."""
        self.daemon.stop(patience=_STOP_PATIENCE)
        remove_sockets(self.place.state)

    def ready(self) -> bool:
        """An object is written and read; the buckets are made here when the server is new.

        That a bucket answers is not enough: after a restart it does before its volumes are back.
        """
        client = self.client()
        try:
            for bucket in (self.access.bucket, _PROBE_BUCKET):
                _ensure_bucket(client, bucket=bucket)
            client.put_object(Bucket=_PROBE_BUCKET, Key="ready", Body=b"ready")
            answer = client.get_object(Bucket=_PROBE_BUCKET, Key="ready")
            return answer["Body"].read() == b"ready"
        except (BotoCoreError, ClientError):
            return False
        finally:
            client.close()

    def client(self) -> "S3Client":
        return boto3.client(
            "s3",
            endpoint_url=self.url,
            aws_access_key_id=self.access.access_key,
            aws_secret_access_key=self.access.secret_key,
            region_name=self.access.region,
            verify=str(self.place.certificate.ca_file),
            config=Config(
                connect_timeout=2,
                read_timeout=10,
                retries={"total_max_attempts": 1},
                s3={"addressing_style": "path"},
            ),
        )

    def _argv(self) -> list[str]:
        data = self.folder / "data"
        data.mkdir(exist_ok=True)
        certificate = self.place.certificate
        options = {
            "ip": _LOOPBACK,
            "ip.bind": _LOOPBACK,
            "dir": data,
            "master.telemetry": "false",
            "master.peers": "none",  # without it a restart waits 15 s for an election
            "master.volumeSizeLimitMB": 1024,
            "volume.max": 0,  # as many as the disk has room for
            "volume.preStopSeconds": 0,
            "volume.concurrentUploadLimitMB": 64,
            "filer": "true",
            "filer.localSocket": self.folder / "filer.sock",
            "s3": "true",
            "s3.config": self._identities(),
            "s3.ip.bind": self.place.address,
            "s3.port": self.place.port,
            "s3.port.iceberg": 0,
            "s3.port.lance": 0,
            "s3.localSocket": self.folder / "s3.sock",
            "s3.cert.file": certificate.cert_file,
            "s3.key.file": certificate.key_file,
            "s3.concurrentUploadLimitMB": 64,
            "s3.autoCreateBucket": "false",
            **self.internal_ports(),
        }
        weed = Path(sys.executable).with_name("weed")
        arguments = [f"-{name}={value}" for name, value in options.items()]
        return [str(weed), "-logtostderr=true", "server", *arguments]

    def internal_ports(self) -> dict[str, int]:
        """Chosen once: it knows its own volumes by them, and they name its sockets in /tmp.

        Two labs must differ in them even if each has its own network namespace.
        """
        file = self.folder / _PORTS_FILE
        if not file.exists():
            ports = free_ports(len(_INTERNAL_PORTS))
            file.write_text(json.dumps(dict(zip(_INTERNAL_PORTS, ports, strict=True))))
        return _read_ports(file)

    def _identities(self) -> Path:
        file = self.folder / "identities.json"
        identity = {
            "name": "lab",
            "credentials": [
                {"accessKey": self.access.access_key, "secretKey": self.access.secret_key}
            ],
            "actions": ["Admin", "Read", "Write", "List", "Tagging"],
        }
        write_private(file, content=json.dumps({"identities": [identity]}))
        return file

    def _environment(self) -> Mapping[str, str]:
        file = self.folder / "signing-keys.json"
        if not file.exists():
            write_private(
                file, content=json.dumps({key: secrets.token_hex(32) for key in _SIGNING_KEYS})
            )
        keys: dict[str, str] = json.loads(file.read_text())
        certificate = self.place.certificate
        return {
            **keys,
            # Its gRPC port is beside the S3 port and could replace the identities. It asks for a
            # client certificate of this CA now, and there is none.
            "WEED_GRPC_CA": str(certificate.ca_file),
            "WEED_GRPC_S3_CERT": str(certificate.cert_file),
            "WEED_GRPC_S3_KEY": str(certificate.key_file),
            "GOMEMLIMIT": self.memory_limit,
            "HOME": str(self.folder),
        }


def remove_sockets(state: Path) -> None:
    """It makes these outside of its folder, with no option against it, and leaves them behind."""
    file = state / _FOLDER / _PORTS_FILE
    for name, port in _read_ports(file).items() if file.exists() else ():
        server = name.partition(".")[0]
        Path(f"/tmp/seaweedfs-{server}-grpc-{port}.sock").unlink(missing_ok=True)  # noqa: S108 - its own choice


def _read_ports(file: Path) -> dict[str, int]:
    ports: dict[str, int] = json.loads(file.read_text())
    return ports


def _ensure_bucket(client: "S3Client", *, bucket: str) -> None:
    try:
        client.head_bucket(Bucket=bucket)
    except ClientError as error:
        if error.response["Error"]["Code"] != "404":
            raise
        client.create_bucket(Bucket=bucket)
