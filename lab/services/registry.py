"""The lab's OCI registry: Debian's `docker-registry` behind TLS and a password, with delete."""

import base64
import http.client
import json
import secrets
import shutil
import ssl
from dataclasses import dataclass
from pathlib import Path

import bcrypt

from lab.description import RegistryAccess, write_private
from lab.services.daemon import DaemonError
from lab.services.service import Service

# The registry checks the password on every request. It is random and long, so the cheapest
# bcrypt is as safe as a dear one, and does not spoil what benchmarks measure.
_BCRYPT_ROUNDS = 4


@dataclass(frozen=True)
class Registry(Service):
    access: RegistryAccess
    deletes: bool = True
    """Whether it deletes what it is told to; many registries do not."""

    @property
    def name(self) -> str:
        return "registry"

    def start(self) -> None:
        program = shutil.which("docker-registry")
        if program is None:
            raise DaemonError("docker-registry: not found; `make machine` installs it")
        self.daemon.start([program, "serve", str(self._configuration())])

    def ready(self) -> bool:
        user = f"{self.access.username}:{self.access.password}"
        basic = base64.b64encode(user.encode()).decode()
        tls = ssl.create_default_context(cafile=self.place.certificate.ca_file)
        connection = http.client.HTTPSConnection(
            self.place.address, self.place.port, context=tls, timeout=5
        )
        try:
            connection.request("GET", "/v2/", headers={"Authorization": f"Basic {basic}"})
            return connection.getresponse().status == http.HTTPStatus.OK
        except OSError:
            return False
        finally:
            connection.close()

    def _configuration(self) -> Path:
        certificate = self.place.certificate
        configuration = {
            "version": "0.1",
            "log": {"formatter": "json", "level": "info", "accesslog": {"disabled": True}},
            "storage": {
                "filesystem": {"rootdirectory": str(self.folder / "data")},
                "delete": {"enabled": self.deletes},
            },
            "auth": {"htpasswd": {"realm": "lab", "path": str(self._password_file())}},
            "http": {
                "addr": f"{self.place.address}:{self.place.port}",
                "secret": self._upload_secret(),
                "tls": {
                    "certificate": str(certificate.cert_file),
                    "key": str(certificate.key_file),
                },
            },
        }
        file = self.folder / "config.yml"
        write_private(file, content=json.dumps(configuration, indent=2))  # YAML reads JSON
        return file

    def _password_file(self) -> Path:
        file = self.folder / "htpasswd"
        digest = bcrypt.hashpw(self.access.password.encode(), bcrypt.gensalt(_BCRYPT_ROUNDS))
        write_private(file, content=f"{self.access.username}:{digest.decode()}\n")
        return file

    def _upload_secret(self) -> str:
        """Signs the state of uploads: kept, so that they go on after a restart."""
        file = self.folder / "upload-secret"
        if not file.exists():
            write_private(file, content=secrets.token_hex(32))
        return file.read_text()
