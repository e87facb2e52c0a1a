"""The node's own file is read as it is, and nothing else is."""

from pathlib import Path

import pytest
from transition_agent.runc_conf import RUNC_CONF, host_root, runc_conf


def write(root: Path, text: str) -> None:
    (root / RUNC_CONF).parent.mkdir(parents=True)
    (root / RUNC_CONF).write_text(text)


def test_the_guides_file_is_read_line_by_line(tmp_path: Path) -> None:
    write(tmp_path, "# /etc/criu/runc.conf\nfile-locks\ntcp-close  # and so on\n\nexternal mnt[]\n")
    assert runc_conf(tmp_path) == ("file-locks", "tcp-close", "external mnt[]")


def test_no_file_is_not_the_same_as_one_that_cannot_be_read(tmp_path: Path) -> None:
    assert runc_conf(tmp_path) == ()
    (tmp_path / RUNC_CONF).mkdir(parents=True)
    assert runc_conf(tmp_path) is None


def test_a_file_without_an_end_is_cut(tmp_path: Path) -> None:
    write(tmp_path, "tcp-close\n" * 100_000)
    found = runc_conf(tmp_path)
    assert found is not None
    assert len(found) == 100


def test_a_container_looks_at_its_node(monkeypatch: pytest.MonkeyPatch) -> None:
    assert host_root() == Path("/")
    monkeypatch.setenv("HOST_ROOT", "/proc/1/root")
    assert host_root() == Path("/proc/1/root")
