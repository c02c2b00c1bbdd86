"""Lists of money show the person and the object concerned, and can be searched by them."""

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from unfold.dataclasses import SearchResult

from accounts.models import Learner, Workspace
from accounts.states import Role
from accounts.tests.factories import GuardianshipFactory, LearnerFactory, WorkspaceFactory
from backoffice.tests.staff_client import StaffClient, staff_request
from billing.models import Payment
from billing.purposes import as_subject
from billing.tests.factories import CheckoutFactory, PaymentFactory, PriceFactory
from enrollment_project.dashboard.search import search
from enrollments.models import Enrollment, ProgramInstance
from enrollments.states import OFFLINE_PURPOSE
from enrollments.tests.factories import CandidateFactory, InstanceFactory

pytestmark = pytest.mark.django_db


@pytest.fixture
def workspace() -> Workspace:
    return WorkspaceFactory()


@pytest.fixture
def instance(workspace: Workspace) -> ProgramInstance:
    return InstanceFactory(workspace=workspace, program__title="Reading Rocket", name="Fall")


@pytest.fixture
def viewer(workspace: Workspace) -> StaffClient:
    return StaffClient(workspace=workspace, role=Role.VIEWER)


def payment_for(instance: ProgramInstance, first_name: str, *, payer: str = "parent@example.test") -> Payment:
    learner = LearnerFactory(workspace=instance.workspace, first_name=first_name, last_name="Larsen")
    enrollment = CandidateFactory(workspace=instance.workspace, instance=instance, learner=learner)
    about = {"purpose": OFFLINE_PURPOSE, "subject": as_subject(enrollment.pk)}
    price = PriceFactory(workspace=instance.workspace)
    return PaymentFactory(checkout=CheckoutFactory(price=price, payer_email=payer, **about), **about)


def found(client: StaffClient, kind: str, words: str) -> list[int]:
    page = client.get(reverse(f"admin:billing_{kind}_changelist"), {"q": words})
    return [row.pk for row in page.context["cl"].result_list]


class TestTheListOfPayments:
    def test_tells_whose_and_for_what_each_is(self, instance: ProgramInstance, viewer: StaffClient) -> None:
        payment_for(instance, "Tala")

        text = viewer.get(reverse("admin:billing_payment_changelist")).content.decode()

        assert "Tala Larsen" in text
        assert "parent@example.test" in text
        assert "Reading Rocket, Fall" in text

    @pytest.mark.parametrize("words", ["Tala", "tala larsen", "Larsen Tala", "parent@example.test"])
    def test_is_found_by_people(self, instance: ProgramInstance, viewer: StaffClient, words: str) -> None:
        payment = payment_for(instance, "Tala")
        payment_for(instance, "Bo", payer="else@example.test")

        assert found(viewer, "payment", words) == [payment.pk]
        assert found(viewer, "checkout", words) == [payment.checkout_id]

    def test_is_found_by_the_numbers_of_others(self, instance: ProgramInstance, viewer: StaffClient) -> None:
        payment, _ = payment_for(instance, "Tala"), payment_for(instance, "Bo")

        for words in (str(payment.pk), payment.payment_intent_id):
            assert found(viewer, "payment", str(words)) == [payment.pk]

    def test_finds_nothing_of_other_workspaces(self, viewer: StaffClient) -> None:
        payment_for(InstanceFactory(), "Tala")

        assert found(viewer, "payment", "Tala") == []

    def test_asks_as_much_for_many_as_for_one(self, instance: ProgramInstance, viewer: StaffClient) -> None:
        payment_for(instance, "Tala")
        viewer.get(reverse("admin:billing_payment_changelist"))
        one = queries_of(viewer)
        for name in ("Bo", "Ana", "Kim"):
            payment_for(instance, name)

        assert queries_of(viewer) == one


class TestTheCommandSearch:
    def test_tells_people_apart_in_words(self, instance: ProgramInstance, viewer: StaffClient) -> None:
        payment_for(instance, "Tala")

        shown = {(result.title, result.description) for result in searched(viewer, "tala larsen")}

        assert ("Tala Larsen, Fall", "Enrollment · candidate") in shown
        assert ("Tala Larsen: Reading Rocket, Fall, 49.00 USD", "Payment · pending") in shown
        assert ("Tala Larsen", "Learner") in shown

    def test_finds_by_serial_number_and_external_id(self, instance: ProgramInstance, viewer: StaffClient) -> None:
        payment_for(instance, "Tala")
        Enrollment.objects.update(serial_number="SN-77")
        Learner.objects.update(external_id="L1", external_key="l1")

        assert [result.title for result in searched(viewer, "SN-77")] == ["Tala Larsen, Fall"]
        assert "Tala Larsen" in [result.title for result in searched(viewer, "L1")]

    def test_asks_as_much_for_many_as_for_one(self, instance: ProgramInstance, viewer: StaffClient) -> None:
        payment_for(instance, "Tala")
        with CaptureQueriesContext(connection) as one:
            searched(viewer, "larsen")
        for name in ("Bo", "Ana", "Kim"):
            payment_for(instance, name)
        with CaptureQueriesContext(connection) as many:
            searched(viewer, "larsen")

        assert len(many) == len(one)


class TestAnEnrollmentThatWasPaidByHand:
    def test_tells_how_it_is_funded(self, instance: ProgramInstance, viewer: StaffClient) -> None:
        payment = payment_for(instance, "Tala")
        payment.receive()
        payment.save()

        page = viewer.get(reverse("admin:enrollments_enrollment_change", args=[payment.subject])).content.decode()

        assert "49.00 USD paid through Stripe" in page
        assert "Not routed" not in page


class TestThePageOfAPayment:
    def test_leads_to_the_learner_and_what_they_get(self, instance: ProgramInstance, viewer: StaffClient) -> None:
        payment = payment_for(instance, "Tala")

        page = viewer.get(reverse("admin:billing_payment_change", args=[payment.pk]))

        (card,) = [card for card in page.context["neighbor_cards"] if card.title == "What it is about"]
        assert [str(row.title) for row in card.rows] == ["Tala Larsen", "Reading Rocket, Fall"]
        assert card.rows[1].url == reverse("admin:enrollments_enrollment_change", args=[payment.subject])


class TestThePageOfALearner:
    def test_has_their_money_family_courses_and_partners(self, instance: ProgramInstance, viewer: StaffClient) -> None:
        payment_for(instance, "Tala")
        learner = Learner.objects.get()
        GuardianshipFactory(learner=learner, guardian__first_name="Mara", guardian__last_name="Larsen")

        page = viewer.get(reverse("admin:accounts_learner_change", args=[learner.pk]))

        cards = {card.title: [str(row.title) for row in card.rows] for card in page.context["neighbor_cards"]}
        assert cards["Payments"] == ["49.00 USD"]
        assert cards["Family"] == ["Mara Larsen"]
        assert {"Enrollments", "Sessions", "Steps at partners", "Certificates", "Files"} <= set(cards)


def queries_of(client: StaffClient) -> int:
    with CaptureQueriesContext(connection) as captured:
        client.get(reverse("admin:billing_payment_changelist"))
    return len(captured)


def searched(client: StaffClient, words: str) -> list[SearchResult]:
    return search(staff_request(client.user), words)
