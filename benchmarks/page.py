"""Milliseconds of the page's slowest interaction, on the server: a fleet of 1,000 clusters.

10,000 nodes, 10,000 packages, 100,000 restore points and 1,000 transitions lie in PostgreSQL. Each
endpoint is asked as the page asks it when a person opens it, searches, filters, turns a page or
opens a detail; of each the median of several answers counts, over HTTP on loopback. A round counts
only if what the page shows first came within a second in all, and if no answer took more than 50
questions to the database. What the browser does with the answers is not in it.
"""

import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import httpx

from benchmarks.bench import AtMost, Benchmark, Progress, Sample
from benchmarks.pages.ground import Ground, ground

MOST_FIRST_SECONDS, MOST_QUERIES = 1.0, 50
_REPEATS = 7

FIRST = ("me", "version", "fleet?limit=50", "packages?limit=50&sort=due")
INTERACTIONS = {
    "fleet": "fleet?limit=50",
    "fleet, search": "fleet?limit=50&q=cluster05",
    "fleet, filter": "fleet?limit=50&standing=silent",
    "cluster": "cluster?name=cluster0500",
    "packages": "packages?limit=50",
    "packages, latest first": "packages?limit=50&sort=due",
    "packages, search": "packages?limit=50&q=policy05",
    "packages, filter": "packages?limit=50&protection=kept",
    "package": "package?policy=policy0500&package=package5",
    "restore points": "restore-points?limit=50",
    "restore points, package": "restore-points?limit=50&policy=policy0500&package=package5",
    "restore points, search": "restore-points?limit=50&q=policy0500",
    "restore points, no hit": "restore-points?limit=50&q=nothing-like-it",
    "transitions": "transitions?limit=50",
    "transitions, search": "transitions?limit=50&q=cluster0500",
    "series, rpo": "series/rpo?policy=policy0500&package=package5",
    "series, cost": "series/cost?policy=policy0500&package=package5",
    "series, downtime": "series/downtime",
}


@contextmanager
def prepare(progress: Progress) -> Iterator[Callable[[], Sample]]:
    with ground(progress) as there, there.client() as client:
        for path in (*FIRST, *INTERACTIONS.values()):
            _ask(client, path)  # what is compiled once is not a person's every day
        yield lambda: _round(there, client=client)


def _round(there: Ground, *, client: httpx.Client) -> Sample:
    begun = time.monotonic()
    for path in FIRST:
        _ask(client, path)
    first = time.monotonic() - begun
    took, queries = {}, {}
    for name, path in {**INTERACTIONS, **_next_pages(client)}.items():
        answers = [_ask(client, path) for _ in range(_REPEATS)]
        took[f"{name}, ms"] = 1000 * statistics.median(seconds for seconds, _ in answers)
        queries[name] = max(count for _, count in answers)
    most = max(queries.values())
    if first > MOST_FIRST_SECONDS or most > MOST_QUERIES:
        raise RuntimeError(
            f"the round does not count: first content {first:.2f} s, {most} questions at most"
        )
    extra = {"first content, s": first, "questions to the database": most}
    return Sample(max(took.values()), {**took, **extra, "server memory, MB": there.megabytes()})


def _next_pages(client: httpx.Client) -> dict[str, str]:
    """Some pages into each list."""
    found = {}
    for name in ("fleet", "packages", "restore-points", "transitions"):
        cursor = ""
        for _ in range(3):
            answer = client.get(f"/catalogue/{name}?limit=50{cursor}")
            cursor = f"&cursor={answer.raise_for_status().json()['next']}"
        found[f"{name}, next page"] = f"{name}?limit=50{cursor}"
    return found


def _ask(client: httpx.Client, path: str) -> tuple[float, int]:
    """Seconds, and how many questions the server asked of the database meanwhile."""
    begun = time.monotonic()
    answer = client.get(f"/catalogue/{path}")
    seconds = time.monotonic() - begun
    return seconds, int(answer.raise_for_status().headers["x-queries"])


BENCHMARK = Benchmark(unit="ms", bar=AtMost(100), prepare=prepare)
