"""What is good to do now and then: make room on the node, and clean up in S3.

In a thread of its own, because each step asks S3: an agent whose S3 hangs still watches its folder
and stops in time.
"""

import threading
from datetime import UTC, datetime

from structlog.typing import FilteringBoundLogger
from transition_wire.archive_name import ZSTD_SUFFIX

from transition_agent.errors import AgentError
from transition_agent.jobs import Jobs
from transition_agent.logs import fields_of
from transition_agent.metrics import AgentMetrics
from transition_agent.retention import Retention, free_bytes, remove
from transition_agent.settings import AgentSettings
from transition_agent.store import CheckpointStore
from transition_agent.upload import Uploader


class Housekeeping:
    def __init__(
        self,
        settings: AgentSettings,
        *,
        store: CheckpointStore,
        uploader: Uploader,
        jobs: Jobs,
        metrics: AgentMetrics,
        log: FilteringBoundLogger,
    ) -> None:
        self._settings = settings
        self._store = store
        self._uploader = uploader
        self._jobs = jobs
        self._metrics = metrics
        self._log = log
        self._retention = Retention(
            keep_for=settings.keep_archives_for, floor_bytes=settings.free_space_floor
        )

    def run(self, stop: threading.Event) -> None:
        """Until the agent stops. Not at once: first the agent learns what is recorded."""
        while not stop.wait(self._settings.rescan_interval.total_seconds()):
            try:
                self._make_room()
            except (AgentError, OSError) as error:
                self._log.warning("local archives not removed", **fields_of(error))
            except Exception:  # noqa: BLE001 - one failure must not end this for good
                self._log.exception("local archives not removed by a fault of the agent")

    def _make_room(self) -> None:
        """Remove the local archives that a rule lets go and that S3 has a record of."""
        candidates = self._retention.candidates(
            self._jobs.recorded(), now=datetime.now(UTC), free_bytes=self._free
        )
        for archive in candidates:
            if self._uploader.is_recorded(archive) and remove(archive):
                self._metrics.removed.inc()
                self._log.info("local archive removed", archive=archive.path.name)

    def _free(self) -> int:
        return free_bytes(self._settings.checkpoint_dir)

    def abort_orphans(self) -> None:
        """Open uploads of this cluster that nobody goes on with, also of nodes that are gone."""
        settings = self._settings
        own = {self._uploader.key_of(job.archive) for job in self._jobs}
        prefix = f"{self._store.prefix}{settings.cluster_name}/"
        for upload in list(self._store.open_uploads(prefix)):
            old = datetime.now(UTC) - upload.initiated > settings.abort_uploads_after
            if old and upload.key.removesuffix(ZSTD_SUFFIX) not in own:
                self._store.abort(upload)
                self._log.info("orphaned upload aborted", key=upload.key)
