"""One strict model on both sides: what the other does not know is an error, not a zero."""

from datetime import UTC, datetime
from typing import Any

import pytest
from pydantic import ValidationError
from transition_wire.heartbeat import Fence, Heartbeat, HeartbeatReply, Lease, PackageName

HEARTBEAT: dict[str, Any] = {
    "cluster": "cluster1-azure",
    "node": "node-1",
    "boot_id": "856a2c02-73d6-4a87-af9f-13df843f6453",
    "agent_id": "2cf5077cce673ba6",
    "sequence": 1,
    "sent": "2026-11-24T19:04:44Z",
    "interval_seconds": 1.0,
    "agent_version": "0.1.0",
}
COPY: dict[str, Any] = {"package": "video", "namespace": "shop", "pod_labels": {"app": "video"}}


def test_a_heartbeat_survives_the_wire() -> None:
    heartbeat = Heartbeat(
        **{**HEARTBEAT, "leases": [{"package": "v", "namespace": "s", "enforced_by": "kernel"}]}
    )
    assert heartbeat.sent == datetime(2026, 11, 24, 19, 4, 44, tzinfo=UTC)
    assert Heartbeat.model_validate_json(heartbeat.model_dump_json()) == heartbeat


def test_a_reply_survives_the_wire() -> None:
    reply = HeartbeatReply(
        epoch=2,
        fences=(Fence(**COPY, id="shop/cluster1@1", epoch=2),),
        leases=(Lease(**COPY, duration_seconds=2.5),),
        released=(PackageName(package="web", namespace="shop"),),
    )
    assert HeartbeatReply.model_validate_json(reply.model_dump_json()) == reply


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("version", 2),
        ("cluster", "Not A Name"),
        ("boot_id", "boot"),
        ("agent_id", "2cf5"),
        ("sequence", 0),
        ("sent", "2026-11-24T19:04:44"),
        ("interval_seconds", 0),
        ("interval_seconds", "nan"),
        ("free_bytes", -1),
        ("leases", [{"package": "v", "namespace": "s", "enforced_by": "hope"}]),
        ("fenced", ["id"] * 1001),
        ("cpus", 4),
    ],
)
def test_a_heartbeat_that_says_something_else_is_refused(field: str, value: object) -> None:
    with pytest.raises(ValidationError):
        Heartbeat(**{**HEARTBEAT, field: value})


def test_a_package_without_labels_would_be_every_pod() -> None:
    with pytest.raises(ValidationError):
        Fence(**{**COPY, "pod_labels": {}}, id="shop/cluster1@1", epoch=2)
    with pytest.raises(ValidationError):
        Lease(**{**COPY, "pod_labels": {}}, duration_seconds=2.5)
