from itertools import product

from tests.chaos.scenario import Moment, Victim, scenarios


def test_the_same_seed_gives_the_same_scenarios() -> None:
    assert scenarios(7, runs=100) == scenarios(7, runs=100)
    assert scenarios(7, runs=100) != scenarios(8, runs=100)


def test_a_hundred_runs_kill_each_part_at_each_step() -> None:
    struck = {
        (each.victim, each.moment)
        for scenario in scenarios(1, runs=100)
        for each in scenario.disturbances
    }
    assert struck == set(product(Victim, Moment))


def test_the_agent_of_a_dead_machine_is_not_killed_again() -> None:
    for scenario in scenarios(3, runs=100):
        victims = {each.victim for each in scenario.disturbances}
        assert scenario.fault == "partition" or Victim.SOURCE_AGENT not in victims
