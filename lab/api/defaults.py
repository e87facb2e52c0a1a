"""What the API server adds to an object that leaves it out."""

from lab.api.kinds import (
    DAEMON_SET,
    DEPLOYMENT,
    NAMESPACE,
    POD,
    SERVICE,
    STATEFUL_SET,
    Kind,
    Object,
    name_of,
)

_NODE_PORTS = range(30000, 32768)
_SURGE = {"maxUnavailable": "25%", "maxSurge": "25%"}


def complete(kind: Kind, thing: Object) -> None:
    """Fill in defaults in place; what is there stays."""
    if kind in (DEPLOYMENT, STATEFUL_SET, DAEMON_SET):
        _workload(kind, thing["spec"])
    elif kind == POD:
        pod_spec(thing["spec"])
        thing.setdefault("status", {"phase": "Pending", "qosClass": "BestEffort"})
    elif kind == SERVICE:
        _service(thing["spec"])
    elif kind == NAMESPACE:
        labels = thing["metadata"].setdefault("labels", {})
        labels.setdefault("kubernetes.io/metadata.name", name_of(thing))
        thing.setdefault("spec", {"finalizers": ["kubernetes"]})
        thing.setdefault("status", {"phase": "Active"})


def pod_spec(spec: Object) -> None:
    """The defaults of a pod's spec, in a template or in a pod."""
    for container in spec["containers"]:
        container.setdefault("resources", {})
        container.setdefault("terminationMessagePath", "/dev/termination-log")
        container.setdefault("terminationMessagePolicy", "File")
        container.setdefault("imagePullPolicy", "IfNotPresent")
        for port in container.get("ports", ()):
            port.setdefault("protocol", "TCP")
        if probe := container.get("readinessProbe"):
            _probe(probe)
    spec.setdefault("restartPolicy", "Always")
    spec.setdefault("terminationGracePeriodSeconds", 30)
    spec.setdefault("dnsPolicy", "ClusterFirst")
    spec.setdefault("securityContext", {})
    spec.setdefault("schedulerName", "default-scheduler")


def _workload(kind: Kind, spec: Object) -> None:
    if kind != DAEMON_SET:
        spec.setdefault("replicas", 1)
    spec["template"].setdefault("metadata", {})
    pod_spec(spec["template"]["spec"])
    spec.setdefault("revisionHistoryLimit", 10)
    if kind == DEPLOYMENT:
        strategy = spec.setdefault("strategy", {})
        if strategy.setdefault("type", "RollingUpdate") == "RollingUpdate":
            strategy["rollingUpdate"] = _SURGE | strategy.get("rollingUpdate", {})
        spec.setdefault("progressDeadlineSeconds", 600)


def _service(spec: Object) -> None:
    spec.setdefault("type", "ClusterIP")
    spec.setdefault("sessionAffinity", "None")
    for port in spec.get("ports", ()):
        port.setdefault("protocol", "TCP")
        port.setdefault("targetPort", port["port"])


def _probe(probe: Object) -> None:
    defaults = {
        "timeoutSeconds": 1,
        "periodSeconds": 10,
        "successThreshold": 1,
        "failureThreshold": 3,
    }
    for key, value in defaults.items():
        probe.setdefault(key, value)
    if get := probe.get("httpGet"):
        get.setdefault("path", "/")
        get.setdefault("scheme", "HTTP")


def assign_addresses(service: Object, *, others: list[Object]) -> None:
    """Give a Service its cluster address and node ports, as far as it has none."""
    spec = service["spec"]
    taken = {each["spec"].get("clusterIP") for each in others}
    if "clusterIP" not in spec:
        spec["clusterIP"] = next(
            address for i in range(1, 255) if (address := f"10.96.0.{i}") not in taken
        )
        spec["clusterIPs"] = [spec["clusterIP"]]
    ports = {port.get("nodePort") for each in others for port in each["spec"].get("ports", ())}
    if spec["type"] in ("NodePort", "LoadBalancer"):
        for port in spec.get("ports", ()):
            if "nodePort" not in port:
                port["nodePort"] = next(each for each in _NODE_PORTS if each not in ports)
                ports.add(port["nodePort"])
