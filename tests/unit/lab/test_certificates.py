"""Clients verify the lab's servers as strictly as any other's."""

import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPSConnection
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from lab.certificates import Authority, ServerCertificate


class Hello(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(204)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


class QuietServer(HTTPServer):
    def handle_error(self, *_: object) -> None:
        pass  # a client that does not trust us ends the handshake


@contextmanager
def serving(certificate: ServerCertificate) -> Iterator[int]:
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    tls.load_cert_chain(certificate.cert_file, certificate.key_file)
    with QuietServer(("127.0.0.1", 0), Hello) as server:
        server.socket = tls.wrap_socket(server.socket, server_side=True)
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield server.server_port
        finally:
            server.shutdown()
            thread.join()


def get(port: int, *, ca_file: Path, host: str = "127.0.0.1") -> int:
    tls = ssl.create_default_context(cafile=ca_file)
    tls.verify_flags |= ssl.VERIFY_X509_STRICT  # the default from Python 3.13 on
    connection = HTTPSConnection(host, port, context=tls, timeout=5)
    try:
        connection.request("GET", "/")
        return connection.getresponse().status
    finally:
        connection.close()


def test_a_server_is_trusted_by_the_labs_ca_alone(tmp_path: Path) -> None:
    authority = Authority(tmp_path / "one").open()
    other = Authority(tmp_path / "two").open()
    with serving(authority.issue("server", addresses=["127.0.0.1"])) as port:
        assert get(port, ca_file=authority.ca_file) == 204
        with pytest.raises(ssl.SSLCertVerificationError):
            get(port, ca_file=other.ca_file)


def test_a_certificate_is_for_its_own_addresses(tmp_path: Path) -> None:
    authority = Authority(tmp_path).open()
    with serving(authority.issue("server", addresses=["10.87.0.2", "localhost"])) as port:
        assert get(port, ca_file=authority.ca_file, host="localhost") == 204
        with pytest.raises(ssl.SSLCertVerificationError, match=r"127\.0\.0\.1"):
            get(port, ca_file=authority.ca_file)


def test_a_lab_keeps_its_ca_and_its_certificates(tmp_path: Path) -> None:
    issued = Authority(tmp_path).open().issue("server", addresses=["127.0.0.1"])
    again = Authority(tmp_path).open()
    assert again.certificate("server") == issued
    assert again.certificate("other") is None
    with serving(issued) as port:
        assert get(port, ca_file=again.ca_file) == 204


def test_only_the_owner_reads_the_keys(tmp_path: Path) -> None:
    certificate = Authority(tmp_path).open().issue("server", addresses=["127.0.0.1"])
    for key in (tmp_path / "ca.key", certificate.key_file):
        assert key.stat().st_mode & 0o777 == 0o600
