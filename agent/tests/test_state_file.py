"""Orders are on the disk before they are relied on; a broken file is named and closes nothing."""

from pathlib import Path

import pytest
from transition_agent.orders import Orders
from transition_agent.state_file import StateError, StateFile

from .test_orders import fence, lease

ORDERS = Orders(epoch=3, fences=(fence(),), leases=(lease(),))


def test_what_was_kept_is_read(tmp_path: Path) -> None:
    StateFile(tmp_path / "state").save(ORDERS)
    assert StateFile(tmp_path / "state").load() == ORDERS


def test_nothing_kept_is_no_orders(tmp_path: Path) -> None:
    assert StateFile(tmp_path).load() == Orders()


def test_an_interrupted_write_leaves_the_orders_of_before(tmp_path: Path) -> None:
    state = StateFile(tmp_path)
    state.save(ORDERS)
    (tmp_path / "orders.partial").write_text('{"epoch": 4, "fen')
    assert state.load() == ORDERS


def test_a_broken_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "orders.json").write_text("{}]")
    with pytest.raises(StateError, match=r"orders\.json: the orders of before cannot be read"):
        StateFile(tmp_path).load()


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StateError, match="make STATE_DIR writable"):
        StateFile(tmp_path / "file").save(ORDERS)
