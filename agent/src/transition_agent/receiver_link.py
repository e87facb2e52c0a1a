"""All that ties the node to its receiver: heartbeats out, fences and leases in."""

import threading
from datetime import timedelta

from structlog.typing import FilteringBoundLogger

from transition_agent.archives import Wake
from transition_agent.crictl import Crictl
from transition_agent.guard import Guard
from transition_agent.heartbeat_metrics import HeartbeatMetrics
from transition_agent.heartbeats import Heart
from transition_agent.node_signs import NodeSigns
from transition_agent.podman import Podman
from transition_agent.readiness import tell_ready
from transition_agent.receiver import Receiver, timeout_for
from transition_agent.receiver_token import ReceiverToken
from transition_agent.rounds import Rounds
from transition_agent.runtime import Runtime, program_for
from transition_agent.settings import AgentSettings
from transition_agent.state_file import StateFile
from transition_agent.warden import Warden

_FIRST_ROUND = timedelta(seconds=5)
"""How long the first heartbeat waits until what was closed before is closed again."""


class ReceiverLink:
    def __init__(
        self,
        settings: AgentSettings,
        *,
        stop: threading.Event,
        metrics: HeartbeatMetrics,
        log: FilteringBoundLogger,
    ) -> None:
        self._settings = settings
        self._stop = stop
        self._log = log
        self._first_round = threading.Event()
        self.signs = NodeSigns(
            cluster=settings.cluster_name,
            node=settings.node_name,
            interval=settings.heartbeat_interval,
        )
        wake_heart, wake_rounds = Wake(stop), Wake(stop)
        self._warden = Warden(
            guard=Guard(log=log),
            state=StateFile(settings.state_dir),
            log=log,
            changed=wake_rounds.up,
        )
        self._runtime = _runtime(settings)
        self._rounds = Rounds(
            self._runtime,
            warden=self._warden,
            signs=self.signs,
            wake=wake_rounds,
            wake_heart=wake_heart.up,
            metrics=metrics,
            log=log,
        )
        metrics.leases_by(self._warden.seconds_left)
        self._heart = _heart(
            settings,
            signs=self.signs,
            warden=self._warden,
            wake=wake_heart,
            metrics=metrics,
            log=log,
        )

    def start(self) -> None:
        """In threads of their own. Orders of before count even if no receiver is set any more."""
        self._warden.load()
        if self._heart or self._warden.has_orders:
            self._log_start()
            threading.Thread(target=self._go_rounds, name="rounds", daemon=True).start()
        else:
            self._first_round.set()
        threading.Thread(target=self._beat, name="heart", daemon=True).start()

    def _go_rounds(self) -> None:
        self._rounds.run(self._stop, first=self._first_round.set)

    def _beat(self) -> None:
        if self._warden.has_orders:
            self._first_round.wait(_FIRST_ROUND.total_seconds())
        tell_ready()
        if self._heart:
            self._heart.run(self._stop)

    def _log_start(self) -> None:
        settings, orders = self._settings, self._warden.orders
        self._log.info(
            "heartbeats start" if self._heart else "no heartbeats: CONTROLLER_URL is not set",
            receiver=settings.controller_url,
            interval_seconds=settings.heartbeat_interval.total_seconds(),
            runtime=self._runtime.name if self._runtime else None,
            epoch=orders.epoch,
            fences=len(orders.fences),
            leases=len(orders.leases),
        )
        for what, do in _warnings(settings):
            self._log.warning(what, do=do)
        if self._runtime is None:
            self._log.warning(
                "no pods can be listed or stopped on this node",
                do="install crictl, or set CONTAINER_RUNTIME",
            )


def _heart(
    settings: AgentSettings,
    *,
    signs: NodeSigns,
    warden: Warden,
    wake: Wake,
    metrics: HeartbeatMetrics,
    log: FilteringBoundLogger,
) -> Heart | None:
    if settings.controller_url is None:
        return None
    secret = settings.controller_token
    receiver = Receiver(
        settings.controller_url,
        token=ReceiverToken(
            value=secret.get_secret_value() if secret else None,
            file=settings.controller_token_file,
        ),
        ca_file=settings.controller_ca_file,
        timeout=timeout_for(settings.heartbeat_interval),
    )
    return Heart(
        receiver,
        signs=signs,
        warden=warden,
        interval=settings.heartbeat_interval,
        wake=wake,
        metrics=metrics,
        log=log,
    )


def _runtime(settings: AgentSettings) -> Runtime | None:
    program = program_for(settings.container_runtime)
    if program is None:
        return None
    return Crictl() if program == "crictl" else Podman()


def _warnings(settings: AgentSettings) -> list[tuple[str, str]]:
    url = settings.controller_url
    if url is None:
        return []
    found = []
    if url.startswith("http://"):
        found.append(
            (
                "heartbeats, their token and the receiver's orders travel without encryption",
                "give CONTROLLER_URL an https:// address",
            )
        )
    if settings.controller_token is None and settings.controller_token_file is None:
        found.append(
            (
                "heartbeats carry no token: the receiver will not act on them, if it takes them",
                "set CONTROLLER_TOKEN_FILE to a token that the receiver gave out",
            )
        )
    return found
