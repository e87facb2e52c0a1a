"""Registries that list, delete and refuse in every way, over real HTTP."""

import hashlib
import json
import re
from collections.abc import Callable
from datetime import timedelta

import pytest
from pytest_httpserver import HTTPServer
from transition_wire.archive_name import ArchiveName
from werkzeug import Request, Response

from airflow_transition.core.image import image_annotations, image_manifest
from airflow_transition.core.image_names import image_tag
from airflow_transition.core.remains import StoredImage, WorkloadPlace
from airflow_transition.hooks.oci_registry import OciRegistryHook
from airflow_transition.hooks.registry_errors import (
    RegistryConnectionError,
    RegistryDeletionRefusedError,
    RegistryDeniedError,
    RegistryRefusedError,
    RegistryUnavailableError,
)
from tests.unit.hooks.image.conftest import CREATED, error, record_of

PLACE = WorkloadPlace("cluster1-azure", "shop", "video")
CHECKPOINT = ArchiveName(pod="video-0", namespace="shop", container="app", created=CREATED)
REPOSITORY = "checkpoints/checkpoint-shop_video-0-app"
LATER = CREATED + timedelta(days=1)
ANY = re.compile("/v2/.+")
CONFIG_DUMP = json.dumps({"rootfsImageName": "host/x:1", "rootfsImageRef": "host/x@sha256:1"})


def manifest(**annotations: str) -> bytes:
    known = image_annotations(
        record=record_of(b"x" * 2000), config_dump=CONFIG_DUMP.encode(), base_image="host/x:1"
    )
    return image_manifest(config=b"{}", layers=(), annotations={**known, **annotations})


class Listing:
    """A registry that lists one entry a page, as it may."""

    def __init__(self, manifests: dict[str, dict[str, bytes]]) -> None:
        self.manifests = manifests
        """Repository to tag to manifest."""
        self.answers: dict[tuple[str, str], Response] = {}
        """Method and end of the path to another answer."""
        self.guard: Callable[[Request], Response | None] = lambda _: None

    def __call__(self, request: Request) -> Response:
        path = request.path.removeprefix("/v2/")
        refused = self.guard(request)
        answers = [
            answer
            for (method, end), answer in self.answers.items()
            if request.method == method and path.endswith(end)
        ]
        return refused or (answers[0] if answers else self.answer(request, path))

    def answer(self, request: Request, path: str) -> Response:
        if path == "_catalog":
            return self.page(request, sorted(self.manifests), name="repositories")
        repository, _, reference = path.partition("/manifests/")
        if request.method == "DELETE":
            return Response(status=202 if self.found(repository, reference) else 404)
        if reference:
            content = self.manifests.get(repository, {}).get(reference)
            return Response(content, status=200) if content else error(404, "MANIFEST_UNKNOWN")
        tags = self.manifests.get(path.removesuffix("/tags/list"))
        if tags is None:
            return error(404, "NAME_UNKNOWN")
        return self.page(request, sorted(tags), name="tags")

    def found(self, repository: str, digest: str) -> bool:
        tags = self.manifests.get(repository, {})
        return any(f"sha256:{hashlib.sha256(one).hexdigest()}" == digest for one in tags.values())

    def page(self, request: Request, names: list[str], *, name: str) -> Response:
        begin = names.index(request.args["last"]) + 1 if "last" in request.args else 0
        found = names[begin : begin + 1]
        headers = {}
        if begin + 1 < len(names):
            path = f"{request.path}?n=1&last={found[0]}"
            headers["Link"] = f'<http://elsewhere.example{path}>; rel="next"'
        return Response(json.dumps({name: found or None}), headers=headers)


@pytest.fixture
def hook(connect: Callable[..., None]) -> OciRegistryHook:
    connect()
    return OciRegistryHook()


@pytest.fixture
def listing(httpserver: HTTPServer) -> Callable[[dict[str, dict[str, bytes]]], Listing]:
    def serve(manifests: dict[str, dict[str, bytes]]) -> Listing:
        made = Listing(manifests)
        httpserver.expect_request(ANY).respond_with_handler(made)
        return made

    return serve


Serve = Callable[[dict[str, dict[str, bytes]]], Listing]


def find(hook: OciRegistryHook, *known: ArchiveName) -> list[StoredImage]:
    return hook.find_images(of={PLACE}, older_than=LATER, known=known)


def test_images_are_found_on_every_page_and_known_by_their_annotations(
    hook: OciRegistryHook, listing: Serve
) -> None:
    tag = image_tag(CREATED)
    other = "checkpoints/checkpoint-shop_video-1-app"
    listing(
        {
            REPOSITORY: {"latest": b"{}", image_tag(LATER): manifest(), tag: manifest()},
            other: {tag: manifest(**{"org.criu.checkpoint.pod.name": "video-1"})},
            "checkpoints/checkpoint-shop_video-2-app": {tag: b"{}"},
            "checkpoints/checkpoint-shop_other-0-app": {tag: manifest()},
            "library/debian": {tag: manifest()},
        }
    )
    found = find(hook)
    assert [(image.checkpoint.pod, image.place) for image in found] == [
        ("video-0", PLACE),
        ("video-1", PLACE),
    ]
    assert found[0].checkpoint == CHECKPOINT
    digest = hashlib.sha256(manifest()).hexdigest()
    assert found[0].reference.endswith(f"/{REPOSITORY}@sha256:{digest}")


def test_images_of_another_cluster_are_not_ours(hook: OciRegistryHook, listing: Serve) -> None:
    strange = manifest(**{"kr.ac.ssu.dcnlab.transition.cluster": "cluster9"})
    listing({REPOSITORY: {image_tag(CREATED): strange}})
    assert find(hook) == []


@pytest.mark.parametrize(("status", "code"), [(401, "x"), (403, "DENIED"), (404, "x"), (405, "x")])
def test_a_registry_that_lists_no_repositories_is_asked_for_the_known_ones(
    hook: OciRegistryHook, listing: Serve, status: int, code: str
) -> None:
    served = listing({REPOSITORY: {image_tag(CREATED): manifest()}})
    served.answers["GET", "_catalog"] = error(status, code)
    assert find(hook) == []
    unknown = CHECKPOINT.model_copy(update={"pod": "video-9"})
    assert [image.checkpoint for image in find(hook, CHECKPOINT, unknown)] == [CHECKPOINT]


def test_a_registry_in_trouble_is_not_taken_for_an_empty_one(
    hook: OciRegistryHook, listing: Serve
) -> None:
    served = listing({REPOSITORY: {image_tag(CREATED): manifest()}})
    served.answers["GET", "_catalog"] = error(500, "UNKNOWN")
    with pytest.raises(RegistryUnavailableError):
        find(hook)
    served.answers = {("GET", "tags/list"): error(503, "UNKNOWN")}
    with pytest.raises(RegistryUnavailableError):
        find(hook)


def test_deleting_tells_whether_it_was_there(
    hook: OciRegistryHook, listing: Serve, httpserver: HTTPServer
) -> None:
    served = listing({REPOSITORY: {image_tag(CREATED): manifest()}})
    (image,) = find(hook)
    hook.require_deletion(image.reference)
    assert hook.delete_image(image.reference)
    served.manifests.clear()
    assert not hook.delete_image(image.reference)


@pytest.mark.parametrize(
    ("status", "code", "expected"),
    [
        (405, "UNSUPPORTED", RegistryDeletionRefusedError),
        (405, "anything", RegistryDeletionRefusedError),
        (400, "UNSUPPORTED", RegistryDeletionRefusedError),
        (400, "MANIFEST_DANGLING_TAG", RegistryDeletionRefusedError),
        (409, "DENIED", RegistryRefusedError),
        (403, "DENIED", RegistryDeniedError),
        (500, "UNKNOWN", RegistryUnavailableError),
    ],
)
def test_each_refusal_to_delete_has_its_name(
    hook: OciRegistryHook,
    listing: Serve,
    status: int,
    code: str,
    expected: type[Exception],
) -> None:
    served = listing({REPOSITORY: {image_tag(CREATED): manifest()}})
    (image,) = find(hook)
    served.answers["DELETE", ""] = error(status, code)
    for call in (hook.delete_image, hook.require_deletion):
        with pytest.raises(expected):
            call(image.reference)


def test_an_image_in_another_registry_is_not_deleted_here(hook: OciRegistryHook) -> None:
    elsewhere = f"elsewhere.example/{REPOSITORY}@sha256:{'1' * 64}"
    assert not hook.is_own(elsewhere)
    with pytest.raises(RegistryConnectionError):
        hook.delete_image(elsewhere)


def test_a_token_is_good_for_what_is_asked_and_no_more(
    hook: OciRegistryHook, listing: Serve, httpserver: HTTPServer
) -> None:
    asked: list[str] = []

    def token(request: Request) -> Response:
        asked.append(request.args["scope"])
        return Response(json.dumps({"token": "t"}))

    httpserver.expect_request("/token").respond_with_handler(token)
    realm = f'Bearer realm="{httpserver.url_for("/token")}"'
    served = listing({REPOSITORY: {image_tag(CREATED): manifest()}})
    challenge = Response(status=401, headers={"WWW-Authenticate": realm})
    served.guard = lambda request: None if "Authorization" in request.headers else challenge
    (image,) = find(hook)
    hook.delete_image(image.reference)
    assert asked == [
        "registry:catalog:*",
        f"repository:{REPOSITORY}:pull",
        f"repository:{REPOSITORY}:pull,push",
        f"repository:{REPOSITORY}:pull,delete",
    ]


@pytest.mark.parametrize(
    ("status", "open_to_all"), [(200, True), (404, True), (401, False), (403, False)]
)
def test_a_registry_that_tells_strangers_what_it_has_is_open(
    hook: OciRegistryHook, httpserver: HTTPServer, status: int, *, open_to_all: bool
) -> None:
    asked: list[str | None] = []

    def tags(request: Request) -> Response:
        asked.append(request.headers.get("Authorization"))
        return error(status, "ANY")

    httpserver.expect_request("/v2/checkpoints/tags/list").respond_with_handler(tags)
    assert hook.anybody_reads(None) is open_to_all
    assert asked == [None]


def test_a_token_for_strangers_shows_whether_they_may_pull(
    hook: OciRegistryHook, httpserver: HTTPServer
) -> None:
    """As a token service does: everybody gets a token, and for public images it is good."""
    public = {"Bearer public"}

    def tags(request: Request) -> Response:
        if request.headers.get("Authorization") in public:
            return Response('{"tags": []}', status=200)
        realm = httpserver.url_for("/token")
        return Response(status=401, headers={"WWW-Authenticate": f'Bearer realm="{realm}"'})

    httpserver.expect_request("/token").respond_with_json({"token": "public"})
    httpserver.expect_request("/v2/checkpoints/tags/list").respond_with_handler(tags)
    assert hook.anybody_reads(None)
    public.clear()
    assert not hook.anybody_reads(None)


def test_deletion_is_tried_with_the_digest_of_nothing(
    hook: OciRegistryHook, httpserver: HTTPServer
) -> None:
    path = re.compile(r"/v2/checkpoints/manifests/sha256:0{64}")
    httpserver.expect_request(path, method="DELETE").respond_with_response(
        error(404, "MANIFEST_UNKNOWN")
    )
    hook.require_deletions()
