"""Names as Kubernetes generates them."""

import json
import secrets
import zlib

from lab.api.kinds import Object

_ALPHABET = "bcdfghjklmnpqrstvwxz2456789"
"""No vowels and no look-alikes (apimachinery, util/rand)."""

_SUFFIX_LENGTH = 5
_HASH_LENGTH = 10


def generated(prefix: str) -> str:
    """`prefix` with five random signs: `video-85f5b48bb5-` becomes `video-85f5b48bb5-b5dgv`."""
    return prefix + "".join(secrets.choice(_ALPHABET) for _ in range(_SUFFIX_LENGTH))


def template_hash(template: Object) -> str:
    """A pod template's hash: the same template, the same ReplicaSet."""
    number = zlib.crc32(json.dumps(template, sort_keys=True).encode())
    digits = str(number).zfill(_HASH_LENGTH)
    return "".join(_ALPHABET[ord(digit) % len(_ALPHABET)] for digit in digits)
