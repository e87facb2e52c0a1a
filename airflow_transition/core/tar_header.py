"""One 512-byte tar header, read the way the container runtimes read it (Go's archive/tar).

Where two readers could see different things in the same bytes, the header is refused.
"""

from dataclasses import dataclass

from airflow_transition.core.errors import PermanentError

BLOCK_BYTES = 512
_CHECKSUM = slice(148, 156)
_USTAR = b"ustar\x00"
_BASE_256 = 0x80
_NEGATIVE = 0x40


class ArchiveError(PermanentError):
    """This file is not a checkpoint archive that can be used."""


class DamagedArchiveError(ArchiveError):
    """The bytes are not a well-formed tar, or their meaning is ambiguous."""


class UnsafeMemberError(ArchiveError):
    """A member that a checkpoint never has and that could harm whoever unpacks it."""


@dataclass(frozen=True, slots=True)
class TarHeader:
    """What a header says, before long names and sizes of extension headers are applied."""

    name: bytes
    link: bytes
    size_bytes: int
    kind: bytes


def parse_header(block: bytes, *, where: str) -> TarHeader:
    """Read one header block; a wrong checksum or number is a `DamagedArchiveError`."""
    _check_sum(block, where=where)
    kind = block[156:157]
    name = _text(block[0:100])
    if block[257:263] == _USTAR:
        if block[508:512] == b"tar\x00":
            raise damaged("a header in the old star format", where=where)
        prefix = _text(block[345:500])
        name = prefix + b"/" + name if prefix else name
    if kind == b"\x00":  # before POSIX, a folder was a file whose name ends in a slash
        kind = b"5" if name.endswith(b"/") else b"0"
    size = _number(block[124:136], where=where)
    return TarHeader(name=name, link=_text(block[157:257]), size_bytes=size, kind=kind)


def parse_pax(records: bytes, *, where: str) -> dict[str, bytes]:
    """Read the `<length> <key>=<value>` lines of a pax extension header."""
    fields: dict[str, bytes] = {}
    while records:
        digits, space, _ = records[:20].partition(b" ")
        if not (space and digits.isdigit()):
            raise damaged("a pax record without a length", where=where)
        end = int(digits)
        key, equals, value = records[len(digits) + 1 : end - 1].partition(b"=")
        if end > len(records) or records[end - 1 : end] != b"\n" or not (equals and key):
            raise damaged("a malformed pax record", where=where)
        label = key.decode("utf-8", "replace")
        if label in fields:
            raise damaged("a pax record that is given twice", where=where, found=label)
        fields[label] = value
        records = records[end:]
    return fields


def damaged(what: str, *, where: str, found: str | None = None) -> DamagedArchiveError:
    """Build the error for bytes that are no tar."""
    do = "take a new checkpoint; if it happens again, look at the node's disk and runtime"
    return DamagedArchiveError(f"the archive is damaged: {what}", where=where, found=found, do=do)


def _check_sum(block: bytes, *, where: str) -> None:
    rest = block[:148] + b" " * 8 + block[156:]
    unsigned = sum(rest)
    signed = unsigned - 256 * sum(byte > 127 for byte in rest)  # noqa: PLR2004  two's complement
    if _number(block[_CHECKSUM], where=where) not in (unsigned, signed):
        raise damaged("a header's checksum is wrong", where=where, found=_first_bytes(block))


def _first_bytes(block: bytes) -> str:
    """Name what commonly stands where a tar was expected."""
    if block.startswith(b"\x28\xb5\x2f\xfd"):
        return "zstd data: export it uncompressed"
    if block.startswith(b"\x1f\x8b"):
        return "gzip data: export it uncompressed"
    return block[:8].hex()


def _text(field: bytes) -> bytes:
    return field.split(b"\x00", 1)[0]


def _number(field: bytes, *, where: str) -> int:
    """Octal digits, or base 256 for what does not fit (sizes from 8 GiB on)."""
    if field[0] & _BASE_256:
        if field[0] & _NEGATIVE:
            raise damaged("a negative number in a header", where=where)
        return int.from_bytes(bytes([field[0] & 0x3F]) + field[1:], "big")
    digits = field.strip(b" \x00")
    if not digits:
        return 0
    if digits.strip(b"01234567"):
        raise damaged("a number in a header is not octal", where=where, found=repr(digits[:20]))
    return int(digits, 8)
