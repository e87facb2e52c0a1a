"""The connections that the page on secrets shows are of the kinds that the reference lists."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

DOCS = Path(__file__).parents[3] / "docs"
SHOWN: dict[str, Any] = {
    name: connection
    for block in re.findall(
        r"```json\n(.*?)```", (DOCS / "how-to/secrets.md").read_text(), re.DOTALL
    )
    for name, connection in json.loads(block).items()
}


def listed() -> dict[str, str]:
    """Connection id, with the cluster's name in its place, to its type."""
    text = (DOCS / "reference" / "connections.md").read_text()
    rows = re.findall(r"^\| `([^`]+)` \| `(\w+)` \|", text, re.MULTILINE)
    return {name.replace("<cluster>", "cluster1-azure"): kind for name, kind in rows}


def test_every_connection_is_shown_with_its_type() -> None:
    assert {name: shown["conn_type"] for name, shown in SHOWN.items()} == listed()


def test_the_cluster_s_kubeconfig_is_one() -> None:
    config = json.loads(SHOWN["cluster1-azure"]["extra"]["kube_config"])
    named = {kind: config[kind][0]["name"] for kind in ("clusters", "users", "contexts")}
    assert config["current-context"] == named["contexts"]
    assert config["contexts"][0]["context"] == {
        "cluster": named["clusters"],
        "user": named["users"],
    }


@pytest.mark.parametrize("name", sorted(SHOWN))
def test_no_password_is_shown(name: str) -> None:
    assert SHOWN[name].get("password", "...") in {"...", "SECRET"}
