from datetime import UTC, datetime
from typing import Any

import pytest
from pydantic import ValidationError
from transition_wire.checkpoint_record import CheckpointRecord
from transition_wire.node_facts import node_facts_key

FILENAME = "checkpoint-web-0_shop-app-2026-11-23T03:04:47Z.tar"
NODE: dict[str, Any] = {
    "cluster": "cluster1-azure",
    "node": "node-1",
    "measured": datetime(2026, 11, 23, tzinfo=UTC),
    "kernel": "6.18.44",
    "architecture": "x86_64",
    "cpu_model": "AMD EPYC",
    "cpu_features": ("avx2", "sse2"),
    "xsave_size_bytes": 2432,
    "cgroup_version": 2,
    "criu": "4.2.1",
    "criu_check": {"passed": True, "output": "Looks good."},
    "runc": "1.1.5",
    "containerd": None,
    "crio": None,
    "podman": "4.3.1",
}


KEY = f"cluster1-azure/shop/web/{FILENAME}"
DIGEST = "sha256:" + "0" * 64
PLAIN: dict[str, Any] = {
    "key": KEY,
    "digest": DIGEST,
    "size_bytes": 2048,
    "compression": "none",
}
ZSTD: dict[str, Any] = {
    "key": f"{KEY}.zst",
    "digest": "sha256:" + "1" * 64,
    "size_bytes": 700,
    "compression": "zstd",
}


def _record(**changes: Any) -> dict[str, Any]:
    return {
        "cluster": "cluster1-azure",
        "namespace": "shop",
        "pod": "web-0",
        "container": "app",
        "filename": FILENAME,
        "bucket": "checkpoints",
        "key": KEY,
        "digest": DIGEST,
        "size_bytes": 2048,
        "stored": PLAIN,
        "created": datetime(2026, 11, 23, 3, 4, 47, tzinfo=UTC),
        "uploaded": datetime(2026, 11, 23, 3, 4, 49, tzinfo=UTC),
        "base_image": {"name": "registry.example/web:1", "reference": "registry.example/web:1"},
        "members": {"config.dump": {"offset_bytes": 512, "size_bytes": 100}},
        "agent_version": "0.1.0",
        "node": NODE,
        **changes,
    }


@pytest.mark.parametrize("stored", [PLAIN, ZSTD], ids=["plain", "zstd"])
def test_a_record_comes_back_from_json_as_it_was(stored: dict[str, Any]) -> None:
    record = CheckpointRecord.model_validate(_record(stored=stored))
    assert CheckpointRecord.model_validate_json(record.model_dump_json()) == record


@pytest.mark.parametrize(
    "change",
    [
        {"digest": "sha256:abc"},
        {"size_bytes": 0},
        {"created": "2026-11-23T03:04:47"},  # a time without a zone
        {"created": datetime(2026, 11, 23, 3, 4, 48, tzinfo=UTC)},
        {"container": "other"},
        {"key": "cluster1-azure/shop/web/other.tar"},
        {"members": {"config.dump": {"offset_bytes": 2000, "size_bytes": 100}}},
        {"stored": None},
        {"stored": {**PLAIN, "key": f"{KEY}.zst"}},
        {"stored": {**PLAIN, "size_bytes": 700}},
        {"stored": {**PLAIN, "digest": ZSTD["digest"]}},
        {"stored": {**ZSTD, "key": KEY}},
        {"stored": {**ZSTD, "compression": "gzip"}},
        {"version": 2},
        {"sha256": "0" * 64},
    ],
    ids=lambda change: next(iter(change)),
)
def test_a_record_that_is_wrong_or_contradicts_itself_is_refused(change: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        CheckpointRecord.model_validate(_record(**change))


def test_an_unknown_field_of_the_node_is_refused() -> None:
    with pytest.raises(ValidationError, match="cpus"):
        CheckpointRecord.model_validate(_record(node={**NODE, "cpus": 2}))


def test_node_facts_have_one_key_for_each_node() -> None:
    key = node_facts_key(prefix="", cluster="cluster1-azure", node="node-1")
    assert key == "nodes/cluster1-azure/node-1.json"
