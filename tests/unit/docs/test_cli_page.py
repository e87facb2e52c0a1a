"""docs/reference/cli.md has each command and each check, and no other."""

import re
from pathlib import Path

from airflow_transition.cli.commands import commands
from airflow_transition.core.doctor import Check, Status

PAGE = (Path(__file__).parents[3] / "docs" / "reference" / "cli.md").read_text()


def first_cells(heading: str) -> list[str]:
    """Of the table whose first column has this heading."""
    table = PAGE.partition(f"| {heading} |")[2].partition("\n\n")[0]
    return re.findall(r"^\| `([\w-]+)", table, re.MULTILINE)


def test_every_command_is_on_the_page() -> None:
    (group,) = commands()
    assert sorted(first_cells("command")) == sorted(each.name for each in group.subcommands)


def test_every_check_is_on_the_page_in_the_order_of_the_report() -> None:
    assert first_cells("check") == [check.value for check in Check]


def test_every_status_is_on_the_page() -> None:
    assert first_cells("status") == [status.value for status in Status]
