"""Fence the source of a failover: every way that there is, each with what it came to."""

import importlib
import logging
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from airflow_transition import outside
from airflow_transition.core.cluster_health import ApiSign, SecondSignal
from airflow_transition.core.errors import PermanentError, TransitionError
from airflow_transition.core.failover import FENCING, FailoverPlan, PackageFailover
from airflow_transition.core.fencing import FenceResult, FencingStep, Way, agents_step, lease_step
from airflow_transition.core.package_edits import Files, is_retired, retired
from airflow_transition.operators.at_once import all_at_once
from airflow_transition.settings import read_settings

if TYPE_CHECKING:
    from airflow_transition.core.claim import PackageFence
    from airflow_transition.hooks.heartbeat import HeartbeatHook
    from airflow_transition.hooks.workloads import PodSet

log = logging.getLogger(__name__)

API_PATIENCE = timedelta(seconds=2)
SHORT_PATIENCE = timedelta(seconds=0.3)
_YOUNG = timedelta(seconds=30)
"""A plan."""
GIT_PATIENCE = timedelta(seconds=15)
_AT_ONCE = timedelta(0)
_LEASE_PAUSE_SECONDS = 0.2

FencingHook = Callable[[str, tuple[str, ...]], FenceResult]


class PlanOutdatedError(PermanentError):
    """What was planned to move is not there any more."""


class FencingHookError(PermanentError):
    """`[transition] fencing_hook` names nothing that can be called."""


@dataclass
class SourceFencing:
    """The lost cluster's side of a promotion; each step can be repeated."""

    plan: FailoverPlan
    receiver: "HeartbeatHook | None"
    manifests: dict[str, Files] = field(default_factory=dict)
    """Package to its files as they were in the lost cluster's repository, where Git answered."""

    def run(self) -> list[FencingStep]:
        """Every step, in the order of their ways.

        Whether the API server answers is asked beside Git, and it scales down after it: else a
        GitOps engine takes back what was done there. What agents and leases say is read last.
        """
        asks: dict[str, Callable[[], FencingStep | SecondSignal]] = {
            "git": partial(_timed, Way.GIT, self._by_git),
            "signal": self._signal,
            "hook": self._hook,
        }
        answers = all_at_once(asks)
        signal = answers.pop("signal")
        steps = [step for step in answers.values() if isinstance(step, FencingStep)]
        if isinstance(signal, SecondSignal):
            steps.append(_timed(Way.API, partial(self._by_api, signal)))
        steps += self._heard()
        if self.plan.source_stopped:
            text = "whoever started the run says that the source is stopped"
            steps.append(FencingStep(way=Way.PERSON, text=text, certain_of=self.plan.names))
        order = list(Way)
        return sorted(steps, key=lambda step: order.index(step.way))

    def _signal(self) -> SecondSignal:
        """A plan that is seconds old has asked already: then a short look is enough."""
        age = datetime.now(UTC) - self.plan.made
        known = self.plan.silent and age < _YOUNG
        patience = SHORT_PATIENCE if known else API_PATIENCE
        return outside.second_signal(self.plan.cluster).ask(silent_nodes=(), timeout=patience)

    def _by_git(self) -> FencingStep:
        somewhere = self.plan.packages[0].source
        commit = outside.git(somewhere, patience=GIT_PATIENCE).commit(
            self._retire,
            message=f"Fence {', '.join(self.plan.names)}: {self.plan.cluster} is lost",
            trailers=self.plan.trailers(FENCING),
            folders=[package.source.package_path for package in self.plan.packages],
        )
        return FencingStep(way=Way.GIT, text=f"0 replicas wanted, commit {commit.sha[:12]}")

    def _retire(self, root: Path) -> None:
        from airflow_transition.hooks.git_files import (  # noqa: PLC0415 - heavy
            read_folders,
            replace_files,
        )

        for package in self.plan.packages:
            path = package.source.package_path
            files = read_folders(root, (path,)).get(path, {})
            known = package.stopped_by or package.half_moved
            if is_retired(files, package=package.name) and not known:
                raise PlanOutdatedError(
                    f"{package.name} is not wanted there any more",
                    where=f"{package.source.git_conn_id}: {package.source.package_path}",
                    do="look where it is now; start the failover again if it is still needed",
                )
            if package.manifests == package.source:
                self.manifests[package.name] = files
            replace_files(root, before=files, after=retired(files, package=package.name))

    def _by_api(self, signal: SecondSignal) -> FencingStep:
        """Scale down what answers; certain once the API server shows no pod any more."""
        if signal.sign is not ApiSign.ANSWERS:
            return FencingStep(way=Way.API, text=str(signal))
        try:
            certain = tuple(self._gone_by_api())
        except TransitionError as error:
            return FencingStep(way=Way.API, text=f"failed: {error}", alive=True)
        rest = len(self.plan.packages) - len(certain)
        text = f"scaled to 0; pods of {rest} packages are still there" if rest else "scaled to 0"
        return FencingStep(way=Way.API, text=text, certain_of=certain, alive=True)

    def _gone_by_api(self) -> Iterator[str]:
        from airflow_transition.hooks.cluster import PodsRemainError  # noqa: PLC0415 - heavy

        hook = outside.cluster(self.plan.packages[0].source, patience=API_PATIENCE)
        for package in self.plan.packages:
            hook.scale_down(
                package.workload_kind, namespace=package.namespace, name=package.workload
            )
        for package in self.plan.packages:
            try:
                hook.wait_gone(pods_of(package), timeout=_AT_ONCE)
            except PodsRemainError as error:
                log.info("not gone: %s", error)
            else:
                yield package.name

    def _hook(self) -> FencingStep:
        name = read_settings().fencing_hook
        if not name:
            return FencingStep(way=Way.HOOK, text="none is set")
        return _timed(Way.HOOK, partial(self._by_hook, name))

    def _by_hook(self, name: str) -> FencingStep:
        result = load_hook(name)(self.plan.cluster, self.plan.names)
        certain = self.plan.names if result.confirmed else ()
        return FencingStep(way=Way.HOOK, text=result.text, certain_of=certain)

    def _heard(self) -> Iterator[FencingStep]:
        """What the receiver knows since the claim; a lease that must run out is waited for."""
        if self.receiver is None or self.plan.epoch is None:
            yield FencingStep(way=Way.AGENTS, text="no receiver of heartbeats")
            return
        began = time.monotonic()
        fences = self._fences_after_leases(self.receiver)
        seconds = time.monotonic() - began
        yield agents_step(fences, grace_seconds=self.plan.grace_seconds)
        yield lease_step(fences).model_copy(update={"seconds": seconds})

    def _fences_after_leases(self, receiver: "HeartbeatHook") -> "tuple[PackageFence, ...]":
        """A lease is shorter than the grace period: usually it has run out before the fault."""
        longest = self.plan.lease_seconds or 0
        deadline = time.monotonic() + 2 * longest + 2
        while True:
            fences = receiver.fences(self.plan.id)
            running = any(
                one.lease_seconds is not None and not one.lease_expired and not _fenced(one)
                for one in fences
            )
            if not running or time.monotonic() >= deadline:
                return fences
            time.sleep(_LEASE_PAUSE_SECONDS)


def load_hook(name: str) -> FencingHook:
    """`package.module.function`, or a class whose instances have `fence(cluster, packages)`."""
    module, _, attribute = name.rpartition(".")
    try:
        found = getattr(importlib.import_module(module), attribute)
    except (ImportError, AttributeError, ValueError) as error:
        raise FencingHookError(
            "the fencing hook cannot be imported",
            where="[transition] fencing_hook",
            found=name,
            do="name a function or a class as package.module.name, installed where tasks run",
        ) from error
    hook: FencingHook = found().fence if isinstance(found, type) else found
    return hook


def pods_of(package: PackageFailover) -> "PodSet":
    """The package's pods, on either side, whether its objects exist or not."""
    from airflow_transition.hooks.workloads import PodSet  # noqa: PLC0415 - heavy

    return PodSet(namespace=package.namespace, workload=package.workload, labels=package.pod_labels)


def _fenced(fence: "PackageFence") -> bool:
    return bool(fence.nodes_fenced) and not fence.nodes_open


def _timed(way: Way, fence: Callable[[], FencingStep]) -> FencingStep:
    """What came of it, a failure too: the next way may be certain all the same."""
    began = time.monotonic()
    try:
        step = fence()
    except PlanOutdatedError:
        raise
    except Exception as error:
        # A fencing hook is the user's own code: whatever it raises must not stop the failover.
        log.warning("fencing by %s failed", way, exc_info=not isinstance(error, TransitionError))
        step = FencingStep(way=way, text=f"failed: {str(error)[:500]}")
    return step.model_copy(update={"seconds": round(time.monotonic() - began, 3)})
