"""An enrollment that is deleted: hidden everywhere, holding nothing, kept as a record."""

from collections.abc import Callable

import pytest
from django.urls import reverse

from accounts.models import StaffTask
from accounts.states import Role
from backoffice.tests.staff_client import StaffClient, said
from billing.models import Checkout, Payment, Refund
from billing.tests.snapshots import arrive, refund, tell
from core.clock import utc_now
from core.errors import NotFound
from core.invariants import Extent
from enrollments import invariants
from enrollments.deletion import delete_enrollment
from enrollments.errors import StatusMoved
from enrollments.exit import plan_exit
from enrollments.lifecycle import (
    approve_enrollment,
    evaluate_enrollment,
    reconsider_enrollment,
    reject_enrollment,
    submit_enrollment,
    unenroll_enrollment,
)
from enrollments.models import (
    DistrictSeatAllocation,
    Enrollment,
    EnrollmentDecision,
    EnrollmentTransition,
    PlannedExit,
    ProgramInstance,
)
from enrollments.states import ReviewMode
from enrollments.tests.factories import STAFF, CandidateFactory, InstanceFactory, approved_enrollment, route, seats
from enrollments.tests.parents import ask_parent
from events.models import OutboxEvent
from notifications.models import Notification
from notifications.sending import send_due_notifications

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("stripe_is_not_asked")]


def asked(decision: EnrollmentDecision) -> Checkout:
    return Checkout.objects.get(pk=decision.checkout_id)


def broken() -> set[str]:
    extent = Extent(now=utc_now(), workspace_id=None)
    return {rule.__name__ for rule in invariants.INVARIANTS if list(rule(extent))}


def delete(enrollment: Enrollment, **more: str) -> Enrollment:
    return delete_enrollment(enrollment_id=enrollment.pk, actor=STAFF, now=utc_now(), **more)


def saved(enrollment: Enrollment) -> Enrollment:
    return Enrollment.objects.get(pk=enrollment.pk)


def candidate() -> Enrollment:
    made: Enrollment = CandidateFactory()
    return made


def eligible() -> Enrollment:
    return evaluate_enrollment(enrollment_id=candidate().pk, actor=STAFF, now=utc_now())


def ineligible() -> Enrollment:
    return evaluate_enrollment(
        enrollment_id=candidate().pk, is_eligible=False, reason="Too far", actor=STAFF, now=utc_now()
    )


def submitted() -> Enrollment:
    made = CandidateFactory(instance__review_mode=ReviewMode.MANUAL)
    evaluate_enrollment(enrollment_id=made.pk, actor=STAFF, now=utc_now())
    return submit_enrollment(enrollment_id=made.pk, actor=STAFF, now=utc_now())


def approved() -> Enrollment:
    return approved_enrollment(candidate())


def rejected() -> Enrollment:
    return reject_enrollment(enrollment_id=submitted().pk, reason="Too young", actor=STAFF, now=utc_now())


def unenrolled() -> Enrollment:
    return unenroll_enrollment(enrollment_id=approved().pk, reason="Moved", actor=STAFF, now=utc_now())


EVERY_STATUS = [candidate, eligible, ineligible, submitted, approved, rejected, unenrolled]


class TestDeleting:
    @pytest.mark.parametrize("make", EVERY_STATUS)
    def test_is_possible_in_every_status_and_the_learner_may_enroll_again(self, make: Callable[[], Enrollment]) -> None:
        enrollment = make()

        delete(enrollment)

        after = saved(enrollment)
        assert after.deleted_at is not None
        assert after.participation_status == "withdrawn"
        assert not after.is_current
        again = CandidateFactory(
            workspace=enrollment.workspace, instance=enrollment.instance, learner=enrollment.learner
        )
        assert again.is_current
        assert broken() == set()

    def test_keeps_the_history_and_tells_it_once(self) -> None:
        enrollment = approved()
        before = enrollment.transition_count

        delete(enrollment, note="Entered twice")

        last = EnrollmentTransition.objects.filter(enrollment=enrollment, number__gt=before).order_by("number")
        assert [(change.to_status, change.reason, change.note, change.actor) for change in last] == [
            ("unenrolled", "Deleted", "Entered twice", "user:1"),
            ("withdrawn", "Deleted", "Entered twice", "user:1"),
        ]
        event = OutboxEvent.objects.get(type="enrollment.deleted")
        assert event.payload == {"enrollmentId": enrollment.cuid, "programInstanceId": enrollment.instance.cuid}

    def test_twice_is_not_found_and_changes_nothing(self) -> None:
        enrollment = candidate()
        first = delete(enrollment).deleted_at

        with pytest.raises(NotFound):
            delete(enrollment)

        assert saved(enrollment).deleted_at == first
        assert OutboxEvent.objects.filter(type="enrollment.deleted").count() == 1

    def test_refuses_a_caller_who_saw_another_status(self) -> None:
        enrollment = submitted()

        with pytest.raises(StatusMoved):
            delete(enrollment, expected_status="candidate")

        assert saved(enrollment).deleted_at is None
        assert not OutboxEvent.objects.filter(type="enrollment.deleted").exists()

    @pytest.mark.parametrize(
        "use_case",
        [
            evaluate_enrollment,
            submit_enrollment,
            approve_enrollment,
            reject_enrollment,
            unenroll_enrollment,
            reconsider_enrollment,
        ],
    )
    def test_leaves_nothing_to_decide(self, use_case: Callable[..., Enrollment]) -> None:
        enrollment = delete(submitted())

        with pytest.raises(NotFound):
            use_case(enrollment_id=enrollment.pk, actor=STAFF, reason="Because", now=utc_now())

        assert saved(enrollment).transition_count == enrollment.transition_count

    def test_overtakes_a_planned_exit(self) -> None:
        enrollment = approved()
        plan_exit(
            enrollment_id=enrollment.pk,
            effective_date=utc_now().date().replace(year=2100),
            reason="Moves",
            actor=STAFF,
            now=utc_now(),
        )

        delete(enrollment)

        assert PlannedExit.objects.get().status == "overtaken"
        assert broken() == set()


class TestWhatItHeld:
    @pytest.mark.parametrize("review", [ReviewMode.MANUAL, ReviewMode.AUTOMATIC])
    def test_a_seat_is_free_again_whether_reserved_or_used(self, review: ReviewMode) -> None:
        instance = InstanceFactory(review_mode=review)
        seats(instance.workspace, total=1)
        decision = route(instance.workspace).decision

        delete(decision.enrollment)

        assert DistrictSeatAllocation.objects.get().available_seats == 1
        assert EnrollmentDecision.objects.get().status == "released"
        assert broken() == set()

    def test_is_routed_anew_when_the_same_learner_is_asked_for_again(self) -> None:
        instance = InstanceFactory()
        seats(instance.workspace, total=1)
        deleted = delete(route(instance.workspace).decision.enrollment)

        again = route(instance.workspace).decision

        assert again.enrollment_id != deleted.pk
        assert (again.provision_source, again.enrollment.eligibility_status) == ("district", "approved")
        assert broken() == set()


class TestItsMoney:
    @pytest.fixture
    def reviewed(self) -> ProgramInstance:
        made: ProgramInstance = InstanceFactory(review_mode=ReviewMode.MANUAL)
        return made

    def test_of_a_request_in_review_goes_back_in_full(self, reviewed: ProgramInstance) -> None:
        decision = ask_parent(reviewed)
        tell(asked(decision))

        delete(decision.enrollment)

        wanted = Refund.objects.get()
        assert (wanted.amount_minor, wanted.reason) == (4900, "rejected")
        assert broken() == set()

    def test_that_is_back_is_noted_and_ends_nothing_twice(self, reviewed: ProgramInstance) -> None:
        decision = ask_parent(reviewed)
        tell(asked(decision))
        delete(decision.enrollment)

        arrive(Payment.objects.get(), refund(4900))

        after = saved(decision.enrollment)
        assert (after.eligibility_status, after.payment_status) == ("submitted", "refunded")

    def test_of_somebody_enrolled_is_for_staff_to_decide(self) -> None:
        decision = ask_parent(InstanceFactory())
        tell(asked(decision))

        delete(decision.enrollment)

        assert not Refund.objects.exists()
        assert StaffTask.objects.filter(kind="refund_to_decide").count() == 1
        assert broken() == set()

    def test_that_arrives_afterwards_goes_back(self, reviewed: ProgramInstance) -> None:
        decision = ask_parent(reviewed)
        delete(decision.enrollment)

        tell(asked(decision))

        assert Refund.objects.get().reason == "not_needed"
        assert saved(decision.enrollment).payment_status == "pending"
        assert broken() == set()

    def test_is_asked_for_no_longer(self, reviewed: ProgramInstance) -> None:
        decision = ask_parent(reviewed)

        delete(decision.enrollment)

        assert asked(decision).cancel_requested_at is not None


class TestTheFamily:
    def test_is_not_written_to(self) -> None:
        enrollment = approved()
        send_due_notifications(now=utc_now())
        before = Notification.objects.count()

        delete(enrollment)

        assert Notification.objects.count() == before

    def test_gets_no_mail_that_was_still_waiting(self) -> None:
        enrollment = approved()
        plan_exit(
            enrollment_id=enrollment.pk,
            effective_date=utc_now().date().replace(year=2100),
            reason="Moves",
            actor=STAFF,
            now=utc_now(),
        )

        delete(enrollment)
        send_due_notifications(now=utc_now())

        assert set(Notification.objects.values_list("status", flat=True)) == {"skipped"}


@pytest.mark.sqlite
class TestTheBackOffice:
    def test_deletes_with_a_note_and_shows_it_no_more(self) -> None:
        enrollment = candidate()
        manager = StaffClient(workspace=enrollment.workspace, role=Role.ADMIN)
        page = reverse("admin:enrollments_enrollment_change", args=[enrollment.pk])

        answer = manager.confirm(
            reverse("admin:enrollments_enrollment_remove", args=[enrollment.pk]), {"note": "Entered twice"}
        )

        assert said(answer) == [f"{enrollment.learner}, {enrollment.instance}: deleted."]
        assert saved(enrollment).deleted_at is not None
        assert manager.get(page).status_code == 302
        assert manager.get(reverse("admin:enrollments_enrollment_changelist")).context["cl"].result_count == 0
