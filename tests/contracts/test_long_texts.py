"""Every text at its column's maximum length, through all that is composed of it: nothing breaks, no limit is exceeded.

The texts are found from the models, so a column that is widened tomorrow is tested with its new length.
"""

from collections.abc import Iterator
from typing import Any

import pytest
from django.core import mail
from django.db import models
from django.db.models.functions import Length

from accounts.models import Guardian, Learner, Workspace
from accounts.tests.factories import GuardianFactory, GuardianshipFactory, LearnerFactory
from billing.gateways import stripe as gateway
from billing.gateways.contract import SessionRequest
from billing.invoice_pdf import render_invoice
from billing.models import Checkout, Invoice, Payment, Price
from billing.refunds import request_refund, submit_refund
from billing.states import RefundReason
from cohorts.course.scheduling import clone_cohort
from cohorts.learning.calendar import render_sessions
from cohorts.models import Cohort, CohortPlace, CourseStep, GroupClass, StepProgress, StudentPackage
from cohorts.sale.transfer import move_package
from cohorts.sale.waitlist import join_waitlist
from cohorts.tests.factories import buy, buy_on_rows, cohort_with
from core.actors import SYSTEM
from core.clock import utc_now
from enrollments.lifecycle import reject_enrollment, unenroll_enrollment
from enrollments.models import Enrollment, Program, ProgramInstance
from enrollments.states import ReviewMode
from enrollments.tests.factories import InstanceFactory
from enrollments.tests.parents import ask_parent, pay
from notifications.letters import SUBJECT_LENGTH
from notifications.models import Notification
from notifications.sending import send_due_notifications
from sandbox.testing import SandboxProcess
from tests.architecture.own_code import own_models

pytestmark = pytest.mark.django_db

WORDS = "𝔄lgebra ünd 中文 ə 👩‍👧 "  # a letter of four bytes, and what looks like one character but is several
# Not texts but names for programs, which have their own format.
NAMES = {"code", "slug", "timezone", "currency", "identity", "person", "external_id", "stripe_price_id", "phone"}


def columns(model: type[models.Model]) -> Iterator[Any]:
    for field in model._meta.concrete_fields:
        if isinstance(field, models.CharField | models.TextField):
            yield field


def longest(model: type[models.Model]) -> dict[str, str]:
    """Return each text that people give this model, at its maximum length."""
    return {
        field.name: _longest(field)
        for field in columns(model)
        if field.editable and not field.choices and field.name not in NAMES
    }


def _longest(field: Any) -> str:
    limit = field.max_length or 2000
    if isinstance(field, models.EmailField):
        return f"{'a' * 64}@{'.'.join(['b' * 60] * 3)}.test"[:limit]
    if isinstance(field, models.URLField):
        return "https://meet.example.test/".ljust(limit, "r")
    return (WORDS * limit)[:limit]


def lengthen(*kinds: type[models.Model]) -> None:
    for model in kinds:
        model._default_manager.update(**longest(model))


def texts_beyond_their_limit() -> list[str]:
    """Return columns that exceed their limit; SQLite would not report this itself."""
    return [
        f"{model.__name__}.{field.name}"
        for model in own_models()
        for field in columns(model)
        if field.max_length
        and model._default_manager.annotate(n=Length(field.name)).filter(n__gt=field.max_length).exists()
    ]


def child_of(workspace: Workspace) -> Learner:
    child: Learner = LearnerFactory(workspace=workspace, **{k: v for k, v in longest(Learner).items() if k != "email"})
    guardian = GuardianFactory(workspace=workspace, **longest(Guardian))
    GuardianshipFactory(guardian=guardian, learner=child)
    return child


def mails_not_sent() -> list[tuple[str, str]]:
    send_due_notifications(now=utc_now())
    assert mail.outbox
    return list(Notification.objects.exclude(status__in=("sent", "skipped")).values_list("kind", "last_error"))


class TestTheLongestTexts:
    @pytest.mark.sqlite
    def test_pass_through_all_that_is_done_with_a_course(self, stripe: SandboxProcess) -> None:
        cohort = cohort_with(options=(1, 2))
        lengthen(Workspace, Program, ProgramInstance, Cohort, CourseStep, GroupClass, Price)
        cohort = Cohort.objects.get(pk=cohort.pk)

        package = buy(stripe, cohort, child_of(cohort.instance.workspace))
        other = clone_cohort(cohort_id=cohort.pk, name="Z" + longest(Cohort)["name"][1:], start_date=cohort.start_date)
        Cohort.objects.filter(pk=other.pk).update(max_enrollment=2, is_active=True)
        unsent = mails_not_sent()
        move_package(package_id=package.pk, cohort_id=other.pk, now=utc_now())
        unsent += mails_not_sent()
        calendar = render_sessions(rows=StepProgress.objects.filter(class_session__isnull=False))
        payment = Payment.objects.get()
        refund = request_refund(
            payment_id=payment.pk,
            amount_minor=None,
            reason=RefundReason.REQUESTED,
            actor=SYSTEM,
            note=WORDS * 100,
            now=utc_now(),
        )
        submit_refund(refund_id=refund.pk, now=utc_now())

        assert StudentPackage.objects.get().revoked_at is not None
        assert calendar.startswith(b"BEGIN:VCALENDAR")
        assert all(render_invoice(invoice).startswith(b"%PDF") for invoice in Invoice.objects.all())
        assert unsent + mails_not_sent() == []
        assert max(len(message.subject) for message in mail.outbox) <= SUBJECT_LENGTH
        assert texts_beyond_their_limit() == []

    def test_pass_through_all_that_is_done_with_an_enrollment(self, stripe: SandboxProcess) -> None:
        instance = InstanceFactory(review_mode=ReviewMode.MANUAL)
        lengthen(Workspace, Program, ProgramInstance, Price)
        instance = ProgramInstance.objects.get(pk=instance.pk)

        decision = ask_parent(instance, first_name=longest(Learner)["first_name"])
        pay(stripe, decision)
        reject_enrollment(enrollment_id=decision.enrollment_id, actor=SYSTEM, reason=WORDS * 100, now=utc_now())

        assert Enrollment.objects.get().eligibility_status == "rejected"
        assert mails_not_sent() == []
        assert texts_beyond_their_limit() == []

    def test_are_kept_from_breaking_an_exit(self) -> None:
        cohort = cohort_with(options=(1,), max_enrollment=1)
        lengthen(Workspace, Program, ProgramInstance, Cohort, CourseStep, GroupClass, Price)
        cohort = Cohort.objects.get(pk=cohort.pk)
        package = buy_on_rows(cohort, child_of(cohort.instance.workspace))
        join_waitlist(
            learner_id=LearnerFactory(workspace=cohort.instance.workspace).pk, cohort_id=cohort.pk, now=utc_now()
        )

        unenroll_enrollment(enrollment_id=package.enrollment_id, actor=SYSTEM, reason=WORDS * 100, now=utc_now())

        place = CohortPlace.objects.get(pk=package.place_id)
        assert place.release_reason.endswith("…")
        assert mails_not_sent() == []
        assert texts_beyond_their_limit() == []


class TestACheckoutOfALongTitle:
    def test_names_course_and_cohort_within_the_column(self) -> None:
        cohort = cohort_with(options=(1,), name="b" * 79)
        Program.objects.update(title="a" * 120)
        cohort = Cohort.objects.get(pk=cohort.pk)

        buy_on_rows(cohort)

        assert Checkout.objects.get().description == "a" * 118 + "…: " + "b" * 79


class TestWhatStripeIsSent:
    def test_keeps_to_stripes_limits(self) -> None:
        request = SessionRequest(
            reference="checkout-1",
            money=Price(amount_minor=100, currency="usd").money,
            description="a" * 400,
            provider_price_id="",
            success_url="",
            cancel_url="",
            expires_at=utc_now(),
            metadata={},
        )

        item = gateway._line_item(request)
        metadata = gateway._short_metadata({"cohortName": "b" * 600})

        assert item["price_data"]["product_data"]["name"] == "a" * 249 + "…"
        assert metadata == {"cohortName": "b" * 499 + "…"}
