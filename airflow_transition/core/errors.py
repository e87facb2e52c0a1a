"""Two words carry the retry policy: permanent (a person must act), temporary (come back later).

The domain's own errors stand beside what raises them; each is one of these two.
"""

from datetime import timedelta


class TransitionError(Exception):
    """What went wrong, where, what was found there and what to do about it."""

    def __init__(self, what: str, *, where: str, found: str | None = None, do: str) -> None:
        self.what = what
        self.where = where
        self.found = found
        self.do = do
        seen = f" (found: {found})" if found else ""
        super().__init__(f"{where}: {what}{seen}; {do}")


class PermanentError(TransitionError):
    """Trying again cannot help: a person must act, and the task fails at once."""


class TemporaryError(TransitionError):
    """The same call may succeed after `retry_after`."""

    def __init__(
        self,
        what: str,
        *,
        where: str,
        found: str | None = None,
        do: str,
        retry_after: timedelta = timedelta(seconds=5),
    ) -> None:
        super().__init__(what, where=where, found=found, do=do)
        self.retry_after = retry_after
