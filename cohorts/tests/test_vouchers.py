"""Using a code for a place: the page, the payment page, the invoice, and free places."""

from decimal import Decimal
from typing import Any

import pytest

from billing import invariants
from billing.checkout import record_session
from billing.models import Checkout, Discount, Invoice, Payment, Refund, Voucher
from billing.purposes import Service
from billing.tests.factories import VoucherFactory, session_of
from cohorts.errors import AlreadyOwned
from cohorts.models import Cohort, CohortPlace, StepProgress, StudentPackage, WaitlistEntry
from cohorts.tests.breaches import breaches
from cohorts.tests.browsing import child_of, course_url, signed_in, text
from cohorts.tests.callers import fields, parent_of, problem
from cohorts.tests.factories import buy_on_rows, cohort_with, pay, reserve
from cohorts.tests.places import counts
from cohorts.tests.purchases import enroll_url, nothing_was_written
from core.clock import utc_now
from core.invariants import Extent
from enrollments.lifecycle import unenroll_enrollment
from enrollments.models import Enrollment
from enrollments.tests.factories import STAFF
from notifications.models import Notification
from sandbox.testing import SandboxProcess

pytestmark = pytest.mark.django_db(transaction=True)


def voucher_for(cohort: Cohort, **fields: Any) -> Voucher:
    made: Voucher = VoucherFactory(workspace=cohort.instance.workspace, code="SPRING-25", **fields)
    return made


def broken() -> set[str]:
    """Return the invariants of courses and of money that are violated."""
    extent = Extent(now=utc_now(), workspace_id=None)
    return breaches() | {rule.__name__ for rule in invariants.INVARIANTS if list(rule(extent))}


class TestThePage:
    def test_shows_the_price_leads_to_less_and_invoices_it(self, stripe: SandboxProcess) -> None:
        cohort = cohort_with()
        voucher = voucher_for(cohort, most_uses=1)
        child = child_of(cohort)
        client, _ = signed_in()
        url = course_url("course-enroll", cohort)
        typed = {"learner": child.cuid, "voucher": " spring-25 "}

        looked = client.post(url, {**typed, "look": "yes"})
        assert "49.00 USD" in text(looked)
        assert "−12.25 USD" in text(looked)
        assert "36.75 USD" in text(looked)
        assert not Checkout.objects.exists()

        led = client.post(url, typed)
        checkout = Checkout.objects.get()
        assert led["Location"] == checkout.url
        assert stripe.ledger()["sessions"][0]["amount"] == 3675

        package = pay(stripe, checkout)
        assert package is not None
        (line,) = Invoice.objects.get().lines
        assert (Payment.objects.get().amount_minor, line["discount_minor"]) == (3675, 1225)
        days = (cohort.start_date, cohort.end_date)
        assert Invoice.objects.get().service == Service(package.learner.first_name, package.learner.cuid, *days)
        assert Voucher.objects.get(pk=voucher.pk).uses == 1
        assert broken() == set()

    def test_keeps_what_was_chosen_when_a_code_is_not_accepted(self) -> None:
        cohort = cohort_with()
        child = child_of(cohort)
        client, _ = signed_in()

        answer = client.post(course_url("course-enroll", cohort), {"learner": child.cuid, "voucher": "WRONG-CODE"})

        assert answer.status_code == 422
        assert "This code can&#x27;t be used here." in text(answer)
        assert 'value="WRONG-CODE"' in text(answer)
        assert not CohortPlace.objects.exists()

    def test_looks_at_no_more_codes_after_too_many_wrong_ones(self, settings: Any) -> None:
        settings.VOUCHER_TRIES_PER_HOUR = 1
        cohort = cohort_with()
        voucher_for(cohort, kind="free")
        child = child_of(cohort)
        client, _ = signed_in()
        url = course_url("course-enroll", cohort)

        first = client.post(url, {"learner": child.cuid, "voucher": "WRONG-CODE"})
        second = client.post(url, {"learner": child.cuid, "voucher": "SPRING-25"})

        assert (first.status_code, second.status_code) == (422, 409)
        assert "Too many codes were tried" in text(second)
        assert not CohortPlace.objects.exists()


class TestACodeThatTakesAllOff:
    def test_gives_the_course_without_stripe(self) -> None:
        cohort = cohort_with(options=(1, 2))
        voucher_for(cohort, kind="free")
        child = child_of(cohort)
        waiting = WaitlistEntry.objects.create(cohort=cohort, learner=child, rank=1.0, created_at=utc_now())
        client, _ = signed_in()

        answer = client.post(course_url("course-enroll", cohort), {"learner": child.cuid, "voucher": "spring-25"})

        package = StudentPackage.objects.get()
        enrollment = Enrollment.objects.get()
        assert WaitlistEntry.objects.get(pk=waiting.pk).status == "accepted"
        assert Discount.objects.get().settled_at is not None
        assert answer["Location"] == f"/my/courses/{package.pk}/book"
        assert package.payment_id is None
        assert (enrollment.eligibility_status, enrollment.payment_status) == ("approved", "not_required")
        waived = enrollment.transitions.get(facet="payment", to_status="not_required")
        assert waived.reason == "Voucher SPRING-25"
        assert counts(cohort) == (1, 0)
        assert StepProgress.objects.filter(status="BOOKED").count() == 1
        assert not Checkout.objects.exists()
        assert list(Notification.objects.values_list("kind", flat=True)) == ["course_enrolled"]
        assert broken() == set()

    def test_is_answered_with_the_package_and_kept_for_the_key(self) -> None:
        cohort = cohort_with()
        voucher_for(cohort, kind="free")
        child = child_of(cohort)
        family = parent_of(child, email="other@home.test")
        body = {"learnerId": child.cuid, "voucher": "SPRING-25"}

        first = family.post(enroll_url(cohort), body, **{"Idempotency-Key": "k1"})
        again = family.post(enroll_url(cohort), body, **{"Idempotency-Key": "k1"})

        package = StudentPackage.objects.get()
        assert first.json()["packageId"] == package.pk
        assert first.json()["sessionId"] == ""
        assert first.json()["url"].endswith(f"/my/courses/{package.pk}/book")
        assert again.json() == first.json()
        with pytest.raises(AlreadyOwned):
            reserve(cohort, child, voucher="SPRING-25")

    def test_keeps_its_use_when_the_enrollment_ends(self) -> None:
        cohort = cohort_with()
        voucher = voucher_for(cohort, kind="free", most_uses=1)
        reserve(cohort, child_of(cohort), voucher=voucher.code)
        enrollment = Enrollment.objects.get()

        unenroll_enrollment(enrollment_id=enrollment.pk, reason="Moved", actor=STAFF, now=utc_now())

        assert counts(cohort) == (0, 0)
        assert Voucher.objects.get().uses == 1
        assert broken() == set()


class TestTheApi:
    def test_says_what_is_taken_off_and_names_the_field_of_a_wrong_code(self, stripe: SandboxProcess) -> None:
        cohort = cohort_with()
        voucher_for(cohort)
        child = child_of(cohort)
        family = parent_of(child, email="other@home.test")

        wrong = family.post(enroll_url(cohort), {"learnerId": child.cuid, "voucher": "NOPE"})
        assert problem(wrong) == (422, "voucher_not_accepted")
        assert fields(wrong) == ["voucher"]
        assert nothing_was_written()

        right = family.post(enroll_url(cohort), {"learnerId": child.cuid, "voucher": "spring-25"}).json()
        assert (right["listPriceInCents"], right["discountInCents"]) == (4900, 1225)
        assert right["discount"] == "Voucher SPRING-25"

        again = family.post(enroll_url(cohort), {"learnerId": child.cuid, "voucher": "SPRING-25"}).json()
        assert again["discountInCents"] == 1225
        assert Checkout.objects.count() == 1

        other = family.post(enroll_url(cohort), {"learnerId": child.cuid, "voucher": "OTHER-CODE"})
        assert problem(other) == (409, "voucher_too_late")


class TestTheSiblingDiscount:
    def test_is_for_each_further_child_who_comes_after_a_paid_one(self) -> None:
        cohort = cohort_with()
        cohort.instance.sibling_discount_percent = Decimal(20)
        cohort.instance.save()
        first, second, stranger = child_of(cohort, "A"), child_of(cohort, "B"), child_of(cohort, "C", "x@y.test")

        before = reserve(cohort, second).checkout
        buy_on_rows(cohort, first)
        after = buy_on_rows(cohort, child_of(cohort, "D")).place.checkout
        other = reserve(cohort, stranger).checkout

        assert [each and each.amount_minor for each in (before, after, other)] == [4900, 3920, 4900]
        assert (Discount.objects.get().source, Invoice.objects.last().lines[0]["discount"]) == (
            "sibling",
            "Sibling discount",
        )
        assert broken() == set()


class TestMoneyForACourseThatIsOwned:
    def test_gives_the_use_back(self) -> None:
        cohort = cohort_with()
        voucher_for(cohort)
        child = child_of(cohort)
        checkout = reserve(cohort, child, voucher="SPRING-25").checkout
        assert checkout is not None
        StudentPackage.objects.create(
            learner=child,
            program=cohort.instance.program,
            enrollment=Enrollment.objects.get(),
            cohort=cohort,
            place=CohortPlace.objects.get(),
            name="Given by hand",
            purchased_at=utc_now(),
        )

        record_session(checkout_id=checkout.pk, session=session_of(checkout), now=utc_now())

        assert (Refund.objects.get().reason, Voucher.objects.get().uses) == ("duplicate", 0)
