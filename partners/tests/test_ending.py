"""Learners who left are ended at their partners, whenever the partner accepted them, and whatever it answers."""

import datetime as dt

import pytest

from accounts.models import StaffTask
from core.actors import SYSTEM
from core.clock import utc_now
from enrollments.lifecycle import unenroll_enrollment
from enrollments.tests.factories import STAFF
from partners import ending
from partners.acceptance import record_acceptance, record_refusal
from partners.ending import RETRY, end_at_provider, end_step, ring_for_due_ends
from partners.gateways.contract import PartnerDown, PartnerEnrollment, PartnerRefuses
from partners.interventions import complete_step_by_evidence, skip_step
from partners.models import EnrollmentStep, Provider
from partners.providers import pause_provider, resume_provider
from partners.states import GroupRule
from partners.tests.breaches import breaches

from .factories import NOON, accept, approved, complete, instance_with, statuses, steps_of

pytestmark = pytest.mark.django_db

# When a call that was in progress at noon has been answered.
AFTERWARDS = NOON + dt.timedelta(minutes=3)


class Partner:
    """A partner's system with its learners, by our reference; `trouble` is the outcome of the next calls."""

    def __init__(self) -> None:
        self.has: dict[str, str] = {}
        self.ended: list[str] = []
        self.trouble: list[Exception] = []
        self.calls = 0

    def find(self, reference: str) -> PartnerEnrollment | None:
        self.calls += 1
        return PartnerEnrollment(id=self.has[reference], launch_url="") if reference in self.has else None

    def end(self, external_id: str) -> None:
        self.calls += 1
        if self.trouble:
            raise self.trouble.pop(0)
        self.ended.append(external_id)


@pytest.fixture
def partner(monkeypatch: pytest.MonkeyPatch) -> Partner:
    made = Partner()
    monkeypatch.setattr(ending, "get_gateway", lambda provider: made)
    return made


@pytest.fixture
def step() -> EnrollmentStep:
    return steps_of(approved(now=NOON))[0]


def leave(step: EnrollmentStep) -> EnrollmentStep:
    unenroll_enrollment(enrollment_id=step.enrollment_id, actor=STAFF, reason="Moved away", now=NOON)
    return EnrollmentStep.objects.get(pk=step.pk)


def skip(step: EnrollmentStep) -> EnrollmentStep:
    return skip_step(step_id=step.pk, reason="Took it before", actor=STAFF, now=NOON)


def end(step: EnrollmentStep, now: dt.datetime = NOON) -> EnrollmentStep:
    end_step(step_cuid=step.cuid, now=now)
    return EnrollmentStep.objects.get(pk=step.pk)


def asked(step: EnrollmentStep) -> EnrollmentStep:
    """Return a step whose partner has been asked to accept the learner, and has not answered."""
    EnrollmentStep.objects.filter(pk=step.pk).update(asked_at=NOON)
    return EnrollmentStep.objects.get(pk=step.pk)


def tasks() -> list[tuple[str, str]]:
    return list(StaffTask.objects.order_by("pk").values_list("kind", "status"))


class TestALearnerWhomThePartnerKnowsByTheIdOfAnother:
    def test_is_ended_there_only_with_the_other(self, partner: Partner) -> None:
        instance = instance_with((1, GroupRule.ALL_IN_ORDER))
        other, step = (steps_of(approved(instance, now=NOON))[0] for _ in range(2))
        accept(other, now=NOON)
        partner.has[step.cuid] = f"their-{other.pk}"
        leave(asked(step))

        ended = end(step, AFTERWARDS)

        assert partner.ended == []
        assert (ended.ended_at, ended.next_attempt_at) == (AFTERWARDS, None)
        assert breaches(now=AFTERWARDS) == set()

    def test_is_ended_there_if_the_other_has_left(self, partner: Partner) -> None:
        instance = instance_with((1, GroupRule.ALL_IN_ORDER))
        other, step = (steps_of(approved(instance, now=NOON))[0] for _ in range(2))
        leave(accept(other, now=NOON))
        partner.has[step.cuid] = f"their-{other.pk}"
        leave(asked(step))

        end(step, AFTERWARDS)

        assert partner.ended == [f"their-{other.pk}"]


class TestALearnerWhomThePartnerHas:
    @pytest.mark.parametrize("go", [leave, skip])
    def test_is_ended_there_once(self, partner: Partner, step: EnrollmentStep, go: object) -> None:
        accept(step, now=NOON)
        go(step)  # type: ignore[operator]

        ended = end(step)
        end(step, NOON + dt.timedelta(days=1))

        assert partner.ended == [f"their-{step.pk}"]
        assert (ended.ended_at, ended.next_attempt_at, ended.last_error) == (NOON, None, "")
        assert breaches(now=NOON) == set()

    @pytest.mark.parametrize("finish", ["told", "evidence"])
    def test_stays_if_the_course_is_completed(self, partner: Partner, step: EnrollmentStep, finish: str) -> None:
        accept(step, now=NOON)
        if finish == "told":
            complete(step, now=NOON)
        else:
            complete_step_by_evidence(step_id=step.pk, evidence="C-1", reason="Mail", actor=STAFF, now=NOON)

        end(step, NOON + dt.timedelta(days=9))

        assert partner.calls == 0

    def test_stays_while_the_course_goes_on(self, partner: Partner, step: EnrollmentStep) -> None:
        accept(step, now=NOON)

        end(step, NOON + dt.timedelta(days=9))

        assert partner.calls == 0

    @pytest.mark.sqlite
    def test_is_ended_by_the_sweep_and_no_other_partner_is_asked(self, partner: Partner, step: EnrollmentStep) -> None:
        accept(step, now=NOON)
        leave(step)

        assert ring_for_due_ends(now=NOON) == 1
        assert end_at_provider(provider_id=step.provider_id, now=NOON) == 1
        assert ring_for_due_ends(now=NOON) == 0
        assert partner.ended == [f"their-{step.pk}"]


class TestALearnerWhomThePartnerMayHave:
    def test_is_looked_for_once_an_answer_would_be_there(self, partner: Partner, step: EnrollmentStep) -> None:
        leave(asked(step))
        partner.has[step.cuid] = "e-7"

        end(step, AFTERWARDS - dt.timedelta(seconds=1))
        assert partner.calls == 0

        ended = end(step, AFTERWARDS)
        assert partner.ended == ["e-7"]
        assert ended.ended_at == AFTERWARDS

    def test_is_ended_if_the_acceptance_comes_after_the_partner_was_asked(
        self, partner: Partner, step: EnrollmentStep
    ) -> None:
        leave(asked(step))
        assert end(step, AFTERWARDS).ended_at == AFTERWARDS

        later = AFTERWARDS + dt.timedelta(minutes=1)
        record_acceptance(step_id=step.pk, external_enrollment_id="e-8", actor=SYSTEM, now=later)
        end(step, later)

        assert partner.ended == ["e-8"]
        assert statuses(step.enrollment)[0] == "withdrawn"

    def test_is_ended_if_the_acceptance_comes_while_the_partner_is_asked(
        self, partner: Partner, step: EnrollmentStep, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        leave(asked(step))

        def find(reference: str) -> None:
            record_acceptance(step_id=step.pk, external_enrollment_id="e-9", actor=SYSTEM, now=AFTERWARDS)

        monkeypatch.setattr(partner, "find", find)
        assert end(step, AFTERWARDS).ended_at is None

        end(step, AFTERWARDS)

        assert partner.ended == ["e-9"]

    @pytest.mark.sqlite
    def test_is_looked_for_if_the_partner_was_asked_in_vain_and_staff_skip(
        self, partner: Partner, step: EnrollmentStep
    ) -> None:
        record_refusal(step_id=asked(step).pk, reason="Asked 12 times.", actor=SYSTEM, now=NOON)
        partner.has[step.cuid] = "e-6"
        skip(step)

        end(step, NOON)

        assert partner.ended == ["e-6"]


class TestALearnerWhomThePartnerWasNeverAskedToTake:
    @pytest.mark.sqlite
    def test_is_not_ended_there(self, partner: Partner, step: EnrollmentStep) -> None:
        leave(step)

        end(step, NOON + dt.timedelta(days=1))

        assert partner.calls == 0
        assert ring_for_due_ends(now=NOON + dt.timedelta(days=1)) == 0

    def test_is_told_to_staff_where_the_partner_has_no_api(self, partner: Partner, step: EnrollmentStep) -> None:
        Provider.objects.update(adapter="manual")
        accept(step, now=NOON)
        leave(step)

        end(step)

        assert partner.calls == 0


class TestAPartnerThatDoesNotAnswer:
    def test_is_asked_again_after_a_pause_until_it_does(self, partner: Partner, step: EnrollmentStep) -> None:
        accept(step, now=NOON)
        leave(step)
        partner.trouble = [PartnerDown("Too slow", wait_seconds=100)]

        delayed = end(step)
        end(step, NOON + dt.timedelta(seconds=99))
        ended = end(step, NOON + dt.timedelta(seconds=100))

        assert (delayed.attempts, delayed.last_error, delayed.ended_at) == (1, "Too slow", None)
        assert partner.calls == 2
        assert ended.ended_at == NOON + dt.timedelta(seconds=100)

    def test_becomes_a_task_that_is_settled_once_it_answers(self, partner: Partner, step: EnrollmentStep) -> None:
        accept(step, now=NOON)
        leave(step)
        partner.trouble = [PartnerDown("Too slow")] * RETRY.attempts

        moments = [NOON + dt.timedelta(hours=2 * number) for number in range(RETRY.attempts + 1)]
        for moment in moments[:-1]:
            end(step, moment)
        assert tasks() == [("partner_step_not_ended", "open")]

        end(step, moments[-1])

        assert partner.ended == [f"their-{step.pk}"]
        assert tasks() == [("partner_step_not_ended", "done")]

    def test_that_is_paused_is_asked_once_it_is_resumed(self, partner: Partner, step: EnrollmentStep) -> None:
        accept(step, now=NOON)
        pause_provider(provider_id=step.provider_id, now=NOON)
        leave(step)
        end(step)
        assert partner.calls == 0

        resume_provider(provider_id=step.provider_id, now=utc_now())
        end(step)

        assert partner.ended == [f"their-{step.pk}"]


class TestAPartnerWhoseRefusalIsOutdated:
    @pytest.mark.parametrize("trouble", [PartnerDown("Too slow"), PartnerRefuses("The partner answered 405.")])
    def test_is_no_task_for_staff(
        self, partner: Partner, step: EnrollmentStep, monkeypatch: pytest.MonkeyPatch, trouble: Exception
    ) -> None:
        """Another worker has ended the step while this one waited for the answer."""

        def be_overtaken(external_id: str) -> None:
            EnrollmentStep.objects.filter(pk=step.pk).update(ended_at=NOON, next_attempt_at=None)
            raise trouble

        accept(step, now=NOON)
        leave(step)
        EnrollmentStep.objects.filter(pk=step.pk).update(attempts=RETRY.attempts - 1)
        monkeypatch.setattr(partner, "end", be_overtaken)

        ended = end(step)

        assert (ended.ended_at, ended.last_error) == (NOON, "")
        assert tasks() == []


class TestAPartnerThatRefuses:
    def test_is_a_task_for_staff_and_is_not_asked_again(self, partner: Partner, step: EnrollmentStep) -> None:
        accept(step, now=NOON)
        leave(step)
        partner.trouble = [PartnerRefuses("The partner answered 405.")]

        refused = end(step)
        end(step, NOON + dt.timedelta(days=3))

        assert partner.calls == 1
        assert (refused.ended_at, refused.last_error) == (None, "The partner answered 405.")
        assert tasks() == [("partner_step_not_ended", "open")]
        assert breaches(now=NOON + dt.timedelta(days=3)) == set()
