"""Archives as the runtimes write them are read; anything that could do harm is refused by name."""

import io
import json
import tarfile
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from airflow_transition.core.checkpoint import (
    ArchiveInspector,
    CheckpointArchive,
    Limits,
    NotACheckpointError,
    OversizedArchiveError,
    TruncatedArchiveError,
    read_archive,
)
from airflow_transition.core.tar_header import (
    ArchiveError,
    DamagedArchiveError,
    UnsafeMemberError,
)

FIXTURES = Path(__file__).parents[2] / "fixtures"
CONTAINERD = next((FIXTURES / "kubernetes-1.36").glob("*.tar")).read_bytes()
PODMAN = (FIXTURES / "podman-4.3.1" / "checkpoint.tar").read_bytes()


def read(content: bytes, *, limits: Limits | None = None, step: int = 1 << 20) -> CheckpointArchive:
    inspector = ArchiveInspector(where="test.tar", limits=limits)
    for start in range(0, len(content), step):
        inspector.feed(content[start : start + step])
    return inspector.finish()


def file(name: str, content: bytes = b"", **fields: object) -> tuple[tarfile.TarInfo, bytes]:
    member = tarfile.TarInfo(name)
    member.size = len(content)
    for key, field in fields.items():
        setattr(member, key, field)
    return member, content


def link(name: str, target: str, *, kind: bytes = tarfile.SYMTYPE) -> tuple[tarfile.TarInfo, bytes]:
    return file(name, type=kind, linkname=target)


DOCUMENTS = (file("config.dump", b"{}"), file("spec.dump", b"{}"))


def tar(
    *members: tuple[tarfile.TarInfo, bytes],
    documents: Iterable[tuple[tarfile.TarInfo, bytes]] = DOCUMENTS,
    form: int = tarfile.PAX_FORMAT,
) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=form) as writer:
        for member, content in (*members, *documents):
            writer.addfile(member, io.BytesIO(content))
    return out.getvalue()


@pytest.mark.parametrize(
    ("archive", "count"), [(CONTAINERD, 30), (PODMAN, 31)], ids=["containerd", "podman"]
)
def test_an_archive_that_a_runtime_wrote_is_read(archive: bytes, count: int) -> None:
    found = read_archive(io.BytesIO(archive), where="test.tar")
    assert len(found.members) == count
    assert found.size_bytes == len(archive)
    assert json.loads(found.config_dump)["rootfsImageName"]
    assert "annotations" in json.loads(found.spec_dump)


@pytest.mark.parametrize("archive", [CONTAINERD, PODMAN], ids=["containerd", "podman"])
def test_members_lie_where_tarfile_finds_them(archive: bytes) -> None:
    with tarfile.open(fileobj=io.BytesIO(archive)) as other:
        expected = {
            member.name.removesuffix("/"): (member.offset_data, member.size) for member in other
        }
    members = read(archive).members
    found = {name: (member.offset_bytes, member.size_bytes) for name, member in members.items()}
    assert found == expected


@given(step=st.integers(min_value=1, max_value=4096))
@settings(max_examples=15, deadline=None)
def test_the_size_of_the_pieces_changes_nothing(step: int) -> None:
    assert read(CONTAINERD[:], step=step) == read(CONTAINERD)


@given(
    names=st.lists(
        st.text(st.characters(categories=["Ll", "Lu", "Nd"]), min_size=1, max_size=300),
        unique=True,
        max_size=8,
    ),
    form=st.sampled_from([tarfile.PAX_FORMAT, tarfile.GNU_FORMAT]),
)
@settings(max_examples=60, deadline=None)
def test_long_and_foreign_names_are_read_as_tarfile_reads_them(names: list[str], form: int) -> None:
    members = [file(f"checkpoint/{name}", name.encode()) for name in names]
    archive = tar(*members, form=form)
    with tarfile.open(fileobj=io.BytesIO(archive)) as other:
        expected = {member.name: (member.offset_data, member.size) for member in other}
    found = read(archive).members
    assert {name: (m.offset_bytes, m.size_bytes) for name, m in found.items()} == expected


@given(
    base=st.sampled_from([CONTAINERD, PODMAN, tar(file("a/" + "b" * 200, b"c"))]),
    edits=st.lists(
        st.tuples(
            st.sampled_from(["flip", "cut", "drop", "insert", "header"]),
            st.floats(min_value=0, max_value=0.9999),
            st.binary(min_size=1, max_size=600),
        ),
        min_size=1,
        max_size=4,
    ),
    checksums=st.booleans(),
)
@settings(max_examples=400, deadline=None)
def test_a_mutated_archive_is_read_or_refused_by_name(
    base: bytes, edits: list[tuple[str, float, bytes]], *, checksums: bool
) -> None:
    content = bytearray(base)
    for what, share, new in edits:
        at = int(len(content) * share)
        if what == "flip":
            content[at : at + len(new)] = new
        elif what == "cut":
            del content[at:]
        elif what == "drop":
            del content[at : at + len(new)]
        elif what == "insert":
            content[at:at] = new
        else:
            start = at // 512 * 512
            content[start + at % 512 : start + 512] = new[: 512 - at % 512]
    with suppress(ArchiveError):
        read(_with_checksums(content) if checksums else bytes(content))


def _with_checksums(content: bytearray) -> bytes:
    """Make every header-like block's checksum right, so that mutations get past it."""
    for start in range(0, len(content) - 511, 512):
        if content[start + 257 : start + 262] == b"ustar":
            block = content[start : start + 512]
            block[148:156] = b" " * 8
            content[start + 148 : start + 156] = b"%06o\x00 " % sum(block)
    return bytes(content)


def test_a_member_of_nine_gigabytes_passes_by() -> None:
    size = 9 << 30
    header = tarfile.TarInfo("checkpoint/pages-1.img")
    header.size = size
    inspector = ArchiveInspector(where="test.tar")
    inspector.feed(header.tobuf(tarfile.GNU_FORMAT))
    chunk = memoryview(bytes(64 << 20))
    for _ in range(size // len(chunk)):
        inspector.feed(chunk)
    inspector.feed(tar())
    assert inspector.finish().members["checkpoint/pages-1.img"].size_bytes == size


@pytest.mark.parametrize(
    "member",
    [
        link("checkpoint/parent", "../pre-checkpoint"),
        link("checkpoint/next", "pages-1.img"),
        link("latest", "checkpoint"),
    ],
)
def test_links_that_stay_inside_are_accepted(member: tuple[tarfile.TarInfo, bytes]) -> None:
    assert member[0].name in read(tar(member)).members


def test_a_hard_link_to_a_file_before_it_is_accepted() -> None:
    archive = tar(file("a", b"x"), link("b", "a", kind=tarfile.LNKTYPE))
    assert read(archive).members["b"].kind == b"1"


LONG = "d/" * 120

UNSAFE = {
    "absolute name": lambda: tar(file("/etc/passwd")),
    "name out of the tree": lambda: tar(file("checkpoint/../../etc/passwd")),
    "long pax name out of the tree": lambda: tar(file(f"{LONG}../x")),
    "long GNU name out of the tree": lambda: tar(file(f"{LONG}../x"), form=tarfile.GNU_FORMAT),
    "absolute symbolic link": lambda: tar(link("a", "/etc")),
    "symbolic link out of the tree": lambda: tar(link("checkpoint/a", "../../x")),
    "symbolic link up after down": lambda: tar(link("a", "b/../../x")),
    "name below a symbolic link": lambda: tar(link("a", "checkpoint"), file("a/x")),
    "hard link to what is not there": lambda: tar(link("a", "b", kind=tarfile.LNKTYPE)),
    "hard link to a symbolic link": lambda: tar(
        link("s", "config.dump"), link("a", "s", kind=tarfile.LNKTYPE)
    ),
    "hard link out of the tree": lambda: tar(link("a", "../b", kind=tarfile.LNKTYPE)),
    "character device": lambda: tar(file("null", type=tarfile.CHRTYPE)),
    "block device": lambda: tar(file("disk", type=tarfile.BLKTYPE)),
    "named pipe": lambda: tar(file("pipe", type=tarfile.FIFOTYPE)),
    "sparse file": lambda: tar(file("a", type=tarfile.GNUTYPE_SPARSE)),
    "pax sparse file": lambda: tar(file("a", pax_headers={"GNU.sparse.size": "99"})),
    "unknown kind": lambda: tar(file("a", type=b"Z")),
    "whiteout": lambda: tar(file("checkpoint/.wh.pages-1.img")),
    "global header": lambda: tar(file("a", b"path=/x\n", type=tarfile.XGLTYPE)),
}


@pytest.mark.parametrize("archive", UNSAFE.values(), ids=UNSAFE.keys())
def test_members_that_could_do_harm_are_refused(archive: Callable[[], bytes]) -> None:
    with pytest.raises(UnsafeMemberError, match=r"test\.tar: the archive has a "):
        read(archive())


def _patched(content: bytes, *, at: int, new: bytes) -> bytes:
    changed = bytearray(content)
    changed[at : at + len(new)] = new
    return _with_checksums(changed)


DAMAGED = {
    "wrong checksum": lambda: CONTAINERD[:148] + b"0000000\x00" + CONTAINERD[156:],
    "no tar at all": lambda: b"GIF89a" + bytes(1024),
    "bytes after the end": lambda: tar() + b"x",
    "a header after the end": lambda: tar() + tar(),
    "config.dump twice": lambda: tar(file("config.dump", b"{}")),
    "config.dump twice by another name": lambda: tar(file("./config.dump", b"{}")),
    "a file twice": lambda: tar(file("a"), file("a")),
    "a size that is not octal": lambda: _patched(tar(), at=124, new=b"9"),
    "a negative size": lambda: _patched(tar(), at=124, new=b"\xff" * 12),
    "a folder with content": lambda: tar(file("a", b"x", type=tarfile.DIRTYPE)),
    "a name that is not UTF-8": lambda: _patched(tar(), at=0, new=b"\xff"),
    "a name of nothing": lambda: _patched(tar(file("./")), at=156, new=b"0"),
    "one zero block in the middle": lambda: bytes(512) + tar(),
    "named twice by extensions": lambda: _long_names("a", "b") + tar(),
    "a long name for nothing": lambda: _long_names("a") + bytes(1024),
}


def _long_names(*names: str) -> bytes:
    return b"".join(tar(file("x", n.encode(), type=b"L"), documents=())[:1024] for n in names)


@pytest.mark.parametrize("archive", DAMAGED.values(), ids=DAMAGED.keys())
def test_bytes_with_no_or_two_meanings_are_refused(archive: Callable[[], bytes]) -> None:
    with pytest.raises(DamagedArchiveError, match=r"test\.tar: the archive is damaged: "):
        read(archive())


@pytest.mark.parametrize(("magic", "hint"), [(b"\x28\xb5\x2f\xfd", "zstd"), (b"\x1f\x8b", "gzip")])
def test_a_compressed_export_is_told_apart(magic: bytes, hint: str) -> None:
    with pytest.raises(DamagedArchiveError, match=f"{hint} data: export it uncompressed"):
        read(magic + bytes(range(1, 252)) * 10)


@pytest.mark.parametrize("kept", [0, 100, 512, 100_352, 177_152, 178_688])
def test_a_truncated_archive_is_named_so(kept: int) -> None:
    with pytest.raises(TruncatedArchiveError, match="end-of-archive blocks are missing"):
        read(CONTAINERD[:kept])


OVERSIZED = {
    "too many members": (Limits(members=2), lambda: tar(file("a"))),
    "too much in names": (Limits(names_bytes=99), lambda: tar(file("a" * 100))),
    "a document that is too large": (
        Limits(document_bytes=9),
        lambda: tar(file("config.dump", b"0123456789"), documents=()),
    ),
    "an extension that is too large": (Limits(extension_bytes=99), lambda: tar(file("a" * 101))),
    "more zeros than an archive has": (
        Limits(archive_bytes=20 << 10),
        lambda: tar() + bytes(1 << 20),
    ),
    "an exabyte in a header": (None, lambda: _patched(tar(), at=124, new=b"\x80" + b"\x7f" * 11)),
}


@pytest.mark.parametrize(("limits", "archive"), OVERSIZED.values(), ids=OVERSIZED.keys())
def test_bombs_are_refused_before_they_are_read(
    limits: Limits | None, archive: Callable[[], bytes]
) -> None:
    with pytest.raises(OversizedArchiveError, match="larger than allowed"):
        read(archive(), limits=limits)


def test_content_declared_beyond_the_archive_is_refused_at_its_header() -> None:
    header = tarfile.TarInfo("checkpoint/pages-1.img")
    header.size = 1 << 30
    inspector = ArchiveInspector(where="test.tar", size_bytes=1 << 20)
    with pytest.raises(OversizedArchiveError):
        inspector.feed(header.tobuf())


@pytest.mark.parametrize("missing", ["config.dump", "spec.dump"])
def test_a_tar_without_the_documents_is_no_checkpoint(missing: str) -> None:
    documents = [document for document in DOCUMENTS if document[0].name != missing]
    with pytest.raises(NotACheckpointError, match=missing):
        read(tar(documents=documents))


def test_what_is_inside_an_inner_archive_is_nobodys_business() -> None:
    inner = tar(file("/etc/passwd"))
    assert "rootfs-diff.tar" in read(tar(file("rootfs-diff.tar", inner))).members
