import base64
import zlib

from hypothesis import given
from hypothesis import strategies as st
from transition_agent.checksums import combine, composite, encode


@given(first=st.binary(max_size=5000), second=st.binary(max_size=5000))
def test_two_checksums_combine_to_that_of_both_runs_of_bytes(first: bytes, second: bytes) -> None:
    combined = combine(zlib.crc32(first), zlib.crc32(second), second_bytes=len(second))
    assert combined == zlib.crc32(first + second)


def test_checksums_are_written_as_s3_writes_them() -> None:
    """Recorded from a server: an object `hello`, and one of two parts."""
    assert encode(zlib.crc32(b"hello")) == "NhCmhg=="
    parts = [int.from_bytes(base64.b64decode(crc), "big") for crc in ("Vbkljg==", "L3pfmA==")]
    assert composite(parts) == "9n66zQ==-2"
