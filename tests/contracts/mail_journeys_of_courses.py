"""Ways through courses: each goes one step, and says which."""

import datetime as dt
from collections.abc import Iterator
from typing import Any

from accounts.models import Learner
from billing.checkout import cancel_checkout, settle_checkout
from billing.refund_policy import RefundTier
from billing.tests.factories import VoucherFactory
from billing.tests.snapshots import EXPIRED, tell
from cohorts.course.replanning import change_dates
from cohorts.course.scheduling import change_class, clone_cohort, reschedule_session
from cohorts.learning.attendance import excuse_step, mark_attended
from cohorts.learning.booking import Selection, book_sessions, cancel_booking, swap_booking
from cohorts.learning.reminders import remind_of_sessions
from cohorts.models import ClassSession, Cohort, CohortSession, GroupClass, StepProgress, StudentPackage
from cohorts.sale.transfer import move_package
from cohorts.sale.waitlist import expire_due_offers, join_waitlist, leave_waitlist
from cohorts.tests.factories import buy_on_rows, cohort_with, pay, reserve, start
from core.actors import Actor
from core.clock import utc_now
from enrollments.deletion import delete_enrollment
from enrollments.leaving import confirm_quote, quote_exits
from enrollments.lifecycle import unenroll_enrollment
from enrollments.refund_rules import set_refund_policy
from enrollments.tests.factories import STAFF
from tests.contracts.mail_journeys import contest, decide, refund, send_money_back
from tests.contracts.mailbox import PAYER, child_in, read

LATER = dt.timedelta(days=4)
START = dt.date(2094, 1, 11)


def learner_of(cohort: Cohort, **more: Any) -> Learner:
    return child_in(cohort.instance.workspace, **more)


def bought(options: tuple[int, ...] = (1, 2)) -> StudentPackage:
    """Return a course that a stranger paid, whose mails have been read."""
    made = cohort_with(options=options, start_date=START)
    package = buy_on_rows(made, learner_of(made))
    read()
    return package


def bought_by_card(stripe: Any) -> Iterator[str]:
    cohort = cohort_with()
    checkout = start(cohort, learner_of(cohort))
    yield "asked"
    pay(stripe, checkout, email=PAYER)
    yield "paid"
    refund(900)
    yield "partly refunded"
    refund()
    yield "refunded"


def bought_by_debit(stripe: Any) -> Iterator[str]:
    cohort = cohort_with()
    checkout = start(cohort, learner_of(cohort))
    pay(stripe, checkout, card="async", email=PAYER)
    yield "on its way"
    stripe.settle(checkout.url, outcome="succeeded")
    settle_checkout(checkout_id=checkout.pk, now=utc_now())
    yield "paid"


def bought_by_debit_that_fails(stripe: Any) -> Iterator[str]:
    cohort = cohort_with()
    checkout = start(cohort, learner_of(cohort))
    pay(stripe, checkout, card="async", email=PAYER)
    yield "on its way"
    stripe.settle(checkout.url, outcome="failed")
    settle_checkout(checkout_id=checkout.pk, now=utc_now())
    yield "refused"


def free_by_a_code(stripe: Any) -> Iterator[str]:
    cohort = cohort_with()
    VoucherFactory(workspace=cohort.instance.workspace, code="ALL-FREE", kind="free")
    reserve(cohort, learner_of(cohort), voucher="ALL-FREE")
    yield "enrolled"
    decide(unenroll_enrollment, reason="Moved")
    yield "ended"


def paid_too_late(stripe: Any) -> Iterator[str]:
    cohort = cohort_with(max_enrollment=1)
    late = start(cohort, learner_of(cohort))
    stripe.pay(late.url, email=PAYER)
    tell(late, **EXPIRED)
    buy_on_rows(cohort)
    read()
    yield "expired"
    tell(late, payer_email=PAYER)
    yield "paid"
    send_money_back()
    yield "refunded"


def paid_after_it_was_left(stripe: Any) -> Iterator[str]:
    cohort = cohort_with()
    checkout = start(cohort, learner_of(cohort))
    decide(delete_enrollment)
    yield "deleted"
    tell(checkout, payer_email=PAYER)
    yield "paid"
    send_money_back()
    yield "refunded"


def left_by_quote(stripe: Any) -> Iterator[str]:
    cohort = cohort_with()
    tier = RefundTier(days_before_start=0, kept_percent=0, kept_fee_minor=0)
    set_refund_policy(
        program=cohort.instance.program,
        instance=cohort.instance,
        tiers=(tier,),
        currency="usd",
        actor=STAFF,
        now=utc_now(),
    )
    package = pay(stripe, start(cohort, learner_of(cohort)), email=PAYER)
    assert package is not None
    yield "paid"
    family = Actor("user", 7)
    workspace_id = package.learner.workspace_id
    quote = quote_exits(
        workspace_id=workspace_id, enrollment_cuids=[package.enrollment.cuid], actor=family, now=utc_now()
    )
    confirm_quote(workspace_id=workspace_id, cuid=quote.cuid, reason="Moving", actor=family, now=utc_now())
    yield "left"
    send_money_back()
    yield "refunded"


def ended_by_staff(stripe: Any) -> Iterator[str]:
    bought()
    decide(unenroll_enrollment, reason="Moved")
    yield "ended"


def deleted_by_staff(stripe: Any) -> Iterator[str]:
    bought()
    decide(delete_enrollment)
    yield "deleted"


def taken_back_by_the_bank(stripe: Any) -> Iterator[str]:
    bought()
    contest(4900, "lost")
    yield "lost"


# --- The waiting list -----------------------------------------------------------------------------------------------


def offered(stripe: Any) -> tuple[Cohort, Learner]:
    """Let a learner wait for the only place, which becomes free."""
    cohort = cohort_with(max_enrollment=1)
    first = start(cohort)
    learner = learner_of(cohort)
    join_waitlist(learner_id=learner.pk, cohort_id=cohort.pk, now=utc_now())
    assert read() == []
    cancel_checkout(checkout_id=first.pk, now=utc_now())
    return cohort, learner


def an_offer_is_accepted(stripe: Any) -> Iterator[str]:
    cohort, learner = offered(stripe)
    yield "offered"
    pay(stripe, start(cohort, learner), email=PAYER)
    yield "paid"


def an_offer_is_kept_while_a_checkout_ends(stripe: Any) -> Iterator[str]:
    cohort, learner = offered(stripe)
    yield "offered"
    cancel_checkout(checkout_id=start(cohort, learner).pk, now=utc_now())
    yield "offered anew"


def an_offer_lapses(stripe: Any) -> Iterator[str]:
    cohort, _learner = offered(stripe)
    following = learner_of(cohort, first_name="Leo", email="leo@mails.test")
    join_waitlist(learner_id=following.pk, cohort_id=cohort.pk, now=utc_now())
    yield "offered"
    expire_due_offers(now=utc_now() + LATER)
    yield "lapsed"


def an_offer_is_declined(stripe: Any) -> Iterator[str]:
    cohort, learner = offered(stripe)
    yield "offered"
    leave_waitlist(learner_id=learner.pk, cohort_id=cohort.pk, now=utc_now())
    yield "declined"


def a_code_pays_for_an_offer(stripe: Any) -> Iterator[str]:
    cohort, learner = offered(stripe)
    VoucherFactory(workspace=cohort.instance.workspace, code="ALL-FREE", kind="free")
    yield "offered"
    reserve(cohort, learner, voucher="ALL-FREE")
    yield "enrolled"


# --- What happens on the way ----------------------------------------------------------------------------------------


def session_of(package: StudentPackage, order: int, number: int = 0) -> CohortSession:
    offered_here = CohortSession.objects.filter(cohort=package.cohort, step__order=order)
    return offered_here.select_related("class_session").order_by("pk")[number]


def sessions_are_booked(stripe: Any) -> Iterator[str]:
    package = bought()
    first, second = (session_of(package, 2, number) for number in range(2))
    choice = [Selection(first.step_id, first.option_id)]
    book_sessions(package_id=package.pk, selections=choice, now=utc_now())
    yield "booked"
    swap_booking(package_id=package.pk, step_id=first.step_id, option_id=second.option_id, now=utc_now())
    yield "exchanged"
    cancel_booking(package_id=package.pk, step_id=first.step_id, now=utc_now())
    yield "canceled"
    starts_at = session_of(package, 1).class_session.starts_at
    remind_of_sessions(now=starts_at - dt.timedelta(hours=20))
    yield "a day before a session"


def sessions_change(stripe: Any) -> Iterator[str]:
    package = bought(options=(1,))
    session = ClassSession.objects.get(bookings__package=package)
    group_class = GroupClass.objects.get(pk=session.group_class_id)
    group_class.meeting_url = "https://meet.example.test/new"
    change_class(group_class=group_class, fields=["meeting_url"], now=utc_now())
    yield "new meeting page"
    reschedule_session(
        session_id=session.pk,
        date=session.date,
        start_time=dt.time(19),
        end_time=dt.time(20),
        max_students=10,
        now=utc_now(),
    )
    yield "new time"
    cohort = Cohort.objects.get(pk=package.cohort_id)
    week = dt.timedelta(weeks=1)
    change_dates(
        cohort_id=cohort.pk,
        start_date=cohort.start_date + week,
        end_date=cohort.end_date + week,
        move_sessions=True,
        move_deadline=False,
        now=utc_now(),
    )
    yield "new dates"


def moved_to_a_later_cohort(stripe: Any) -> Iterator[str]:
    package = bought()
    later = clone_cohort(cohort_id=package.cohort_id, name="Later", start_date=START + dt.timedelta(weeks=30))
    move_package(package_id=package.pk, cohort_id=later.pk, now=utc_now())
    yield "moved"


def moved_to_a_cohort_that_meets_with_the_first(stripe: Any) -> Iterator[str]:
    package = bought()
    choice = session_of(package, 2)
    book_sessions(package_id=package.pk, selections=[Selection(choice.step_id, choice.option_id)], now=utc_now())
    yield "booked"
    beside = clone_cohort(cohort_id=package.cohort_id, name="Beside", start_date=START)
    move_package(package_id=package.pk, cohort_id=beside.pk, now=utc_now())
    yield "moved"


def completed(stripe: Any) -> Iterator[str]:
    package = bought(options=(1, 1))
    first, second = StepProgress.objects.filter(package=package).order_by("step__order")
    mark_attended(progress_id=first.pk, actor=STAFF, now=utc_now())
    yield "attended one"
    mark_attended(progress_id=second.pk, actor=STAFF, now=utc_now())
    yield "attended all"


def completed_with_an_excuse_before_new_dates(stripe: Any) -> Iterator[str]:
    package = bought(options=(1,))
    excuse(StepProgress.objects.get(package=package))
    yield "excused"
    cohort = Cohort.objects.get(pk=package.cohort_id)
    change_dates(
        cohort_id=cohort.pk,
        start_date=cohort.start_date,
        end_date=cohort.end_date + dt.timedelta(weeks=1),
        move_sessions=False,
        move_deadline=False,
        now=utc_now(),
    )
    yield "new dates"


def excuse(row: StepProgress) -> None:
    """Excuse a step that is booked."""
    cancel_booking(package_id=row.package_id, step_id=row.step_id, is_by_staff=True, now=utc_now())
    read()
    excuse_step(progress_id=row.pk, reason="Ill", actor=STAFF, now=utc_now())
