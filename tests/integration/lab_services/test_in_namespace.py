"""The services where the lab has them: in a network namespace of their own."""

import socket
import ssl
from collections.abc import Callable, Iterator

import pytest

from lab import lifecycle, network
from lab.description import LabDescription, LabSettings
from lab.services.all import services_of
from lab.services.s3_server import S3Server
from lab.services.service import Service


@pytest.fixture
def settings(settings_for: Callable[[str], LabSettings]) -> Iterator[LabSettings]:
    """An empty lab of this test's own: only its network."""
    settings = settings_for("namespace")
    lifecycle.down(settings)
    network.create(settings)
    yield settings
    lifecycle.down(settings)
    assert lifecycle.remains(settings) == []


@pytest.fixture
def services(settings: LabSettings) -> Iterator[tuple[Service, ...]]:
    lab = LabDescription.create(settings)
    lab.save()
    services = services_of(lab)
    for service in services:
        service.start()
    for service in services:
        service.wait_ready()
    yield services
    for service in services:
        service.stop()


def accepts(address: str, *, port: int) -> bool:
    try:
        socket.create_connection((address, port), timeout=2).close()
    except ConnectionRefusedError:
        return False
    return True


def wants_a_certificate(address: str, *, port: int, lab: LabSettings) -> bool:
    tls = ssl.create_default_context(cafile=lab.ca_file)
    tls.set_alpn_protocols(["h2"])
    greeting = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
    with socket.create_connection((address, port), timeout=5) as plain:
        try:
            with tls.wrap_socket(plain, server_hostname=address) as connection:
                connection.sendall(greeting)
                return not connection.recv(100)
        except ssl.SSLError as error:
            return error.reason == "TLSV13_ALERT_CERTIFICATE_REQUIRED"


def test_the_host_reaches_them_and_nothing_else_of_theirs(
    services: tuple[Service, ...], settings: LabSettings
) -> None:
    for service in services:
        assert service.place.address == settings.services_address
        assert accepts(settings.services_address, port=service.place.port)
        assert not accepts("127.0.0.1", port=service.place.port)
        assert not accepts(settings.host_address, port=service.place.port)
        if isinstance(service, S3Server):
            internal = service.internal_ports()
            closed = internal.pop("s3.port.grpc")
            assert wants_a_certificate(settings.services_address, port=closed, lab=settings)
            assert not any(accepts(service.place.address, port=port) for port in internal.values())


def test_any_process_can_stop_what_another_one_started(
    services: tuple[Service, ...], settings: LabSettings
) -> None:
    for service in services_of(LabDescription.load(settings.description_file)):
        assert service.ready()
        service.stop()
        assert service.daemon.pid() is None
        assert not accepts(settings.services_address, port=service.place.port)


def test_killed_services_come_back_with_their_data(services: tuple[Service, ...]) -> None:
    s3 = next(each for each in services if isinstance(each, S3Server))
    client = s3.client()
    try:
        client.put_object(Bucket="checkpoints", Key="kept", Body=b"acknowledged")
        for service in services:
            service.kill()
        for service in services:
            service.start()
        for service in services:
            service.wait_ready()
        assert client.get_object(Bucket="checkpoints", Key="kept")["Body"].read()
    finally:
        client.close()
