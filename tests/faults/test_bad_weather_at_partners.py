"""A thousand learners go through four partners whose systems fail in a fifth of all calls, and whose messages arrive
twice, in any order, or not at all. Everybody has to come through with one certificate each, and the partners' books
have to match ours. The sandbox plays the partners over HTTP; the clock is simulated, so nobody waits out a pause.
"""

import random
from collections import Counter
from collections.abc import Callable
from functools import partial
from types import SimpleNamespace
from typing import Any
from unittest.mock import patch

import httpx
import pytest

from core import breaker, outbound
from core.clock import utc_now
from core.work import quietly
from enrollments.models import Enrollment
from operations.doctor import examine
from partners.ending import end_at_provider
from partners.enrolling import enroll_at_provider
from partners.inbox import BATCH, handle_due_events, receive_event
from partners.models import EnrollmentStep, PartnerEvent
from partners.polling import poll_provider
from sandbox.testing import SandboxProcess
from tests.processes import Failure, at_once

from .partner_world import World, message

pytestmark = [pytest.mark.race, pytest.mark.fault, pytest.mark.django_db(transaction=True)]

LEARNERS = 1_000
PARTNERS = 4
WORKERS = 2
FAULTY = 0.2  # of all calls to a partner
TWICE = 0.2  # of all messages
LOST = 0.05  # of all completions, with all messages about them: the partner reports them when asked
AT_MOST_ROUNDS = 100  # about 30 are needed: five failures in a row close a partner to a worker until the next round
EVERYBODY = LEARNERS * PARTNERS
MESSAGES = ("progress.updated", "course.completed", "certificate.issued")


def bad_weather(chance: random.Random) -> Callable[..., outbound.Answer]:
    """Let a fifth of the client's calls to a partner fail: before the call, after it, overloaded, or rate-limited."""
    ask = outbound._ask

    def through(*call: Any) -> outbound.Answer:
        if chance.random() >= FAULTY:
            return ask(*call)
        match chance.choice(["not sent", "late", "lost", "500", "503", "429"]):
            case "not sent":
                raise httpx.ConnectError("nobody listens")
            case "late":
                raise httpx.ReadTimeout("no answer in time")
            case "lost":
                ask(*call)
                raise httpx.RemoteProtocolError("the connection broke on the way back")
            case "500":
                ask(*call)
                return outbound.Answer(500, httpx.Headers(), b"")
            case "503":
                return outbound.Answer(503, httpx.Headers(), b"")
        return outbound.Answer(429, httpx.Headers({"Retry-After": "60"}), b"")

    return through


def serve(world: World, number: int, seed: int) -> None:
    """Do what a worker does in a round, at all partners; each worker starts at a different one."""
    weather = patch.object(outbound, "_ask", bad_weather(random.Random(seed)))
    clock = patch.object(breaker, "time", SimpleNamespace(monotonic=world.now.timestamp))
    with weather, clock, quietly():
        while handle_due_events(now=world.now) == BATCH:
            pass
        for provider in world.providers[number:] + world.providers[:number]:
            enroll_at_provider(provider_id=provider.pk, limit=EVERYBODY, now=world.now)
            poll_provider(provider_id=provider.pk, limit=EVERYBODY, now=world.now)
            end_at_provider(provider_id=provider.pk, limit=EVERYBODY, now=world.now)


def take_courses(world: World, number: int, seed: int) -> None:
    """Let this worker's share of learners finish; the partners report it, in whatever way messages arrive."""
    chance = random.Random(seed)
    taught = EnrollmentStep.objects.filter(status="in_progress", events__isnull=True).select_related("provider")
    letters = []
    for step in taught.order_by("pk"):
        if step.pk % WORKERS != number:
            continue
        world.lms.take_course(step.launch_url)
        if chance.random() < LOST:
            continue
        for event in MESSAGES:
            copies = 2 if chance.random() < TWICE else 1
            letters += [(step, event)] * copies
    chance.shuffle(letters)
    with quietly():
        for step, event in letters:
            external_id = step.external_enrollment_id or ""
            raw, headers = message(event, external_id, message_id=f"{event}-{step.pk}")
            receive_event(slug=step.provider.slug, raw=raw, headers=headers, now=utc_now())


class TestAThousandLearners:
    def test_come_through_four_partners_that_fail_in_a_fifth_of_their_answers(
        self, sandbox_process: SandboxProcess
    ) -> None:
        world = World(sandbox_process, partners=PARTNERS, honors_keys=False)
        with quietly():
            for _ in range(LEARNERS):
                world.learner()

        for number in range(AT_MOST_ROUNDS):
            if not Enrollment.objects.exclude(participation_status="completed").exists():
                break
            world.go_on()
            self.at_once(partial(serve, world), number)
            self.at_once(partial(take_courses, world), number)

        world.check_end()
        world.check_books()
        assert examine() == {}
        told = Counter(PartnerEvent.objects.values_list("outcome", flat=True))
        assert told["completed"] == EVERYBODY

    def at_once(self, act: Callable[..., None], number: int) -> None:
        calls = [partial(act, worker, number * WORKERS + worker) for worker in range(WORKERS)]
        failures = [each for each in at_once(*calls, seconds=900) if isinstance(each, Failure)]
        assert failures == []
