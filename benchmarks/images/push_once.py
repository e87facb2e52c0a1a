"""`python -m benchmarks.images.push_once RECORD.json`: one push in a process of its own.

Prints the process's peak resident bytes: after the imports, and at the end.
"""

import sys
from pathlib import Path

from transition_wire.checkpoint_record import CheckpointRecord

from airflow_transition.hooks.checkpoint_store import CheckpointStoreHook
from airflow_transition.hooks.oci_registry import OciRegistryHook


def peak_bytes() -> int:
    """The highest resident size so far; getrusage would count the parent before the exec too."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024
    raise RuntimeError("the kernel tells no VmHWM")


def main(record_file: str) -> None:
    imported = peak_bytes()
    record = CheckpointRecord.model_validate_json(Path(record_file).read_bytes())
    image = OciRegistryHook().push_checkpoint_image(
        record=record, archive=CheckpointStoreHook().open_archive(record)
    )
    assert image.moved_bytes == record.stored.size_bytes
    print(imported, peak_bytes())


if __name__ == "__main__":
    main(sys.argv[1])
