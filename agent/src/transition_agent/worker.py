"""Runs uploads in threads of their own; each outcome is logged and counted."""

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from datetime import timedelta
from time import monotonic

from structlog.typing import FilteringBoundLogger

from transition_agent.errors import AgentError
from transition_agent.jobs import Ended, Job
from transition_agent.logs import fields_of
from transition_agent.metrics import AgentMetrics
from transition_agent.upload import ReplacedArchive, Stopped, Uploaded, Uploader

ARCHIVES_AT_ONCE = 2
"""A small archive does not wait behind a large one; they share buffers and senders."""


class UploadWorker:
    def __init__(
        self,
        uploader: Uploader,
        *,
        metrics: AgentMetrics,
        log: FilteringBoundLogger,
        ended: Callable[[], None],
        uploaded: Callable[[], None],
    ) -> None:
        self._uploader = uploader
        self._metrics = metrics
        self._log = log
        self._ended = ended
        self._uploaded = uploaded
        self._running: set[Future[None]] = set()
        self._threads = ThreadPoolExecutor(ARCHIVES_AT_ONCE, thread_name_prefix="upload")

    def start(self, job: Job) -> None:
        work = self._abandon if job.gone else self._upload
        job.running = self._threads.submit(self._watched, work, job)
        job.running.add_done_callback(lambda _: self._ended())
        self._running = {each for each in self._running if not each.done()} | {job.running}

    @property
    def free(self) -> int:
        """How many jobs can be started now: the rest waits outside, where newer ones overtake."""
        return ARCHIVES_AT_ONCE - sum(not each.done() for each in self._running)

    def end(self, *, within: timedelta) -> bool:
        """Whether all that ran has ended; what has not is left for the next start to resume."""
        self._threads.shutdown(wait=False, cancel_futures=True)
        self._uploader.close()
        return not wait(self._running, timeout=within.total_seconds()).not_done

    def _watched(self, work: Callable[[Job], None], job: Job) -> None:
        log = self._log.bind(archive=job.archive.path.name)
        try:
            work(job)
        except Stopped:
            log.info("upload interrupted, it goes on at the next start")
            return
        except ReplacedArchive as error:
            job.ended = Ended.REFUSED
            log.error("archive refused", **fields_of(error))  # noqa: TRY400 - the message says it all
        except (AgentError, OSError) as error:
            pause = round(job.failed(now=monotonic()).total_seconds(), 1)
            log.warning("upload failed, trying again", after_seconds=pause, **fields_of(error))
        except Exception:
            job.failed(now=monotonic())
            log.exception("upload failed by a fault of the agent, trying again")
        self._metrics.uploads.labels(job.ended.value if job.ended else "").inc()

    def _upload(self, job: Job) -> None:
        uploaded = self._uploader.upload(job.archive)
        job.ended = Ended.RECORDED
        self._note(uploaded, log=self._log.bind(archive=job.archive.path.name))

    def _abandon(self, job: Job) -> None:
        self._uploader.abandon(job.archive)
        job.ended = Ended.ABANDONED
        self._log.warning("archive went away before it was in S3", archive=job.archive.path.name)

    def _note(self, uploaded: Uploaded, *, log: FilteringBoundLogger) -> None:
        record = uploaded.record
        if not uploaded.seconds:
            log.info("archive is in S3 already", key=record.key)
            return
        self._uploaded()
        self._metrics.sent_bytes.inc(uploaded.sent_bytes)
        self._metrics.upload_seconds.observe(uploaded.seconds)
        log.info(
            "archive uploaded",
            key=record.key,
            digest=record.digest,
            size_bytes=record.size_bytes,
            stored_bytes=record.stored.size_bytes,
            compression=record.stored.compression,
            sent_bytes=uploaded.sent_bytes,
            seconds=round(uploaded.seconds, 3),
            hashing_seconds=round(uploaded.hashing_seconds, 3),
        )
