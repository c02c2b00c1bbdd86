import dataclasses
from collections.abc import Iterator
from typing import Any

import pytest
from django.db import transaction
from django.db.models import Count, F, Q

from accounts.models import Guardian, User
from billing.models import Checkout, Payment, Refund
from billing.states import CheckoutStatus, RefundStatus
from cohorts.models import (
    Cohort,
    CohortPlace,
    CourseStep,
    GroupClass,
    StepProgress,
    StudentPackage,
    WaitlistEntry,
)
from cohorts.states import PlaceStatus, StepStatus, WaitStatus
from core.clock import utc_now
from demo.catalog import GUARDIAN_EMAIL, ORGANIZATIONS, PASSWORD
from demo.load import load_demo
from enrollments.letters import SEAT_IDLE
from enrollments.models import (
    Application,
    ApplicationQuestion,
    DistrictSeatAllocation,
    Enrollment,
    EnrollmentDecision,
    EnrollmentTransition,
    PlannedExit,
)
from enrollments.states import DecisionReason, EligibilityStatus, ExitStatus
from events.models import OutboxEvent
from notifications.models import Notification, WorkspaceLetter
from notifications.states import NotificationStatus
from operations.doctor import examine

pytestmark = pytest.mark.walk


@pytest.fixture(scope="module")
def demo(django_db_setup: None, django_db_blocker: Any) -> Iterator[None]:
    """Load the demo with fewer families, which takes seconds, and roll it back after the module."""
    smaller = tuple(dataclasses.replace(organization, families=20) for organization in ORGANIZATIONS)
    with django_db_blocker.unblock(), transaction.atomic():
        load_demo(organizations=smaller)
        yield
        transaction.set_rollback(True)


@pytest.mark.usefixtures("demo", "db")
class TestDemoData:
    def test_has_enrollments_in_every_state_and_decisions_for_every_reason(self) -> None:
        states = set(Enrollment.objects.values_list("eligibility_status", flat=True))
        reasons = set(EnrollmentDecision.objects.values_list("reason", flat=True))

        assert states == set(EligibilityStatus.values)
        assert reasons == set(DecisionReason.values)

    def test_has_counters_that_equal_the_seats_held(self) -> None:
        held = DistrictSeatAllocation.objects.annotate(
            reserved=Count("seats", filter=Q(seats__status="reserved")),
            used=Count("seats", filter=Q(seats__status="used")),
        )

        wrong = held.exclude(reserved=F("reserved_seats"), used=F("used_seats"))
        assert not wrong.exists()
        assert held.filter(used__gt=0).exists()

    def test_has_a_history_without_gaps_that_ends_where_each_enrollment_is(self) -> None:
        start = {"eligibility": "candidate", "participation": "not_started", "payment": "not_required"}

        for enrollment in Enrollment.objects.prefetch_related("transitions"):
            state = dict(start)
            rows = sorted(enrollment.transitions.all(), key=lambda row: row.number)
            for number, row in enumerate(rows, start=1):
                assert (row.number, row.from_status) == (number, state[row.facet])
                state[row.facet] = row.to_status
            assert len(rows) == enrollment.transition_count
            assert state == {
                "eligibility": enrollment.eligibility_status,
                "participation": enrollment.participation_status,
                "payment": enrollment.payment_status,
            }

    def test_has_one_event_for_each_transition(self) -> None:
        events = OutboxEvent.objects.filter(type="enrollment.status_changed")

        assert events.count() == EnrollmentTransition.objects.count() > 0

    def test_has_refunds_within_their_payments(self) -> None:
        for payment in Payment.objects.prefetch_related("refunds", "disputes"):
            back = sum(r.amount_minor for r in payment.refunds.all() if r.status == RefundStatus.SUCCEEDED)
            lost = sum(d.amount_minor for d in payment.disputes.all() if d.status == "lost")
            assert payment.refunded_minor == min(back + lost, payment.amount_minor)
        assert Refund.objects.filter(status=RefundStatus.SUCCEEDED).exists()

    def test_stays_inside_its_workspaces(self) -> None:
        mixed = Enrollment.objects.exclude(instance__workspace=F("workspace")) | Enrollment.objects.exclude(
            learner__isnull=True
        ).exclude(learner__workspace=F("workspace"))

        assert not mixed.exists()
        assert not EnrollmentDecision.objects.exclude(enrollment__workspace=F("workspace")).exists()

    def test_lets_each_kind_of_person_sign_in(self) -> None:
        staff = User.objects.filter(is_staff=True)

        assert {user.email.split("@")[0] for user in staff} == {
            "owner",
            "admin",
            "finance",
            "reviewer",
            "viewer",
            "operator",
        }
        assert all(user.check_password(PASSWORD) for user in staff)

    def test_leaves_its_guardian_something_to_pay(self) -> None:
        guardian = Guardian.objects.get(email=GUARDIAN_EMAIL)

        open_checkouts = Checkout.objects.filter(
            status=CheckoutStatus.OPEN, pk__in=guardian.decisions.values("checkout")
        )
        assert guardian.learners.count() == 3
        assert open_checkouts.exists()


@pytest.mark.usefixtures("demo", "db")
class TestDemoApplications:
    def test_have_somebody_in_every_state(self) -> None:
        applied = Enrollment.objects.filter(instance__takes_applications=True)

        assert set(applied.values_list("eligibility_status", flat=True)) == set(EligibilityStatus.values)
        assert Application.objects.filter(confirmed_at__isnull=True).exists()

    def test_have_one_who_applied_again_and_one_who_will_leave(self) -> None:
        again = Enrollment.objects.get(previous__isnull=False)

        assert (again.previous and again.previous.eligibility_status, again.eligibility_status) == (
            "rejected",
            "submitted",
        )
        assert PlannedExit.objects.filter(status=ExitStatus.PLANNED).count() == 1

    def test_have_questions_and_words_of_the_organization(self) -> None:
        assert ApplicationQuestion.objects.exists()
        assert WorkspaceLetter.objects.get().kind == "enrollment_approved"


@pytest.mark.usefixtures("demo", "db")
class TestDemoCourses:
    def test_have_cohorts_at_every_stage(self) -> None:
        now = utc_now()
        cohorts = Cohort.objects.all()

        assert cohorts.count() == 12
        assert cohorts.filter(end_date__lt=now.date()).exists()
        assert cohorts.filter(start_date__lt=now.date(), end_date__gt=now.date()).count() >= 2
        assert cohorts.filter(is_active=False).count() == 1
        assert cohorts.filter(start_date__gt=now.date(), enrollment_deadline__lt=now).count() == 1
        full = cohorts.filter(max_enrollment=F("current_enrollment") + F("held_places"))
        assert full.filter(waitlist__status=WaitStatus.WAITING).distinct().count() == 2

    def test_have_steps_with_one_class_and_with_several_in_several_zones(self) -> None:
        options = CourseStep.objects.annotate(count=Count("options")).values_list("count", flat=True)
        zones = set(GroupClass.objects.values_list("timezone", flat=True))

        assert set(options) == {1, 2, 3}
        assert len(zones) >= 4

    def test_have_learners_in_every_state(self) -> None:
        assert set(StepProgress.objects.values_list("status", flat=True)) == set(StepStatus.values)
        assert set(CohortPlace.objects.values_list("status", flat=True)) == set(PlaceStatus.values)
        assert StudentPackage.objects.filter(enrollment__participation_status="completed").exists()

    def test_have_the_guardian_s_children_in_them(self) -> None:
        children = Guardian.objects.get(email=GUARDIAN_EMAIL).learners.all()

        packages = StudentPackage.objects.filter(learner__in=children, revoked_at__isnull=True)
        offered = WaitlistEntry.objects.filter(learner__in=children, status=WaitStatus.OFFERED)
        assert sorted(packages.values_list("program__code", flat=True)) == ["CODE", "MATH"]
        assert [entry.offer_expires_at > utc_now() for entry in offered if entry.offer_expires_at] == [True]

    def test_break_no_invariant_of_courses_or_emails(self) -> None:
        broken = examine()

        assert [name for name in broken if name.startswith(("cohorts.", "notifications."))] == []

    def test_send_no_old_email_again(self) -> None:
        pending = Notification.objects.filter(status=NotificationStatus.PENDING).exclude(kind=SEAT_IDLE)  # just asked

        assert set(pending.values_list("recipient", flat=True)) <= {GUARDIAN_EMAIL}
        assert Notification.objects.filter(status=NotificationStatus.SENT).exists()
