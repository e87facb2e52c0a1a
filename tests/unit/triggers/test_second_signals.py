"""API servers are asked in threads: one that hangs holds nobody up."""

import asyncio
import threading
from collections.abc import Collection
from datetime import timedelta

from airflow_transition.core.cluster_health import ApiSign, SecondSignal
from airflow_transition.triggers.second_signals import SecondSignals

SOON = timedelta(milliseconds=20)
ANSWER = SecondSignal(ApiSign.ANSWERS, "200")


class Asker:
    """Answers once it is let go."""

    def __init__(self) -> None:
        self.let_go = threading.Event()
        self.times = 0

    def ask(self, *, silent_nodes: Collection[str], timeout: timedelta) -> SecondSignal:
        self.times += 1
        self.let_go.wait()
        return ANSWER


def test_a_question_that_hangs_is_silence_and_is_not_put_twice() -> None:
    asker = Asker()
    signals = SecondSignals(lambda _cluster: asker)

    async def scene() -> list[SecondSignal]:
        found = [await signals.ask("west", silent_nodes=["n"], within=SOON) for _ in range(2)]
        asker.let_go.set()
        found.append(await signals.ask("west", silent_nodes=["n"], within=timedelta(seconds=9)))
        return found

    first, second, last = asyncio.run(scene())
    signals.close()
    assert {first.sign, second.sign} == {ApiSign.SILENT}
    assert (last, asker.times) == (ANSWER, 1)


def test_a_cluster_that_hangs_does_not_hold_up_another() -> None:
    askers = {"west": Asker(), "east": Asker()}
    askers["east"].let_go.set()
    signals = SecondSignals(askers.__getitem__)

    async def scene() -> SecondSignal:
        waiting = asyncio.create_task(
            signals.ask("west", silent_nodes=["n"], within=timedelta(seconds=9))
        )
        await asyncio.sleep(0)
        found = await signals.ask("east", silent_nodes=["n"], within=timedelta(seconds=9))
        assert not waiting.done()
        waiting.cancel()
        signals.close()
        askers["west"].let_go.set()
        return found

    assert asyncio.run(scene()) == ANSWER


def test_a_connection_that_was_changed_is_used_after_the_silence() -> None:
    made: list[str] = []

    def connect(cluster: str) -> Asker:
        made.append(cluster)
        asker = Asker()
        asker.let_go.set()
        return asker

    signals = SecondSignals(connect)

    async def scene() -> None:
        await signals.ask("west", silent_nodes=["n"], within=SOON)
        await signals.ask("west", silent_nodes=["n"], within=SOON)
        signals.forget("west")
        await signals.ask("west", silent_nodes=["n"], within=SOON)

    asyncio.run(scene())
    signals.close()
    assert made == ["west", "west"]
