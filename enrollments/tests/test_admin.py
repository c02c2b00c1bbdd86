from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.core import mail
from django.urls import reverse

from accounts.models import Workspace
from accounts.states import Role
from accounts.tests.factories import WorkspaceFactory
from backoffice.tests.staff_client import StaffClient, said
from billing.checkout import settle_checkout
from billing.models import Payment, Refund
from billing.tests.stripe_world import StripeWorld
from core.clock import utc_now
from enrollments.lifecycle import approve_enrollment, evaluate_enrollment, reject_enrollment, submit_enrollment
from enrollments.models import (
    DistrictSeatAllocation,
    Enrollment,
    EnrollmentDecision,
    EnrollmentTransition,
    ProgramInstance,
)
from enrollments.states import ReviewMode
from enrollments.tests.factories import STAFF, CandidateFactory, DistrictFactory, InstanceFactory, route, seats
from enrollments.tests.parents import ask_parent, pay
from events.models import OutboxEvent
from notifications.sending import send_due_notifications
from sandbox.testing import SandboxProcess

pytestmark = pytest.mark.django_db


@pytest.fixture
def workspace() -> Workspace:
    return WorkspaceFactory()


@pytest.fixture
def instance(workspace: Workspace) -> ProgramInstance:
    return InstanceFactory(workspace=workspace, review_mode=ReviewMode.MANUAL)


@pytest.fixture
def reviewer(workspace: Workspace) -> StaffClient:
    return StaffClient(workspace=workspace, role=Role.REVIEWER)


def submitted(instance: ProgramInstance) -> Enrollment:
    candidate = CandidateFactory(instance=instance, workspace=instance.workspace)
    evaluate_enrollment(enrollment_id=candidate.pk, actor=STAFF, now=utc_now())
    return submit_enrollment(enrollment_id=candidate.pk, actor=STAFF, now=utc_now())


def contested(instance: ProgramInstance, stripe: SandboxProcess) -> tuple[Enrollment, str]:
    """Return an enrollment in review that a parent paid for and their bank disputes, with the dispute's id."""
    decision = route(instance.workspace, tenant_id=None, guardian_id="g1", instance=instance).decision
    assert decision.checkout is not None
    stripe.pay(decision.checkout.url)
    settle_checkout(checkout_id=decision.checkout.pk, now=utc_now())
    dispute = stripe.open_dispute(str(Payment.objects.get().payment_intent_id))["id"]
    world = StripeWorld(stripe)
    world.tell(world.event("charge.dispute.created"))
    return decision.enrollment, dispute


def press(client: StaffClient, button: str, enrollment: Enrollment, **form: Any) -> Any:
    """Submit the button's form, after its preview if there is one."""
    return client.confirm(reverse(f"admin:enrollments_enrollment_{button}", args=[enrollment.pk]), form)


def status(enrollment: Enrollment) -> str:
    return Enrollment.objects.get(pk=enrollment.pk).eligibility_status


class TestReviewing:
    def test_approval_runs_the_use_case_in_the_reviewers_name(
        self, instance: ProgramInstance, reviewer: StaffClient
    ) -> None:
        enrollment = submitted(instance)

        response = press(reviewer, "approve", enrollment, note="Strong application")

        first = EnrollmentTransition.objects.filter(enrollment=enrollment, to_status="approved").get()
        assert said(response) == [f"{enrollment.learner}, {instance}: approved."]
        assert status(enrollment) == "approved"
        assert (first.actor, first.reason, first.note) == (f"user:{reviewer.user.pk}", "", "Strong application")
        assert LogEntry.objects.get().change_message == "Approve"

    def test_rejection_without_a_reason_changes_nothing(self, instance: ProgramInstance, reviewer: StaffClient) -> None:
        enrollment = submitted(instance)
        events = OutboxEvent.objects.count()

        response = press(reviewer, "reject", enrollment, reason="  ")

        assert response.status_code == 200
        assert list(response.context["form"].errors) == ["reason"]
        assert status(enrollment) == "submitted"
        assert OutboxEvent.objects.count() == events

    def test_a_decision_a_colleague_took_first_stands(self, instance: ProgramInstance, reviewer: StaffClient) -> None:
        enrollment = submitted(instance)
        approve_enrollment(enrollment_id=enrollment.pk, actor=STAFF, now=utc_now())

        response = press(reviewer, "reject", enrollment, reason="Too late")

        assert said(response) == [
            f"Reject is no longer possible: {enrollment.learner}, {instance} has changed. "
            "A member of staff approved it just now."
        ]
        assert status(enrollment) == "approved"

    def test_a_refusal_of_the_use_case_is_a_sentence_on_the_form(
        self, instance: ProgramInstance, reviewer: StaffClient, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        enrollment = submitted(instance)
        monkeypatch.setattr(  # a colleague decides between our read and our answer
            "enrollments.admin.enrollments.EnrollmentAdmin.get_visible",
            lambda admin, request, object_id: _seen_before(enrollment),
        )

        response = press(reviewer, "approve", enrollment)

        assert response.status_code == 200
        assert "Expected submitted" in response.context["form"].non_field_errors()[0]
        assert status(enrollment) == "rejected"

    def test_rejecting_what_the_payers_bank_contests_says_what_to_do(
        self, instance: ProgramInstance, reviewer: StaffClient, stripe: SandboxProcess
    ) -> None:
        enrollment, _ = contested(instance, stripe)
        events = OutboxEvent.objects.count()

        response = press(reviewer, "reject", enrollment, reason="Wrong age")

        assert response.status_code == 200
        assert response.context["form"].non_field_errors() == [
            (
                "The payment is disputed: the payer's bank decides about this money, and Stripe "
                "does not refund it in the meantime. Answer or accept the dispute in Stripe, and try "
                "again once it is closed."
            )
        ]
        assert (status(enrollment), OutboxEvent.objects.count()) == ("submitted", events)
        assert not Refund.objects.exists()

    def test_rejecting_it_is_possible_once_the_dispute_is_won(
        self, instance: ProgramInstance, reviewer: StaffClient, stripe: SandboxProcess
    ) -> None:
        """Control: only the dispute prevents it."""
        enrollment, dispute = contested(instance, stripe)
        stripe.close_dispute(dispute, outcome="won")
        world = StripeWorld(stripe)
        world.tell(world.event("charge.dispute.closed"))

        press(reviewer, "reject", enrollment, reason="Wrong age")

        assert status(enrollment) == "rejected"
        assert Refund.objects.get().amount_minor == 4900

    def test_many_are_rejected_with_one_reason(self, instance: ProgramInstance, reviewer: StaffClient) -> None:
        chosen = [submitted(instance) for _ in range(3)]
        approved = submitted(instance)
        approve_enrollment(enrollment_id=approved.pk, actor=STAFF, now=utc_now())
        form = {"action": "reject_selected", "_selected_action": [e.pk for e in [*chosen, approved]]}
        url = reverse("admin:enrollments_enrollment_changelist")

        asked = reviewer.post(url, form)
        unanswered = reviewer.post(url, {**form, "_confirmed": "1", "reason": ""})
        foreseen = reviewer.post(url, {**form, "_confirmed": "1", "reason": "No places left"})
        answered = reviewer.confirm(url, {**form, "_confirmed": "1", "reason": "No places left"})

        assert asked.context["form"].is_bound is False
        assert list(unanswered.context["form"].errors) == ["reason"]
        (of_all, told), *examples = foreseen.context["previews"]
        assert (of_all, len(examples)) == ("All 4", 3)
        assert told.sentences == (
            "3 can be done; 1 can't.",
            "Left as they are: 1 approved.",
            f"Not accepted in {instance}: 3.",
        )
        assert told.mails == "Families who get a mail: 3 of 3."
        assert said(answered) == [
            "Reject: 3 done.",
            f"{approved.learner}, {instance}: not possible. A member of staff approved it just now.",
        ]
        assert [status(enrollment) for enrollment in chosen] == ["rejected"] * 3
        assert status(approved) == "approved"

    def test_of_many_that_all_stay_none_is_pressed_for(self, instance: ProgramInstance, reviewer: StaffClient) -> None:
        chosen = [submitted(instance).pk, submitted(instance).pk]
        approve_enrollment(enrollment_id=chosen[0], actor=STAFF, now=utc_now())
        url = reverse("admin:enrollments_enrollment_changelist")

        pages = [reviewer.post(url, {"action": "reject_selected", "_selected_action": chosen[:n]}) for n in (1, 2)]

        assert pages[0].context["counted"] == ["0 can be done; 1 can't.", "Left as they are: 1 approved."]
        assert [b"Preview" in page.content for page in pages] == [False, True]

    def test_a_bulk_action_by_a_viewer_does_nothing(self, workspace: Workspace, instance: ProgramInstance) -> None:
        enrollment = submitted(instance)
        viewer = StaffClient(workspace=workspace, role=Role.VIEWER)

        viewer.post(
            reverse("admin:enrollments_enrollment_changelist"),
            {"action": "approve_selected", "_selected_action": [enrollment.pk], "_confirmed": "1"},
        )

        assert status(enrollment) == "submitted"

    def test_a_role_counts_only_in_its_workspace(self, instance: ProgramInstance, reviewer: StaffClient) -> None:
        enrollment = submitted(instance)
        elsewhere = StaffClient(workspace=WorkspaceFactory(), role=Role.OWNER)
        reviewer.user.memberships.update(role=Role.VIEWER)
        StaffClient(workspace=elsewhere.user.memberships.get().workspace, role=Role.OWNER)

        assert press(elsewhere, "approve", enrollment).status_code == 404
        assert press(reviewer, "approve", enrollment).status_code == 403
        assert status(enrollment) == "submitted"


def _seen_before(enrollment: Enrollment) -> Enrollment:
    seen = Enrollment.objects.select_related("instance", "learner").get(pk=enrollment.pk)
    reject_enrollment(enrollment_id=enrollment.pk, actor=STAFF, reason="Full", now=utc_now())
    return seen


class TestWhatTheFamilyWillRead:
    def test_is_shown_before_a_rejection_with_where_the_money_goes(
        self, instance: ProgramInstance, reviewer: StaffClient, stripe: SandboxProcess
    ) -> None:
        enrollment = paid_by_parent(instance, stripe)
        answers = {"reason": "The course needs grade 7.", "note": "Third try of theirs"}

        page = reviewer.post(reverse("admin:enrollments_enrollment_reject", args=[enrollment.pk]), answers)

        payment = Payment.objects.get()
        assert payment.checkout is not None
        ((_, preview),) = page.context["previews"]
        (letter,) = preview.letters
        assert preview.sentences == (
            f"{enrollment.learner} is not accepted.",
            f"{payment.money} goes back to {payment.checkout.payer_email}.",
            f"A correction of invoice {payment.invoices.get().number} follows once the money is back.",
        )
        assert letter.to == (enrollment.learner.email,)
        assert letter.subject == f"{enrollment.learner.first_name} was not accepted into {instance.program.title}"
        assert "The reason given: The course needs grade 7." in letter.text
        assert "Third try" not in letter.text
        assert status(enrollment) == "submitted"
        assert not Refund.objects.exists()

    def test_never_holds_the_note_for_colleagues(
        self, instance: ProgramInstance, reviewer: StaffClient, stripe: SandboxProcess
    ) -> None:
        enrollment = paid_by_parent(instance, stripe)

        press(reviewer, "reject", enrollment, reason="The course needs grade 7.", note="Third try of theirs")
        send_due_notifications(now=utc_now())

        told = [f"{message.body} {message.alternatives}" for message in mail.outbox]
        published = [str(payload) for payload in OutboxEvent.objects.values_list("payload", flat=True)]
        assert len(told) == 2  # the invoice and the rejection
        assert not [text for text in [*told, *published] if "Third try" in text]
        rejected = EnrollmentTransition.objects.get(enrollment=enrollment, to_status="rejected")
        assert (rejected.reason, rejected.note) == ("The course needs grade 7.", "Third try of theirs")

    def test_is_nothing_where_the_integrator_tells(self, instance: ProgramInstance, reviewer: StaffClient) -> None:
        seats(instance.workspace, total=1)
        enrollment = route(instance.workspace, instance=instance).decision.enrollment

        page = reviewer.post(
            reverse("admin:enrollments_enrollment_reject", args=[enrollment.pk]), {"reason": "No places left"}
        )

        ((_, preview),) = page.context["previews"]
        assert preview.letters == ()
        assert "The family gets no mail about the end." in page.content.decode()


def paid_by_parent(instance: ProgramInstance, stripe: SandboxProcess) -> Enrollment:
    """Return an enrollment that is paid and waits for review."""
    ProgramInstance.objects.update(review_mode=ReviewMode.MANUAL)
    decision = ask_parent(instance)
    pay(stripe, decision, email="parent@example.test")
    return Enrollment.objects.select_related("learner").get(pk=decision.enrollment_id)


class TestThePage:
    def test_looks_up_once_what_it_shows_and_twice_what_kind_of_field_it_is(
        self, instance: ProgramInstance, reviewer: StaffClient, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Unfold's own template would show it three times."""
        asked: list[Enrollment] = []

        def tell(enrollment: Enrollment) -> str:
            asked.append(enrollment)
            return "The family pays in kind"

        monkeypatch.setattr("enrollments.admin.enrollments.tell_funding", tell)

        page = reviewer.get(reverse("admin:enrollments_enrollment_change", args=[submitted(instance).pk]))

        assert page.content.decode().count("The family pays in kind") == 1
        assert len(asked) == 3


class TestOtherButtons:
    def test_a_candidate_is_judged_by_hand_with_a_reason(
        self, instance: ProgramInstance, reviewer: StaffClient
    ) -> None:
        candidate = CandidateFactory(instance=instance, workspace=instance.workspace)

        press(reviewer, "mark_ineligible", candidate, reason="Outside the grade range")

        after = Enrollment.objects.get(pk=candidate.pk)
        assert (after.eligibility_status, after.eligibility_reason) == ("ineligible", "Outside the grade range")

    def test_a_refused_one_is_reconsidered_only_after_the_criteria_changed(
        self, instance: ProgramInstance, reviewer: StaffClient
    ) -> None:
        enrollment = reject_enrollment(enrollment_id=submitted(instance).pk, actor=STAFF, reason="Full", now=utc_now())

        refused = press(reviewer, "reconsider", enrollment)
        ProgramInstance.objects.update(criteria_version=2)
        press(reviewer, "reconsider", enrollment)

        assert "is no longer possible" in said(refused)[0]
        assert status(enrollment) == "candidate"

    def test_leaving_keeps_what_was_told(self, instance: ProgramInstance, reviewer: StaffClient) -> None:
        enrollment = approve_enrollment(enrollment_id=submitted(instance).pk, actor=STAFF, now=utc_now())

        today = utc_now().date()

        press(
            reviewer,
            "unenroll",
            enrollment,
            reason="Moved",
            exit_interview="Liked the teacher",
            effective_date=today.isoformat(),
        )

        after = Enrollment.objects.get(pk=enrollment.pk)
        assert after.eligibility_status == "unenrolled"
        assert after.metadata == {"exitInterview": "Liked the teacher"}

    def test_the_default_program_is_changed(self, workspace: Workspace, instance: ProgramInstance) -> None:
        manager = StaffClient(workspace=workspace, role=Role.ADMIN)
        other = InstanceFactory(workspace=workspace, is_default=False)

        manager.post(reverse("admin:enrollments_programinstance_make_default", args=[other.pk]))

        assert ProgramInstance.objects.get(workspace=workspace, is_default=True) == other


class TestSeats:
    def test_are_added_for_a_district(self, workspace: Workspace) -> None:
        manager = StaffClient(workspace=workspace, role=Role.ADMIN)
        district = DistrictFactory(workspace=workspace, name="Cedar")

        response = manager.confirm(
            reverse("admin:enrollments_districtseatallocation_add_seats"),
            {"district": district.pk, "total_seats": 12, "valid_until": "2027-06-30"},
        )

        allocation = DistrictSeatAllocation.objects.get()
        assert said(response) == ["Cedar has 12 seats for any program."]
        assert (allocation.district, allocation.total_seats) == (district, 12)
        assert str(allocation.valid_until) == "2027-06-30"

    def test_are_not_added_twice_for_the_same(self, workspace: Workspace) -> None:
        manager = StaffClient(workspace=workspace, role=Role.ADMIN)
        allocation = seats(workspace, total=5)

        response = manager.confirm(
            reverse("admin:enrollments_districtseatallocation_add_seats"),
            {"district": allocation.district_id, "total_seats": 12},
        )

        assert "already has an allocation" in response.context["form"].non_field_errors()[0]
        assert DistrictSeatAllocation.objects.get().total_seats == 5

    def test_are_not_added_for_a_district_of_others(self, workspace: Workspace) -> None:
        manager = StaffClient(workspace=workspace, role=Role.ADMIN)
        elsewhere = DistrictFactory()

        response = manager.post(
            reverse("admin:enrollments_districtseatallocation_add_seats"),
            {"district": elsewhere.pk, "total_seats": 12},
        )

        assert list(response.context["form"].errors) == ["district"]
        assert not DistrictSeatAllocation.objects.exists()

    def test_can_not_become_fewer_than_are_taken(self, workspace: Workspace, instance: ProgramInstance) -> None:
        manager = StaffClient(workspace=workspace, role=Role.ADMIN)
        allocation = seats(workspace, total=3)
        route(workspace, email="a@school.test")
        route(workspace, email="b@school.test")
        url = reverse("admin:enrollments_districtseatallocation_change_seats", args=[allocation.pk])

        refused = manager.post(url, {"total_seats": 1, "is_active": "on", "note": "Order 17"})
        accepted = manager.confirm(url, {"total_seats": 2, "is_active": "on", "note": "Order 17"})

        assert "can't go below 2" in refused.context["form"].non_field_errors()[0]
        assert accepted.status_code == 302
        allocation.refresh_from_db()
        assert (allocation.total_seats, allocation.available_seats) == (2, 0)

    def test_show_who_holds_them(self, workspace: Workspace, instance: ProgramInstance, reviewer: StaffClient) -> None:
        allocation = seats(workspace, total=3)
        route(workspace, first_name="Jane", last_name="Doe")

        page = reviewer.get(reverse("admin:enrollments_districtseatallocation_change", args=[allocation.pk]))

        (holders,) = [card for card in page.context["neighbor_cards"] if card.title == "Who holds the seats"]
        assert [str(row.title) for row in holders.rows] == ["Jane Doe"]


class TestCancelingACheckout:
    def test_asks_stripe_and_ends_the_decision(
        self, workspace: Workspace, reviewer: StaffClient, stripe: SandboxProcess
    ) -> None:
        InstanceFactory(workspace=workspace)
        decision = route(workspace, tenant_id=None, guardian_id="G-1").decision

        url = reverse("admin:enrollments_enrollmentdecision_cancel_checkout", args=[decision.pk])
        ((_, preview),) = reviewer.post(url).context["previews"]
        response = reviewer.confirm(url)

        assert preview.sentences[0] == "The payment page over 49.00 USD ends."
        assert "stays submitted and unpaid" in preview.sentences[1]
        assert decision.enrollment.payment_status == Enrollment.objects.get().payment_status == "pending"
        assert said(response) == ["The decision is canceled."]
        assert EnrollmentDecision.objects.get(pk=decision.pk).status == "cancelled"

    def test_says_so_when_stripe_is_down(
        self, workspace: Workspace, reviewer: StaffClient, stripe: SandboxProcess, settings: Any
    ) -> None:
        InstanceFactory(workspace=workspace)
        decision = route(workspace, tenant_id=None, guardian_id="G-1").decision
        settings.STRIPE_API_BASE = "http://127.0.0.1:9"

        response = reviewer.confirm(reverse("admin:enrollments_enrollmentdecision_cancel_checkout", args=[decision.pk]))

        assert response.status_code == 200
        assert response.context["form"].non_field_errors()
        assert EnrollmentDecision.objects.get(pk=decision.pk).status == "checkout_required"
