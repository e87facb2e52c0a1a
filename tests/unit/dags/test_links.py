"""Links from a task to what it made."""

import pytest

from airflow_transition.links import archive_url, commit_url, image_url


@pytest.mark.parametrize(
    ("repo", "page"),
    [
        ("https://git.example/ops/web.git", "https://git.example/ops/web/commit/abc"),
        ("http://git.example:3000/web/", "http://git.example:3000/web/commit/abc"),
        ("git@git.example:ops/web.git", None),
        ("", None),
    ],
)
def test_a_commit_has_a_page_where_the_repository_has_one(repo: str, page: str | None) -> None:
    assert commit_url(repo, sha="abc") == page


def test_an_image_is_shown_by_its_digest() -> None:
    image = "registry.example:5000/checkpoints/video@sha256:123"
    page = "https://registry.example:5000/v2/checkpoints/video/manifests/sha256:123"
    assert image_url(image) == page


def test_an_archive_is_shown_as_s3_clients_name_it() -> None:
    assert archive_url("checkpoints", key="a/b.tar") == "s3://checkpoints/a/b.tar"
