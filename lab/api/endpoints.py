"""EndpointSlices: which pods stand behind each Service, as the endpoint slice controller says."""

from lab.api import names, selectors
from lab.api.kinds import ENDPOINT_SLICE, POD, SERVICE, Object, labels_of, name_of, namespace_of
from lab.api.pods import is_active, is_ready
from lab.api.store import Store

SERVICE_NAME = "kubernetes.io/service-name"


def reconcile(store: Store) -> None:
    """One slice for each Service that selects pods."""
    for service in store.list(SERVICE):
        if service["spec"].get("selector"):
            _slice_of(store, service)


def backends(store: Store, service: Object, *, port: Object) -> list[str]:
    """`address:port` of every ready pod behind one port of a Service."""
    ready = [pod for pod in _pods(store, service) if is_ready(pod) and is_active(pod)]
    return [f"{pod['status']['podIP']}:{_target(port, pod=pod)}" for pod in ready]


def _pods(store: Store, service: Object) -> list[Object]:
    selector = service["spec"].get("selector")
    if not selector:
        return []
    return [
        pod
        for pod in store.each(POD, namespace=namespace_of(service))
        if pod["status"].get("podIP")
        and selectors.matches({"matchLabels": selector}, labels=labels_of(pod))
    ]


def _target(port: Object, *, pod: Object) -> int:
    """`targetPort` as a number; a name is looked up in the pod's containers."""
    target = port["targetPort"]
    if isinstance(target, int):
        return target
    for container in pod["spec"]["containers"]:
        for each in container.get("ports", ()):
            if each.get("name") == target:
                return int(each["containerPort"])
    return int(port["port"])


def _slice_of(store: Store, service: Object) -> None:
    pods = _pods(store, service)
    content: Object = {
        "addressType": "IPv4",
        "endpoints": [_endpoint(pod) for pod in pods],
        "ports": [
            {"name": port.get("name", ""), "port": _target(port, pod=pods[0]), "protocol": "TCP"}
            for port in service["spec"].get("ports", ())
            if pods
        ],
    }
    known = [
        each
        for each in store.list(ENDPOINT_SLICE, namespace=namespace_of(service))
        if labels_of(each).get(SERVICE_NAME) == name_of(service)
    ]
    if known:
        store.change(ENDPOINT_SLICE, known[0], by=lambda live: live.update(content))
    else:
        store.create(ENDPOINT_SLICE, {"metadata": _metadata(service), **content})


def _endpoint(pod: Object) -> Object:
    serving = is_ready(pod)
    return {
        "addresses": [pod["status"]["podIP"]],
        "conditions": {
            "ready": serving and is_active(pod),
            "serving": serving,
            "terminating": not is_active(pod),
        },
        "targetRef": {
            "kind": "Pod",
            "namespace": namespace_of(pod),
            "name": name_of(pod),
            "uid": pod["metadata"]["uid"],
        },
        "nodeName": pod["spec"]["nodeName"],
    }


def _metadata(service: Object) -> Object:
    return {
        "name": names.generated(f"{name_of(service)}-"),
        "generateName": f"{name_of(service)}-",
        "namespace": namespace_of(service),
        "labels": {
            "endpointslice.kubernetes.io/managed-by": "endpointslice-controller.k8s.io",
            SERVICE_NAME: name_of(service),
        },
        "ownerReferences": [
            {
                "apiVersion": "v1",
                "kind": "Service",
                "name": name_of(service),
                "uid": service["metadata"]["uid"],
                "controller": True,
                "blockOwnerDeletion": True,
            }
        ],
    }
