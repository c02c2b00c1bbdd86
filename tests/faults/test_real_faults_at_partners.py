"""Partners whose systems fail for real: the sandbox answers late, with errors, with garbage, or accepts the learner and
never says so. The client and its deadlines are those of production; only the time between two rounds is simulated.
"""

from types import SimpleNamespace
from unittest.mock import patch

import pytest

from core import breaker
from core.work import quietly
from enrollments.models import Enrollment
from operations.doctor import examine
from partners.ending import end_at_provider
from partners.enrolling import enroll_at_provider
from partners.inbox import handle_due_events
from partners.models import Provider
from partners.polling import poll_provider
from sandbox.testing import Body, SandboxProcess

from .partner_world import World

pytestmark = [pytest.mark.fault, pytest.mark.django_db]

LEARNERS = 60
COME_AT_ONCE = 6
AT_MOST_ROUNDS = 40
LATE_MS = 1_400  # the deadline is a second
FAULTS: list[Body] = [
    {"server_error": {"value": True, "times": 2}},
    {"lost_answer": {"value": "close", "times": 2}},  # the learner is accepted, and nobody says so
    {"rate_limit": {"value": True, "times": 2, "retry_after": 3}},
    {"lost_answer": {"value": "hang", "times": 1, "delay_ms": LATE_MS}},
    {"garbage": {"value": True, "times": 2}},
    {"latency_ms": {"value": LATE_MS, "times": 1}},
    {"lost_answer": {"value": "500", "times": 2}},
    {"refusal": {"value": "permission", "times": 2}},  # of our key: not now
]


class TestSixtyLearners:
    @pytest.mark.parametrize("honors_keys", [True, False], ids=["idempotent", "not idempotent"])
    def test_come_through_partners_that_fail_in_every_way(
        self, sandbox_process: SandboxProcess, honors_keys: bool
    ) -> None:
        world = World(sandbox_process, honors_keys=honors_keys)
        Provider.objects.update(timeout_seconds=1)

        struck: set[int] = set()
        with quietly():
            for number in range(AT_MOST_ROUNDS):
                if number < LEARNERS // COME_AT_ONCE:
                    for _ in range(COME_AT_ONCE):
                        world.learner()
                elif not Enrollment.objects.exclude(participation_status="completed").exists():
                    break
                struck |= self.go_round(world, number)
                world.take_courses()

        assert struck == set(range(len(FAULTS)))
        world.check_end()
        world.check_books()
        assert examine() == {}

    def go_round(self, world: World, number: int) -> set[int]:
        """Run a round a day later, with one kind of fault at each partner while learners arrive, and then without;
        return the faults that occurred.
        """
        struck = set()
        world.go_on()
        with patch.object(breaker, "time", SimpleNamespace(monotonic=world.now.timestamp)):
            handle_due_events(now=world.now)
            for place, provider in enumerate(world.providers):
                kind = (number + place) % len(FAULTS)
                set_up = world.lms.faults(**FAULTS[kind]) if number < LEARNERS // COME_AT_ONCE else []
                for sweep in (enroll_at_provider, poll_provider, end_at_provider):
                    sweep(provider_id=provider.pk, limit=LEARNERS, now=world.now)
                if world.lms.faults() != set_up:
                    struck.add(kind)
                world.lms.clear_faults()
        return struck
