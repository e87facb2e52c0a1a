"""An archive is complete when its tar reads to the end-of-archive blocks, and not before."""

import io
import os
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from transition_agent.tar_walk import BLOCK_BYTES, BrokenArchive, TarWalk

FIXTURE = next((Path(__file__).parents[2] / "tests" / "fixtures" / "kubernetes-1.36").glob("*.tar"))
END_BYTES = 2 * BLOCK_BYTES

names = st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1, max_size=200)
contents = st.lists(st.tuples(names, st.binary(max_size=1500)), max_size=6)
formats = st.sampled_from([tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])


def _tar(files: list[tuple[str, bytes]], *, form: int = tarfile.PAX_FORMAT) -> bytes:
    """Without the zeros that Python fills up with: it ends where a writer in Go does."""
    out = io.BytesIO()
    writer = tarfile.open(fileobj=out, mode="w", format=form)  # noqa: SIM115 - closing adds zeros
    for name, content in files:
        member = tarfile.TarInfo(name)
        member.size = len(content)
        writer.addfile(member, io.BytesIO(content))
    return out.getvalue() + bytes(END_BYTES)


@contextmanager
def _file(content: bytes) -> Iterator[int]:
    descriptor = os.memfd_create("archive")
    os.write(descriptor, content)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _walk(*wanted: str) -> TarWalk:
    return TarWalk("archive.tar", frozenset(wanted))


def test_the_archive_that_a_kubelet_wrote_is_complete_and_its_dumps_are_found() -> None:
    walk = _walk("config.dump", "spec.dump")
    with FIXTURE.open("rb") as file, tarfile.open(FIXTURE) as tar:
        assert walk.advance(file.fileno())
        for name, member in walk.found.items():
            assert member.offset_bytes == tar.getmember(name).offset_data
            assert member.size_bytes == tar.getmember(name).size
    assert walk.found.keys() == {"config.dump", "spec.dump"}


@settings(deadline=None)
@given(files=contents, form=formats, cut=st.floats(0, 1, exclude_max=True))
def test_an_archive_cut_anywhere_is_not_complete(
    files: list[tuple[str, bytes]], form: int, cut: float
) -> None:
    whole = _tar(files, form=form)
    with _file(whole[: int(len(whole) * cut)]) as descriptor:
        assert not _walk().advance(descriptor)


@settings(deadline=None)
@given(files=contents, form=formats, steps=st.lists(st.integers(1, 3000), min_size=1, max_size=20))
def test_a_growing_archive_is_walked_as_if_it_had_been_there_at_once(
    files: list[tuple[str, bytes]], form: int, steps: list[int]
) -> None:
    whole = _tar([*files, ("wanted.dump", b"here")], form=form)
    walk = _walk("wanted.dump")
    written = 0
    with _file(b"") as descriptor:
        for step in steps:
            written += os.write(descriptor, whole[written : written + step])
            assert walk.advance(descriptor) == (written == len(whole))
        os.write(descriptor, whole[written:])
        assert walk.advance(descriptor)
    at_once = _walk("wanted.dump")
    with _file(whole) as descriptor:
        assert at_once.advance(descriptor)
    assert walk == at_once


def test_a_member_beyond_eight_gigabytes_is_stepped_over(tmp_path: Path) -> None:
    huge = tarfile.TarInfo("checkpoint/pages-1.img")
    huge.size = 9 << 30
    for form in (tarfile.GNU_FORMAT, tarfile.PAX_FORMAT):
        header = huge.tobuf(format=form)
        path = tmp_path / f"{form}.tar"
        with path.open("wb") as out:
            out.write(header)
            out.truncate(len(header) + huge.size)  # a hole: the walk reads no content
            out.seek(0, io.SEEK_END)
            out.write(_tar([("config.dump", b"{}")]))
        walk = _walk("config.dump")
        with path.open("rb") as file:
            assert walk.advance(file.fileno())
        assert walk.found["config.dump"].offset_bytes == len(header) + huge.size + BLOCK_BYTES


@pytest.mark.parametrize(
    "content",
    [
        b"\x28\xb5\x2f\xfd" + bytes(600),
        _tar([("a", b"")])[:-END_BYTES] + bytes(BLOCK_BYTES) + b"more" + bytes(508),
        _tar([("config.dump", b"{}"), ("./config.dump", b"{}")]),
        _tar([("config.dump", b"{}")]).replace(b"config.dump", b"config.dumP"),
    ],
    ids=["compressed", "members after the end", "a dump twice", "a wrong header checksum"],
)
def test_what_can_never_become_an_archive_is_refused(content: bytes) -> None:
    with _file(content) as descriptor, pytest.raises(BrokenArchive, match=r"^archive.tar: not a"):
        _walk("config.dump").advance(descriptor)


def test_an_extension_header_that_would_fill_the_memory_is_refused() -> None:
    bomb = tarfile.TarInfo("././@LongLink")
    bomb.type = tarfile.GNUTYPE_LONGNAME
    bomb.size = 2 << 30
    with (
        _file(bomb.tobuf(format=tarfile.GNU_FORMAT)) as descriptor,
        pytest.raises(BrokenArchive, match="extended header of 2147483648 bytes"),
    ):
        _walk().advance(descriptor)
