"""Changing a step affects all steps of the enrollment exactly as staff were told beforehand."""

from collections.abc import Callable
from typing import Any

import pytest

from core.actors import SYSTEM
from core.clock import utc_now
from core.errors import DomainError
from enrollments.errors import AlreadyEnrolled
from enrollments.lifecycle import unenroll_enrollment
from enrollments.models import Enrollment
from enrollments.tests.factories import STAFF, CandidateFactory
from partners.acceptance import record_refusal
from partners.consequences import (
    ALL_IS_DONE,
    mails_about,
    tell_completion,
    tell_reassignment,
    tell_reopening,
    tell_retry,
    tell_skip,
)
from partners.errors import StepNotReopenable
from partners.interventions import complete_step_by_evidence, reassign_step, reopen_step, skip_step
from partners.models import Certificate, EnrollmentStep, Provider
from partners.states import GroupRule

from .factories import ProviderFactory, accept, approved, complete, define, group, statuses, steps_of

pytestmark = pytest.mark.django_db


def do(use_case: Callable[..., Any], step: EnrollmentStep, **more: Any) -> Enrollment:
    use_case(step_id=step.pk, reason="Said so", actor=STAFF, now=utc_now(), **more)
    return Enrollment.objects.get(pk=step.enrollment_id)


def name(step: EnrollmentStep) -> str:
    return f"{step.course} at {step.provider}"


class TestAStep:
    def test_that_is_skipped_or_completed_brings_the_next_one_and_then_the_end(self) -> None:
        first, last = steps_of(approved())
        accept(first)

        skipped = tell_skip(steps_of(first.enrollment)[0])
        do(skip_step, first)
        between = statuses(first.enrollment)
        completed = tell_completion(steps_of(first.enrollment)[1])
        ended = do(complete_step_by_evidence, last, evidence="A mail")

        assert skipped == [
            f"{name(first)} counts as done.",
            f"{first.provider} has {first.enrollment.person}, and is told that they leave.",
            f"Asked for next: {name(last)}.",
        ]
        assert between == ["skipped", "queued"]
        assert completed == [f"{name(last)} is completed.", ALL_IS_DONE]
        assert ended.participation_status == "completed"
        assert mails_about(last, completed) == "The family gets a mail once the certificate is issued."

    def test_is_tried_and_not_changed(self) -> None:
        enrollment = approved()

        for tell in (tell_skip, tell_completion, tell_retry):
            tell(steps_of(enrollment)[0])

        assert statuses(enrollment) == ["queued", "pending"]

    def test_of_which_enough_are_done_ends_the_others(self) -> None:
        instance = approved().instance
        define(instance, group(instance, 3, GroupRule.AT_LEAST, at_least=1))
        enrollment = approved(instance)
        first, *others = steps_of(enrollment)

        told = tell_skip(first)
        do(skip_step, first)

        assert told[1:] == [f"Withdrawn, as enough of its group is done: {name(each)}." for each in others] + [
            ALL_IS_DONE
        ]
        assert statuses(enrollment) == ["skipped", "withdrawn", "withdrawn"]

    def test_that_goes_elsewhere_is_asked_for_there_at_once(self) -> None:
        step = steps_of(approved())[0]
        other = ProviderFactory(workspace=step.enrollment.workspace)
        Provider.objects.filter(pk=other.pk).update(paused_at=utc_now())
        other = Provider.objects.get(pk=other.pk)

        told = tell_reassignment(step, provider=other, course_id="ALG")
        do(reassign_step, step, partner=other.slug, course_id="ALG")

        assert told == [
            f"ALG at {other} stands in the place of {name(step)}.",
            f"Asked for next: ALG at {other}.",
            f"{other} is paused: it is asked once you resume it.",
        ]
        assert statuses(step.enrollment) == ["queued", "pending"]

    def test_that_goes_elsewhere_again_keeps_the_course_it_was_given(self) -> None:
        step = steps_of(approved())[0]
        first, second = ProviderFactory.create_batch(2, workspace=step.enrollment.workspace)
        do(reassign_step, step, partner=first.slug, course_id="ALG")
        step = steps_of(step.enrollment)[0]

        told = tell_reassignment(step, provider=second, course_id="")
        do(reassign_step, step, partner=second.slug)

        assert told == [
            f"ALG at {second} stands in the place of ALG at {first}.",
            f"Asked for next: ALG at {second}.",
        ]
        assert name(steps_of(step.enrollment)[0]) == f"ALG at {second}"

    def test_that_is_to_be_done_again_takes_the_certificate_back(self) -> None:
        enrollment = approved(steps=1)
        step = complete(accept(steps_of(enrollment)[0]))
        certificate = Certificate.objects.get()

        told = tell_reopening(steps_of(enrollment)[0])
        reopened = do(reopen_step, step)

        assert told == [
            f"{enrollment.person} goes on at {step.provider} with {step.course}.",
            "The program is no longer completed.",
            f"Certificate {certificate.serial} is revoked.",
        ]
        assert (reopened.participation_status, statuses(enrollment)) == ("active", ["in_progress"])
        assert not Certificate.objects.live().exists()

    @pytest.mark.parametrize("is_enrolled_again", [True, False])
    def test_that_can_t_be_done_again_is_refused_as_the_deed_is(self, is_enrolled_again: bool) -> None:
        enrollment = approved(steps=1 if is_enrolled_again else 2)
        complete(accept(steps_of(enrollment)[0]))
        if is_enrolled_again:
            CandidateFactory(instance=enrollment.instance, workspace=enrollment.workspace, learner=enrollment.learner)
        else:
            unenroll_enrollment(enrollment_id=enrollment.pk, actor=STAFF, reason="Moved away", now=utc_now())
        step = steps_of(enrollment)[0]

        with pytest.raises(DomainError) as told:
            tell_reopening(step)
        with pytest.raises(DomainError) as done:
            do(reopen_step, step)

        assert (told.type, told.value.detail) == (done.type, done.value.detail)
        assert told.type == (AlreadyEnrolled if is_enrolled_again else StepNotReopenable)

    def test_that_was_done_without_the_partner_is_asked_for_anew(self) -> None:
        step = steps_of(approved())[0]
        do(complete_step_by_evidence, step, evidence="A mail")

        told = tell_reopening(steps_of(step.enrollment)[0])
        do(reopen_step, step)

        asked_again = f"{step.provider} is asked again to take {step.enrollment.person} for {step.course}, in its turn."
        assert told[0] == asked_again
        assert statuses(step.enrollment)[0] == "queued"

    def test_that_its_group_does_not_need_changes_nothing_else(self) -> None:
        instance = approved().instance
        define(instance, group(instance, 2, GroupRule.AT_LEAST, at_least=1))
        enrollment = approved(instance)
        first, second = steps_of(enrollment)
        complete(accept(first))
        EnrollmentStep.objects.filter(pk=second.pk).update(status="completed", completed_at=utc_now())

        told = tell_reopening(EnrollmentStep.objects.get(pk=first.pk))

        assert told[-1] == "Enough other steps of the group are done, so nothing else changes."

    @pytest.mark.parametrize("is_taken", [True, False])
    def test_at_a_partner_without_an_api_is_ended_by_hand(self, is_taken: bool) -> None:
        step = accept(steps_of(approved())[0])
        Provider.objects.filter(pk=step.provider_id).update(adapter="manual", base_url="", api_key="")
        if not is_taken:
            EnrollmentStep.objects.filter(pk=step.pk).update(external_enrollment_id=None, asked_at=utc_now())
        step = steps_of(step.enrollment)[0]

        told = tell_skip(step)

        has = "has" if is_taken else "may have"
        assert told[1] == f"{step.provider} {has} {step.enrollment.person}, and has no API: tell it yourself."

    def test_that_was_refused_is_asked_for_again_with_what_was_said(self) -> None:
        step = steps_of(approved())[0]
        refused = record_refusal(step_id=step.pk, reason="No such course", actor=SYSTEM, now=utc_now())

        (told,) = tell_retry(refused)

        who = step.enrollment.person
        assert told == f"{step.provider} is asked again to take {who} for {step.course}. It said: No such course"
