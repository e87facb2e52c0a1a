"""What is in force follows from the reply and what was known; an older receiver is not heard."""

from transition_agent.orders import Orders, PackageKey
from transition_wire.heartbeat import Fence, HeartbeatReply, Lease, PackageName

WEB, VIDEO = PackageKey("shop", "web"), PackageKey("shop", "video")


def fence(key: PackageKey = WEB, *, epoch: int = 2, claim: str = "") -> Fence:
    return Fence(
        package=key.package,
        namespace=key.namespace,
        pod_labels={"app": key.package},
        id=claim or f"shop/cluster1@{epoch - 1}",
        epoch=epoch,
    )


def lease(key: PackageKey = WEB, *, seconds: float = 5) -> Lease:
    return Lease(
        package=key.package,
        namespace=key.namespace,
        pod_labels={"app": key.package},
        duration_seconds=seconds,
    )


def test_fences_are_those_of_the_reply() -> None:
    known = Orders(epoch=2, fences=(fence(),))
    after = known.after(HeartbeatReply(epoch=3, fences=(fence(VIDEO, epoch=3),)))
    assert after.fences == (fence(VIDEO, epoch=3),)
    assert after.after(HeartbeatReply(epoch=3)).fences == ()


def test_a_fence_of_a_lower_epoch_than_the_known_one_is_ignored() -> None:
    known = Orders(epoch=5, fences=(fence(epoch=5),))
    after = known.after(HeartbeatReply(epoch=5, fences=(fence(epoch=3), fence(VIDEO, epoch=3))))
    assert after.fences == (fence(VIDEO, epoch=3), fence(epoch=5))


def test_every_claim_that_fences_a_package_is_kept() -> None:
    fences = (fence(epoch=2), fence(epoch=3))
    assert Orders().after(HeartbeatReply(epoch=3, fences=fences)).fences == fences


def test_the_order_of_a_reply_is_no_change() -> None:
    one = HeartbeatReply(epoch=2, fences=(fence(), fence(VIDEO)), leases=(lease(), lease(VIDEO)))
    other = HeartbeatReply(epoch=2, fences=one.fences[::-1], leases=one.leases[::-1])
    assert Orders().after(one) == Orders().after(other)


def test_a_reply_of_a_lower_epoch_changes_nothing() -> None:
    known = Orders(epoch=7, fences=(fence(epoch=7),), leases=(lease(VIDEO),))
    forgetful = HeartbeatReply(
        epoch=1, leases=(lease(),), released=(PackageName(namespace="shop", package="video"),)
    )
    assert known.after(forgetful) == known


def test_a_lease_is_known_until_it_is_released() -> None:
    known = Orders().after(HeartbeatReply(epoch=1, leases=(lease(), lease(VIDEO))))
    assert known.after(HeartbeatReply(epoch=1)) == known
    released = (PackageName(namespace="shop", package="web"),)
    assert known.after(HeartbeatReply(epoch=1, released=released)).leases == (lease(VIDEO),)


def test_a_lease_has_the_newest_duration() -> None:
    known = Orders(epoch=1, leases=(lease(),))
    assert known.after(HeartbeatReply(epoch=1, leases=(lease(seconds=9),))).leases == (
        lease(seconds=9),
    )


def test_a_package_may_be_found_by_its_fence_and_by_its_lease() -> None:
    known = Orders(epoch=2, fences=(fence(),), leases=(lease(), lease(VIDEO)))
    assert known.copies == {WEB: (fence(), lease()), VIDEO: (lease(VIDEO),)}
