"""Who is stuck at a partner, for how long, and who has to act."""

import datetime as dt

import pytest

from core.actors import SYSTEM
from enrollments.tests.factories import STAFF
from partners.acceptance import record_refusal
from partners.interventions import retry_step
from partners.models import EnrollmentStep, Provider, ProviderOutage
from partners.outages import note_answer, note_silence
from partners.providers import change_provider, pause_provider, resume_provider
from partners.stuck import Turn, describe_stuck, whose_turn

from .factories import NOON, accept, approved, complete, steps_of

pytestmark = pytest.mark.django_db

DAY = dt.timedelta(days=1)
HOUR = dt.timedelta(hours=1)
SECOND = dt.timedelta(seconds=1)


def queued() -> EnrollmentStep:
    """Return a step whose partner was asked at noon; it counts as stuck after 7 days in progress."""
    return steps_of(approved(now=NOON))[0]


def in_progress() -> EnrollmentStep:
    return accept(queued(), now=NOON)


def stuck(now: dt.datetime) -> list[EnrollmentStep]:
    return list(EnrollmentStep.objects.stuck(now))


class TestStuck:
    def test_is_whoever_is_in_progress_for_longer_than_the_partner_allows(self) -> None:
        step = in_progress()

        assert stuck(NOON + 7 * DAY) == []
        assert stuck(NOON + 7 * DAY + SECOND) == [step]

    def test_follows_the_days_of_each_partner(self) -> None:
        step = in_progress()
        change_provider(provider_id=step.provider_id, stuck_after_days=2, now=NOON)

        assert stuck(NOON + 2 * DAY + SECOND) == [step]

    @pytest.mark.sqlite
    def test_is_whoever_no_partner_accepts_for_an_hour(self) -> None:
        step = queued()

        assert stuck(NOON + HOUR) == []
        assert stuck(NOON + HOUR + SECOND) == [step]

    def test_is_whoever_failed_at_once(self) -> None:
        step = queued()
        record_refusal(step_id=step.pk, reason="No such course", actor=SYSTEM, now=NOON)

        assert stuck(NOON) == [step]

    def test_is_nobody_again_for_an_hour_after_staff_have_the_partner_asked_again(self) -> None:
        step = queued()
        record_refusal(step_id=step.pk, reason="No such course", actor=SYSTEM, now=NOON)

        retry_step(step_id=step.pk, reason="It exists now", actor=STAFF, now=NOON + DAY)

        assert stuck(NOON + DAY + HOUR) == []

    def test_is_nobody_who_has_finished_or_whose_turn_has_not_come(self) -> None:
        enrollment = approved(now=NOON)
        complete(accept(steps_of(enrollment)[0], now=NOON), now=NOON)
        accept(steps_of(enrollment)[1], now=NOON + 5 * DAY)

        assert stuck(NOON + 8 * DAY) == []


class TestOutagesOfAPartner:
    def test_do_not_count_while_it_is_paused_and_after(self) -> None:
        step = in_progress()
        pause_provider(provider_id=step.provider_id, now=NOON + DAY)

        assert stuck(NOON + 100 * DAY) == []

        resume_provider(provider_id=step.provider_id, now=NOON + 4 * DAY)

        assert stuck(NOON + 10 * DAY) == []
        assert stuck(NOON + 10 * DAY + SECOND) == [step]

    @pytest.mark.sqlite
    def test_do_not_count_while_it_does_not_answer(self) -> None:
        step = in_progress()
        note_silence(provider_id=step.provider_id, now=NOON + DAY)
        note_silence(provider_id=step.provider_id, now=NOON + 2 * DAY)

        assert stuck(NOON + 8 * DAY) == []  # up to the last unanswered call: nobody knows more
        assert stuck(NOON + 8 * DAY + SECOND) == [step]

        silent = Provider.objects.get(pk=step.provider_id)
        note_answer(silent, now=NOON + 3 * DAY)
        note_answer(silent, now=NOON + 4 * DAY)

        assert stuck(NOON + 9 * DAY) == []
        assert stuck(NOON + 9 * DAY + SECOND) == [step]
        kept = ProviderOutage.objects.get()
        assert (kept.reason, kept.began_at, kept.ended_at) == ("silent", NOON + DAY, NOON + 3 * DAY)

    def test_count_once_where_they_overlap(self) -> None:
        step = in_progress()
        note_silence(provider_id=step.provider_id, now=NOON + DAY)
        pause_provider(provider_id=step.provider_id, now=NOON + 2 * DAY)
        note_answer(Provider.objects.get(pk=step.provider_id), now=NOON + 3 * DAY)
        resume_provider(provider_id=step.provider_id, now=NOON + 4 * DAY)

        assert stuck(NOON + 10 * DAY) == []
        assert stuck(NOON + 10 * DAY + SECOND) == [step]

    def test_before_the_step_change_nothing(self) -> None:
        before = queued()
        pause_provider(provider_id=before.provider_id, now=NOON)
        resume_provider(provider_id=before.provider_id, now=NOON + DAY)

        step = accept(before, now=NOON + 2 * DAY)

        assert stuck(NOON + 9 * DAY) == []
        assert stuck(NOON + 9 * DAY + SECOND) == [step]


@pytest.mark.sqlite
class TestDaysStuck:
    def test_leave_out_the_outages(self) -> None:
        step = in_progress()
        pause_provider(provider_id=step.provider_id, now=NOON + DAY)
        resume_provider(provider_id=step.provider_id, now=NOON + 4 * DAY)

        [found] = describe_stuck(steps_of(step.enrollment)[:1], now=NOON + 12 * DAY)

        assert (found.days, found.turn) == (9, Turn.LEARNER)


class TestWhoseTurn:
    def test_is_nobodys_before_and_after(self) -> None:
        enrollment = approved(now=NOON)
        done = complete(accept(steps_of(enrollment)[0]))
        other = approved(now=NOON)

        assert whose_turn(done) is None
        assert whose_turn(steps_of(other)[1]) is None

    def test_is_the_partners_until_it_accepts_and_then_the_learners(self) -> None:
        step = queued()

        assert whose_turn(step) == Turn.PARTNER
        assert whose_turn(accept(step)) == Turn.LEARNER

    def test_is_ours_where_we_paused_the_partner_or_enroll_by_hand_or_it_failed(self) -> None:
        step = queued()
        pause_provider(provider_id=step.provider_id, now=NOON)
        by_hand = queued()
        change_provider(provider_id=by_hand.provider_id, adapter="manual", now=NOON)
        failed = record_refusal(step_id=queued().pk, reason="No", actor=SYSTEM, now=NOON)

        rows = [EnrollmentStep.objects.select_related("provider").get(pk=each.pk) for each in (step, by_hand, failed)]

        assert [whose_turn(row) for row in rows] == [Turn.US] * 3
