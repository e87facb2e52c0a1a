"""Which restore points of a workload stay, and which go."""

import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime

from airflow_transition.core.policy_failover import Retention
from airflow_transition.core.restore_points import RestorePoint

_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")


@dataclass(frozen=True)
class Verdict:
    """What becomes of one restore point, and why."""

    point: RestorePoint
    stays: bool
    reason: str

    def __str__(self) -> str:
        return f"{'stays' if self.stays else 'goes'}: {self.point.id}: {self.reason}"


def decide(
    points: Iterable[RestorePoint],
    *,
    rules: Retention,
    now: datetime,
    held: Mapping[str, str] | None = None,
    in_use: Mapping[str, str] | None = None,
    proven: Collection[str] = (),
    others: Iterable[RestorePoint] = (),
) -> list[Verdict]:
    """A verdict for each restore point of one workload, newest first.

    `points` are those of all clusters of the policy: where a package moved, the newest is on the
    cluster that has it now. `held` says of ids why they stay in any case (pins among others),
    `in_use` says of image digests which manifests want them, `proven` are ids of those that were
    really restored in a test (the newest of them stays), and `others` are restore points that
    stay and are not counted here, such as those of other policies.
    """
    newest_first = sorted(points, key=lambda point: (point.created, point.id), reverse=True)
    verified = [point.id for point in newest_first if point.verified is not None]
    places = {identity: place for place, identity in enumerate(verified)}
    tested = next((point.id for point in newest_first if point.id in proven), None)
    reasons = {
        point.id: (held or {}).get(point.id)
        or _use(point, in_use=in_use or {})
        or _rule(point, place=places.get(point.id), rules=rules, now=now)
        or ("the newest one that a test restore has proven" if point.id == tested else None)
        for point in newest_first
    }
    kept = [point for point in newest_first if reasons[point.id]]
    for point, sharer in _sharing(newest_first, kept=[*kept, *others], reasons=reasons):
        reasons[point.id] = f"shares its archive or image with {sharer}, which stays"
    return [_verdict(point, reason=reasons[point.id], rules=rules) for point in newest_first]


def _verdict(point: RestorePoint, *, reason: str | None, rules: Retention) -> Verdict:
    gone = f"older than {rules.keep_for_hours} h and not one of the {rules.keep_newest} newest"
    return Verdict(point, stays=bool(reason), reason=reason or gone)


def _use(point: RestorePoint, *, in_use: Mapping[str, str]) -> str | None:
    for digest in image_digests(point):
        if digest in in_use:
            return f"in use: {in_use[digest]} wants its image"
    return None


def _rule(point: RestorePoint, *, place: int | None, rules: Retention, now: datetime) -> str | None:
    """`place` is among the verified ones, the newest being 0."""
    if place == 0:
        return "the newest verified one"
    if place is not None and place < rules.keep_newest:
        return f"one of the {rules.keep_newest} newest verified ones"
    if point.age(now=now) < rules.keep_for:
        return f"younger than {rules.keep_for_hours} h"
    return None


def _sharing(
    points: Iterable[RestorePoint],
    *,
    kept: Iterable[RestorePoint],
    reasons: Mapping[str, str | None],
) -> Iterator[tuple[RestorePoint, str]]:
    """Each of `points` without a reason to stay that shares something with one that stays.

    One that stays for this reason keeps what it shares with others in turn.
    """
    holders = {part: point.id for point in kept for part in _parts(point)}
    going = [point for point in points if not reasons[point.id]]
    while True:
        shared = [point for point in going if holders.keys() & _parts(point)]
        if not shared:
            return
        for point in shared:
            yield point, next(holders[part] for part in _parts(point) if part in holders)
            holders.update(dict.fromkeys(_parts(point), point.id))
        going = [point for point in going if point not in shared]


def wanted_digests(files: Mapping[str, str]) -> set[str]:
    """Every digest that a package's manifests name, whether of an image of ours or not."""
    return {digest for text in files.values() for digest in _DIGEST.findall(text)}


def image_digests(point: RestorePoint) -> list[str]:
    """The digest of each of its images."""
    return [image.rpartition("@")[2] for image in point.images.values()]


def _parts(point: RestorePoint) -> set[str]:
    """What removing it would take away from another one."""
    archives = {part for one in point.containers for part in (one.digest, one.record_key)}
    return {*archives, *image_digests(point)}
