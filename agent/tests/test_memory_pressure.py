"""Pressure is what the kernel says of waiting tasks, or what memory is left where it does not."""

from pathlib import Path

import pytest
from transition_agent.memory_pressure import memory_pressure

PRESSURE = """\
some avg10={} avg60=0.00 avg300=0.00 total=123
full avg10=99.00 avg60=0.00 avg300=0.00 total=45
"""


@pytest.mark.parametrize(
    ("percent", "pressure"), [("0.00", False), ("9.99", False), ("10.00", True)]
)
def test_waiting_tasks_are_pressure(tmp_path: Path, percent: str, pressure: bool) -> None:
    file = tmp_path / "memory"
    file.write_text(PRESSURE.format(percent))
    assert memory_pressure(pressure=file, memory=tmp_path / "none") is pressure


@pytest.mark.parametrize(("kib", "pressure"), [(102_400, False), (102_399, True)])
def test_without_it_little_memory_is_pressure(tmp_path: Path, kib: int, pressure: bool) -> None:
    file = tmp_path / "meminfo"
    file.write_text(f"MemTotal:  4000000 kB\nMemAvailable:   {kib} kB\n")
    assert memory_pressure(pressure=tmp_path / "none", memory=file) is pressure


def test_a_kernel_that_tells_neither_has_none(tmp_path: Path) -> None:
    assert not memory_pressure(pressure=tmp_path / "none", memory=tmp_path / "none")


def test_this_kernel_is_understood() -> None:
    assert memory_pressure() in (True, False)
