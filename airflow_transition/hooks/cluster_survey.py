"""What the doctor asks an API server; nothing of it changes anything.

GET    /version
GET    /apis                                                          everybody may
GET    /api/v1/nodes                                                  paged
GET    /apis/apps/v1/namespaces/kube-system/deployments               paged
POST   /apis/authorization.k8s.io/v1/selfsubjectaccessreviews         everybody may
POST   /api/v1/namespaces?dryRun=All                                  409: it is there already
GET    /api/v1/namespaces/kube-flannel/configmaps/kube-flannel-cfg    only where Flannel runs; no
       shipped role grants it: a refusal is an answer
"""

from datetime import timedelta
from functools import cached_property
from http import HTTPStatus
from threading import Lock

from airflow.sdk import BaseHook

from airflow_transition.core.cluster_rights import Right
from airflow_transition.core.cluster_wide_checks import cloud_networks
from airflow_transition.core.errors import TransitionError
from airflow_transition.core.network_checks import flannel_network
from airflow_transition.core.node_state import Network, NodeState, linux_nodes
from airflow_transition.hooks.connection import find_connection
from airflow_transition.hooks.kube_api import Json, KubeApi, refusal
from airflow_transition.hooks.kubelet_road import Road, road_of

_REVIEWS = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
_SYSTEM = "/apis/apps/v1/namespaces/kube-system/deployments"
_FLANNEL = "/api/v1/namespaces/kube-flannel/configmaps/kube-flannel-cfg"


class ClusterSurveyHook(BaseHook):
    """Looks at the cluster behind a kubernetes connection; may be asked by several threads.

    :param patience: for each answer.
    """

    def __init__(
        self, kubernetes_conn_id: str, *, patience: timedelta = timedelta(seconds=5)
    ) -> None:
        super().__init__()
        self.kubernetes_conn_id = kubernetes_conn_id
        self.patience = patience
        self._connecting = Lock()

    def version(self) -> str:
        """The API server's own: `v1.36.2`."""
        return str(self._api.read("/version").get("gitVersion", ""))

    def checkpoints_directly(self) -> bool:
        """Whether its kubelets are asked themselves, as the connection says."""
        return road_of(self._api) is Road.KUBELET

    def api_groups(self) -> frozenset[str]:
        """Names of the API groups that it serves."""
        groups = self._api.read("/apis").get("groups") or ()
        return frozenset(str(group.get("name", "")) for group in groups)

    def cloud_networks(self) -> tuple[Network, ...] | str | None:
        """Where the cloud's controller takes the pods to be; None: there is none, or unsaid."""
        for deployment in self._api.items(_SYSTEM):
            if (found := cloud_networks(deployment)) is not None:
                return found
        return None

    def nodes(self) -> tuple[NodeState, ...]:
        return linux_nodes(self._api.items("/api/v1/nodes"))

    def may(self, right: Right, *, namespaces: tuple[str, ...] = ()) -> bool:
        """Whether the connection's user has a right everywhere, or in each of these namespaces."""
        if self._may(right, namespace=right.namespace):
            return True
        inside = namespaces if right.namespaced else ()
        return bool(inside) and all(self._may(right, namespace=each) for each in inside)

    def takes_namespace(self, name: str) -> bool:
        """Whether it exists; False: it could be made. A refusal raises by its name."""
        path = "/api/v1/namespaces"
        answer = self._api.send(
            "POST",
            path,
            query={"dryRun": "All"},
            body={"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}},
            timeout=self.patience,
        )
        if answer.status == HTTPStatus.CONFLICT:
            return True
        if answer.ok:
            return False
        raise refusal(answer, where=self._api.where("POST", path))

    def flannel(self) -> Network | str:
        """The network of Flannel's configuration, or why it is not known."""
        try:
            found = self._api.read(_FLANNEL)
        except TransitionError as error:
            return error.what
        return flannel_network(str((found.get("data") or {}).get("net-conf.json", "")))

    def _may(self, right: Right, *, namespace: str) -> bool:
        resource, sub = right.subresource
        asked = {
            "group": right.group,
            "resource": resource,
            "subresource": sub,
            "verb": right.verb,
            "namespace": namespace,
            "name": right.name,
        }
        review: Json = {
            "apiVersion": "authorization.k8s.io/v1",
            "kind": "SelfSubjectAccessReview",
            "spec": {"resourceAttributes": {key: text for key, text in asked.items() if text}},
        }
        answered = self._api.call("POST", _REVIEWS, body=review)
        return bool((answered.get("status") or {}).get("allowed"))

    @property
    def _api(self) -> KubeApi:
        with self._connecting:
            return self._connected

    @cached_property
    def _connected(self) -> KubeApi:
        """Without the connection KubernetesHook would turn to whatever is near the worker."""
        find_connection(self.kubernetes_conn_id, kind="kubernetes")
        api = KubeApi(self.kubernetes_conn_id, patience=self.patience)
        api.client()
        return api
