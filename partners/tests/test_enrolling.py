"""Asking partners to accept learners: once each, whatever the partner answers and whichever process dies in between."""

import datetime as dt

import pytest
from django.core.management import call_command

from accounts.models import StaffTask
from core.actors import SYSTEM
from core.clock import utc_now
from enrollments.lifecycle import unenroll_enrollment
from enrollments.models import Enrollment
from enrollments.tests.factories import STAFF
from partners import enrolling
from partners.enrolling import RETRY, enroll_step
from partners.gateways.contract import EnrollmentRequest, PartnerDown, PartnerEnrollment, PartnerRefuses
from partners.interventions import retry_step, skip_step
from partners.models import EnrollmentStep, Provider, ProviderOutage
from partners.providers import pause_provider, resume_provider
from partners.states import GroupRule

from .breaches import breaches
from .factories import NOON, approved, instance_with, statuses, steps_of

pytestmark = pytest.mark.django_db

LATER = dt.timedelta(hours=2)


class Partner:
    """A partner's system without idempotency: each call enrolls once more. `trouble` is the outcome of the next calls,
    after the learner was accepted if `is_late`.
    """

    def __init__(self) -> None:
        self.taken: list[EnrollmentRequest] = []
        self.trouble: list[Exception] = []
        self.is_late = False
        self.calls = 0

    def enroll(self, request: EnrollmentRequest) -> PartnerEnrollment:
        self.calls += 1
        if self.trouble and not self.is_late:
            raise self.trouble.pop(0)
        self.taken.append(request)
        if self.trouble:
            raise self.trouble.pop(0)
        return self._known(len(self.taken))

    def find(self, reference: str) -> PartnerEnrollment | None:
        places = [place for place, taken in enumerate(self.taken, start=1) if taken.reference == reference]
        return self._known(places[0]) if places else None

    def _known(self, place: int) -> PartnerEnrollment:
        return PartnerEnrollment(id=f"e-{place}", launch_url=f"https://lms.example.test/{place}")


@pytest.fixture
def partner(monkeypatch: pytest.MonkeyPatch) -> Partner:
    made = Partner()
    monkeypatch.setattr(enrolling, "get_gateway", lambda provider: made)
    return made


def first_step(enrollment: Enrollment) -> EnrollmentStep:
    return steps_of(enrollment)[0]


def enroll(step: EnrollmentStep, now: dt.datetime) -> EnrollmentStep:
    enroll_step(step_cuid=step.cuid, now=now)
    return EnrollmentStep.objects.get(pk=step.pk)


def tasks() -> list[tuple[str, str]]:
    return list(StaffTask.objects.order_by("pk").values_list("kind", "status"))


class TestAQueuedStep:
    def test_is_in_progress_once_the_partner_accepted(self, partner: Partner) -> None:
        enrollment = approved(now=NOON)

        step = enroll(first_step(enrollment), NOON)

        assert (step.status, step.external_enrollment_id) == ("in_progress", "e-1")
        assert (step.started_at, step.due_at) == (NOON, NOON + dt.timedelta(days=14))
        assert step.launch_url == "https://lms.example.test/1"
        learner = enrollment.learner
        assert learner is not None
        assert partner.taken == [
            EnrollmentRequest(
                reference=step.cuid,
                course_id="course-1",
                learner_cuid=learner.cuid,
                email=learner.email,
                first_name=learner.first_name,
                last_name=learner.last_name,
            )
        ]
        assert breaches(now=NOON) == set()

    def test_is_taken_up_by_one_worker_at_a_time(self, partner: Partner) -> None:
        step = first_step(approved(now=NOON))
        partner.trouble = [PartnerDown("Too slow")]
        enroll(step, NOON)

        enroll(step, NOON)

        assert partner.calls == 1

    def test_that_is_not_due_or_not_queued_is_left_alone(self, partner: Partner) -> None:
        enrollment = approved(now=NOON)
        _, pending = steps_of(enrollment)

        enroll(pending, NOON)
        enroll(first_step(enrollment), NOON - dt.timedelta(seconds=1))

        assert partner.calls == 0
        assert statuses(enrollment) == ["queued", "pending"]

    def test_of_a_partner_without_an_api_is_left_to_staff(self, partner: Partner) -> None:
        step = first_step(approved(now=NOON))
        Provider.objects.update(adapter="manual")

        assert enroll(step, NOON).status == "queued"
        assert partner.calls == 0

    def test_waits_while_its_partner_is_paused(self, partner: Partner) -> None:
        step = first_step(approved(now=NOON))
        pause_provider(provider_id=step.provider_id, now=NOON)
        assert enroll(step, NOON).status == "queued"

        resume_provider(provider_id=step.provider_id, now=utc_now())

        assert enroll(step, NOON).status == "in_progress"
        assert partner.calls == 1


class TestAPartnerThatDoesNotAnswer:
    def test_is_asked_again_later_and_later(self, partner: Partner) -> None:
        step = first_step(approved(now=NOON))
        partner.trouble = [PartnerDown("It answered 503.")]

        step = enroll(step, NOON)

        assert (step.status, step.attempts, step.last_error) == ("queued", 1, "It answered 503.")
        assert step.next_attempt_at is not None
        assert dt.timedelta(seconds=5) <= step.next_attempt_at - NOON <= dt.timedelta(seconds=10)
        assert enroll(step, NOON + LATER).status == "in_progress"

    def test_is_left_alone_for_as_long_as_it_asks(self, partner: Partner) -> None:
        step = first_step(approved(now=NOON))
        partner.trouble = [PartnerDown("Too many", wait_seconds=600)]

        step = enroll(step, NOON)

        assert step.next_attempt_at == NOON + dt.timedelta(seconds=600)

    def test_but_took_the_learner_is_asked_what_came_of_it(self, partner: Partner) -> None:
        step = first_step(approved(now=NOON))
        partner.trouble, partner.is_late = [PartnerDown("No answer")], True
        enroll(step, NOON)

        step = enroll(step, NOON + LATER)

        assert (step.status, step.external_enrollment_id) == ("in_progress", "e-1")
        assert len(partner.taken) == 1

    def test_would_take_the_learner_twice_if_it_was_not_asked(
        self, partner: Partner, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Control."""
        monkeypatch.setattr(partner, "find", lambda reference: None)
        step = first_step(approved(now=NOON))
        partner.trouble, partner.is_late = [PartnerDown("No answer")], True
        enroll(step, NOON)

        enroll(step, NOON + LATER)

        assert len(partner.taken) == 2

    def test_is_asked_what_came_of_it_after_a_worker_died(self, partner: Partner) -> None:
        step = first_step(approved(now=NOON))
        partner.trouble, partner.is_late = [KeyboardInterrupt()], True  # type: ignore[list-item]
        with pytest.raises(KeyboardInterrupt):
            enroll(step, NOON)
        assert enroll(step, NOON + RETRY.lease / 2).status == "queued"

        step = enroll(step, NOON + RETRY.lease)

        assert (step.status, len(partner.taken)) == ("in_progress", 1)

    def test_becomes_a_task_for_staff_after_the_last_try(self, partner: Partner) -> None:
        step = first_step(approved(now=NOON))
        partner.trouble = [PartnerDown("It answered 500.")] * RETRY.attempts

        for number in range(RETRY.attempts):
            step = enroll(step, NOON + number * LATER)

        assert step.status == "failed"
        assert step.transitions.get(to_status="failed").reason == "Asked 12 times. It answered 500."
        assert tasks() == [("partner_step_failed", "open")]
        assert StaffTask.objects.get().subject == f"enrollment:{step.enrollment.cuid}/step:1"

    @pytest.mark.sqlite
    def test_has_no_try_counted_while_it_is_left_alone(self, partner: Partner) -> None:
        step = first_step(approved(now=NOON))
        partner.trouble = [PartnerDown("Left alone", wait_seconds=30, was_asked=False)]

        step = enroll(step, NOON)

        assert (step.attempts, step.status) == (0, "queued")

    @pytest.mark.parametrize(
        ("trouble", "is_silent"),
        [
            (PartnerDown("No answer"), True),
            (PartnerDown("The partner answered 429.", is_busy=True), False),
            (PartnerDown("Left alone", was_asked=False), False),
        ],
    )
    def test_is_out_only_if_it_was_asked_and_kept_silent(
        self, partner: Partner, trouble: PartnerDown, is_silent: bool
    ) -> None:
        step = first_step(approved(now=NOON))
        partner.trouble = [trouble]

        enroll(step, NOON)

        assert Provider.objects.get(pk=step.provider_id).silent_since == (NOON if is_silent else None)

    def test_is_back_once_it_only_asks_us_to_slow_down(self, partner: Partner) -> None:
        step = first_step(approved(now=NOON))
        partner.trouble = [PartnerDown("No answer"), PartnerDown("The partner answered 429.", is_busy=True)]

        enroll(enroll(step, NOON), NOON + LATER)

        assert Provider.objects.get(pk=step.provider_id).silent_since is None
        assert ProviderOutage.objects.get().ended_at == NOON + LATER


class TestAPartnerThatRefuses:
    @pytest.fixture
    def refused(self, partner: Partner) -> EnrollmentStep:
        partner.trouble = [PartnerRefuses("The partner answered 422.")]
        return enroll(first_step(approved(now=NOON)), NOON)

    def test_is_a_task_for_staff_and_is_not_asked_again(self, partner: Partner, refused: EnrollmentStep) -> None:
        enroll(refused, NOON + LATER)

        assert (refused.status, partner.calls) == ("failed", 1)
        assert tasks() == [("partner_step_failed", "open")]

    def test_is_asked_again_once_staff_say_so(self, partner: Partner, refused: EnrollmentStep) -> None:
        retry_step(step_id=refused.pk, reason="The course exists now", actor=STAFF, now=NOON + LATER)

        step = enroll(refused, NOON + LATER)

        assert (step.status, step.attempts) == ("in_progress", 0)
        assert tasks() == [("partner_step_failed", "done")]

    def test_is_no_task_any_more_once_the_step_is_skipped(self, refused: EnrollmentStep) -> None:
        skip_step(step_id=refused.pk, reason="Knows it already", actor=STAFF, now=utc_now())

        assert tasks() == [("partner_step_failed", "done")]


class TestAPartnerThatAnswersWithTheIdOfAnotherLearner:
    def test_is_a_task_for_staff_and_is_not_asked_again(
        self, partner: Partner, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        instance = instance_with((1, GroupRule.ALL_IN_ORDER))
        known, other = (first_step(approved(instance, now=NOON)) for _ in range(2))
        monkeypatch.setattr(partner, "_known", lambda place: PartnerEnrollment("e-1", ""))
        enroll(known, NOON)

        step = enroll(other, NOON)
        enroll(other, NOON + LATER)

        assert (step.status, step.last_error) == ("failed", f"{step.provider} has the id e-1 for another step.")
        assert tasks() == [("partner_step_failed", "open")]
        assert partner.calls == 2
        assert breaches(now=NOON + LATER) == set()


class TestALearnerWhoLeftMeanwhile:
    def test_is_not_sent_to_the_partner(self, partner: Partner) -> None:
        enrollment = approved(now=NOON)
        unenroll_enrollment(enrollment_id=enrollment.pk, actor=STAFF, reason="Moved away", now=NOON)

        enroll(first_step(enrollment), NOON)

        assert partner.calls == 0

    def test_is_known_by_the_partner_s_id_if_it_was_faster(self, partner: Partner) -> None:
        enrollment = approved(now=NOON)
        take = partner.enroll

        def leave_during(request: EnrollmentRequest) -> PartnerEnrollment:
            unenroll_enrollment(enrollment_id=enrollment.pk, actor=STAFF, reason="Moved away", now=NOON)
            return take(request)

        partner.enroll = leave_during  # type: ignore[method-assign]
        step = enroll(first_step(enrollment), NOON)

        assert (step.status, step.external_enrollment_id) == ("withdrawn", "e-1")
        assert breaches(now=NOON) == set()


@pytest.mark.sqlite
class TestTheCommand:
    def test_queues_failed_steps_again(self, capsys: pytest.CaptureFixture[str], partner: Partner) -> None:
        partner.trouble = [PartnerRefuses("No")]
        step = enroll(first_step(approved(now=NOON)), NOON)

        call_command("retry_partner_steps", "--dry-run", "--json")
        call_command("retry_partner_steps", "--partner", "nobody", "--json")
        assert EnrollmentStep.objects.get(pk=step.pk).status == "failed"
        call_command("retry_partner_steps", "--partner", step.provider.slug)

        assert EnrollmentStep.objects.get(pk=step.pk).status == "queued"
        assert step.transitions.latest("number").actor == str(SYSTEM)
        assert capsys.readouterr().out.splitlines() == [
            '{"steps_retried": 0, "steps_failed": 1}',
            '{"steps_retried": 0, "steps_failed": 0}',
            "Queued 1 steps again; 0 have failed.",
        ]
