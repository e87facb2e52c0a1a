"""`airflow transition import-secrets`: Airflow connections from the guide's Secrets."""

import os
from argparse import Namespace
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

from airflow.utils.session import create_session
from sqlalchemy.orm import Session

from airflow_transition.cli import connection_rows, policies
from airflow_transition.cli.session import FAILED, Answer, UsageError, command, with_connections
from airflow_transition.cli.table import table
from airflow_transition.core.connection_change import Change, change
from airflow_transition.core.guide_secrets import (
    Given,
    GuideSecret,
    Unusable,
    git_connections,
    registry_connections,
    store_connections,
)
from airflow_transition.core.policy import ClusterPolicy
from airflow_transition.settings import read_settings

Reader = Callable[[GuideSecret], Iterator[Given | Unusable]]
_HEADER = ("CONNECTION", "FROM", "RESULT")


@dataclass(frozen=True)
class Outcome:
    """What was found, and what became of it: nothing of a secret is in what it says."""

    changes: tuple[tuple[Given, Change], ...]
    unusable: tuple[Unusable, ...]

    def lines(self, *, dry_run: bool) -> Iterator[str]:
        rows = [
            (given.conn_id, given.secret, _result(made, dry_run=dry_run))
            for given, made in self.changes
        ]
        if rows:
            yield from table(_HEADER, rows)
        for given, _ in self.changes:
            for remark in (*given.remarks, *_hidden(given.conn_id)):
                yield f"{given.conn_id}: {remark}"
        for each in self.unusable:
            yield f"not used: {each.subject}: {each.why}; {each.do}"


@command
def import_secrets(args: Namespace) -> Answer:
    """0: every Secret was used; 1: some were not; 2: it cannot be asked."""
    known = policies.policies(args.policies)
    if not known:
        raise UsageError(f"no valid policy below {policies.folder()}; airflow transition lint")
    with_connections()
    given = tuple(_given(args, known=known))
    with create_session() as session:
        outcome = _apply(given, session=session, dry_run=args.dry_run)
    return Answer("\n".join(outcome.lines(dry_run=args.dry_run)), FAILED if outcome.unusable else 0)


def _given(args: Namespace, *, known: tuple[ClusterPolicy, ...]) -> Iterator[Given | Unusable]:
    """What each of the Secrets gives."""
    from airflow_transition.hooks.kube_secrets import KubeSecrets  # noqa: PLC0415 - heavy

    settings = read_settings()
    conn_id = args.conn_id or settings.management_cluster_conn_id
    if not conn_id:
        raise UsageError(
            "which cluster holds the Secrets? give --conn-id, the id of a connection of type "
            "kubernetes, or set [transition] management_cluster_conn_id"
        )
    secrets = KubeSecrets(conn_id, namespace=args.namespace)
    readers: tuple[tuple[str | None, Reader], ...] = (
        (args.git_secret, partial(git_connections, policies=known)),
        (args.registry_secret, partial(registry_connections, conn_id=settings.registry_conn_id)),
        (
            args.s3_secret,
            partial(
                store_connections,
                conn_id=settings.checkpoint_store_conn_id,
                bucket=settings.bucket,
            ),
        ),
    )
    for name, read in readers:
        if name is None:
            continue
        secret = secrets.find(name)
        if secret is None:
            full_name = f"{args.namespace}/{name}"
            yield Unusable(full_name, f"no such Secret behind {conn_id}", "name another one")
        else:
            yield from read(secret)


def _apply(given: tuple[Given | Unusable, ...], *, session: Session, dry_run: bool) -> Outcome:
    """All in one transaction: half of it is never there."""
    changes: list[tuple[Given, Change]] = []
    unusable = [each for each in given if isinstance(each, Unusable)]
    for each in given:
        if isinstance(each, Unusable):
            continue
        made = change(each, known=connection_rows.find(session, conn_id=each.conn_id))
        if isinstance(made, Unusable):
            unusable.append(made)
            continue
        changes.append((each, made))
        if made.fields and not dry_run:
            connection_rows.write(session, change=made)
    return Outcome(tuple(changes), tuple(unusable))


def _result(made: Change, *, dry_run: bool) -> str:
    if not made.fields:
        return "unchanged"
    would = "would be " if dry_run else ""
    return f"{would}{'created' if made.is_new else 'changed'}: {', '.join(made.fields)}"


def _hidden(conn_id: str) -> Iterator[str]:
    """Airflow asks the environment first."""
    variable = f"AIRFLOW_CONN_{conn_id.upper()}"
    if variable in os.environ:
        yield f"the variable {variable} comes before it: remove that"
