"""A pod's status, as the kubelet reports it."""

from lab.api.kinds import Object
from lab.api.pod_worker import ContainerState, PodWorker
from lab.api.store import timestamp


def of(worker: PodWorker, *, before: Object, node_address: str) -> Object:
    """The status of the worker's pod; conditions that did not change keep their times."""
    states = worker.containers
    generation = worker.pod["metadata"].get("generation", 1)
    started = bool(worker.address)
    ready = all(state.ready for state in states)
    values = {
        "PodReadyToStartContainers": started,
        "Initialized": True,
        "Ready": ready,
        "ContainersReady": ready,
        "PodScheduled": True,
    }
    unready = [state.spec["name"] for state in states if not state.ready]
    status: Object = {
        "observedGeneration": generation,
        "phase": "Running" if any(state.id for state in states) else "Pending",
        "conditions": [
            _condition(
                name,
                value=value,
                generation=generation,
                unready=unready if name in ("Ready", "ContainersReady") else [],
                known=before.get("conditions", ()),
            )
            for name, value in values.items()
        ],
        "hostIP": node_address,
        "hostIPs": [{"ip": node_address}],
    }
    if started:
        status |= {"podIP": worker.address, "podIPs": [{"ip": worker.address}]}
    status |= {
        "startTime": worker.started,
        "containerStatuses": [_container(state) for state in states],
        "qosClass": "BestEffort",
    }
    return status


def _condition(
    name: str, *, value: bool, generation: int, unready: list[str], known: object
) -> Object:
    before = known if isinstance(known, (list, tuple)) else ()
    same = next(
        (each for each in before if each["type"] == name and each["status"] == str(value)), None
    )
    condition = {
        "type": name,
        "observedGeneration": generation,
        "status": str(value),
        "lastProbeTime": None,
        "lastTransitionTime": same["lastTransitionTime"] if same else timestamp(),
    }
    if not value and unready:
        condition |= {
            "reason": "ContainersNotReady",
            "message": f"containers with unready status: [{' '.join(unready)}]",
        }
    return condition


def _container(state: ContainerState) -> Object:
    if state.running:
        now: Object = {"running": {"startedAt": state.started}}
    else:
        now = {"waiting": {"reason": state.reason}}
        if state.message:
            now["waiting"]["message"] = state.message
    return {
        "name": state.spec["name"],
        "state": now,
        "lastState": state.last_exit,
        "ready": state.ready,
        "restartCount": state.restarts,
        "image": state.image or state.spec["image"],
        "imageID": state.image_id,
        **({"containerID": f"podman://{state.id}"} if state.id else {}),
        "started": state.running,
        "resources": {},
        **({"user": _ROOT} if state.running else {}),
    }


_ROOT = {"linux": {"uid": 0, "gid": 0, "supplementalGroups": [0]}}
