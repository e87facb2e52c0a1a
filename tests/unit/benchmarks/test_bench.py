from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from benchmarks.bench import AtLeast, AtMost, Benchmark, Progress, Sample, run


@contextmanager
def _prepare(progress: Progress) -> Iterator[Callable[[], Sample]]:
    figures = iter([3.0, 1.0, 2.0, 9.0, 1.5])
    yield lambda: Sample(next(figures), {"ours, s": 1.0})


def test_the_last_line_is_name_median_and_unit(capsys: pytest.CaptureFixture[str]) -> None:
    run("copy-speed", Benchmark(unit="x", bar=AtMost(2), prepare=_prepare))
    lines = capsys.readouterr().out.splitlines()
    assert lines[-1] == "copy-speed 2 x"
    assert lines[-2] == "bar: at most 2 x: met"


def test_a_missed_bar_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    run("copy-speed", Benchmark(unit="x", bar=AtLeast(4), prepare=_prepare))
    assert "bar: at least 4 x: NOT met" in capsys.readouterr().out
