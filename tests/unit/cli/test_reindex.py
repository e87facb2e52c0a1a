"""`airflow transition reindex` at a shell."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from airflow_transition.core.errors import TemporaryError
from airflow_transition.operators.reindex import Reindex
from tests.unit.cli.conftest import Run

pytestmark = pytest.mark.usefixtures("folder")


@pytest.fixture
def comparing(monkeypatch: pytest.MonkeyPatch) -> Callable[..., list[Any]]:
    """A comparison that came to this; gives what was compared."""

    def come_to(
        *, told: int = 0, unreadable: tuple[str, ...] = (), away: bool = False
    ) -> list[Any]:
        asked: list[Any] = []
        none: Any = None
        made = Reindex(none, none, begun=datetime.now(UTC))

        def run(policies: Any, *, clusters: Any = None) -> None:
            if away:
                raise TemporaryError("S3 does not answer", where="s3://checkpoints", do="wait")
            asked.append(([one.name for one in policies], clusters))
            made.told, made.unreadable = told, list(unreadable)

        made.run = run  # type: ignore[method-assign]
        monkeypatch.setattr("airflow_transition.cli.reindex.make_reindex", lambda: made)
        return asked

    return come_to


@pytest.fixture(autouse=True)
def context(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("_AIRFLOW_PROCESS_CONTEXT", "")  # what commands set is taken back


def test_without_a_name_everything_is_compared(
    run: Run, comparing: Callable[..., list[Any]]
) -> None:
    asked = comparing(told=3)
    said = run("reindex")
    assert (said.status, said.out) == (0, "3 told, 0 forgotten\n")
    assert asked == [(["clusterpolicy-sample"], None)]


def test_a_named_policy_is_compared_with_its_clusters(
    run: Run, comparing: Callable[..., list[Any]]
) -> None:
    asked = comparing()
    assert run("reindex", "clusterpolicy-sample", "--json").status == 0
    ((names, clusters),) = asked
    assert names == ["clusterpolicy-sample"]
    assert "cluster1-azure" in clusters


def test_what_cannot_be_read_is_named_and_is_the_exit_status(
    run: Run, comparing: Callable[..., list[Any]]
) -> None:
    comparing(told=1, unreadable=("s3://checkpoints/x.json",))
    said = run("reindex")
    assert said.status == 1
    assert "unreadable: s3://checkpoints/x.json" in said.out


def test_what_is_away_is_said_in_one_line(run: Run, comparing: Callable[..., list[Any]]) -> None:
    comparing(away=True)
    said = run("reindex")
    assert (said.status, said.out) == (1, "")
    assert "S3 does not answer" in said.err


def test_without_a_connection_it_says_which_one_is_missing(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("airflow_transition.cli.reindex.make_reindex", lambda: None)
    said = run("reindex")
    assert said.status == 2
    assert "receiver_conn_id" in said.err
