"""The named points at which processes are killed: before the first step of each scenario, between two, after the last.

`make faults` kills at each of them FAULT_REPEATS times, alternately right after the previous step and right before the
next one. Each time, the scenario starts on an empty database, and ends with the doctor finding nothing.
"""

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol

import pytest
from django.core.cache import cache

from core.clock import utc_now
from operations.doctor import examine
from tests.emptying import empty_databases
from tests.sweeps import SOON

from .failpoints import killed_at, steps_of
from .report import Recoveries

REPEATS = int(os.environ.get("FAULT_REPEATS", "2"))  # once on each side of the point


class Scenario(Protocol):
    """Something that a process is doing when it is killed (`act`), and how it still ends well."""

    steps: ClassVar[list[str]]

    def act(self) -> None: ...

    def recover(self) -> None:
        """Do what happens anyway: the request is repeated, the webhook is sent again, the sweeps run."""

    def check(self) -> None:
        """Check that nothing acknowledged is lost, and nothing exists twice."""


@dataclass(frozen=True, slots=True)
class KillPoint:
    """The gap before the step with this number; the gap after the last step has the number of steps."""

    scenario: type[Scenario]
    number: int

    @property
    def name(self) -> str:
        steps = self.scenario.steps
        if self.number == 0:
            return f"{self.scenario.__name__}: before {steps[0]}"
        behind = f", before {steps[self.number]}" if self.number < len(steps) else ""
        return f"{self.scenario.__name__}: after {steps[self.number - 1]} ({self.number}){behind}"

    def kill(self, act: Callable[[], Any], *, turn: int) -> None:
        can_be_before = self.number < len(self.scenario.steps)
        is_after = self.number > 0 and (turn % 2 == 0 or not can_be_before)
        killed_at(act, number=self.number - 1 if is_after else self.number, after=is_after)


def points_of(scenario: type[Scenario]) -> list[KillPoint]:
    return [KillPoint(scenario, number) for number in range(len(scenario.steps) + 1)]


class KilledAtEachPoint:
    """Tests for some scenarios: their steps are exactly those listed, and every point of each survives a kill. The
    module defines the fixture `begin`, which brings a scenario to where its process starts to act.
    """

    scenarios: ClassVar[Sequence[type[Scenario]]]

    def pytest_generate_tests(self, metafunc: pytest.Metafunc) -> None:
        if "point" in metafunc.fixturenames:
            points = [point for scenario in self.scenarios for point in points_of(scenario)]
            metafunc.parametrize("point", points, ids=lambda point: point.name)
        elif metafunc.function.__name__ == "test_has_just_these_steps":
            metafunc.parametrize("scenario", self.scenarios)

    @pytest.mark.steps
    def test_has_just_these_steps(self, begin: Callable[[type[Any]], Any], scenario: type[Scenario]) -> None:
        """A new step makes this fail until it is listed, and thereby tested below."""
        begun = begin(scenario)

        assert steps_of(begun.act) == scenario.steps

    def test_loses_nothing_and_doubles_nothing(
        self,
        begin: Callable[[type[Any]], Any],
        point: KillPoint,
        record_property: Callable[[str, object], None],
    ) -> None:
        survive(point, begin, record_property)


def survive(
    point: KillPoint,
    begin: Callable[[type[Any]], Any],
    record_property: Callable[[str, object], None],
) -> None:
    """Kill at this point again and again. The report gets the time of the slowest recovery: everything that happens
    anyway, and the examination. Leases are not waited for: the sweeps run as if time had passed.
    """
    recoveries = Recoveries()
    for turn in range(REPEATS):
        if turn:
            empty_databases(None)
            cache.clear()
        begun = begin(point.scenario)
        point.kill(begun.act, turn=turn)
        recoveries.begin()

        begun.recover()

        assert examine(now=utc_now() + SOON) == {}
        recoveries.end()
        begun.check()
    record_property("fault", [point.name, REPEATS, recoveries.slowest])
