"""`airflow transition restore-points`, `describe`, `pin`, `unpin`: what can be restored."""

import json
import sys
from argparse import Namespace
from collections.abc import Iterator
from datetime import UTC, datetime
from getpass import getuser
from typing import Any

from airflow_transition import outside
from airflow_transition.cli import policies
from airflow_transition.cli.session import Answer, UsageError, command, with_connections
from airflow_transition.cli.table import table
from airflow_transition.core.cluster_package import package_on
from airflow_transition.core.errors import TransitionError
from airflow_transition.core.pin import Pin
from airflow_transition.core.policy import ClusterPolicy, PackageSelector
from airflow_transition.core.proof import Proof
from airflow_transition.core.restore_points import RESTORE_POINTS, RestorePoint, spoken
from airflow_transition.operators.kept_points import KeptPoint, KeptPoints, kept_points
from airflow_transition.operators.package_place import where_is
from airflow_transition.operators.retention_removal import size_text

_HEADER = ("ID", "PACKAGE", "AGE", "SIZE", "VERIFIED", "PROVEN", "PINNED", "IN USE")


@command
def list_restore_points(args: Namespace) -> Answer:
    policy = policies.policy(args.policy)
    packages = policies.live_packages(policy, named=args.package)
    with_connections()
    found, now = kept_points(policy, packages=packages), datetime.now(UTC)
    for line in _remarks(found):
        print(line, file=sys.stderr)
    if args.json:
        return Answer(json.dumps([_document(one, now=now) for one in found.points], indent=2))
    if not found.points:
        return Answer(f"policy {policy.name} has no restore point yet")
    return Answer("\n".join(table(_HEADER, [_row(one, now=now) for one in found.points])))


@command
def describe(args: Namespace) -> Answer:
    """A restore point by its id, or a package by its name."""
    if args.name.startswith(f"{RESTORE_POINTS}/"):
        with_connections()
        store = outside.store()
        point = store.get_restore_point(args.name)
        pin, proof = store.find_pin(point.id), store.find_proof(point.id)
        return Answer("\n".join(_point_lines(point, pin=pin, proof=proof)))
    found = [
        (policy, package)
        for policy in policies.policies(args.policy or [])
        for package in policy.spec.package_selectors
        if package.name == args.name
    ]
    if not found:
        raise UsageError(
            f"{args.name}: no policy has such a package, and ids of restore points begin with "
            f"{RESTORE_POINTS}/"
        )
    with_connections()
    return Answer("\n\n".join("\n".join(_package_lines(*each)) for each in found))


@command
def pin(args: Namespace) -> Answer:
    with_connections()
    by = f"{getuser()}, airflow transition pin"
    outside.store().put_pin(args.restore_point, by=by, why=args.why, now=datetime.now(UTC))
    return Answer(f"{args.restore_point}: pinned by {by}: {args.why}")


@command
def unpin(args: Namespace) -> Answer:
    with_connections()
    outside.store().get_restore_point(args.restore_point)
    removed = outside.store().remove_pin(args.restore_point)
    return Answer(f"{args.restore_point}: {'no longer pinned' if removed else 'was not pinned'}")


def _row(one: KeptPoint, *, now: datetime) -> tuple[str, ...]:
    point = one.point
    used = "not known" if one.used_by is None else ", ".join(one.used_by) or "no"
    return (
        point.id,
        point.package,
        spoken(one.age(now=now)),
        size_text(one.size_bytes),
        _moment(point.verified) if point.verified else "no",
        _moment(one.proof.proven) if one.proof else "no",
        "yes" if one.pin else "no",
        used,
    )


def _document(one: KeptPoint, *, now: datetime) -> dict[str, Any]:
    return {
        "id": one.point.id,
        "package": one.point.package,
        "cluster": one.point.cluster,
        "namespace": one.point.namespace,
        "workload": one.point.workload,
        "created": one.point.created.isoformat(),
        "age_seconds": int(one.age(now=now).total_seconds()),
        "size_bytes": one.size_bytes,
        "verified": one.point.verified.isoformat() if one.point.verified else None,
        "proof": one.proof.model_dump(mode="json") if one.proof else None,
        "pin": one.pin,
        "used_by": one.used_by,
    }


def _remarks(found: KeptPoints) -> Iterator[str]:
    for address in found.unreadable:
        yield f"left out, since it cannot be read: {address}"
    for cluster, why in found.away.items():
        yield f"what {cluster} uses is not known: {why}"


def _point_lines(point: RestorePoint, *, pin: Pin | None, proof: Proof | None) -> Iterator[str]:
    now = datetime.now(UTC)
    yield f"restore point: {point.id}"
    yield f"package:       {point.package} of policy {point.policy}"
    yield f"workload:      {point.workload_kind} {point.namespace}/{point.workload}"
    yield f"pod:           {point.pod} on {point.cluster}, node {point.node.node}"
    yield f"created:       {_moment(point.created)} ({spoken(point.age(now=now))} ago)"
    yield f"verified:      {_moment(point.verified) if point.verified else 'no'}"
    yield f"proven:        {f'{_moment(proof.proven)}: {proof}' if proof else 'no'}"
    yield f"pinned:        {f'by {pin.by}: {pin.why}' if pin else 'no'}"
    for checkpoint in point.containers:
        yield f"container:     {checkpoint.container}, {size_text(checkpoint.size_bytes)}"
        yield f"  archive:     {checkpoint.record_key}, {checkpoint.digest}"
        yield f"  image:       {checkpoint.image}"
        yield f"  base image:  {checkpoint.base_image.name}"


def _package_lines(policy: ClusterPolicy, package: PackageSelector) -> Iterator[str]:
    """Where it runs and what a failover would lose now."""
    now = datetime.now(UTC)
    yield f"package:       {package.name} of policy {policy.name}"
    live = "with its memory" if package.live_state_package else "without its memory"
    yield f"kind:          {package.package_type}, moves {live}"
    yield f"runs on:       {_place(policy, package)}"
    for backup in package.backup_information:
        yield f"backup:        {backup.name}, {backup.schedule_period or 'by hand'}"
    points = kept_points(policy, packages=(package,)).points
    verified = next((one for one in points if one.point.verified), None)
    yield f"restore points: {len(points)}"
    if verified is None:
        yield "newest verified: none: a failover would lose all that it holds in memory"
    else:
        age = spoken(verified.age(now=now))
        yield f"newest verified: {verified.point.id}, {age} ago: what a failover would lose"


def _place(policy: ClusterPolicy, package: PackageSelector) -> str:
    try:
        clusters = policy.clusters
        places = [package_on(policy, package=package, cluster=name) for name in clusters]
        return where_is(places).place()
    except TransitionError as error:
        return f"not known: {error}"


def _moment(when: datetime) -> str:
    return when.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
