"""The node's token for the receiver, given by the environment or kept in a file."""

from pathlib import Path

from transition_agent.errors import AgentError

_LONGEST_BYTES = 4096


class TokenError(AgentError):
    """The file holds no token that could be sent."""


class ReceiverToken:
    """What the agent shows the receiver; a file is read again when it has changed.

    So a token is rotated without a restart: make a second one, replace the file, revoke the first.
    """

    def __init__(self, *, value: str | None = None, file: Path | None = None) -> None:
        self._value = value
        self._file = file
        self._read: tuple[int, ...] | None = None

    def current(self) -> str | None:
        """The token, or None where the deployer gave none."""
        if self._file is not None:
            self._look(self._file)
        return self._value

    def _look(self, file: Path) -> None:
        try:
            status = file.stat()
            state = (status.st_ino, status.st_mtime_ns, status.st_size)
            if state == self._read:
                return
            with file.open("rb") as content:
                self._value = _token_in(content.read(_LONGEST_BYTES + 1), file=file)
            self._read = state
        except OSError as error:
            raise TokenError(
                f"the token cannot be read: {error.strerror}",
                where=str(file),
                do="give the agent a file that it may read",
            ) from error


def _token_in(content: bytes, *, file: Path) -> str:
    token = content.decode("ascii", errors="replace").strip()
    if not token or len(content) > _LONGEST_BYTES or not (token.isascii() and token.isprintable()):
        raise TokenError(
            "holds no token: one printable line is expected",
            where=str(file),
            do="write the token that the receiver gave out into it",
        )
    return token
