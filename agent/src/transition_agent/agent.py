"""The agent: follows the checkpoint folder and brings each archive to S3 once."""

import threading
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from functools import partial
from time import monotonic

from structlog.typing import FilteringBoundLogger
from transition_wire.node_facts import NodeFacts

from transition_agent.archives import CheckpointFolder, FolderEvents, Scan, Wake
from transition_agent.facts_keeper import FactsKeeper
from transition_agent.housekeeping import Housekeeping
from transition_agent.jobs import Ended, Jobs
from transition_agent.logs import fields_of
from transition_agent.metrics import AgentMetrics
from transition_agent.node_facts import read_or_measure
from transition_agent.receiver_link import ReceiverLink
from transition_agent.retention import free_bytes
from transition_agent.settings import AgentSettings
from transition_agent.store import CheckpointStore
from transition_agent.upload import PARTS_AT_ONCE, Uploader
from transition_agent.worker import ARCHIVES_AT_ONCE, UploadWorker

_STOP_WITHIN = timedelta(seconds=3)


class Agent:
    def __init__(self, settings: AgentSettings, *, log: FilteringBoundLogger) -> None:
        self._settings = settings
        self._log = log
        self._stop = threading.Event()
        self._wake = Wake(self._stop)
        self._metrics = AgentMetrics()
        self._folder = CheckpointFolder(settings.checkpoint_dir)
        self._jobs = Jobs()
        self._problems: dict[str, str] = {}
        self._link = ReceiverLink(settings, stop=self._stop, metrics=self._metrics.heart, log=log)
        # One connection for each sender and worker, one for facts and one for housekeeping.
        self._store = CheckpointStore.connect(
            settings, connections=PARTS_AT_ONCE + ARCHIVES_AT_ONCE + 2
        )
        self._facts = FactsKeeper(
            partial(_facts_of, settings),
            publish=self._publish,
            interval=settings.node_facts_interval,
            log=log,
        )
        self._uploader = Uploader(
            self._store,
            cluster=settings.cluster_name,
            node_facts=self._facts.current,
            now=_now,
            stop=self._stop,
            compress=settings.compression == "auto",
        )
        self._worker = UploadWorker(
            self._uploader,
            metrics=self._metrics,
            log=log,
            ended=self._wake.up,
            uploaded=self._link.signs.uploaded,
        )
        self._housekeeping = Housekeeping(
            settings,
            store=self._store,
            uploader=self._uploader,
            jobs=self._jobs,
            metrics=self._metrics,
            log=log,
        )

    def stop(self) -> None:
        """Ask it to end; safe in a signal handler."""
        self._stop.set()

    def run(self) -> None:
        """Until `stop`, and then a few seconds at most; sending threads may be left behind."""
        self._link.start()
        self._metrics.serve(self._settings.metrics_address)
        for name, work in (("facts", self._facts.run), ("housekeeping", self._housekeeping.run)):
            threading.Thread(target=work, args=[self._stop], name=name, daemon=True).start()
        self._log_start()
        while not self._stop.is_set():
            self._follow()
        ended = self._worker.end(within=_STOP_WITHIN)
        self._log.info("agent stopped", uploads_ended=ended)

    def _follow(self) -> None:
        """One watch over the folder, for as long as it is the same folder."""
        with FolderEvents(self._settings.checkpoint_dir) as events:
            if events.problem:
                self._log.warning("no file events, rescans only", what=events.problem)
            while not self._stop.is_set() and not events.stale:
                self._look()
                pause = self._jobs.pause(self._settings.rescan_interval, now=monotonic())
                events.wait(pause, wake=self._wake)
                self._wake.rest()

    def _look(self) -> None:
        try:
            scan = self._folder.scan()
        except OSError as error:
            self._log.error("the checkpoint folder cannot be read", what=str(error))
            return
        self._note_problems(scan)
        self._jobs.update(scan.complete)
        for job in self._jobs.due(now=monotonic())[: self._worker.free]:
            self._worker.start(job)
        self._count(scan)

    def _note_problems(self, scan: Scan) -> None:
        """Each once, and again when it has changed."""
        found = {error.where: fields_of(error) for error in scan.broken}
        found |= {str(error.filename): fields_of(error) for error in scan.unreadable}
        for where, fields in found.items():
            if self._problems.get(where) != fields["what"]:
                self._log.error("archive refused", **fields)
        self._problems = {where: fields["what"] for where, fields in found.items()}

    def _count(self, scan: Scan) -> None:
        recorded = len(self._jobs.recorded())
        refused = sum(job.ended is Ended.REFUSED for job in self._jobs)
        states = {
            "incomplete": len(scan.incomplete),
            "recorded": recorded,
            "refused": refused + len(scan.broken) + len(scan.unreadable),
            "waiting": len(scan.complete) - recorded - refused,
        }
        for state, count in states.items():
            self._metrics.archives.labels(state).set(count)
        if self._settings.checkpoint_dir.is_dir():
            self._link.signs.free_bytes = free_bytes(self._settings.checkpoint_dir)
            self._metrics.free_bytes.set(self._link.signs.free_bytes)

    def _publish(self, facts: NodeFacts) -> None:
        """With the facts, what else is good to do now and then while S3 answers."""
        self._link.signs.facts = facts
        self._store.put_node_facts(facts)
        self._metrics.facts_published.set(facts.measured.timestamp())
        self._log.info("node facts published", **asdict(self._store.abilities))
        self._housekeeping.abort_orphans()

    def _log_start(self) -> None:
        settings = self._settings
        self._log.info(
            "agent started",
            cluster=settings.cluster_name,
            node=settings.node_name,
            folder=str(settings.checkpoint_dir),
            store=self._store.where,
        )
        if not settings.encrypted:
            self._log.warning(
                "archives hold the memory of processes and go to S3 without encryption",
                do="give S3_ENDPOINT_URL an https:// address",
            )


def _facts_of(settings: AgentSettings) -> NodeFacts:
    return read_or_measure(
        settings.node_facts_file,
        cluster=settings.cluster_name,
        node=settings.node_name,
        now=_now(),
    )


def _now() -> datetime:
    return datetime.now(UTC)
