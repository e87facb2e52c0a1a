"""One blob on its way into a registry: begun, streamed, taken up where it broke, committed."""

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass
from datetime import timedelta
from urllib.parse import quote

from airflow_transition.core.errors import TransitionError
from airflow_transition.core.image import Descriptor, digest_of
from airflow_transition.hooks.registry_client import Body, RegistryClient
from airflow_transition.hooks.registry_errors import (
    Answer,
    ImageDamagedError,
    RegistryDeniedError,
    RegistryRefusedError,
    RegistryUnavailableError,
    UploadLostError,
)

_PAUSE = timedelta(milliseconds=250)
_STREAM = {"Content-Type": "application/octet-stream"}
_OK, _CREATED, _ACCEPTED, _NO_CONTENT, _NOT_FOUND = 200, 201, 202, 204, 404

Chunks = Callable[[int], AbstractContextManager[Iterator[bytes]]]
"""Opens the blob's bytes from an offset."""


class Blobs:
    """The blobs of one repository."""

    def __init__(
        self,
        client: RegistryClient,
        *,
        repository: str,
        patience: timedelta = timedelta(seconds=60),
    ) -> None:
        self._client = client
        self._repository = repository
        self._patience = patience

    def has(self, blob: Descriptor) -> bool:
        """Whether the registry has the blob, in the size that it should have."""
        answer = self._call("HEAD", self._path(blob.digest), expected=(_OK, _NOT_FOUND))
        length = answer.headers.get("Content-Length", "")
        return answer.status == _OK and length in ("", str(blob.size_bytes))

    def read(self, digest: str) -> bytes:
        """Read a small blob, its digest checked."""
        content = self._call("GET", self._path(digest), expected=(_OK,)).content
        if digest_of(content) != digest:
            raise ImageDamagedError(
                "the registry gives another blob than the one asked for",
                where=f"{self._client.host}/{self._repository}@{digest}",
                do="build the image again",
            )
        return content

    def mount(self, blob: Descriptor, *, source: str) -> bool:
        """Take the blob over from another repository, if the registry can and may."""
        query = f"?mount={quote(blob.digest)}&from={quote(source, safe='')}"
        url = self._path("uploads/") + query
        try:
            answer = self._call("POST", url, source=source, expected=(_CREATED, _ACCEPTED))
        except RegistryDeniedError:
            return False  # these credentials may not read the source; the blob is then uploaded
        if answer.status == _CREATED:
            return True
        self._cancel(answer.headers.get("Location", ""))
        return False

    def push(self, content: bytes, *, blob: Descriptor) -> None:
        """Upload a small blob that is in memory, unless it is there."""
        if not self.has(blob):
            self._commit(self._begin(), digest=blob.digest, content=content)

    def stream(self, chunks: Chunks, *, size_bytes: int, digest: Callable[[], str]) -> None:
        """Upload a large blob; `digest` is asked once all bytes passed, and may refuse.

        Nothing is committed before it answered. A broken upload goes on where the registry has it.
        Gives up when no further byte arrived for `patience`.
        """
        upload = _Upload(patience=self._patience)
        while True:
            try:
                if self._take_up(upload):
                    return
                if upload.offset < size_bytes:
                    self._send(upload, chunks, size_bytes=size_bytes)
                upload.digest = digest()
                self._commit(upload.location, digest=upload.digest)
            except (RegistryUnavailableError, UploadLostError):
                if not upload.may_go_on(time.monotonic()):
                    raise
                time.sleep(_PAUSE.total_seconds())
            except BaseException:
                self._cancel(upload.location)
                raise
            else:
                return

    def _take_up(self, upload: "_Upload") -> bool:
        """Begin, or find out how much the registry has; tells whether it has all of it."""
        if upload.broken:
            if upload.digest and self._exists(upload.digest):
                return True  # only the answer to the commit was lost
            upload.location, upload.offset = self._position(upload)
            upload.broken = False
        if not upload.location:
            upload.location, upload.offset = self._begin(), 0
        return False

    def _begin(self) -> str:
        answer = self._call("POST", self._path("uploads/"), expected=(_ACCEPTED,))
        return self._location(answer)

    def _send(self, upload: "_Upload", chunks: Chunks, *, size_bytes: int) -> None:
        with chunks(upload.offset) as stream:
            span = f"{upload.offset}-{size_bytes - 1}"
            answer = self._call(
                "PATCH",
                upload.location,
                expected=(_ACCEPTED, _NO_CONTENT),
                headers={**_STREAM, "Content-Range": span},
                body=_Sized(stream, size_bytes=size_bytes - upload.offset),
            )
        upload.location = self._location(answer)

    def _position(self, upload: "_Upload") -> tuple[str, int]:
        """Ask how much the registry has; nothing where it does not know the upload any more."""
        if not upload.location:
            return "", 0
        try:
            answer = self._call("GET", upload.location, expected=(_NO_CONTENT,))
        except RegistryUnavailableError:
            raise
        except TransitionError:
            return "", 0
        _, _, last = answer.headers.get("Range", "").partition("-")
        # "0-0" is one byte by the letter, and an empty upload in the most common registry.
        offset = int(last) + 1 if last.isdigit() and last != "0" else 0
        return self._location(answer), offset

    def _commit(self, location: str, *, digest: str, content: bytes = b"") -> None:
        mark = "&" if "?" in location else "?"
        self._call(
            "PUT",
            f"{location}{mark}digest={quote(digest)}",
            expected=(_CREATED, _NO_CONTENT),
            headers=_STREAM,
            body=content,
        )

    def _exists(self, digest: str) -> bool:
        answer = self._call("HEAD", self._path(digest), expected=(_OK, _NOT_FOUND))
        return answer.status == _OK

    def _cancel(self, location: str) -> None:
        """Give the space back; a registry forgets abandoned uploads by itself, only later."""
        if location:
            with suppress(TransitionError):
                self._call("DELETE", location, expected=(_NO_CONTENT, _ACCEPTED))

    def _call(
        self,
        method: str,
        url: str,
        *,
        expected: tuple[int, ...],
        source: str | None = None,
        headers: Mapping[str, str] | None = None,
        body: Body = b"",
    ) -> Answer:
        return self._client.request(
            method,
            url,
            repositories=(self._repository, source) if source else (self._repository,),
            expected=expected,
            headers=headers,
            body=body,
        )

    def _path(self, rest: str) -> str:
        return f"/v2/{self._repository}/blobs/{rest}"

    def _location(self, answer: Answer) -> str:
        location = answer.headers.get("Location")
        if not location:
            raise RegistryRefusedError(
                "the registry's answer to an upload names no location",
                where=f"{self._client.host}/{self._repository}",
                do="check that the docker connection's host is an OCI registry",
            )
        return location


@dataclass(slots=True)
class _Upload:
    """How far one upload is."""

    patience: timedelta
    location: str = ""
    offset: int = 0
    digest: str = ""
    broken: bool = False
    furthest: int = -1
    deadline: float = 0.0

    def may_go_on(self, now: float) -> bool:
        """Note that it broke; patience begins anew whenever the registry has more than before."""
        self.broken = True
        if self.offset > self.furthest:
            self.furthest = self.offset
            self.deadline = now + self.patience.total_seconds()
        return now < self.deadline


class _Sized:
    """An iterable body with a length, so that it is not sent in HTTP chunks."""

    def __init__(self, stream: Iterator[bytes], *, size_bytes: int) -> None:
        self._stream = stream
        self._size_bytes = size_bytes

    def __len__(self) -> int:
        return self._size_bytes

    def __iter__(self) -> Iterator[bytes]:
        return self._stream
