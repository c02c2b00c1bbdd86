"""The holes in the enrolment service's first draft, one class each: a test that it is closed, and a control that shows
it open once its guard is removed. `tests/races` covers its scheduler in every process.
"""

import datetime as dt
from typing import Any

import pytest
from django.db import IntegrityError, connection, models, transaction

from accounts.states import Scope
from accounts.tests.factories import LearnerFactory, WorkspaceFactory, bearer
from billing.gateways import fakturownia
from billing.invoicing import issue_requested, vendor
from billing.models import Invoice, Payment, Seller
from billing.offline import Proof
from billing.states import OfflineMeans
from core.clock import utc_now
from core.network import NetworkInsideTransaction
from enrollments.api.enrolment.enrolments import EnrolmentView
from enrollments.api.enrolment.paid import PaidEnrolmentView
from enrollments.models import Enrollment, EnrollmentTransition, ProgramInstance
from enrollments.offline import pay_offline
from enrollments.on_account import enroll_on_account
from enrollments.tests.factories import STAFF, InstanceFactory
from enrollments.tests.integrators import Api
from sandbox.testing import SandboxProcess

pytestmark = pytest.mark.django_db

USER = "63a1f1234abc5678def12345"


@pytest.fixture
def course() -> ProgramInstance:
    made: ProgramInstance = InstanceFactory(workspace=WorkspaceFactory(timezone="Europe/Warsaw"))
    LearnerFactory(workspace=made.workspace, external_id=USER)
    return made


def enroll(course: ProgramInstance) -> Enrollment:
    return enroll_on_account(
        workspace_id=course.workspace_id, course_id=course.pk, user_id=USER, actor=STAFF, now=utc_now()
    )


@pytest.fixture
def enrollment(course: ProgramInstance) -> Enrollment:
    return enroll(course)


def pay(enrollment: Enrollment) -> Payment:
    return pay_offline(enrollment_id=enrollment.pk, proof=Proof(OfflineMeans.CASH, STAFF), now=utc_now())


class TestMarkingPaid:
    """Hole: anybody may mark anything as paid."""

    ALL_OTHERS = sorted(set(Scope.values) - {Scope.PAYMENTS_WRITE})

    def ask(self, enrollment: Enrollment) -> int:
        api = Api(enrollment.workspace)
        api.headers = bearer(workspace=enrollment.workspace, scopes=self.ALL_OTHERS)
        return int(api.patch("/api/enrolment/paid", {"enrolment_id": enrollment.pk}).status_code)

    def test_takes_a_scope_that_nothing_else_opens(self, enrollment: Enrollment) -> None:
        assert self.ask(enrollment) == 403
        assert not Payment.objects.exists()

    def test_without_the_scope_would_be_done(self, enrollment: Enrollment, monkeypatch: pytest.MonkeyPatch) -> None:
        """Control."""
        monkeypatch.setattr(PaidEnrolmentView, "required_scopes", {"PATCH": "enrollments:write"})

        assert self.ask(enrollment) == 200
        assert Payment.objects.count() == 1


class TestAVendorSInvoice:
    """Hole: the invoice is requested before the enrolment is committed, and without a key."""

    POST = "/fakturownia/acme/invoices.json"

    @pytest.fixture
    def books(self, course: ProgramInstance, sandbox_process: SandboxProcess) -> Any:
        """Return what the vendor has issued, asked again each time."""
        sandbox_process.reset()
        fakturownia._breaker_of.cache_clear()
        sandbox_process.invoicing("acme", api_token="secret")
        Seller.objects.create(
            workspace=course.workspace,
            name="Akademia Sp. z o.o.",
            tax_id="5252445767",
            address="ul. Prosta 1\n00-001 Warszawa",
            provider="fakturownia",
            base_url=f"{sandbox_process.url}/fakturownia/acme",
            api_token="secret",
        )
        return lambda: sandbox_process.invoicing("acme")["documents"]

    def work(self, enrollment: Enrollment, *, after: dt.timedelta = dt.timedelta(0)) -> None:
        issue_requested(workspace_id=enrollment.workspace_id, now=utc_now() + after)

    def test_is_asked_for_only_once_the_payment_is_committed(self, enrollment: Enrollment, books: Any) -> None:
        with transaction.atomic():
            pay(enrollment)
            with pytest.raises(NetworkInsideTransaction):
                self.work(enrollment)
            transaction.set_rollback(True)
        self.work(enrollment)
        after_a_rollback = len(books())
        pay(enrollment)
        self.work(enrollment)

        assert (after_a_rollback, len(books())) == (0, 1)

    def test_asked_for_sooner_would_be_of_money_that_nobody_has(
        self, enrollment: Enrollment, books: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Control: without the guard against calls inside a transaction."""
        monkeypatch.setattr("core.outbound.forbid_open_transaction", lambda: None)

        with transaction.atomic():
            pay(enrollment)
            self.work(enrollment)
            transaction.set_rollback(True)

        assert (len(books()), Payment.objects.count()) == (1, 0)

    def test_is_one_although_its_answer_was_lost(
        self, enrollment: Enrollment, books: Any, sandbox_process: SandboxProcess
    ) -> None:
        pay(enrollment)
        sandbox_process.faults(lost_answer={"value": "close", "times": 1, "path": self.POST, "method": "POST"})

        self.work(enrollment)
        self.work(enrollment, after=dt.timedelta(minutes=5))

        assert [document["number"] for document in books()] == [Invoice.objects.get().number]

    def test_without_a_key_would_be_two(
        self,
        enrollment: Enrollment,
        books: Any,
        sandbox_process: SandboxProcess,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        """Control: with another `oid` for each attempt, and without looking first."""
        pay(enrollment)
        sandbox_process.faults(lost_answer={"value": "close", "times": 1, "path": self.POST, "method": "POST"})
        self.work(enrollment)
        monkeypatch.setattr(fakturownia.FakturowniaGateway, "find", lambda *_: None)
        request = vendor._request

        def under_another_key(invoice: Invoice, date: dt.date) -> Any:
            invoice.cuid = f"{invoice.cuid}-again"
            return request(invoice, date)

        monkeypatch.setattr(vendor, "_request", under_another_key)

        self.work(enrollment, after=dt.timedelta(minutes=5))

        assert len(books()) == 2


class TestDeleting:
    """Hole: a hard delete takes the record along."""

    def test_keeps_the_record(self, enrollment: Enrollment) -> None:
        answer = Api(enrollment.workspace).delete(f"/api/enrolment/{enrollment.pk}")

        kept = Enrollment.objects.get()
        assert (answer.status_code, kept.deleted_at is None, kept.payment_status) == (204, False, "pending")
        assert EnrollmentTransition.objects.filter(enrollment=kept).count() == kept.transition_count

    @pytest.mark.sqlite
    def test_by_a_plain_delete_would_leave_nothing(
        self, enrollment: Enrollment, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Control: the service's deletion instead of the use case."""

        def delete_rows(*, enrollment_id: int, **_: Any) -> None:
            EnrollmentTransition.objects.filter(enrollment=enrollment_id).delete()
            models.QuerySet(Enrollment).filter(pk=enrollment_id).delete()

        monkeypatch.setattr(f"{EnrolmentView.__module__}.delete_enrollment", delete_rows)

        answer = Api(enrollment.workspace).delete(f"/api/enrolment/{enrollment.pk}")

        assert (answer.status_code, Enrollment.objects.exists()) == (204, False)


class TestEnrollingAgain:
    """Hole: unique (user, course) forbids it forever."""

    def test_is_possible_once_it_has_ended(self, course: ProgramInstance, enrollment: Enrollment) -> None:
        Api(course.workspace).delete(f"/api/enrolment/{enrollment.pk}")

        again = enroll(course)

        assert list(Enrollment.objects.current()) == [again]
        assert Enrollment.objects.count() == 2

    def test_would_be_refused_by_a_rule_about_all_enrollments(
        self, course: ProgramInstance, enrollment: Enrollment
    ) -> None:
        """Control: the same rule without `current` in it."""
        Api(course.workspace).delete(f"/api/enrolment/{enrollment.pk}")
        with connection.cursor() as cursor:
            cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
            cursor.execute("CREATE UNIQUE INDEX once ON enrollments_enrollment (learner_id, instance_id)")

        with pytest.raises(IntegrityError):
            enroll(course)
