"""Who may move a lost cluster's packages: decided once, by the receiver, in one transaction.

The receiver locks the cluster's row, calls `decide_claim` with what it read, and writes the answer:
the claim, the cluster's new epoch and the fences of the claim's packages, together.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta

from airflow_transition.core.claim import Claim, ClaimRefusal, ClaimRequest
from airflow_transition.core.cluster_health import agents
from airflow_transition.core.fleet_health import silent_share
from airflow_transition.core.health_report import FleetReport, Health

PackageKey = tuple[str, str]
"""Namespace and package."""

HOUR = timedelta(hours=1)
ASK_AGAIN_SECONDS = 5.0
"""Where another failover has to end first."""
AT_ONCE = timedelta(hours=12)
"""No failover takes so long: the run of a claim that is open for longer is dead, and what it left
must not hold back others for ever."""
_SOON_SECONDS = 0.2


def claim_id(*, policy: str, cluster: str, epoch: int) -> str:
    """Names the failover of a fault, in commits, fences and notes."""
    return f"{policy}/{cluster}@{epoch}"


def epoch_after(claim: Claim, *, epoch: int) -> int:
    """The cluster's epoch once the claim is given, from its epoch before."""
    return max(epoch, claim.epoch + 1)


def decide_claim(
    request: ClaimRequest,
    *,
    cluster: str,
    epoch: int,
    claims: Sequence[Claim],
    fleet: FleetReport,
    now: datetime,
    fenced: Mapping[PackageKey, str],
) -> Claim | ClaimRefusal:
    """The claim, new or the same run's again, or why not.

    `epoch` is the cluster's now. `claims` are those of this fault, those that the request takes
    over, those of all clusters that are open, and those made in the last hour; more do no harm.
    `fleet` is judged by the request's grace period. The clock of `now` only counts what was moved
    lately. `fenced` are the cluster's packages with a fence, each with the id of the claim that it
    is from; those of claims that are taken over are given up with the answer.
    """
    name = claim_id(policy=request.policy, cluster=cluster, epoch=request.epoch)
    for claim in claims:
        if claim.id == name:
            mine = claim.run == request.run
            return _again(claim, fenced=fenced) if mine else _taken(claim)
    refusal = (
        _against_epoch(request, cluster=cluster, epoch=epoch, claims=claims)
        or _against_packages(request, cluster=cluster, claims=claims)
        or _against_fences(request, cluster=cluster, fenced=fenced, claims=claims)
    )
    if refusal is None and not request.approved:
        refusal = (
            _against_hearing(cluster, fleet=fleet)
            or _against_silence(request, cluster=cluster, fleet=fleet)
            or _against_limits(request, cluster=cluster, claims=claims, now=now)
        )
    return refusal or Claim(
        id=name,
        policy=request.policy,
        cluster=cluster,
        epoch=request.epoch,
        run=request.run,
        packages=request.packages,
        made=now,
    )


def _taken(claim: Claim) -> ClaimRefusal:
    text = f"{claim.id} was given to {claim.run} at {claim.made:%Y-%m-%d %H:%M:%S %Z}"
    return ClaimRefusal(reason="taken", text=text, holder=claim.run)


def _again(claim: Claim, *, fenced: Mapping[PackageKey, str]) -> Claim | ClaimRefusal:
    """A claim whose fences are gone is over; whoever was paused meanwhile must not go on.

    Its packages run there again, or another run moves them.
    """
    gone = sorted(key for key in _keys(claim) if fenced.get(key) != claim.id)
    if not gone:
        return claim
    namespace, package = gone[0]
    text = f"{claim.id} is over: its fence of {namespace}/{package} was lifted or taken over"
    return ClaimRefusal(reason="taken", text=text, holder=fenced.get(gone[0]))


def _against_epoch(
    request: ClaimRequest, *, cluster: str, epoch: int, claims: Iterable[Claim]
) -> ClaimRefusal | None:
    """The fault must be the present one, or the one that another policy's claim just raised."""
    if request.epoch == epoch:
        return None
    same = any(one.cluster == cluster and one.epoch == request.epoch for one in claims)
    if request.epoch == epoch - 1 and same:
        return None
    text = (
        f"the epoch of {cluster} is {epoch}, and the fault was seen at {request.epoch}: "
        "look at the cluster again"
    )
    return ClaimRefusal(reason="epoch", text=text)


def _against_packages(
    request: ClaimRequest, *, cluster: str, claims: Iterable[Claim]
) -> ClaimRefusal | None:
    """A package is moved by one claim: of two policies that name it, one gets it."""
    wanted = _keys(request)
    for claim in claims:
        both = sorted(wanted & _keys(claim))
        if not both:
            continue
        names = ", ".join(f"{namespace}/{package}" for namespace, package in both)
        if claim.cluster == cluster and claim.epoch == request.epoch:
            text = f"{names}: already claimed by {claim.id}; only one policy may name a package"
            return ClaimRefusal(reason="taken", text=text, holder=claim.run)
        if claim.ended is None and (claim.cluster == cluster or claim.policy == request.policy):
            text = f"{names}: still being moved by {claim.id}, which has to end first"
            return ClaimRefusal(
                reason="taken", text=text, holder=claim.run, retry_seconds=ASK_AGAIN_SECONDS
            )
    return None


def _against_fences(
    request: ClaimRequest,
    *,
    cluster: str,
    fenced: Mapping[PackageKey, str],
    claims: Iterable[Claim],
) -> ClaimRefusal | None:
    """A fenced package was given up here before: a plan that still sees it here is too old.

    Unless it says that it goes on where the failover of that fence ended without success.
    """
    failed = {one.id for one in claims if one.has_failed} & set(request.takes_over)
    for namespace, package in sorted(_keys(request) & fenced.keys()):
        claim = fenced[namespace, package]
        if claim in failed:
            continue
        text = (
            f"{namespace}/{package} was taken away from {cluster} by {claim}; "
            "go on with the run of that claim, or lift its fence if the package is to run there"
        )
        holder = next((one.run for one in claims if one.id == claim), None)
        return ClaimRefusal(reason="taken", text=text, holder=holder)
    return None


def _against_hearing(cluster: str, *, fleet: FleetReport) -> ClaimRefusal | None:
    """Whoever asks may have been paused since it saw the silence; the receiver knows better."""
    counted = next((agents(one) for one in fleet.clusters if one.cluster == cluster), ())
    if any(node.health is Health.NOT_READY for node in counted):
        return None
    if any(node.health is Health.READY for node in counted):
        return ClaimRefusal(reason="heard", text=f"{cluster}: no agent of it is silent any more")
    if not counted:
        return ClaimRefusal(reason="heard", text=f"{cluster}: no agent of it was ever heard")
    text = f"{cluster}: the receiver has not listened long enough to call any agent silent"
    left = fleet.grace_seconds - fleet.listening_seconds
    return ClaimRefusal(reason="heard", text=text, retry_seconds=max(left, _SOON_SECONDS))


def _against_silence(
    request: ClaimRequest, *, cluster: str, fleet: FleetReport
) -> ClaimRefusal | None:
    share = silent_share(fleet, cluster=cluster)
    percent = request.limits.silent_clusters_percent
    if share.too_many(percent):
        text = (
            f"{len(share.silent)} of {share.known} clusters fell silent at once "
            f"(more than {percent} %): {_few(share.silent)}; "
            "rather the receiver has lost its network, and a person has to decide"
        )
        return ClaimRefusal(reason="limit", text=text)
    if share.perhaps_too_many(percent):
        text = (
            f"not heard for a while: {_few(share.quiet)}; if they fell silent "
            f"with {cluster}, more than {percent} % did: ask again when that is known"
        )
        soon = max(fleet.grace_seconds / 20, _SOON_SECONDS)
        return ClaimRefusal(reason="limit", text=text, retry_seconds=soon)
    return None


def _against_limits(
    request: ClaimRequest, *, cluster: str, claims: Sequence[Claim], now: datetime
) -> ClaimRefusal | None:
    limits = request.limits
    unended = [claim for claim in claims if claim.ended is None and now - claim.made < AT_ONCE]
    recent = [claim for claim in claims if now - claim.made < HOUR]
    own = len(request.packages)
    for text in _excess(
        "at once",
        clusters=len({claim.cluster for claim in unended} | {cluster}),
        most_clusters=limits.clusters_at_once,
        packages=own + sum(len(claim.packages) for claim in unended),
        most_packages=limits.packages_at_once,
    ):
        alone = own > limits.packages_at_once
        others = f"; not ended yet: {_few([one.id for one in unended])}" if unended else ""
        return ClaimRefusal(
            reason="limit", text=text + others, retry_seconds=None if alone else ASK_AGAIN_SECONDS
        )
    for text in _excess(
        "within an hour",
        clusters=len({(one.cluster, one.epoch) for one in recent} | {(cluster, request.epoch)}),
        most_clusters=limits.clusters_per_hour,
        packages=own + sum(len(claim.packages) for claim in recent),
        most_packages=limits.packages_per_hour,
    ):
        return ClaimRefusal(reason="limit", text=text)
    return None


def _excess(
    when: str, *, clusters: int, most_clusters: int, packages: int, most_packages: int
) -> Iterator[str]:
    if clusters > most_clusters:
        yield f"{clusters} clusters would be given up {when}; the policy allows {most_clusters}"
    if packages > most_packages:
        yield f"{packages} packages would move {when}; the policy allows {most_packages}"


def _keys(holder: Claim | ClaimRequest) -> set[PackageKey]:
    return {(copy.namespace, copy.package) for copy in holder.packages}


def _few(names: Sequence[str]) -> str:
    most = 5
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more
