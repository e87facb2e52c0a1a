"""How each part is killed with SIGKILL, and started again as its supervisor would."""

from collections.abc import Callable
from dataclasses import dataclass

from lab import agents
from lab.failovers import Failovers
from lab.services.all import services_of
from lab.services.service import Service
from tests.chaos.scenario import Victim

_COMPONENTS = {
    Victim.RECEIVER,
    Victim.API_SERVER,
    Victim.SCHEDULER,
    Victim.TRIGGERER,
    Victim.DAG_PROCESSOR,
}
_SERVICES = {Victim.GIT, Victim.REGISTRY, Victim.S3}


@dataclass(frozen=True)
class Handle:
    kill: Callable[[], None]
    start: Callable[[], None]


def handle(victim: Victim, *, failovers: Failovers, source: str, target: str) -> Handle:
    """How to reach a part in a failover from `source` to `target`."""
    airflow, lab = failovers.airflow, failovers.lab
    if victim in _COMPONENTS:
        name = victim.value
        return Handle(lambda: airflow.kill_component(name), lambda: airflow.start_component(name))
    if victim in _SERVICES:
        service = _service(failovers, name=victim.value)
        return Handle(service.kill, service.start)
    if victim in {Victim.SOURCE_AGENT, Victim.TARGET_AGENT}:
        cluster = source if victim is Victim.SOURCE_AGENT else target
        daemon = agents.agent_of(lab, cluster=cluster)
        return Handle(daemon.kill, lambda: _ignore(agents.start_one(lab, cluster=cluster)))
    faults = failovers.faults(target)
    part = faults.server if victim is Victim.TARGET_API else faults.gitops
    return Handle(part.kill, part.start)


def _service(failovers: Failovers, *, name: str) -> Service:
    (found,) = (each for each in services_of(failovers.lab) if each.name == name)
    return found


def _ignore(_: object) -> None:
    """What was started is found by its pid file."""
