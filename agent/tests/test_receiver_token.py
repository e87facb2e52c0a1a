"""A token is rotated by replacing its file; nothing else is ever sent as one."""

import os
from pathlib import Path

import pytest
from transition_agent.receiver_token import ReceiverToken, TokenError


def test_a_file_that_changed_is_read_again(tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text("first\n")
    token = ReceiverToken(file=file)
    assert token.current() == "first"
    new = tmp_path / "new"
    new.write_text("second\n")
    new.replace(file)
    assert token.current() == "second"


def test_a_file_that_did_not_change_is_not_read_again(tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text("first\n")
    token = ReceiverToken(file=file)
    assert token.current() == "first"
    before = file.stat()
    file.write_text("other\n")  # the same size and inode
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert token.current() == "first"


@pytest.mark.parametrize("content", ["", "\n", "two\nlines", "x" * 5000, "umläut"])
def test_what_is_no_token_is_refused_and_not_repeated(tmp_path: Path, content: str) -> None:
    file = tmp_path / "token"
    file.write_text(content)
    with pytest.raises(TokenError, match="holds no token") as caught:
        ReceiverToken(file=file).current()
    assert not content.strip() or content not in str(caught.value)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(TokenError, match=r"nowhere: the token cannot be read: No such file"):
        ReceiverToken(file=tmp_path / "nowhere").current()


def test_no_token_is_none() -> None:
    assert ReceiverToken().current() is None
    assert ReceiverToken(value="given").current() == "given"
