"""Ask a node's kubelet to checkpoint a container.

The call takes one of two roads (`kubelet_road`): through the API server's node proxy, or to the
kubelet itself. Its answers come in three voices, the API server's, the kubelet's and the container
runtime's, and one status means several things (a 404 has five meanings), so an answer is named by
its status and its text together, and by the road where that changes what is to be done.

Temporary is what a fresh attempt, which looks the pod up again, can find changed; permanent is
what stays so until a person acts. A failed dump leaves the application running, so trying again
is safe. Two checkpoints of one container within a second get the same path, and of two at once one
fails: callers make one at a time per pod, and wait a `retry_after` between two.
"""

import json
import re
from dataclasses import dataclass
from datetime import timedelta
from math import ceil
from pathlib import PurePosixPath
from urllib.parse import quote

from airflow.sdk import BaseHook
from transition_wire.archive_name import created_of

from airflow_transition.core.errors import PermanentError, TemporaryError
from airflow_transition.hooks.kube_api import (
    Answer,
    ApiTimeoutError,
    ApiUnreachableError,
    KubeApi,
    NotAllowedError,
    TokenRefusedError,
    UnreadableAnswerError,
    refusal,
)
from airflow_transition.hooks.kubelet_road import Call, Road, call_by, is_untrusted, road_of


class NodeGoneError(TemporaryError):
    """The node is no more: its pods come up elsewhere."""


class PodGoneError(TemporaryError):
    """The node knows no such pod: it was replaced, or has only just come."""


class ContainerUnknownError(PermanentError):
    """The pod has no container of this name."""


class ContainerNotRunningError(TemporaryError):
    """The container is starting, restarting or over."""


class CheckpointTimeoutInvalidError(PermanentError):
    """The kubelet cannot read the timeout that it was given."""


class CheckpointDisabledError(PermanentError):
    """The kubelet does not offer the call: the feature gate ContainerCheckpoint is off."""


class CheckpointUnsupportedError(PermanentError):
    """The container runtime cannot checkpoint, or is configured not to."""


class CriuMissingError(PermanentError):
    """The node has no CRIU where the runtime looks for it."""


class CheckpointFailedError(TemporaryError):
    """The dump failed; the application runs on."""


class CheckpointTimeoutError(TemporaryError):
    """No answer in time: the kubelet may still be writing the archive."""


class KubeletCertificateError(PermanentError):
    """The kubelet's serving certificate is not signed by the CA, or is for another address."""


class NodeUnreachableError(ApiUnreachableError):
    """The node's kubelet is not reached: by the API server, or from here."""


@dataclass(frozen=True)
class _Case:
    """One meaning of an answer: status, a mark in its text, and what to tell the user."""

    status: int
    mark: str
    error: type[PermanentError | TemporaryError]
    what: str
    do: str
    road: Road | None = None
    """None: it means the same on both."""

    def fits(self, answer: Answer, *, road: Road) -> bool:
        found = re.search(self.mark, answer.text, re.IGNORECASE)
        on_it = self.road is None or self.road is road
        return on_it and answer.status == self.status and found is not None


_PARSED = r'"kind":\s*"Status"'
"""The API server speaks in Status objects, the kubelet in plain text."""

_CASES = (
    _Case(
        401,
        "",
        TokenRefusedError,
        "the kubelet refuses the connection's credentials, also when read anew",
        "put a valid token into the Airflow connection; if the API server takes it, switch on "
        "`authentication.webhook` in the kubelet's configuration",
        road=Road.KUBELET,
    ),
    _Case(
        403,
        r"subresource\(s\)",
        NotAllowedError,
        "the kubelet does not allow the call to the connection's user",
        "grant it `create` on `nodes/checkpoint` by a ClusterRole (components/checkpoint-direct)",
        road=Road.KUBELET,
    ),
    _Case(
        401,
        _PARSED,
        TokenRefusedError,
        "the API server refuses the credentials, also when read anew",
        "put a valid token into the Airflow connection",
    ),
    _Case(
        401,
        "",
        TokenRefusedError,
        "the kubelet refuses the credentials that the API server shows it",
        "renew the API server's --kubelet-client-certificate",
    ),
    _Case(
        403,
        "nodes/proxy",
        NotAllowedError,
        "the connection's user may not call the node's proxy",
        "grant it `create` on `nodes/proxy` by a ClusterRole",
    ),
    _Case(
        403,
        r"subresource\(s\)",
        NotAllowedError,
        "the kubelet does not allow the call",
        "grant the named user `create` on `nodes/checkpoint` by a ClusterRole",
    ),
    _Case(
        404,
        r'nodes \\"[^"]*\\" not found',
        NodeGoneError,
        "the node does not exist",
        "nothing if the node was replaced: the next attempt looks the pod up again",
    ),
    _Case(
        404,
        "pod does not exist",
        PodGoneError,
        "the node knows no such pod",
        "nothing if the pod was replaced: the next attempt looks it up again",
    ),
    _Case(
        404,
        "container .* does not exist",
        ContainerUnknownError,
        "the pod has no such container",
        "check the container's name",
    ),
    _Case(
        404,
        "timeout parameter",
        CheckpointTimeoutInvalidError,
        "the kubelet cannot read the timeout",
        "report this as a fault of airflow-transition",
    ),
    _Case(
        404,
        "404 page not found",
        CheckpointDisabledError,
        "the kubelet does not offer checkpoints",
        "enable the feature gate ContainerCheckpoint on the node's kubelet (the default from 1.30)",
    ),
    _Case(
        500,
        r"\(container .* not found\)",
        ContainerNotRunningError,
        "the container is not running",
        "nothing if it is starting; else look at the pod's events",
    ),
    _Case(
        500,
        "criu binary not found|criu.*(not found in|executable file not found)",
        CriuMissingError,
        "the node has no CRIU",
        "install CRIU 4.2 or newer on the node, in the PATH of the container runtime",
    ),
    _Case(
        500,
        "unimplemented|unknown method|support is not available|not supported",
        CheckpointUnsupportedError,
        "the container runtime does not checkpoint",
        "use containerd 2.x or CRI-O with checkpoint support enabled",
    ),
    _Case(
        500,
        "checkpointing of .* failed|criu failed",
        CheckpointFailedError,
        "the dump failed; the application runs on",
        "if it stays, run `criu check` on the node and read dump.log: CRIU may be too old for the "
        "kernel, or the process may use what CRIU cannot dump (io_uring, some devices)",
    ),
)


class KubeletHook(BaseHook):
    """Checkpoints containers of the cluster behind a connection of type kubernetes.

    The connection's extra `checkpoint_road` chooses how: `api-server` (its user needs `create` on
    `nodes/proxy`), or `kubelet` (`create` on `nodes/checkpoint`).
    """

    def __init__(self, kubernetes_conn_id: str) -> None:
        super().__init__()
        self.api = KubeApi(kubernetes_conn_id)

    def checkpoint(
        self,
        *,
        node: str,
        namespace: str,
        pod: str,
        container: str,
        timeout: timedelta,
        address: str | None = None,
    ) -> list[str]:
        """Checkpoint a running container and give the archive's paths on the node.

        `timeout` is how long to wait for the answer: about a second for each 150 MB of memory,
        and more on slow disks. `address` is the node's, as its pods say (`status.hostIP`); only the
        direct road needs it.
        """
        names = "/".join(quote(name, safe="") for name in (namespace, pod, container))
        road = road_of(self.api)
        call = call_by(road, self.api, node=node, address=address, names=names)
        answer = self._ask(call, timeout=timeout)
        if not answer.ok:
            expired = self.api.expired(answer, where=call.where)
            raise expired or checkpoint_refusal(answer, where=call.where, road=road)
        stem = f"checkpoint-{pod}_{namespace}-{container}"
        return _archive_paths(answer, stem=stem, where=call.where)

    def _ask(self, call: Call, *, timeout: timedelta) -> Answer:
        query = {"timeout": str(ceil(timeout.total_seconds()))}
        try:
            return self.api.send("POST", call.path, query=query, timeout=timeout, peer=call.peer)
        except ApiTimeoutError as error:
            raise CheckpointTimeoutError(
                "no answer in time; the kubelet may still be writing the archive",
                where=call.where,
                found=error.found,
                do="allow more time for this package's memory",
                retry_after=timedelta(seconds=30),
            ) from error
        except ApiUnreachableError as error:
            if call.peer is None:
                raise
            raise _not_reached(error, where=call.where) from error


def _not_reached(error: ApiUnreachableError, *, where: str) -> PermanentError | TemporaryError:
    """Name of a connection to a kubelet that did not come about."""
    if is_untrusted(error):
        return KubeletCertificateError(
            "the kubelet's serving certificate is not trusted",
            where=where,
            found=error.found,
            do="let the kubelet have one of the cluster's CA (`serverTLSBootstrap: true`, and "
            "approve its requests), or name the right CA in the connection's extra "
            "`kubelet_ca_file`",
        )
    return NodeUnreachableError(
        "the node's kubelet does not answer",
        where=where,
        found=error.found,
        do="check the node, and that this worker reaches the kubelet's port; where nodes cannot be "
        "reached, set the connection's extra `checkpoint_road` to api-server",
    )


def checkpoint_refusal(
    answer: Answer, *, where: str, road: Road = Road.API_SERVER
) -> PermanentError | TemporaryError:
    """Name of a refused or failed checkpoint."""
    found = f"{answer.status} {answer.message}"
    for case in _CASES:
        if case.fits(answer, road=road):
            return case.error(case.what, where=where, found=found, do=case.do)
    if answer.status in (502, 503, 504) and road is Road.API_SERVER:
        return NodeUnreachableError(
            "the API server does not reach the node's kubelet",
            where=where,
            found=found,
            do="check the node: is it Ready, is its kubelet running?",
            retry_after=answer.retry_after or timedelta(seconds=5),
        )
    return refusal(answer, where=where)


def _archive_paths(answer: Answer, *, stem: str, where: str) -> list[str]:
    try:
        paths = json.loads(answer.text)["items"]
        expected = bool(paths) and all(_is_archive(path, stem=stem) for path in paths)
    except (ValueError, TypeError, KeyError):
        expected = False
    if not expected:
        raise UnreadableAnswerError(
            "the answer names no archive of this container",
            where=where,
            found=answer.text[:200],
            do="check that the connection points to an API server with a kubelet behind it",
        )
    return list(paths)


def _is_archive(path: str, *, stem: str) -> bool:
    name = PurePosixPath(path)
    return name.is_absolute() and name.name.startswith(stem) and created_of(name.name) is not None
