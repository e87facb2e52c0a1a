"""CRC-32 as S3 wants it: of a part, of the whole object, in base64.

CRC-32 is the checksum that S3 computes over a whole multipart object, and zlib does 3 GB/s of it.
The content's identity is the SHA-256 in the record; the CRC-32 says that S3 got the same bytes.
"""

import base64
import zlib

_POLYNOMIAL = 0xEDB88320
_HIGH = 1 << 31


def encode(crc: int) -> str:
    """As in `x-amz-checksum-crc32`: big-endian, base64."""
    return base64.b64encode(crc.to_bytes(4, "big")).decode("ascii")


def combine(first: int, second: int, *, second_bytes: int) -> int:
    """CRC-32 of two adjoining runs of bytes from the CRC-32 of each, without their bytes."""
    return _multiply(_shift(second_bytes), first) ^ second


def composite(parts: list[int]) -> str:
    """The checksum that S3 gives a multipart object of type COMPOSITE."""
    joined = b"".join(crc.to_bytes(4, "big") for crc in parts)
    return f"{encode(zlib.crc32(joined))}-{len(parts)}"


def _multiply(left: int, right: int) -> int:
    """Product of two polynomials modulo CRC-32's, in its reflected bit order."""
    product = 0
    while left:
        if left & _HIGH:
            product ^= right
        left = (left << 1) & 0xFFFFFFFF
        right = (right >> 1) ^ (_POLYNOMIAL if right & 1 else 0)
    return product


def _shift(size_bytes: int) -> int:
    """x to the power of 8 times `size_bytes`: what following bytes do to a checksum."""
    result, power = _HIGH, _HIGH >> 8
    while size_bytes:
        if size_bytes & 1:
            result = _multiply(result, power)
        power = _multiply(power, power)
        size_bytes >>= 1
    return result
