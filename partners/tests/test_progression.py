"""From approval to the last partner, fully automatically: the five operations and what follows from each change."""

import datetime as dt
from typing import Any

import pytest

from core.actors import SYSTEM
from core.clock import utc_now
from core.errors import TransitionNotAllowed
from enrollments.lifecycle import evaluate_enrollment, reject_enrollment, submit_enrollment, unenroll_enrollment
from enrollments.models import Enrollment
from enrollments.states import ReviewMode
from enrollments.tests.factories import STAFF, CandidateFactory, InstanceFactory
from events.models import OutboxEvent
from partners.acceptance import record_acceptance, record_refusal
from partners.errors import ExternalIdTaken, StepHasAnotherId, StepNotFound
from partners.models import EnrollmentStep, StepTransition
from partners.progression import (
    advance_to_next_step,
    generate_enrollment_steps,
    get_current_step,
    is_enrollment_complete,
    mark_step_complete,
    withdraw_open_steps,
)
from partners.states import GroupRule

from .breaches import breaches
from .factories import (
    NOON,
    accept,
    approved,
    complete,
    define,
    group,
    instance_with,
    statuses,
    steps_of,
)

pytestmark = pytest.mark.django_db

IN_ORDER, ANY_ORDER, AT_LEAST = GroupRule.ALL_IN_ORDER, GroupRule.ALL_ANY_ORDER, GroupRule.AT_LEAST


def told(enrollment: Enrollment) -> list[tuple[str, int]]:
    """Return what was published about its steps: the type, and which step."""
    rows = OutboxEvent.objects.filter(type__startswith="partner.").order_by("pk")
    return [(row.type, row.payload["sequenceOrder"]) for row in rows if row.payload["enrollmentId"] == enrollment.cuid]


def everything() -> list[Any]:
    models: list[Any] = [Enrollment, EnrollmentStep, StepTransition, OutboxEvent]
    return [list(model.objects.order_by("pk").values()) for model in models]


class TestApproval:
    @pytest.mark.sqlite
    def test_gives_a_step_for_each_item_and_queues_the_first(self) -> None:
        instance = instance_with((3, IN_ORDER))

        enrollment = approved(instance, now=NOON)

        steps = steps_of(enrollment)
        assert [(step.sequence_order, step.status) for step in steps] == [(1, "queued"), (2, "pending"), (3, "pending")]
        assert [step.item.course_id for step in steps] == ["course-1", "course-2", "course-3"]
        assert [step.provider for step in steps] == [step.item.provider for step in steps]
        assert told(enrollment) == [("partner.step_queued", 1)]
        assert breaches(now=NOON) == set()

    def test_gives_none_where_the_program_has_no_partners(self) -> None:
        enrollment = approved(InstanceFactory(price=None))

        assert steps_of(enrollment) == []

    def test_that_has_not_come_gives_none(self) -> None:
        instance = instance_with((1, IN_ORDER))
        instance.review_mode = ReviewMode.MANUAL
        instance.save()

        submitted = approved(instance)
        made = generate_enrollment_steps(enrollment_id=submitted.pk, actor=STAFF, now=utc_now())
        reject_enrollment(enrollment_id=submitted.pk, actor=STAFF, reason="No room", now=utc_now())

        assert made == []
        assert EnrollmentStep.objects.count() == 0

    def test_asked_about_again_gives_nothing_more(self) -> None:
        enrollment = approved()
        before = everything()

        again = generate_enrollment_steps(enrollment_id=enrollment.pk, actor=STAFF, now=utc_now())

        assert [step.pk for step in again] == [step.pk for step in steps_of(enrollment)]
        assert everything() == before

    @pytest.mark.sqlite
    def test_gives_the_version_of_that_day_and_no_later_one(self) -> None:
        instance = instance_with((2, IN_ORDER))
        early = approved(instance)
        define(instance, group(instance, 1), group(instance, 2))

        late = approved(instance)

        assert (len(steps_of(early)), len(steps_of(late))) == (2, 3)
        assert steps_of(early)[0].item.group.sequence.version == 1
        assert steps_of(late)[0].item.group.sequence.version == 2
        assert breaches() == set()


class TestTheCurrentStep:
    def test_is_the_first_that_has_begun_and_is_not_over(self) -> None:
        enrollment = approved()
        first, second = steps_of(enrollment)

        assert get_current_step(enrollment_id=enrollment.pk) == first
        accept(first)
        assert get_current_step(enrollment_id=enrollment.pk) == first
        complete(first)
        assert get_current_step(enrollment_id=enrollment.pk) == second
        complete(second)
        assert get_current_step(enrollment_id=enrollment.pk) is None

    def test_is_also_one_that_failed(self) -> None:
        enrollment = approved()
        first, _ = steps_of(enrollment)
        record_refusal(step_id=first.pk, reason="Unknown course", actor=SYSTEM, now=utc_now())

        assert get_current_step(enrollment_id=enrollment.pk) == first


class TestAcceptance:
    def test_starts_the_step_and_says_when_it_is_due(self) -> None:
        step = steps_of(approved())[0]

        started = record_acceptance(
            step_id=step.pk, external_enrollment_id="x-1", launch_url="https://lms.test/x-1", actor=SYSTEM, now=NOON
        )

        assert (started.status, started.external_enrollment_id) == ("in_progress", "x-1")
        assert (started.started_at, started.due_at) == (NOON, NOON + dt.timedelta(days=14))
        assert started.launch_url == "https://lms.test/x-1"

    def test_said_twice_starts_it_once(self) -> None:
        enrollment = approved()
        accept(steps_of(enrollment)[0], now=NOON)
        before = everything()

        accept(steps_of(enrollment)[0])

        assert everything() == before

    def test_under_another_id_is_refused(self) -> None:
        step = accept(steps_of(approved())[0])
        before = everything()

        with pytest.raises(StepHasAnotherId):
            record_acceptance(step_id=step.pk, external_enrollment_id="other", actor=SYSTEM, now=utc_now())

        assert everything() == before

    def test_under_the_id_of_another_learner_is_refused(self) -> None:
        instance = instance_with((1, IN_ORDER))
        one = steps_of(approved(instance))[0]
        other = steps_of(approved(instance))[0]
        record_acceptance(step_id=one.pk, external_enrollment_id="same", actor=SYSTEM, now=utc_now())
        before = everything()

        with pytest.raises(ExternalIdTaken):
            record_acceptance(step_id=other.pk, external_enrollment_id="same", actor=SYSTEM, now=utc_now())

        assert everything() == before

    def test_that_comes_after_the_learner_left_keeps_the_id_and_starts_nothing(self) -> None:
        enrollment = approved()
        unenroll_enrollment(enrollment_id=enrollment.pk, actor=STAFF, reason="Moved away", now=utc_now())

        step = accept(steps_of(enrollment)[0])

        assert (step.status, step.external_enrollment_id) == ("withdrawn", f"their-{step.pk}")
        assert breaches() == set()


class TestCompletion:
    def test_of_a_step_queues_the_next(self) -> None:
        enrollment = approved()
        first, _ = steps_of(enrollment)
        accept(first)

        done = complete(first, now=NOON)

        assert (done.progress, done.completed_at) == (100, NOON)
        assert statuses(enrollment) == ["completed", "queued"]
        assert told(enrollment) == [
            ("partner.step_queued", 1),
            ("partner.step_started", 1),
            ("partner.step_completed", 1),
            ("partner.step_queued", 2),
        ]
        assert not is_enrollment_complete(enrollment_id=enrollment.pk)
        assert breaches(now=NOON) == set()

    def test_of_the_last_step_completes_the_participation(self) -> None:
        enrollment = approved(steps=2)

        for step in steps_of(enrollment):
            accept(step)
            complete(step)

        enrollment = Enrollment.objects.get(pk=enrollment.pk)
        assert (enrollment.eligibility_status, enrollment.participation_status) == ("approved", "completed")
        assert is_enrollment_complete(enrollment_id=enrollment.pk)
        assert enrollment.transitions.get(to_status="completed").reason == "All partner steps are done"
        assert breaches() == set()

    def test_told_twice_advances_once(self) -> None:
        enrollment = approved(steps=3)
        first = accept(steps_of(enrollment)[0])
        complete(first)
        before = everything()

        complete(first)

        assert everything() == before
        assert statuses(enrollment) == ["completed", "queued", "pending"]

    def test_of_a_step_whose_turn_has_not_come_is_refused(self) -> None:
        enrollment = approved()
        before = everything()

        with pytest.raises(TransitionNotAllowed, match="pending can't become completed"):
            complete(steps_of(enrollment)[1])

        assert everything() == before

    def test_of_a_step_that_nobody_asks_for_any_more_is_refused(self) -> None:
        enrollment = approved()
        first = accept(steps_of(enrollment)[0])
        unenroll_enrollment(enrollment_id=enrollment.pk, actor=STAFF, reason="Moved away", now=utc_now())
        before = everything()

        with pytest.raises(TransitionNotAllowed, match="withdrawn can't become completed"):
            complete(first)

        assert everything() == before

    def test_of_nothing_is_refused(self) -> None:
        with pytest.raises(StepNotFound):
            mark_step_complete(step_id=1, actor=SYSTEM, now=utc_now())

    def test_keeps_the_id_by_which_the_partner_names_the_step(self) -> None:
        step = steps_of(approved())[0]

        done = mark_step_complete(step_id=step.pk, external_enrollment_id="x-1", actor=SYSTEM, now=utc_now())

        assert EnrollmentStep.objects.get(pk=done.pk).external_enrollment_id == "x-1"

    def test_never_comes_of_having_no_steps(self) -> None:
        enrollment = approved(InstanceFactory(price=None))

        current = advance_to_next_step(enrollment_id=enrollment.pk, actor=SYSTEM, now=utc_now())

        assert current is None
        assert not is_enrollment_complete(enrollment_id=enrollment.pk)
        assert Enrollment.objects.get(pk=enrollment.pk).participation_status == "active"

    def test_never_comes_of_a_failed_step(self) -> None:
        enrollment = approved(steps=1)
        record_refusal(step_id=steps_of(enrollment)[0].pk, reason="No such course", actor=SYSTEM, now=utc_now())

        advance_to_next_step(enrollment_id=enrollment.pk, actor=SYSTEM, now=utc_now())

        assert statuses(enrollment) == ["failed"]
        assert not is_enrollment_complete(enrollment_id=enrollment.pk)
        assert Enrollment.objects.get(pk=enrollment.pk).participation_status == "active"


class TestAdvancing:
    def test_changes_nothing_while_a_step_is_under_way(self) -> None:
        enrollment = approved()
        before = everything()

        current = advance_to_next_step(enrollment_id=enrollment.pk, actor=SYSTEM, now=utc_now())

        assert current == steps_of(enrollment)[0]
        assert everything() == before


class TestGroups:
    def test_in_any_order_are_begun_all_at_once(self) -> None:
        enrollment = approved(instance_with((2, ANY_ORDER), (1, IN_ORDER)))
        first, second, third = steps_of(enrollment)
        assert statuses(enrollment) == ["queued", "queued", "pending"]

        complete(second)
        assert statuses(enrollment) == ["queued", "completed", "pending"]
        complete(first)

        assert statuses(enrollment) == ["completed", "completed", "queued"]
        assert get_current_step(enrollment_id=enrollment.pk) == third
        assert breaches() == set()

    def test_of_which_some_are_enough_withdraw_those_that_nobody_has_begun(self) -> None:
        enrollment = approved(instance_with((3, AT_LEAST, 1), (1, IN_ORDER)))
        first, second, _, _ = steps_of(enrollment)
        accept(first)

        complete(second)

        assert statuses(enrollment) == ["in_progress", "completed", "withdrawn", "queued"]
        assert breaches() == set()

    def test_of_which_some_are_enough_wait_for_that_many(self) -> None:
        enrollment = approved(instance_with((3, AT_LEAST, 2)))
        first, second, _ = steps_of(enrollment)

        complete(first)
        assert statuses(enrollment) == ["completed", "queued", "queued"]
        complete(second)

        assert statuses(enrollment) == ["completed", "completed", "withdrawn"]
        assert Enrollment.objects.get(pk=enrollment.pk).participation_status == "completed"
        assert breaches() == set()

    def test_that_are_enough_end_with_the_participation(self) -> None:
        """One in progress was left to the learner until then."""
        enrollment = approved(instance_with((2, AT_LEAST, 1)))
        first, second = steps_of(enrollment)
        accept(first)

        complete(second)

        assert statuses(enrollment) == ["withdrawn", "completed"]
        assert breaches() == set()


class TestTheEndOfAnEnrollment:
    def test_withdraws_whatever_is_open(self) -> None:
        enrollment = approved(steps=3)
        complete(accept(steps_of(enrollment)[0]))

        unenroll_enrollment(enrollment_id=enrollment.pk, actor=STAFF, reason="Moved away", now=utc_now())

        assert statuses(enrollment) == ["completed", "withdrawn", "withdrawn"]
        assert set(StepTransition.objects.filter(to_status="withdrawn").values_list("reason", "actor")) == {
            ("Moved away", "system")
        }
        assert breaches() == set()

    @pytest.mark.sqlite
    def test_told_twice_withdraws_once(self) -> None:
        enrollment = approved()
        unenroll_enrollment(enrollment_id=enrollment.pk, actor=STAFF, reason="Moved away", now=utc_now())
        before = everything()

        ended = withdraw_open_steps(enrollment_id=enrollment.pk, reason="Again", now=utc_now())

        assert ended == 0
        assert everything() == before

    def test_lets_the_learner_begin_anew_in_a_new_enrollment(self) -> None:
        instance = instance_with((1, IN_ORDER))
        enrollment = approved(instance)
        unenroll_enrollment(enrollment_id=enrollment.pk, actor=STAFF, reason="Moved away", now=utc_now())
        again = CandidateFactory(instance=instance, workspace=instance.workspace, learner=enrollment.learner)
        evaluate_enrollment(enrollment_id=again.pk, actor=STAFF, now=utc_now())

        submit_enrollment(enrollment_id=again.pk, actor=STAFF, now=utc_now())

        assert statuses(again) == ["queued"]
        assert breaches() == set()
