"""Walk a tar's headers while it is still being written, to know when it is complete.

A checkpoint archive is written straight to its final name, so neither the name nor a size that
stood still for a while says that it is complete. The two zero blocks at its end do. The walk reads
headers only and seeks over contents; it remembers where it stopped, so a growing archive of many
gigabytes costs a few small reads at each look.
"""

import os
import tarfile
from dataclasses import dataclass, field

from transition_wire.checkpoint_record import ArchiveMember

from transition_agent.errors import AgentError

BLOCK_BYTES = tarfile.BLOCKSIZE
MAX_MEMBERS = 200_000
"""CRIU writes a few files for each thread; nobody has 50,000 of those in one container."""
MAX_EXTENSION_BYTES = 1 << 20
"""Bound of a long name or of pax records, which are read into memory."""

_ZEROS = bytes(BLOCK_BYTES)
_NAME_EXTENSIONS = frozenset({tarfile.GNUTYPE_LONGNAME, tarfile.GNUTYPE_LONGLINK})
_PAX_EXTENSIONS = frozenset({tarfile.XHDTYPE, tarfile.SOLARIS_XHDTYPE})
_NO_CONTENT = frozenset(
    {
        tarfile.LNKTYPE,
        tarfile.SYMTYPE,
        tarfile.CHRTYPE,
        tarfile.BLKTYPE,
        tarfile.DIRTYPE,
        tarfile.FIFOTYPE,
    }
)


class BrokenArchive(AgentError):  # noqa: N818 - named for what it is, as the log shows it
    """The file can never become a checkpoint archive by more bytes at its end."""


@dataclass
class TarWalk:
    """The state of one walk; `advance` goes on from where the last one stopped."""

    path: str
    """Only for messages."""
    wanted: frozenset[str]
    """Names of members whose place is kept."""
    found: dict[str, ArchiveMember] = field(default_factory=dict)
    offset_bytes: int = 0
    complete: bool = False
    _members: int = 0
    _long_name: str | None = None
    _pax: dict[str, str] = field(default_factory=dict)

    def advance(self, descriptor: int) -> bool:
        """Read the headers that are there now; True once the end-of-archive blocks are."""
        size_bytes = os.fstat(descriptor).st_size
        while not self.complete and self.offset_bytes + BLOCK_BYTES <= size_bytes:
            block = os.pread(descriptor, BLOCK_BYTES, self.offset_bytes)
            if len(block) < BLOCK_BYTES:
                return False
            if block == _ZEROS:
                return self._end(descriptor)
            if not self._member(block, descriptor=descriptor, size_bytes=size_bytes):
                return False
        return self.complete

    def _end(self, descriptor: int) -> bool:
        second = os.pread(descriptor, BLOCK_BYTES, self.offset_bytes + BLOCK_BYTES)
        if len(second) == BLOCK_BYTES and second != _ZEROS:
            raise self._broken("one zero block, and then more members")
        self.complete = second == _ZEROS
        return self.complete

    def _member(self, block: bytes, *, descriptor: int, size_bytes: int) -> bool:
        """Step over one header and its content; False if it is not wholly there yet."""
        try:
            header = tarfile.TarInfo.frombuf(block, "utf-8", "surrogateescape")
        except tarfile.HeaderError as error:
            raise self._broken(f"no tar header at byte {self.offset_bytes} ({error})") from error
        content = self.offset_bytes + BLOCK_BYTES
        if header.type in _NAME_EXTENSIONS or header.type in _PAX_EXTENSIONS:
            if not 0 <= header.size <= MAX_EXTENSION_BYTES:
                raise self._broken(f"an extended header of {header.size} bytes")
            if content + _padded(header.size) > size_bytes:
                return False
            self._extension(header, content=os.pread(descriptor, header.size, content))
        else:
            header.size = self._size_of(header)
            self._keep(header, content=content)
        self.offset_bytes = content + _padded(header.size)
        return True

    def _extension(self, header: tarfile.TarInfo, *, content: bytes) -> None:
        if header.type == tarfile.GNUTYPE_LONGNAME:
            self._long_name = content.rstrip(b"\0").decode("utf-8", "surrogateescape")
        elif header.type in _PAX_EXTENSIONS:
            self._pax.update(self._pax_records(content))

    def _size_of(self, header: tarfile.TarInfo) -> int:
        if header.type in _NO_CONTENT:
            return 0
        try:
            size_bytes = int(self._pax.get("size", header.size))
        except ValueError as error:
            raise self._broken(f"a size that is no number: {self._pax['size']!r}") from error
        if size_bytes < 0:
            raise self._broken(f"a member of {size_bytes} bytes")
        return size_bytes

    def _keep(self, header: tarfile.TarInfo, *, content: int) -> None:
        """Count the member that the header and the extensions before it describe."""
        self._members += 1
        if self._members > MAX_MEMBERS:
            raise self._broken(f"more than {MAX_MEMBERS} members")
        name = (self._pax.get("path") or self._long_name or header.name).removeprefix("./")
        self._long_name = None
        self._pax = {}
        if name not in self.wanted:
            return
        if name in self.found or not header.isreg():
            raise self._broken(f"{name} twice, or not as a file")
        self.found[name] = ArchiveMember(offset_bytes=content, size_bytes=header.size)

    def _pax_records(self, content: bytes) -> dict[str, str]:
        """Lines of `<length> <keyword>=<text>`, where the length counts the whole line."""
        records = {}
        while content:
            length, _, rest = content.partition(b" ")
            if not length.isdigit() or not len(length) + 1 < int(length) <= len(content):
                raise self._broken("pax records that cannot be read")
            record = rest[: int(length) - len(length) - 1].removesuffix(b"\n")
            keyword, _, text = record.decode("utf-8", "surrogateescape").partition("=")
            records[keyword] = text
            content = content[int(length) :]
        return records

    def _broken(self, what: str) -> BrokenArchive:
        return BrokenArchive(
            f"not a plain tar as the kubelet writes it: {what}",
            where=self.path,
            do="look at what wrote this file; it is left where it is and not uploaded",
        )


def _padded(size_bytes: int) -> int:
    return -(-size_bytes // BLOCK_BYTES) * BLOCK_BYTES
