"""The services of one lab, at the addresses of its description."""

from lab.certificates import Authority
from lab.description import GIT_PORT, REGISTRY_PORT, S3_PORT, LabDescription
from lab.services.git_server import GitServer
from lab.services.registry import Registry
from lab.services.s3_server import S3Server
from lab.services.service import Place, Service


def services_of(lab: LabDescription) -> tuple[Service, ...]:
    """All three, to be started, asked or stopped; none is started by this.

    They run in the lab's services namespace, whose loopback must be up. The certificate is made at
    the first call and kept.
    """
    authority = Authority(lab.state).open()
    certificate = authority.certificate("services") or authority.issue(
        "services", addresses=[lab.services_address, "127.0.0.1"]
    )

    def place(port: int) -> Place:
        return Place(
            address=lab.services_address,
            port=port,
            state=lab.state,
            certificate=certificate,
            netns=lab.services_netns,
        )

    return (
        S3Server(place(S3_PORT), access=lab.s3),
        Registry(place(REGISTRY_PORT), access=lab.registry),
        GitServer(
            place(GIT_PORT),
            access=lab.git,
            repositories=tuple(f"{name}.git" for name in lab.git.repositories),
        ),
    )
