"""What a DAG says of itself on its page."""

from collections.abc import Iterator

from airflow_transition.core.policy import BackupEntry, ClusterPolicy, PackageSelector
from airflow_transition.core.velero import velero_cron


def checkpoint_text(policy: ClusterPolicy, *, package: PackageSelector, backup: BackupEntry) -> str:
    when = (
        f"by the schedule `{backup.schedule_period}` ({policy.spec.time_zone})"
        if backup.schedule_period
        else "when somebody starts it"
    )
    return f"""\
### Restore points of `{package.name}` on `{policy.source.name}`

Each run, {when}, makes one restore point, from which the package can be brought up on another
cluster with the memory of its processes. The package keeps serving; its processes stand still for
as long as the dump takes.

1. **checkpoint**: the kubelet checkpoints every container of the package's pod.
2. **uploaded**: the node's agent has uploaded the archives and written their records.
3. **image**: each archive becomes an image in the registry, which is read back and checked.
4. **record**: the restore point is kept, verified.{_hooks_text(package)}

The package is checkpointed where the repositories of the policy's clusters say that it runs: after
a failover on the target. Its pod is found by the annotation
`transition.dcnlab.ssu.ac.kr/packageName: {package.name}`. Replicas beyond the first are not
checkpointed. During a planned move and where the workload is scaled to 0 the run ends with nothing
done.
"""


def _hooks_text(package: PackageSelector) -> str:
    if package.checkpoint_hooks is None:
        return ""
    return (
        "\n\nThe package's own `checkpointHooks` are called around **checkpoint**; where its "
        "worker died, **after_hook** calls the last one."
    )


def found_checkpoint_text(policy: ClusterPolicy, *, backup: BackupEntry) -> str:
    when = (
        f"by the schedule `{backup.schedule_period}` ({policy.spec.time_zone})"
        if backup.schedule_period
        else "when somebody starts it"
    )
    return f"""\
### Restore points of every package annotated in the repository of `{policy.source.name}`

`selectMode: All`. Each run, {when}, makes one restore point of each package that the policy does
not list itself.

1. **packages**: reads the repository and finds the manifests with both annotations. Its log names
   them, what is left out and why, and what the cluster runs without a manifest: nothing protects
   that.
2. **package**: for each of them the four steps of a package's own DAG: **checkpoint**,
   **uploaded**, **image**, **record**. One that fails or is moving does not hold up the others.

A package that needs another schedule, hooks, or no restore points goes into `packageSelectors`.
"""


def backup_text(policy: ClusterPolicy, *, package: PackageSelector, backup: BackupEntry) -> str:
    period, zone = backup.schedule_period, policy.spec.time_zone
    if velero_cron(period, time_zone=zone) is None:
        when = f"by `{period}` ({zone})" if period else "when somebody starts it"
        does = f"Each run, {when}, has Velero make one backup, and waits for it."
    else:
        does = (
            f"Velero makes a backup by `{period}` ({zone}), also while Airflow is down. Each run, "
            "by the same schedule, sees that the Velero Schedule is in place where the package "
            "runs and paused elsewhere, and fails when its newest backup did."
        )
    return f"""\
### Backups of the volumes of `{package.name}`

{does}

A failover restores the newest complete backup that the target's Velero knows; all clusters share
one backup store. `failover.maxRestorePointAgeSeconds` bounds its age.
"""


def migrate_text(policy: ClusterPolicy) -> str:
    left_out = "\n".join(_left_out(policy))
    return f"""\
### Move a package to another cluster

It moves from wherever it runs now; the policy protects it on `{policy.source.name}`.
Targets: {_targets(policy) or "none; add `targetClusterPolicy.preferClusters` to the policy"}.

{_CHAIN}{left_out}"""


def redeploy_text(policy: ClusterPolicy) -> str:
    return f"""\
### Move a package without live state to another cluster, or back

`Stateless` packages are deployed anew: both sides serve until the source ends, and nothing of them
is kept. `Stateful` packages without `liveStatePackage` move with the data of their volumes.
Targets: {_targets(policy) or "none; add `targetClusterPolicy.preferClusters` to the policy"}.

1. **plan**: looks at everything and touches nothing; names what stays behind. A dry run ends here.
2. **close_door**: only where volumes move: nothing reaches the package any more.
3. **volumes**: only where volumes move: Velero backs them up on the source and restores them on
   the target.
4. **promote**: one commit has the target run the package, with its images and replicas as they are.
5. **verify**: all its replicas are Ready there.
6. **retire**: one commit scales the source to 0, and its pods are gone.
7. **settle**: opens the door on the one side where the package now runs. After a failure it first
   takes back what was done, or completes it if the source is retired already.

When the source's API server does not answer, a `Stateless` package moves all the same: its
repository alone is told. A run that was rolled back fails, and the log of **settle** says why.
"""


def failback_text(policy: ClusterPolicy) -> str:
    return f"""\
### Move a package back to `{policy.source.name}`

After a failover nothing moves back by itself. When `{policy.source.name}` is healthy again, its
agents are heard and its copies are stopped (they are fenced), start this DAG: a planned move with
the roles swapped, which loses nothing. Another cluster of the policy can be the target too.

{_CHAIN}"""


def failover_text(policy: ClusterPolicy) -> str:
    failover = policy.spec.failover
    started = {
        "Automatic": "It starts by itself when a cluster of the policy is lost, and by hand.",
        "Approve": "It starts by itself when a cluster of the policy is lost, and waits for a "
        "person to approve the plan; or by hand.",
        "Manual": "It starts by hand only.",
    }[failover.mode]
    return f"""\
### Bring up the packages of `{policy.name}` when their cluster is lost

{started} Lost: {failover.silent_nodes_percent} % of the cluster's agents are silent for
{failover.grace_period_seconds} s, and its API server does not answer or agrees.
Targets: {_targets(policy) or "none; add `targetClusterPolicy.preferClusters` to the policy"}.

1. **plan**: asks both signals again, looks where the packages are, chooses restore points and one
   target for all of them, and touches nothing. A dry run ends here; read the task's log.
2. **promote**: claims the fault, fences the source, and has the target run the packages by one
   commit.
3. **verify**: they run there, restored, Ready. Its log says RPO and RTO.
4. **end**: ends the claim where a task that died left it open.

What came after a package's restore point is gone. When the cluster returns, nothing is moved back:
its copies stay stopped; start `{policy.failback_dag_id}`.
"""


_CHAIN = """\
1. **plan**: looks at everything and touches nothing. A dry run ends here; read the task's log.
2. **close_door**: nothing reaches the package any more, and it reaches nothing.
3. **checkpoint**, **image**: its memory becomes an image in the registry (**record** keeps it).
4. **promote**: the target's door is closed, and one commit has the target run the package.
5. **verify**: it runs there, restored, Ready, never restarted.
6. **retire**: one commit scales the source to 0, and its pods are gone.
7. **settle**: opens the door on the one side where the package now runs. After a failure it first
   takes back what was done, or completes it if the source is retired already.

A run that was rolled back fails, and the log of **settle** says why. If **settle** itself fails,
its message says which door is closed: cure the cause and clear that task.
"""


def _targets(policy: ClusterPolicy) -> str:
    return ", ".join(
        f"`{cluster.name}` (weight {cluster.weight})"
        for cluster in policy.spec.target_cluster_policy.prefer_clusters
    )


def _left_out(policy: ClusterPolicy) -> Iterator[str]:
    """What this DAG cannot do for the policy, so that nobody believes it."""
    for package in policy.spec.package_selectors:
        if not package.live_state_package:
            yield (
                f"\n`{package.name}` is not in the form, as it is not live: "
                f"`{policy.redeploy_dag_id}` moves it."
            )
    if policy.finds_packages:
        yield (
            "\n`selectMode: All`: the form proposes the packages of `packageSelectors`; any other "
            "that the repository annotates can be moved too: write its name."
        )
    elif policy.spec.select_mode == "All":
        yield (
            "\n`selectMode: All` without `spec.backupInformation`: only the packages listed in "
            "`packageSelectors` are protected and can be moved."
        )
