"""Published events match the documents, type by type: docs/events.md lists the types, docs/events/ has a JSON schema of
each, and everything that happens here is checked against them.
"""

import datetime as dt
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from accounts.models import User
from accounts.tests.factories import LearnerFactory, UserFactory
from billing.checkout import submit_checkout
from billing.errors import PaymentRejected
from billing.gateways.stripe import StripeGateway
from billing.models import Checkout, Payment
from billing.repricing import mark_outdated
from cohorts.course.replanning import change_dates
from cohorts.course.scheduling import change_class, reschedule_session
from cohorts.learning.attendance import excuse_step, mark_attended, mark_missed, withdraw_excuse
from cohorts.learning.booking import Selection, book_sessions, cancel_booking
from cohorts.models import Cohort, CohortSession, StepProgress, StudentPackage
from cohorts.sale.opening import change_capacity
from cohorts.sale.transfer import move_package
from cohorts.sale.waitlist import join_waitlist, leave_waitlist
from cohorts.tests.factories import CohortFactory, buy_on_rows, cohort_with, reserve
from core.clock import utc_now
from core.errors import require
from demo import stripe
from enrollments.changes import change_enrollment
from enrollments.deletion import delete_enrollment
from enrollments.exit import plan_exit, withdraw_exit
from enrollments.lifecycle import unenroll_enrollment
from enrollments.models import PlannedExit
from enrollments.tests.factories import STAFF, CandidateFactory, InstanceFactory, InstancePriceFactory, route, seats
from events.event import DomainEvent, spelled
from events.models import OutboxEvent
from partners.acceptance import record_refusal
from partners.certificates import reissue_certificate, revoke_certificate
from partners.interventions import reopen_step, retry_step, skip_step
from partners.moving import move_learner
from partners.tests.factories import accept, complete, define, group, steps_of
from partners.tests.factories import approved as trained
from privacy.tests.erasures import erase

DOCS = Path(__file__).resolve().parent.parent.parent / "docs"
SCHEMAS = {path.stem: json.loads(path.read_text()) for path in sorted((DOCS / "events").glob("*.json"))}
LISTED = re.findall(r"\[`([\w.]+)`\]\(events/[\w.]+\.json\)", (DOCS / "events.md").read_text())
LATER = utc_now().date() + dt.timedelta(days=30)
PERSON = {"email": "jane.roe@school.test", "first_name": "Jane", "last_name": "Roe"}


def stated(kind: type[DomainEvent] = DomainEvent) -> Iterator[type[DomainEvent]]:
    """Return the events of the apps, excluding those that tests define."""
    for event in kind.__subclasses__():
        yield from stated(event)
        if "type" in vars(event) and ".tests." not in event.__module__:
            yield event


TYPES = {event.type for event in stated()}


# --- Scenarios -------------------------------------------------------------------------------------------------------


def a_district_learner_comes_and_goes() -> None:
    instance = InstanceFactory()
    seats(instance.workspace, total=1)
    decision = route(instance.workspace, email=PERSON["email"], first_name="Jane", last_name="Roe").decision
    plan_exit(
        enrollment_id=decision.enrollment_id,
        effective_date=LATER,
        reason="Jane Roe moves away",
        actor=STAFF,
        now=utc_now(),
    )
    withdraw_exit(planned_exit_id=PlannedExit.objects.get().pk, actor=STAFF, now=utc_now())
    unenroll_enrollment(enrollment_id=decision.enrollment_id, actor=STAFF, reason="Jane Roe moved away", now=utc_now())
    delete_enrollment(enrollment_id=decision.enrollment_id, actor=STAFF, note="Jane Roe twice", now=utc_now())


def a_learner_goes_to_class() -> None:
    """Book, give back, and attend; miss and be excused; attend everything."""
    cohort = cohort_with(options=(1, 2, 2))
    package = buy_on_rows(cohort, learner(cohort))
    first, second, third = StepProgress.objects.filter(package=package).order_by("step__order")
    for step in (second, third):
        book_sessions(package_id=package.pk, selections=[choice(package, step)], now=utc_now())
    cancel_booking(package_id=package.pk, step_id=second.step_id, now=utc_now())
    book_sessions(package_id=package.pk, selections=[choice(package, second)], now=utc_now())
    mark_missed(progress_id=second.pk, actor=STAFF, now=utc_now())
    excuse_step(progress_id=second.pk, reason="Jane Roe was ill", actor=STAFF, now=utc_now())
    for step in (first, third):
        mark_attended(progress_id=step.pk, actor=STAFF, now=utc_now())


def a_step_without_a_session_is_excused_for_a_while() -> None:
    cohort = cohort_with(options=(2,))
    package = buy_on_rows(cohort, learner(cohort))
    row = StepProgress.objects.get(package=package)
    excuse_step(progress_id=row.pk, reason="Jane Roe knows it all", actor=STAFF, now=utc_now())
    withdraw_excuse(progress_id=row.pk, now=utc_now())


def a_course_is_planned_anew() -> None:
    cohort = cohort_with(options=(1, 1))
    buy_on_rows(cohort, learner(cohort))
    week = dt.timedelta(weeks=1)
    change_dates(
        cohort_id=cohort.pk,
        start_date=cohort.start_date + week,
        end_date=cohort.end_date + week,
        move_sessions=True,
        move_deadline=False,
        now=utc_now(),
    )
    session = CohortSession.objects.filter(cohort=cohort).order_by("pk")[0].class_session
    reschedule_session(
        session_id=session.pk,
        date=session.date,
        start_time=dt.time(9),
        end_time=dt.time(10),
        max_students=10,
        now=utc_now(),
    )
    session.group_class.meeting_url = "https://meet.example.test/jane-roe"
    change_class(group_class=session.group_class, fields=["meeting_url"], now=utc_now())


def a_learner_changes_cohort() -> None:
    cohort = cohort_with(options=(1,))
    package = buy_on_rows(cohort, learner(cohort))
    move_package(package_id=package.pk, cohort_id=CohortFactory(instance=cohort.instance).pk, now=utc_now())


def a_learner_waits_and_leaves() -> None:
    cohort = cohort_with(options=(1,), max_enrollment=1)
    buy_on_rows(cohort)
    entry = join_waitlist(learner_id=learner(cohort).pk, cohort_id=cohort.pk, now=utc_now())
    change_capacity(cohort_id=cohort.pk, max_enrollment=2, now=utc_now())
    leave_waitlist(learner_id=entry.learner_id, cohort_id=cohort.pk, now=utc_now())


def money_is_sent_back_and_contested() -> None:
    cohort = cohort_with(options=(1,))
    payment = paid(buy_on_rows(cohort, learner(cohort)))
    stripe.refund(payment, amount_minor=900, user=staff(), note="Jane Roe was ill")
    stripe.dispute(payment, payment.pk, "needs_response")
    stripe.dispute(payment, payment.pk, "lost")
    stripe.dispute(payment, payment.pk, "won")


def money_comes_too_late() -> None:
    cohort = cohort_with(options=(1,), max_enrollment=1)
    checkout = asked(cohort)
    stripe.expire(checkout)
    buy_on_rows(cohort)
    stripe.pay(checkout, PERSON["email"])


def a_bank_thinks_and_refuses() -> None:
    checkout = asked(cohort_with(options=(1,)))
    stripe.start_bank_debit(checkout, PERSON["email"])
    stripe.refuse_bank_debit(checkout, PERSON["email"])


def a_payer_gives_up() -> None:
    stripe.cancel(asked(cohort_with(options=(1,))))


def a_price_changes() -> None:
    cohort = cohort_with(options=(1,))
    checkout = asked(cohort)
    cohort.instance.price = InstancePriceFactory(workspace=cohort.instance.workspace, amount_minor=5900)
    cohort.instance.save()
    mark_outdated(checkouts=Checkout.objects.filter(pk=checkout.pk), now=utc_now())
    stripe.expire(checkout)


def stripe_refuses_a_checkout() -> None:
    checkout = reserved(cohort_with(options=(1,)))
    with pytest.MonkeyPatch.context() as patch, pytest.raises(PaymentRejected):  # noqa: PT012  the patch ends with it
        patch.setattr(StripeGateway, "create_session", refuse)
        submit_checkout(checkout_id=checkout.pk, now=utc_now())


def a_learner_goes_from_partner_to_partner() -> None:
    """One partner refuses and is asked again; the first step is completed, and the second is skipped."""
    enrollment = trained(steps=2)
    first, second = steps_of(enrollment)
    record_refusal(step_id=first.pk, reason="Jane Roe is unknown", actor=STAFF, now=utc_now())
    retry_step(step_id=first.pk, reason="Jane Roe is known now", actor=STAFF, now=utc_now())
    complete(accept(first))
    reopen_step(step_id=first.pk, reason="Jane Roe was not there", actor=STAFF, now=utc_now())
    complete(first)
    skip_step(step_id=second.pk, reason="Jane Roe knows it all", actor=STAFF, now=utc_now())
    certificate = enrollment.certificates.get()
    again = reissue_certificate(certificate_id=certificate.pk, reason="Jane Poe now", actor=STAFF, now=utc_now())
    revoke_certificate(certificate_id=again.pk, reason="Jane Roe cheated", actor=STAFF, now=utc_now())


def a_learner_is_moved_to_other_partners() -> None:
    enrollment = trained(steps=1)
    define(enrollment.instance, group(enrollment.instance, 2))
    move_learner(enrollment_id=enrollment.pk, version=2, reason="Jane Roe asked for it", actor=STAFF, now=utc_now())


def a_learner_leaves_a_partner() -> None:
    enrollment = trained(steps=1)
    unenroll_enrollment(enrollment_id=enrollment.pk, actor=STAFF, reason="Jane Roe moved away", now=utc_now())


def an_enrollment_is_changed() -> None:
    enrollment = CandidateFactory()
    changes = {"phone": "+14155550123", "tags": ["Jane Roe"], "metadata": PERSON}
    change_enrollment(enrollment_id=enrollment.pk, changes=changes, actor=STAFF, now=utc_now())


def somebody_is_erased() -> None:
    erase(LearnerFactory(**PERSON))


STORIES = (
    somebody_is_erased,
    an_enrollment_is_changed,
    a_learner_goes_from_partner_to_partner,
    a_learner_is_moved_to_other_partners,
    a_learner_leaves_a_partner,
    a_district_learner_comes_and_goes,
    a_learner_goes_to_class,
    a_step_without_a_session_is_excused_for_a_while,
    a_course_is_planned_anew,
    a_learner_changes_cohort,
    a_learner_waits_and_leaves,
    money_is_sent_back_and_contested,
    money_comes_too_late,
    a_bank_thinks_and_refuses,
    a_payer_gives_up,
    a_price_changes,
    stripe_refuses_a_checkout,
)


def learner(cohort: Cohort) -> Any:
    return LearnerFactory(**PERSON, workspace=cohort.instance.workspace)


def choice(package: StudentPackage, progress: StepProgress) -> Selection:
    option = CohortSession.objects.filter(cohort=package.cohort, step=progress.step).order_by("pk")[0].option_id
    return Selection(progress.step_id, option)


def reserved(cohort: Cohort) -> Checkout:
    return require(reserve(cohort, learner(cohort)).checkout, "a reserved place has its checkout")


def asked(cohort: Cohort) -> Checkout:
    checkout = reserved(cohort)
    stripe.open_page(checkout)
    return Checkout.objects.get(pk=checkout.pk)


def refuse(*_: object) -> None:
    raise PaymentRejected("No such price")


def paid(package: StudentPackage) -> Payment:
    return Payment.objects.get(pk=package.payment_id)


def staff() -> User:
    user: User = UserFactory()
    return user


# --- Publishing ------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def published(rows_of_module: None) -> dict[str, list[OutboxEvent]]:
    for story in STORIES:
        story()
    told: dict[str, list[OutboxEvent]] = {}
    for event in OutboxEvent.objects.order_by("pk"):
        told.setdefault(event.type, []).append(event)
    return told


def test_the_page_lists_what_has_a_schema() -> None:
    assert sorted(LISTED) == sorted(SCHEMAS)


def test_every_event_of_an_app_has_a_schema_and_every_schema_an_event() -> None:
    assert sorted(TYPES) == sorted(SCHEMAS)


@pytest.mark.django_db
@pytest.mark.parametrize("type", sorted(SCHEMAS))
class TestAnEvent:
    def test_is_published_as_its_schema_says(self, published: dict[str, list[OutboxEvent]], type: str) -> None:
        schema = jsonschema.Draft202012Validator(SCHEMAS[type])

        assert [
            f"{error.json_path}: {error.message}"
            for row in published[type]
            for error in schema.iter_errors(row.payload)
        ] == []

    def test_names_no_person(self, published: dict[str, list[OutboxEvent]], type: str) -> None:
        told = json.dumps([row.payload for row in published[type]])

        named = [word for word in (*PERSON.values(), "payer@example.test") if word in told]
        assert named == ([PERSON["email"]] if type == "ENROLLMENT_DECISION" else [])


class TestASchema:
    @pytest.mark.parametrize("type", sorted(SCHEMAS))
    def test_is_one_and_explains_each_field(self, type: str) -> None:
        schema = SCHEMAS[type]

        jsonschema.Draft202012Validator.check_schema(schema)
        assert schema["title"] == type
        assert [name for name, field in schema["properties"].items() if not field.get("description")] == []
        assert (schema["required"], schema["additionalProperties"]) == (list(schema["properties"]), False)

    @pytest.mark.parametrize("type", sorted(SCHEMAS.keys() - {"ENROLLMENT_DECISION"}))
    def test_spells_its_fields_in_camel_case(self, type: str) -> None:
        assert [name for name in SCHEMAS[type]["properties"] if not re.fullmatch(r"[a-z]+([A-Z][a-z]+)*", name)] == []

    def test_refuses_what_is_not_told(self) -> None:
        """Negative control."""
        schema = jsonschema.Draft202012Validator(SCHEMAS["seat.used"])
        told = {"seatId": 1, "allocationId": 2, "enrollmentId": "tz4a98xxat96iws9zmbrgj3a"}

        assert schema.is_valid(told)
        assert not schema.is_valid(told | {"learnerEmail": PERSON["email"]})
        assert not schema.is_valid(told | {"enrollmentId": 3})
        assert not schema.is_valid({"seatId": 1, "allocationId": 2})


class TestTheSpelling:
    @pytest.mark.parametrize(
        ("field", "key"), [("amount_minor", "amountMinor"), ("learner_cuid", "learnerId"), ("status", "status")]
    )
    def test_is_made_from_the_field(self, field: str, key: str) -> None:
        assert spelled(field) == key
