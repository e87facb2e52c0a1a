"""A checkpoint has as long as its container's memory needs, within bounds."""

from datetime import timedelta

import pytest

from airflow_transition.core.checkpoint_deadline import checkpoint_deadline, quantity_bytes

MOST = timedelta(minutes=30)


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("512Mi", 512 << 20),
        ("1G", 10**9),
        ("1.5Gi", 3 << 29),
        ("128974848", 128974848),
        ("129e6", 129_000_000),
        ("128000m", 128),
        ("64k", 64_000),
        ("many", None),
        ("", None),
        ("1GB", None),
    ],
)
def test_quantities_are_read_as_kubernetes_writes_them(text: str, size: int | None) -> None:
    assert quantity_bytes(text) == size


def test_more_memory_has_more_time() -> None:
    small = checkpoint_deadline(10 << 20, most=MOST)
    large = checkpoint_deadline(8 << 30, most=MOST)
    assert timedelta(minutes=2) < small < large < MOST


def test_the_runtimes_own_two_minutes_are_always_left_to_it() -> None:
    assert checkpoint_deadline(0, most=MOST) == timedelta(minutes=2)


def test_no_limit_and_a_huge_one_get_the_longest_time() -> None:
    assert checkpoint_deadline(None, most=MOST) == MOST
    assert checkpoint_deadline(1 << 50, most=MOST) == MOST
