"""A small S3 server that, as several real ones do, ignores conditions and checksums in silence."""

import hashlib
import itertools
import re
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest
from pytest_httpserver import HTTPServer
from werkzeug import Request, Response

_XML = "application/xml"


def _etag(content: bytes) -> str:
    return f'"{hashlib.md5(content, usedforsecurity=False).hexdigest()}"'


@dataclass
class CarelessServer:
    """Path-style S3 over HTTP; it looks at no header but the method and the query."""

    url: str = ""
    objects: dict[str, bytes] = field(default_factory=dict)
    uploads: dict[str, dict[int, bytes]] = field(default_factory=dict)
    keys: dict[str, str] = field(default_factory=dict)
    damages_parts: bool = False
    _numbers: Iterator[int] = field(default_factory=lambda: itertools.count(1))
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def answer(self, request: Request) -> Response:
        with self._lock:
            key = request.path.removeprefix("/checkpoints").removeprefix("/")
            if "uploads" in request.args or "uploadId" in request.args:
                return self._multipart(request, key)
            return self._object(request, key)

    def _object(self, request: Request, key: str) -> Response:
        if request.method == "PUT":
            self.objects[key] = request.get_data()
            return Response(headers={"ETag": _etag(self.objects[key])})
        if request.method == "DELETE":
            self.objects.pop(key, None)
            return Response(status=204)
        if key not in self.objects:
            return Response("<Error><Code>NoSuchKey</Code></Error>", 404, content_type=_XML)
        return Response(self.objects[key], headers={"ETag": _etag(self.objects[key])})

    def _multipart(self, request: Request, key: str) -> Response:
        upload_id = request.args.get("uploadId", "")
        if request.method == "PUT":
            return self._part(request, upload_id)
        if request.method == "DELETE":
            del self.uploads[upload_id]
            return Response(status=204)
        if request.method == "POST" and upload_id:
            parts = self.uploads.pop(upload_id)
            self.objects[key] = b"".join(parts[number] for number in sorted(parts))
            return Response("<CompleteMultipartUploadResult/>", content_type=_XML)
        if request.method == "POST":
            upload_id = f"u{next(self._numbers)}"
            self.uploads[upload_id], self.keys[upload_id] = {}, key
            name = "InitiateMultipartUploadResult"
            text = f"<{name}><UploadId>{upload_id}</UploadId></{name}>"
            return Response(text, content_type=_XML)
        return Response(self._listed(upload_id), content_type=_XML)

    def _part(self, request: Request, upload_id: str) -> Response:
        body = request.get_data()
        if self.damages_parts:
            body = b"\0" + body[1:]
        self.uploads[upload_id][int(request.args["partNumber"])] = body
        return Response(headers={"ETag": _etag(body)})

    def _listed(self, upload_id: str) -> str:
        if upload_id:
            parts = "".join(
                f"<Part><PartNumber>{number}</PartNumber><ETag>{_etag(body)}</ETag>"
                f"<Size>{len(body)}</Size></Part>"
                for number, body in sorted(self.uploads[upload_id].items())
            )
            return f"<ListPartsResult>{parts}</ListPartsResult>"
        uploads = "".join(
            f"<Upload><Key>{self.keys[each]}</Key><UploadId>{each}</UploadId>"
            "<Initiated>2026-11-23T03:04:47.000Z</Initiated></Upload>"
            for each in self.uploads
        )
        return f"<ListMultipartUploadsResult>{uploads}</ListMultipartUploadsResult>"


@pytest.fixture
def careless_server(httpserver: HTTPServer) -> CarelessServer:
    server = CarelessServer(url=httpserver.url_for("/").rstrip("/"))
    httpserver.expect_request(re.compile(".*")).respond_with_handler(server.answer)
    return server
