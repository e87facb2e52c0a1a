"""The reference names every error that archives, store and registry can raise."""

import inspect
import re
from pathlib import Path

from airflow_transition.core import checkpoint, image, image_names, tar_header
from airflow_transition.core.errors import PermanentError, TransitionError
from airflow_transition.hooks import archive_check, connection, registry_errors, store_errors

REFERENCE = Path(__file__).parents[4] / "docs" / "reference" / "errors.md"
MODULES = (
    checkpoint,
    image,
    image_names,
    tar_header,
    archive_check,
    connection,
    registry_errors,
    store_errors,
)


def test_every_error_is_in_the_reference_with_its_kind() -> None:
    promised = {}
    for line in REFERENCE.read_text().splitlines():
        if line.startswith("| `"):
            names, kind, _ = line.strip("| ").split(" | ")
            promised |= dict.fromkeys(re.findall(r"`(\w+)`", names), kind)
    raised = {
        name: "permanent" if issubclass(each, PermanentError) else "temporary"
        for module in MODULES
        for name, each in inspect.getmembers(module, inspect.isclass)
        if issubclass(each, TransitionError) and each.__module__ == module.__name__
    }
    assert {name: promised.get(name) for name in raised} == raised
