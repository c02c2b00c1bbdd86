"""The use cases of an enrollment's life. docs/lifecycles.md and its test cover which edges exist."""

import datetime as dt

import pytest
from django.db import transaction

from accounts.models import Learner, Workspace
from accounts.tests.factories import LeadFactory, LearnerFactory
from core.actors import Actor
from core.clock import utc_now
from core.errors import Invalid, TransitionNotAllowed
from enrollments.errors import AlreadyEnrolled, CriteriaUnchanged, StatusMoved
from enrollments.history import Journal
from enrollments.lifecycle import (
    approve_enrollment,
    evaluate_enrollment,
    reconsider_enrollment,
    reject_enrollment,
    submit_enrollment,
    unenroll_enrollment,
)
from enrollments.models import Enrollment, EnrollmentTransition
from enrollments.states import IdentificationType, ReviewMode
from enrollments.tests.criteria import set_criterion
from enrollments.tests.factories import STAFF, CandidateFactory, InstanceFactory
from events.models import OutboxEvent

pytestmark = pytest.mark.django_db

NOW = dt.datetime(2026, 9, 2, 10, 30, tzinfo=dt.UTC)


def submitted(*, workspace: Workspace | None = None, **more: object) -> Enrollment:
    instance = InstanceFactory(review_mode=ReviewMode.MANUAL, **({"workspace": workspace} if workspace else {}))
    enrollment = CandidateFactory(instance=instance, workspace=instance.workspace, **more)
    evaluate_enrollment(enrollment_id=enrollment.pk, actor=STAFF, now=utc_now())
    return submit_enrollment(enrollment_id=enrollment.pk, actor=STAFF, now=utc_now())


def approved() -> Enrollment:
    return approve_enrollment(enrollment_id=submitted().pk, actor=STAFF, now=utc_now())


def saved(enrollment: Enrollment) -> Enrollment:
    return Enrollment.objects.get(pk=enrollment.pk)


class TestEvaluating:
    def test_a_candidate_without_criteria_makes_it_eligible(self) -> None:
        enrollment = CandidateFactory()

        evaluate_enrollment(enrollment_id=enrollment.pk, actor=STAFF, now=utc_now())

        after = saved(enrollment)
        assert (after.eligibility_status, after.eligibility_reason) == ("eligible", "No criteria")
        assert after.criteria_version == 1

    def test_against_a_rule_that_does_not_hold_makes_it_ineligible(self) -> None:
        enrollment = CandidateFactory()
        set_criterion(enrollment.instance, "false", otherwise="Outside the service area")

        evaluate_enrollment(enrollment_id=enrollment.pk, actor=STAFF, now=utc_now())

        after = saved(enrollment)
        assert (after.eligibility_status, after.eligibility_reason) == ("ineligible", "Outside the service area")

    def test_an_eligible_one_again_can_take_it_back(self) -> None:
        enrollment = CandidateFactory()
        evaluate_enrollment(enrollment_id=enrollment.pk, actor=STAFF, now=utc_now())
        set_criterion(enrollment.instance, "false", otherwise="Outside the service area")

        evaluate_enrollment(enrollment_id=enrollment.pk, actor=STAFF, now=utc_now())

        assert saved(enrollment).eligibility_status == "ineligible"

    def test_by_a_person_needs_a_reason(self) -> None:
        enrollment = CandidateFactory()

        with pytest.raises(Invalid) as refusal:
            evaluate_enrollment(enrollment_id=enrollment.pk, actor=STAFF, is_eligible=False, now=utc_now())

        assert refusal.value.errors[0].field == "reason"
        assert saved(enrollment).eligibility_status == "candidate"
        assert OutboxEvent.objects.count() == 0

    def test_by_a_person_overrules_the_criteria(self) -> None:
        enrollment = CandidateFactory()

        evaluate_enrollment(
            enrollment_id=enrollment.pk, actor=STAFF, is_eligible=False, reason="Moved last week", now=utc_now()
        )

        assert saved(enrollment).eligibility_reason == "Moved last week"


class TestSubmitting:
    def test_where_review_is_automatic_approves_and_starts(self) -> None:
        enrollment = CandidateFactory()
        evaluate_enrollment(enrollment_id=enrollment.pk, actor=STAFF, now=NOW)

        submit_enrollment(enrollment_id=enrollment.pk, actor=STAFF, now=NOW)

        after = saved(enrollment)
        assert (after.eligibility_status, after.participation_status) == ("approved", "active")
        assert after.start_date == dt.date(2026, 9, 2)

    def test_where_review_is_manual_waits(self) -> None:
        after = saved(submitted())

        assert (after.eligibility_status, after.participation_status) == ("submitted", "not_started")

    def test_a_candidate_is_refused_naming_both_states(self) -> None:
        enrollment = CandidateFactory()

        with pytest.raises(TransitionNotAllowed) as refusal:
            submit_enrollment(enrollment_id=enrollment.pk, actor=STAFF, now=utc_now())

        assert refusal.value.detail == "An enrollment that is candidate can't become submitted."
        assert refusal.value.extra == {"from_status": "candidate", "to_status": "submitted"}
        assert saved(enrollment).eligibility_status == "candidate"
        assert EnrollmentTransition.objects.count() == OutboxEvent.objects.count() == 0


class TestDeciding:
    def test_twice_is_refused(self) -> None:
        enrollment = approved()
        events = OutboxEvent.objects.count()

        with pytest.raises(TransitionNotAllowed):
            approve_enrollment(enrollment_id=enrollment.pk, actor=STAFF, now=utc_now())
        with pytest.raises(TransitionNotAllowed):
            reject_enrollment(enrollment_id=enrollment.pk, actor=STAFF, reason="Changed my mind", now=utc_now())

        assert saved(enrollment).eligibility_status == "approved"
        assert OutboxEvent.objects.count() == events

    def test_on_what_another_reviewer_changed_meanwhile_is_refused(self) -> None:
        enrollment = submitted()
        reject_enrollment(enrollment_id=enrollment.pk, actor=STAFF, reason="Incomplete", now=utc_now())

        with pytest.raises(StatusMoved) as refusal:
            approve_enrollment(enrollment_id=enrollment.pk, actor=STAFF, expected_status="submitted", now=utc_now())

        assert refusal.value.extra == {"status_found": "rejected"}
        assert saved(enrollment).eligibility_status == "rejected"

    @pytest.mark.parametrize("reason", ["", "   "])
    def test_against_somebody_needs_a_reason(self, reason: str) -> None:
        enrollment = submitted()

        with pytest.raises(Invalid):
            reject_enrollment(enrollment_id=enrollment.pk, actor=STAFF, reason=reason, now=utc_now())

        assert saved(enrollment).eligibility_status == "submitted"

    def test_keeps_who_and_why(self) -> None:
        enrollment = submitted()

        reject_enrollment(enrollment_id=enrollment.pk, actor=Actor("user", 7), reason="Incomplete papers", now=NOW)

        last = enrollment.transitions.latest("number")
        assert (last.to_status, last.reason, last.actor, last.created_at) == (
            "rejected",
            "Incomplete papers",
            "user:7",
            NOW,
        )

    def test_against_a_saved_state_that_moved_is_impossible_even_without_the_lock(self) -> None:
        """The second guard, behind the row lock: the save itself depends on the state it started from."""
        stale = saved(submitted())
        approve_enrollment(enrollment_id=stale.pk, actor=STAFF, now=utc_now())
        journal = Journal(stale, STAFF, NOW)
        journal.change("reject", reason="Too late")

        with pytest.raises(StatusMoved), transaction.atomic():
            journal.write()

        assert saved(stale).eligibility_status == "approved"


class TestLeaving:
    def test_withdraws_and_keeps_the_exit_metadata(self) -> None:
        enrollment = approved()

        unenroll_enrollment(
            enrollment_id=enrollment.pk,
            actor=STAFF,
            reason="Moved away",
            metadata={"exit_interview": True},
            now=utc_now(),
        )

        after = saved(enrollment)
        assert (after.eligibility_status, after.participation_status) == ("unenrolled", "withdrawn")
        assert after.eligibility_reason == "Moved away"
        assert after.metadata == {"exit_interview": True}

    def test_before_approval_is_refused(self) -> None:
        enrollment = submitted()

        with pytest.raises(TransitionNotAllowed):
            unenroll_enrollment(enrollment_id=enrollment.pk, actor=STAFF, reason="Moved away", now=utc_now())

        assert saved(enrollment).eligibility_status == "submitted"


class TestReconsidering:
    def test_needs_criteria_that_changed(self) -> None:
        enrollment = submitted()
        reject_enrollment(enrollment_id=enrollment.pk, actor=STAFF, reason="Incomplete", now=utc_now())

        with pytest.raises(CriteriaUnchanged):
            reconsider_enrollment(enrollment_id=enrollment.pk, actor=STAFF, now=utc_now())

        assert saved(enrollment).eligibility_status == "rejected"
        assert enrollment.transitions.filter(to_status="candidate").count() == 0

    def test_after_they_did_starts_over(self) -> None:
        enrollment = submitted()
        reject_enrollment(enrollment_id=enrollment.pk, actor=STAFF, reason="Incomplete", now=utc_now())
        enrollment.instance.criteria_version += 1
        enrollment.instance.save()

        reconsider_enrollment(enrollment_id=enrollment.pk, actor=STAFF, now=utc_now())

        assert saved(enrollment).eligibility_status == "candidate"


class TestALead:
    def test_becomes_a_learner_with_the_approval(self) -> None:
        lead = LeadFactory()
        enrollment = submitted(workspace=lead.workspace, learner=None, lead=lead, identification_type="leadId")
        assert Learner.objects.count() == 0

        approve_enrollment(enrollment_id=enrollment.pk, actor=STAFF, now=utc_now())

        lead.refresh_from_db()
        learner = Learner.objects.get()
        assert lead.converted_to == learner
        assert saved(enrollment).learner == learner
        assert (learner.first_name, learner.email) == (lead.first_name, lead.email)

    @pytest.mark.unordered_locks  # locks the learner after the enrollment, which is not theirs yet: nobody meets both
    def test_who_is_a_learner_with_an_enrollment_already_is_refused(self) -> None:
        lead = LeadFactory()
        enrollment = submitted(workspace=lead.workspace, learner=None, lead=lead, identification_type="leadId")
        learner = LearnerFactory(
            workspace=lead.workspace, email=lead.email, first_name=lead.first_name, last_name=lead.last_name
        )
        Enrollment.objects.create(
            workspace=lead.workspace,
            instance=enrollment.instance,
            learner=learner,
            identification_type=IdentificationType.CUSTOMER_ID,
        )

        with pytest.raises(AlreadyEnrolled):
            approve_enrollment(enrollment_id=enrollment.pk, actor=STAFF, now=utc_now())

        lead.refresh_from_db()
        assert lead.converted_to is None
        assert saved(enrollment).eligibility_status == "submitted"


class TestEveryChange:
    def test_has_its_row_and_its_event_in_the_same_order(self) -> None:
        enrollment = approved()
        unenroll_enrollment(enrollment_id=enrollment.pk, actor=STAFF, reason="Moved away", now=utc_now())

        rows = list(
            enrollment.transitions.order_by("number").values_list("number", "facet", "from_status", "to_status")
        )
        told = (
            OutboxEvent.objects.filter(type="enrollment.status_changed")
            .order_by("id")
            .values_list("payload", flat=True)
        )
        assert [(p["number"], p["facet"], p["fromStatus"], p["toStatus"]) for p in told] == rows
        assert [number for number, *_ in rows] == [1, 2, 3, 4, 5, 6]
        assert saved(enrollment).transition_count == 6
