"""Reading a checkpoint archive as it streams by: what is in it, and that it can be trusted.

A runtime unpacks the archive as root on the target, so one that could write outside its folder,
fill the disk or mean different things to different readers is refused before it becomes an image.
"""

from collections.abc import Generator
from dataclasses import dataclass
from typing import Protocol

from airflow_transition.core.tar_header import (
    BLOCK_BYTES,
    ArchiveError,
    TarHeader,
    UnsafeMemberError,
    damaged,
    parse_header,
    parse_pax,
)

CONFIG_DUMP = "config.dump"
SPEC_DUMP = "spec.dump"
_DOCUMENTS = (CONFIG_DUMP, SPEC_DUMP)
_READ_BYTES = 1 << 20
_FILES = (b"0", b"7")
_NO_CONTENT = {b"1": "hard link", b"2": "symbolic link", b"5": "folder"}
_EXTENSIONS = (b"x", b"L", b"K")
_FORBIDDEN = {
    b"3": "character device",
    b"4": "block device",
    b"6": "named pipe",
    b"S": "sparse file",
    b"g": "global header",
}


class TruncatedArchiveError(ArchiveError):
    """The archive ends before its end-of-archive blocks."""


class OversizedArchiveError(ArchiveError):
    """More members or bytes than a checkpoint has: a bomb, or not a checkpoint."""


class NotACheckpointError(ArchiveError):
    """A tar without the documents that every checkpoint has."""


@dataclass(frozen=True)
class Limits:
    """What is more than any checkpoint: a process tree of thousands stays below."""

    members: int = 100_000
    names_bytes: int = 16 << 20
    document_bytes: int = 8 << 20
    extension_bytes: int = 64 << 10
    archive_bytes: int = 4 << 40


@dataclass(frozen=True, slots=True)
class Member:
    """One entry of the archive; `offset_bytes` is where its content begins."""

    name: str
    kind: bytes
    offset_bytes: int
    size_bytes: int


@dataclass(frozen=True)
class CheckpointArchive:
    """What a whole and harmless archive holds, without its memory images."""

    config_dump: bytes
    spec_dump: bytes
    members: dict[str, Member]
    size_bytes: int


@dataclass(slots=True)
class _Extensions:
    """Long names and sizes that extension headers give to the member after them."""

    name: bytes | None = None
    link: bytes | None = None
    size_bytes: int | None = None
    pending: bool = False


_Walk = Generator[tuple[str, int], bytes, None]
"""Asks for ("take", n) bytes, or for ("skip", n) bytes to pass by."""


class ArchiveInspector:
    """Push bytes in with `feed`, then `finish`; holds a header and two documents, never more."""

    def __init__(
        self, *, where: str, size_bytes: int | None = None, limits: Limits | None = None
    ) -> None:
        self._where = where
        self._limits = limits or Limits()
        self._end = self._limits.archive_bytes if size_bytes is None else size_bytes
        self._offset = 0
        self._members: dict[str, Member] = {}
        self._names_bytes = 0
        self._documents: dict[str, bytes] = {}
        self._taken = bytearray()
        self._walk = self._read_members()
        self._mode, self._left = next(self._walk)

    def feed(self, chunk: bytes | memoryview) -> None:
        """Look at the next bytes; raises an `ArchiveError` at the first thing that is wrong."""
        view = memoryview(chunk)
        while view:
            count = min(self._left, len(view))
            if self._mode == "skip":
                self._offset += count
            elif self._mode == "take":
                self._offset += count
                self._taken += view[:count]
            else:
                self._only_zeros(view)
                return
            self._left -= count
            view = view[count:]
            while self._left == 0 and self._mode != "rest":
                self._advance()

    def finish(self) -> CheckpointArchive:
        """Say that no bytes follow; the archive must be whole."""
        if self._mode != "rest":
            raise TruncatedArchiveError(
                "the archive is incomplete: its end-of-archive blocks are missing",
                where=self._where,
                found=f"{self._offset} bytes",
                do="wait until it is written to its end, or take a new checkpoint",
            )
        for name in _DOCUMENTS:
            if name not in self._documents:
                raise NotACheckpointError(
                    f"{name} is missing",
                    where=self._where,
                    found=f"{len(self._members)} members",
                    do="give an archive that a runtime's checkpoint call wrote",
                )
        return CheckpointArchive(
            config_dump=self._documents[CONFIG_DUMP],
            spec_dump=self._documents[SPEC_DUMP],
            members=self._members,
            size_bytes=self._offset,
        )

    def _advance(self) -> None:
        taken = bytes(self._taken)
        self._taken.clear()
        try:
            self._mode, self._left = self._walk.send(taken)
        except StopIteration:
            self._mode, self._left = "rest", 0

    def _only_zeros(self, view: memoryview) -> None:
        self._offset += len(view)
        self._bound(self._offset)
        if bytes(view).strip(b"\x00"):
            raise damaged("bytes follow its end", where=self._where)

    def _read_members(self) -> _Walk:
        given = _Extensions()
        while (block := (yield "take", BLOCK_BYTES)).strip(b"\x00"):
            header = parse_header(block, where=self._where)
            if header.kind in _EXTENSIONS:
                yield from self._read_extension(header, given)
                continue
            yield from self._read_member(header, given)
            given = _Extensions()
        if given.pending or (yield "take", BLOCK_BYTES).strip(b"\x00"):
            raise damaged("its end-of-archive blocks are incomplete", where=self._where)

    def _read_extension(self, header: TarHeader, given: _Extensions) -> _Walk:
        if header.size_bytes > self._limits.extension_bytes:
            raise self._oversized("an extension header", f"{header.size_bytes} bytes")
        value = yield "take", _padded(header.size_bytes)
        value = value[: header.size_bytes]
        given.pending = True
        if header.kind == b"x":
            self._apply_pax(parse_pax(value, where=self._where), given)
        elif header.kind == b"L":
            given.name = self._once(given.name, value.rstrip(b"\x00"))
        else:
            given.link = self._once(given.link, value.rstrip(b"\x00"))

    def _apply_pax(self, fields: dict[str, bytes], given: _Extensions) -> None:
        for key, value in fields.items():
            if key.startswith("GNU.sparse."):
                raise self._unsafe("sparse file", key)
            if key == "path":
                given.name = self._once(given.name, value)
            elif key == "linkpath":
                given.link = self._once(given.link, value)
            elif key == "size":
                if not value.isdigit() or len(value) > 20 or given.size_bytes is not None:  # noqa: PLR2004  2**64 has 20 digits
                    raise damaged("a pax size is no number", where=self._where)
                given.size_bytes = int(value)

    def _once(self, before: bytes | None, value: bytes) -> bytes:
        if before is not None or not value:
            raise damaged("a member is named twice or not at all", where=self._where)
        return value

    def _read_member(self, header: TarHeader, given: _Extensions) -> _Walk:
        size = header.size_bytes if given.size_bytes is None else given.size_bytes
        raw = given.name if given.name is not None else header.name
        name = self._safe_name(raw, folder=header.kind == b"5")
        member = Member(name=name, kind=header.kind, offset_bytes=self._offset, size_bytes=size)
        self._check_kind(member, link=given.link if given.link is not None else header.link)
        self._count(member)
        self._bound(self._offset + _padded(size) + 2 * BLOCK_BYTES)
        if name in _DOCUMENTS:
            if header.kind not in _FILES or size > self._limits.document_bytes:
                raise self._oversized(name, f"{size} bytes")
            self._documents[name] = (yield "take", _padded(size))[:size]
        elif size:
            yield "skip", _padded(size)

    def _check_kind(self, member: Member, *, link: bytes) -> None:
        if member.kind in _FORBIDDEN:
            raise self._unsafe(_FORBIDDEN[member.kind], member.name)
        if member.kind in _NO_CONTENT:
            if member.size_bytes:
                what = f"a {_NO_CONTENT[member.kind]} with content"
                raise damaged(what, where=self._where, found=member.name)
        elif member.kind not in _FILES:
            raise self._unsafe("member of an unknown kind", f"{member.kind!r} {member.name}")
        if member.kind == b"1":
            target = self._members.get(self._safe_name(link, folder=False))
            if target is None or target.kind not in _FILES:
                raise self._unsafe("hard link to what is not a file before it", member.name)
        elif member.kind == b"2":
            self._check_symlink(member.name, self._decode(link))

    def _check_symlink(self, name: str, target: str) -> None:
        """`..` only in front, and never above the root: then no chain of links can leave it."""
        parts = [part for part in target.split("/") if part not in ("", ".")]
        up = 0
        while up < len(parts) and parts[up] == "..":
            up += 1
        if target.startswith("/") or up > name.count("/") or ".." in parts[up:]:
            raise self._unsafe("link out of the archive", name)

    def _safe_name(self, raw: bytes, *, folder: bool) -> str:
        text = self._decode(raw)
        parts = [part for part in text.split("/") if part not in ("", ".")]
        if text.startswith("/") or ".." in parts:
            raise self._unsafe("name that leaves the archive", text)
        if not folder and (not parts or text.endswith("/")):
            raise damaged("a file without a name", where=self._where, found=repr(text[:80]))
        if any(part.startswith(".wh.") for part in parts):
            raise self._unsafe("name that an image layer would take for a deletion", text)
        return "/".join(parts)

    def _decode(self, raw: bytes) -> str:
        try:
            text = raw.decode()
        except UnicodeDecodeError as error:
            raise damaged("a name is not UTF-8", where=self._where) from error
        if "\x00" in text:
            raise damaged("a name holds a zero byte", where=self._where)
        return text

    def _count(self, member: Member) -> None:
        self._names_bytes += len(member.name)
        if len(self._members) >= self._limits.members:
            raise self._oversized("the number of members", f"over {self._limits.members}")
        if self._names_bytes > self._limits.names_bytes:
            raise self._oversized("the names of the members", f"{self._names_bytes} bytes")
        parts = member.name.split("/")
        for depth in range(1, len(parts)):
            parent = self._members.get("/".join(parts[:depth]))
            if parent is not None and parent.kind != b"5":
                raise self._unsafe("name below what is not a folder", member.name)
        before = self._members.get(member.name)
        if before is not None and not before.kind == member.kind == b"5":
            raise damaged("a member is there twice", where=self._where, found=member.name)
        self._members[member.name] = member

    def _bound(self, end: int) -> None:
        if end > self._end:
            raise self._oversized("the declared content", f"{end} of {self._end} bytes")

    def _oversized(self, what: str, found: str) -> OversizedArchiveError:
        return OversizedArchiveError(
            f"{what} is larger than allowed",
            where=self._where,
            found=found,
            do="do not use this archive; find out who wrote it",
        )

    def _unsafe(self, what: str, found: str) -> UnsafeMemberError:
        return UnsafeMemberError(
            f"the archive has a {what}",
            where=self._where,
            found=found[:200],
            do="do not use this archive; find out who wrote it",
        )


class _Readable(Protocol):
    def read(self, size: int, /) -> bytes: ...


def read_archive(fileobj: _Readable, *, where: str) -> CheckpointArchive:
    """Read a whole archive from a file, one bounded chunk at a time."""
    inspector = ArchiveInspector(where=where)
    while chunk := fileobj.read(_READ_BYTES):
        inspector.feed(chunk)
    return inspector.finish()


def _padded(size_bytes: int) -> int:
    return -(-size_bytes // BLOCK_BYTES) * BLOCK_BYTES
