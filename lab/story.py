"""Lines that a person follows: seconds since the start, and a sign of life in every long step."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta


@dataclass(frozen=True, kw_only=True)
class Step:
    """One step of a story, with what it cost."""

    name: str
    took: timedelta
    size_bytes: int | None = None


@dataclass
class Story:
    """Prints each step as it begins, goes on and ends, and keeps the durations."""

    write: Callable[[str], None] = lambda line: print(line, flush=True)
    steps: list[Step] = field(default_factory=list)
    _began: float = field(default_factory=time.monotonic)

    def say(self, text: str) -> None:
        """One line, with the seconds since the story began."""
        self.write(f"[{time.monotonic() - self._began:7.1f} s] {text}")

    @contextmanager
    def step(self, name: str, *, status: Callable[[], str] = str) -> Iterator[None]:
        """Time a step; while it runs, say every two seconds that it does and `status()`."""
        self.say(f"{name} ...")
        began = time.monotonic()
        done = threading.Event()
        watcher = threading.Thread(target=self._watch, args=(done, began, status))
        watcher.start()
        try:
            yield
        except BaseException:
            self.say(f"{name}: FAILED after {time.monotonic() - began:.1f} s")
            raise
        else:
            took = timedelta(seconds=time.monotonic() - began)
            self.steps.append(Step(name=name, took=took))
            self.say(f"{name}: done in {took.total_seconds():.1f} s")
        finally:
            done.set()
            watcher.join()

    def _watch(self, done: threading.Event, began: float, status: Callable[[], str]) -> None:
        while not done.wait(2):
            self.say(f"  ... {time.monotonic() - began:.0f} s {status()}".rstrip())
