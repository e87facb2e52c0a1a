"""Labs of a test run: their names and addresses are this working copy's own."""

import hashlib
from ipaddress import IPv4Network
from pathlib import Path

from lab.description import LabSettings

ROOT = Path(__file__).parents[1]


def settings_for(purpose: str) -> LabSettings:
    """Settings of a lab for one purpose: the same in each run of this working copy.

    So a run that was killed leaves nothing for ever: the next one takes it down first.
    """
    number = int(hashlib.sha256(f"{ROOT} {purpose}".encode()).hexdigest()[:4], 16)
    return LabSettings(
        name=f"t{number:04x}",
        subnet=IPv4Network(f"10.{88 + number // 256 % 8}.{number % 256}.0/24"),
        state=ROOT / ".lab-tests" / purpose,
    )
