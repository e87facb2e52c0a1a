"""The guide's sample policy, with the address of the lab's Git server."""

from pathlib import Path

from lab.description import CLUSTERS, LabDescription

_SAMPLE = Path(__file__).resolve().parent.parent / "dags" / "policies" / "clusterpolicy-sample.yaml"


FAILOVER = """\
  failover:
    gracePeriodSeconds: 3
    leaseSeconds: 2
"""
"""For agents that send a heartbeat every second."""


def write_sample_policy(lab: LabDescription, *, folder: Path, more: str = "") -> Path:
    """Copy the sample into `folder`: the value of `repo:` differs, `more` is added to its spec."""
    source = lab.git.repositories[CLUSTERS[0]]
    lines = []
    for line in _SAMPLE.read_text().splitlines(keepends=True):
        if line.strip().startswith("repo:"):
            indent = line[: len(line) - len(line.lstrip())]
            lines.append(f"{indent}repo: {source}\n")
        else:
            lines.append(line)
    folder.mkdir(parents=True, exist_ok=True)
    written = folder / _SAMPLE.name
    written.write_text("".join([*lines, more]))
    return written
