"""SIGKILL for a web process or a worker between any two steps of a learner's way through the partners: from queued to
accepted, from completed to the next one, to the certificate, and out. Then the sweeps run and the partner resends what
was not answered. Nobody may be lost, accepted twice, or certified twice, and the partners' books must match ours.
"""

from collections.abc import Callable
from typing import ClassVar

import pytest

from core.clock import utc_now
from enrollments.lifecycle import unenroll_enrollment
from enrollments.models import Enrollment
from enrollments.tests.factories import STAFF
from partners.ending import end_step
from partners.enrolling import enroll_step
from partners.gateways.rest import RestGateway
from partners.inbox import handle_event, receive_event
from partners.models import EnrollmentStep, PartnerEvent
from partners.polling import poll_step
from sandbox.testing import SandboxProcess

from .failpoints import killed_at
from .partner_world import ROUND, World, message
from .points import KilledAtEachPoint

pytestmark = [pytest.mark.race, pytest.mark.fault, pytest.mark.django_db(transaction=True)]


class Scenario:
    """Something a process is doing when it is killed (`act`). However it ends, the learner completes the program."""

    steps: ClassVar[list[str]]

    def __init__(self, lms: SandboxProcess) -> None:
        self.world = World(lms, honors_keys=False)
        self.enrollment: Enrollment = self.world.learner()

    def prepare(self) -> None:
        """Prepare a learner whom the first partner has not been asked about yet."""

    def act(self) -> None:
        raise NotImplementedError

    def recover(self) -> None:
        self.world.bring_to_the_end()

    def check(self) -> None:
        self.world.check_end()
        self.world.check_books()

    def step(self, order: int) -> EnrollmentStep:
        return EnrollmentStep.objects.get(enrollment=self.enrollment, sequence_order=order)

    def enroll(self, order: int) -> EnrollmentStep:
        enroll_step(step_cuid=self.step(order).cuid, now=utc_now())
        return self.step(order)

    def complete(self, order: int) -> EnrollmentStep:
        """Accept and finish the learner at the partner, which has told us; the event is not handled yet."""
        step = self.enroll(order)
        self.world.take_courses()
        raw, headers = message("course.completed", step.external_enrollment_id or "", message_id=f"msg-{order}")
        receive_event(slug=step.provider.slug, raw=raw, headers=headers, now=utc_now())
        return step

    def handle(self) -> None:
        handle_event(event_id=PartnerEvent.objects.latest("pk").pk, now=utc_now())


class AskingAPartner(Scenario):
    steps = [
        "update partners_enrollmentstep",
        "update partners_enrollmentstep",
        "POST /lms/partner-1/enrollments",
        "commit",
    ]

    def act(self) -> None:
        enroll_step(step_cuid=self.step(1).cuid, now=utc_now())


class ReceivingACompletion(Scenario):
    steps = ["commit", "ring partners.tasks.handle_partner_event"]

    def prepare(self) -> None:
        self.accepted = self.enroll(1)
        self.world.take_courses()

    def act(self) -> None:
        raw, headers = message("course.completed", self.accepted.external_enrollment_id or "", message_id="msg-1")
        receive_event(slug=self.accepted.provider.slug, raw=raw, headers=headers, now=utc_now())

    def recover(self) -> None:
        self.act()  # the partner got no answer
        super().recover()

    def check(self) -> None:
        super().check()
        assert PartnerEvent.objects.filter(event_id="msg-1").count() == 1


class HandlingACompletion(Scenario):
    steps = ["commit", "ring partners.tasks.enroll_at_provider"]

    def prepare(self) -> None:
        self.complete(1)

    def act(self) -> None:
        self.handle()


class HandlingTheLastCompletion(Scenario):
    """It ends the participation, and the certificate is issued."""

    steps = ["commit", "ring notifications.tasks.send_due_notifications"]

    def prepare(self) -> None:
        self.complete(1)
        self.handle()
        self.complete(2)

    def act(self) -> None:
        self.handle()


class AskingForNews(Scenario):
    """Polling finds a completion that the partner did not report."""

    steps = [
        "update partners_enrollmentstep",
        "GET /lms/partner-1/enrollments/…",
        "update partners_enrollmentstep",
        *("insert into", "commit"),  # the certificate
        *("insert into", "commit"),  # the progress
        *("insert into", "commit"),  # the completion
        "ring partners.tasks.enroll_at_provider",
    ]

    def prepare(self) -> None:
        self.enroll(1)
        self.world.take_courses()

    def act(self) -> None:
        poll_step(step_cuid=self.step(1).cuid, now=self.world.now + ROUND)


class LettingALearnerGo(Scenario):
    steps = ["update partners_enrollmentstep", "DELETE /lms/partner-1/enrollments/…", "commit"]

    def prepare(self) -> None:
        self.enroll(1)
        unenroll_enrollment(enrollment_id=self.enrollment.pk, actor=STAFF, reason="Moved away", now=utc_now())

    def act(self) -> None:
        end_step(step_cuid=self.step(1).cuid, now=utc_now())

    def recover(self) -> None:
        self.world.run_sweeps()

    def check(self) -> None:
        self.world.check_books()
        assert [each["status"] for each in self.world.books("partner-1")] == ["withdrawn"]
        assert self.step(1).ended_at is not None


SCENARIOS = [
    AskingAPartner,
    ReceivingACompletion,
    HandlingACompletion,
    HandlingTheLastCompletion,
    AskingForNews,
    LettingALearnerGo,
]


@pytest.fixture
def begin(sandbox_process: SandboxProcess) -> Callable[[type[Scenario]], Scenario]:
    """Bring a scenario to where its process starts to act."""

    def prepared(scenario: type[Scenario]) -> Scenario:
        begun = scenario(sandbox_process)
        begun.prepare()
        return begun

    return prepared


class TestAProcessThatIsKilled(KilledAtEachPoint):
    scenarios = SCENARIOS


class TestWithoutAskingForTheOutcome:
    def test_a_learner_is_at_the_partner_twice(
        self, begin: Callable[[type[Scenario]], Scenario], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Control: the partner lacks idempotency, and its answer was lost with the process."""
        begun = begin(AskingAPartner)
        killed_at(begun.act, number=2, after=True)
        monkeypatch.setattr(RestGateway, "find", lambda gateway, reference: None)

        begun.world.run_sweeps()

        assert len(begun.world.books("partner-1")) == 2
