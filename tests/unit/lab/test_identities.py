"""The lab's users have the rights of the roles that are shipped, and no other."""

from pathlib import Path

import pytest

from lab.api.identities import Identities, Identity, load
from lab.api.roles import SHIPPED, SOURCE_USER, TARGET_USER, Right


@pytest.fixture
def known(tmp_path: Path) -> Identities:
    return load(admin_token="admin", folder=tmp_path)


def named(known: Identities, user: str) -> Identity:
    (token,) = (token for token, each in known.tokens.items() if each.user == user)
    found = known.of(f"Bearer {token}")
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("right", "users"),
    [
        (("apps", "deployments", "list"), {SOURCE_USER, TARGET_USER}),
        (("", "services", "patch"), {SOURCE_USER, TARGET_USER}),
        (("networking.k8s.io", "networkpolicies", "create"), {SOURCE_USER, TARGET_USER}),
        (("", "nodes/proxy", "create"), {SOURCE_USER}),
        (("", "deployments", "list"), set()),
        (("apps", "deployments", "patch"), set()),
        (("", "nodes", "list"), set()),
        (("", "secrets", "list"), set()),
        (("", "pods/exec", "create"), set()),
        (("", "pods", "delete"), set()),
    ],
)
def test_a_user_has_what_its_roles_grant(known: Identities, right: Right, users: set[str]) -> None:
    group, resource, verb = right
    able = {
        user for user in SHIPPED if named(known, user).may(verb, resource=resource, group=group)
    }
    assert able == users


def test_the_admin_may_do_everything(known: Identities) -> None:
    assert named(known, "system:admin").may("delete", resource="nodes")
    assert known.of("Bearer nobody") is None


def test_tokens_stay_the_same_over_a_restart(known: Identities, tmp_path: Path) -> None:
    assert load(admin_token="admin", folder=tmp_path).tokens.keys() == known.tokens.keys()
