"""The doctor's questions to what all clusters share: bucket, registry, receiver."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from itertools import islice
from typing import TYPE_CHECKING, Any

from airflow_transition import outside
from airflow_transition.core.doctor import Check, Finding, Status
from airflow_transition.core.errors import TransitionError
from airflow_transition.core.policy import ClusterPolicy
from airflow_transition.operators.receiver import receiver_if_any

if TYPE_CHECKING:
    from airflow_transition.core.health_report import FleetReport
    from airflow_transition.hooks.checkpoint_store import CheckpointStoreHook
    from airflow_transition.hooks.oci_registry import OciRegistryHook

Answers = Mapping[tuple[str, str], Any]

_BUCKET, _REGISTRY, _RECEIVER = "bucket", "registry", "receiver"
_SECURITY = "docs/explanation/security.md"


@dataclass(frozen=True)
class OutsideChecks:
    """Each answers by itself: one that is away hides no other."""

    policies: Sequence[ClusterPolicy]
    store: "CheckpointStoreHook"

    def asks(self) -> Iterator[tuple[tuple[str, str], Callable[[], Any]]]:
        yield (_BUCKET, ""), self._open_ways
        yield (_REGISTRY, ""), lambda: outside.registry().check()
        yield (_REGISTRY, "private"), self._registry_privacy
        yield (_REGISTRY, "deletion"), lambda: outside.registry().require_deletions()
        yield (_RECEIVER, ""), self._fleet

    def findings(self, answers: Answers) -> Iterator[Finding]:
        yield from _of_bucket(answers[_BUCKET, ""])
        yield from _of_registry(answers, may_be_public=self._may_be_public)
        yield self._of_receiver(answers[_RECEIVER, ""])

    @property
    def _may_be_public(self) -> bool:
        """One registry serves all policies: the strictest of them decides."""
        return all(policy.spec.registry.may_be_public for policy in self.policies)

    def _registry_privacy(self) -> tuple[bool, bool]:
        """Whether anybody may pull, and whether there was an image to try it with."""
        registry = outside.registry()
        image = self._some_image(registry)
        return registry.anybody_reads(image), image is not None

    def _some_image(self, registry: "OciRegistryHook") -> str | None:
        """An image that was pushed; its repository is there."""
        inventory = self.store.inventory
        for cluster in sorted({name for policy in self.policies for name in policy.clusters}):
            for place in islice(inventory.workloads(cluster), 1):
                point = inventory.newest(place)
                for image in point.images.values() if point else ():
                    if registry.is_own(image):
                        return image
        return None

    def _open_ways(self) -> tuple[str, list[str], bool]:
        """The bucket's name, what anybody may do with it, and whether it held anything to try."""
        from airflow_transition.hooks.bucket_survey import BucketSurvey  # noqa: PLC0415 - heavy

        survey = BucketSurvey(self.store)
        key = survey.first_key()
        return survey.bucket, survey.open_ways(key), key is not None

    def _fleet(self) -> "FleetReport | None":
        receiver = receiver_if_any()
        longest = max(policy.spec.failover.grace_period for policy in self.policies)
        return None if receiver is None else receiver.fleet(grace=longest)

    def _of_receiver(self, answer: "FleetReport | TransitionError | None") -> Finding:
        subject = _RECEIVER
        if isinstance(answer, TransitionError):
            return of_error(Check.RECEIVER, subject=subject, error=answer)
        if answer is not None:
            minutes = int(timedelta(seconds=answer.listening_seconds).total_seconds() // 60)
            found = f"it answers, and has been listening for {minutes} min"
            return Finding(check=Check.RECEIVER, status=Status.OK, subject=subject, found=found)
        needed = [policy.name for policy in self.policies if _needs_receiver(policy)]
        if not needed:
            found = "no connection leads to one, and no policy needs it"
            return Finding(check=Check.RECEIVER, status=Status.OK, subject=subject, found=found)
        return Finding(
            check=Check.RECEIVER,
            status=Status.FAILED,
            subject=subject,
            found=f"no connection leads to one: no fault is noticed for {', '.join(needed)}",
            cure="create the connection transition_receiver (docs/reference/connections.md), or "
            "write failover.mode: Manual",
        )


def of_error(
    check: Check, *, subject: str, error: TransitionError, status: Status = Status.FAILED
) -> Finding:
    """What our own hooks say went wrong, as a finding."""
    seen = f" ({error.found})" if error.found else ""
    found = f"{error.where}: {error.what}{seen}"
    return Finding(check=check, status=status, subject=subject, found=found, cure=error.do)


def _needs_receiver(policy: ClusterPolicy) -> bool:
    failover = policy.spec.failover
    return failover.mode != "Manual" or failover.lease_seconds is not None


def _of_bucket(answer: tuple[str, list[str], bool] | TransitionError) -> Iterator[Finding]:
    if isinstance(answer, TransitionError):
        yield of_error(Check.BUCKET, subject=_BUCKET, error=answer)
        return
    bucket, ways, tried = answer
    held = "holds objects" if tried else "is empty"
    yield _well(Check.BUCKET, _BUCKET, f"{bucket} can be listed, and {held}")
    if ways:
        yield Finding(
            check=Check.BUCKET_PRIVATE,
            status=Status.FAILED,
            subject=_BUCKET,
            found=f"anybody may {' and '.join(ways)} in {bucket}: the memory of processes",
            cure=f"remove its public policy: {_SECURITY}",
        )
    else:
        yield _well(Check.BUCKET_PRIVATE, _BUCKET, "it refuses who has no key")


def _of_registry(answers: Answers, *, may_be_public: bool) -> Iterator[Finding]:
    check = answers[_REGISTRY, ""]
    if isinstance(check, TransitionError):
        yield of_error(Check.REGISTRY, subject=_REGISTRY, error=check)
        return
    yield _well(Check.REGISTRY, _REGISTRY, "it answers, and takes the login")
    yield _of_privacy(answers[_REGISTRY, "private"], may_be_public=may_be_public)
    deletion = answers[_REGISTRY, "deletion"]
    if isinstance(deletion, TransitionError):
        warning = Status.WARNING  # moves and failovers do without
        yield of_error(Check.REGISTRY_DELETION, subject=_REGISTRY, error=deletion, status=warning)
    else:
        yield _well(Check.REGISTRY_DELETION, _REGISTRY, "it deletes images")


def _of_privacy(answer: tuple[bool, bool] | TransitionError, *, may_be_public: bool) -> Finding:
    check = Check.REGISTRY_PRIVATE
    if isinstance(answer, TransitionError):
        return of_error(check, subject=_REGISTRY, error=answer, status=Status.UNKNOWN)
    is_open, tried = answer
    if is_open:
        return Finding(
            check=check,
            status=Status.WARNING if may_be_public else Status.FAILED,
            subject=_REGISTRY,
            found="anybody may pull the images: the memory of processes",
            cure=f"make the repository private, or let the registry ask for a login: {_SECURITY}",
        )
    if tried:
        return _well(check, _REGISTRY, "it refuses who has no login")
    return Finding(
        check=check,
        status=Status.UNKNOWN,
        subject=_REGISTRY,
        found="no checkpoint image is there yet to try it with",
        cure="ask again after the first checkpoint",
    )


def _well(check: Check, subject: str, found: str) -> Finding:
    return Finding(check=check, status=Status.OK, subject=subject, found=found)
