"""Every action does exactly what staff were told beforehand: each one is previewed, done, and compared."""

import datetime as dt
from collections.abc import Callable
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest

from accounts.models import Learner, StaffTask
from accounts.tests.factories import LearnerFactory
from backoffice.previews import Preview
from billing.admin.payments import foresee_refund
from billing.models import Invoice, Payment, Refund
from billing.refunds import record_refunds, request_refund
from billing.states import RefundReason
from billing.tests.snapshots import refund as refunded_by_stripe
from cohorts.admin.display import meeting_time
from cohorts.admin.previews import (
    foresee_choice,
    foresee_closing,
    foresee_excuse,
    foresee_freed_session,
    foresee_leaving_the_line,
    foresee_move,
    foresee_new_position,
    foresee_new_time,
    foresee_opening,
    foresee_places,
    foresee_removed_step,
    foresee_withdrawn_excuse,
)
from cohorts.course.curriculum import remove_step
from cohorts.course.scheduling import reschedule_session
from cohorts.errors import SeatsBelowBookings, StepInUse
from cohorts.learning.attendance import excuse_step
from cohorts.learning.booking import Selection, book_sessions, cancel_booking
from cohorts.models import ClassSession, Cohort, CourseStep, StepProgress, StudentPackage, WaitlistEntry
from cohorts.sale.opening import change_capacity, close_cohort, open_cohort
from cohorts.sale.transfer import move_package
from cohorts.sale.waitlist import join_waitlist, leave_waitlist, reorder_entry
from cohorts.tests.factories import CohortFactory, buy_on_rows, cohort_with
from core.clock import utc_now
from core.local_time import local_date
from core.time_words import day
from enrollments.admin.exits import foresee_exit
from enrollments.admin.previews import foresee_deletion
from enrollments.consequences import tell_end_of_many
from enrollments.deletion import delete_enrollment
from enrollments.lifecycle import unenroll_enrollment
from enrollments.tests.factories import STAFF, InstanceFactory
from notifications.models import Notification

pytestmark = pytest.mark.django_db


def answers(**given: Any) -> Any:
    return SimpleNamespace(cleaned_data=given, is_later=False)


def unenroll(package: StudentPackage) -> Preview:
    today = local_date(utc_now(), package.enrollment.instance.zone)
    told = foresee_exit(package.enrollment, answers(effective_date=today, reason="Moves"))
    unenroll_enrollment(enrollment_id=package.enrollment_id, actor=STAFF, reason="Moves", now=utc_now())
    return told


def delete(package: StudentPackage) -> Preview:
    told = foresee_deletion(package.enrollment, answers())
    delete_enrollment(enrollment_id=package.enrollment_id, actor=STAFF, now=utc_now())
    return told


def refund(package: StudentPackage) -> Preview:
    payment = Payment.objects.get(pk=package.payment_id)
    told = foresee_refund(payment, answers(amount=payment.amount_minor, reason=RefundReason.REQUESTED))
    made = request_refund(
        payment_id=payment.pk, amount_minor=None, reason=RefundReason.REQUESTED, actor=STAFF, now=utc_now()
    )
    snapshot = replace(refunded_by_stripe(made.amount_minor), reference=made.reference)
    record_refunds(payment_id=payment.pk, refunds=[snapshot], now=utc_now())
    return told


def waiting(cohort: Cohort, **named: str) -> Learner:
    learner: Learner = LearnerFactory(workspace=cohort.instance.workspace, **named)
    join_waitlist(learner_id=learner.pk, cohort_id=cohort.pk, now=utc_now())
    return learner


@pytest.mark.parametrize("end", [unenroll, delete, refund])
class TestAnEnd:
    def test_frees_what_it_said_for_whom_it_said(self, end: Callable[[StudentPackage], Preview]) -> None:
        cohort = cohort_with(max_enrollment=1, name="Fall cohort", options=(1, 1))
        package = buy_on_rows(cohort)
        waiting(cohort, first_name="Ana", last_name="Ruiz")
        waiting(cohort, first_name="Ben", last_name="Ode")

        told = end(package)

        assert (
            "The place in Fall cohort is free again, and is offered to Ana Ruiz, who is next in line." in told.sentences
        )
        assert [str(each.learner) for each in WaitlistEntry.objects.filter(status="offered")] == ["Ana Ruiz"]
        given_back = package.progress.filter(status="CANCELLED").count()
        assert f"Booked sessions that are given back: {given_back}." in told.sentences
        _agrees_about_money(told)

    def test_offers_nothing_where_nobody_waits(self, end: Callable[[StudentPackage], Preview]) -> None:
        cohort = cohort_with(max_enrollment=1, name="Fall cohort")

        told = end(buy_on_rows(cohort))

        assert "The place in Fall cohort is free again; nobody waits for it." in told.sentences
        assert Cohort.objects.get().places_left == 1

    def test_offers_nothing_of_a_closed_cohort(self, end: Callable[[StudentPackage], Preview]) -> None:
        cohort = cohort_with(max_enrollment=1, name="Fall cohort")
        package = buy_on_rows(cohort)
        waiting(cohort)
        Cohort.objects.update(is_active=False)

        told = end(StudentPackage.objects.get(pk=package.pk))

        assert "The place in Fall cohort is free again, and as things stand it is offered to nobody." in told.sentences
        assert not WaitlistEntry.objects.filter(status="offered").exists()


class TestManyEnds:
    def test_free_as_many_places_as_was_said_for_whom_it_was_said(self) -> None:
        cohort = cohort_with(max_enrollment=2, name="Fall cohort", options=(1,))
        packages = [buy_on_rows(cohort), buy_on_rows(cohort)]
        waiting(cohort, first_name="Ana", last_name="Ruiz")

        told = tell_end_of_many([package.enrollment for package in packages], now=utc_now())
        for package in packages:
            delete(package)

        assert told == [
            "2 places in Fall cohort are free again. Offered at once: 1, to Ana Ruiz.",
            "A mail about it goes to the family of Ana Ruiz.",
            "Booked sessions that are given back: 2.",
            "Tasks to decide what goes back of the money that was paid: 2.",
        ]
        assert str(WaitlistEntry.objects.get(status="offered").learner) == "Ana Ruiz"
        assert Cohort.objects.get().places_left == 1
        assert StaffTask.objects.filter(kind="refund_to_decide").count() == 2


class TestTheLine:
    def test_is_served_as_it_was_said_when_places_are_added(self) -> None:
        cohort = cohort_with(max_enrollment=1, name="Fall cohort")
        buy_on_rows(cohort)
        waiting(cohort, first_name="Ana", last_name="Ruiz")
        cohort.refresh_from_db()

        told = foresee_places(cohort, answers(max_enrollment=3))
        changed = change_capacity(cohort_id=cohort.pk, max_enrollment=3, now=utc_now())

        assert told.sentences == (
            "Fall cohort has 3 places instead of 1.",
            "Offered a place at once: Ana Ruiz.",
            f"Places left then: {changed.places_left}.",
        )
        assert [str(each.learner) for each in WaitlistEntry.objects.filter(status="offered")] == ["Ana Ruiz"]

    def test_is_served_as_it_was_said_when_it_opens_when_an_offer_is_declined_and_when_somebody_moves(self) -> None:
        cohort = cohort_with(max_enrollment=1, name="Fall cohort", enrollment_deadline=utc_now() + dt.timedelta(7))
        package = buy_on_rows(cohort)
        for name in ("Ana", "Ben", "Cleo"):
            waiting(cohort, first_name=name, last_name="Ode")
        unenroll(package)
        offered = WaitlistEntry.objects.get(status="offered")
        last = WaitlistEntry.objects.select_related("cohort__instance__program", "learner").get(
            learner__first_name="Cleo"
        )

        moved = foresee_new_position(last, answers(position=1)).sentences
        reorder_entry(entry_id=last.pk, position=1, reason="Sibling")
        closed = foresee_closing(Cohort.objects.get(), answers()).sentences
        close_cohort(cohort_id=cohort.pk)
        left = foresee_leaving_the_line(offered, answers()).sentences
        leave_waitlist(learner_id=offered.learner_id, cohort_id=cohort.pk, now=utc_now())
        opened = foresee_opening(Cohort.objects.get(), answers()).sentences
        places_left = open_cohort(cohort_id=cohort.pk, now=utc_now()).places_left

        assert moved == ("Cleo Ode is number 1 of 2 in the line, instead of 2.", "Others who move one back: 1.")
        assert closed[2] == "Learners in the line who get no offers while it is closed: 2."
        assert left[1] == "The place in Fall cohort is free again, and as things stand it is offered to nobody."
        assert opened[1:] == ("Offered a place at once: Cleo Ode.", f"Places left then: {places_left}.")
        assert WaitlistEntry.objects.get(status="offered").learner == last.learner

    def test_in_a_cohort_of_another_term_is_said_to_outlast_the_enrollment(self) -> None:
        old = cohort_with(options=(1,))
        instance = old.instance
        instance.end_date = old.end_date
        instance.save()
        package = buy_on_rows(old)
        later = old.start_date + dt.timedelta(weeks=20)
        new = CohortFactory(
            instance=InstanceFactory(program=instance.program, workspace=instance.workspace, is_default=False),
            start_date=later,
        )
        same = CohortFactory(instance=instance, start_date=old.start_date)

        told = foresee_move(package, answers(cohort=new, stranded="")).sentences
        quiet = foresee_move(package, answers(cohort=same, stranded="")).sentences

        note = (
            f"Enrollments in {instance} end on {day(old.end_date)} and count as completed then, before the cohort's "
            f"last day, {day(new.end_date)}: give {instance} a later end."
        )
        assert note in told
        assert not any("count as completed" in sentence for sentence in quiet)

    def test_of_the_old_cohort_is_served_when_a_learner_moves(self) -> None:
        old = cohort_with(max_enrollment=1, name="Fall cohort", options=(1,))
        package = buy_on_rows(old)
        new = CohortFactory(instance=old.instance, name="Spring cohort", max_enrollment=5)
        waiting(old, first_name="Ana", last_name="Ruiz")
        booked = package.progress.filter(status="BOOKED").count()

        told = foresee_move(package, answers(cohort=new, stranded="")).sentences
        move_package(package_id=package.pk, cohort_id=new.pk, now=utc_now())

        assert told == (
            f"{package.learner} takes a place in Spring cohort: 4 of 5 are left then.",
            "The place in Fall cohort is free again, and is offered to Ana Ruiz, who is next in line.",
            "A mail about it goes to the family of Ana Ruiz.",
            f"Booked sessions that are given back: {booked}.",
        )
        assert Cohort.objects.get(pk=new.pk).places_left == 4
        assert str(WaitlistEntry.objects.get(status="offered").learner) == "Ana Ruiz"


def _agrees_about_money(told: Preview) -> None:
    """Check that the money was either refunded, with a correction, or that staff got a task."""
    said = " ".join(told.sentences)
    for made in Refund.objects.all():
        correction = Invoice.objects.get(corrects__isnull=False)
        assert f"{made.money} goes back to" in said
        assert f"A correction of invoice {correction.corrects.number} follows" in said
        assert correction.amount_minor == -made.amount_minor
    is_asked = StaffTask.objects.filter(kind="refund_to_decide").exists()
    assert is_asked == ("you get a task to decide what of the 49.00 USD" in said)
    assert is_asked != Refund.objects.exists()


class TestAStepOfACourse:
    def test_that_is_chosen_excused_or_required_again_brings_what_was_said(self) -> None:
        package = buy_on_rows(cohort_with(name="Fall cohort", options=(2, 1)))
        first, second = package.progress.select_related("step", "package__learner").order_by("step__order")
        option = first.step.options.order_by("id")[1]

        chosen = foresee_choice(first, answers(option=option.pk)).sentences
        book_sessions(package_id=package.pk, selections=[Selection(first.step_id, option.pk)], now=utc_now())
        booked = package.progress.get(pk=first.pk)
        given_back = foresee_freed_session(booked, answers()).sentences
        cancel_booking(package_id=package.pk, step_id=first.step_id, is_by_staff=True, now=utc_now())
        cancel_booking(package_id=package.pk, step_id=second.step_id, is_by_staff=True, now=utc_now())
        excuse_step(progress_id=second.pk, reason="Ill", actor=STAFF, now=utc_now())
        excused = foresee_excuse(package.progress.get(pk=first.pk), answers())
        excuse_step(progress_id=first.pk, reason="Ill", actor=STAFF, now=utc_now())
        again = foresee_withdrawn_excuse(StepProgress.objects.get(pk=first.pk), answers()).sentences

        meeting = booked.class_session
        assert meeting is not None
        assert chosen == (f"A seat in {meeting} is taken: {meeting.seats_left} of 10 are left then.",)
        assert given_back == (f"A seat in {meeting} is free again: {meeting.seats_left + 1} of 10 are left then.",)
        assert excused.sentences[1:] == (f"{package.learner} completes {package.program.title} by it.",)
        assert StudentPackage.objects.get().completed_at is not None
        assert again == (
            f"Required steps that {package.learner} has to attend then: 1.",
            "The course stays completed.",
        )

    def test_that_is_removed_goes_with_what_was_said_and_completes_courses(self) -> None:
        cohort = cohort_with(options=(2,))
        package = buy_on_rows(cohort)
        step = package.progress.get().step
        done = CourseStep.objects.create(program=step.program, order=9, title="Welcome")
        package.progress.create(step=done, status="EXCUSED", completed_at=utc_now())

        told = foresee_removed_step(step, answers()).sentences
        remove_step(step_id=step.pk, actor=STAFF, now=utc_now())

        assert told == (
            "Classes in which it is offered: 2. Sessions for it: 2.",
            "Learners who no longer have to book it: 1.",
            f"{cohort} is left without sessions, and closes.",
            f"{package.learner} completes {package.program.title} by it.",
        )
        assert not Cohort.objects.get().is_active
        assert StudentPackage.objects.get().completed_at is not None

    def test_that_is_booked_is_not_removed(self) -> None:
        package = buy_on_rows(cohort_with(options=(1,)))

        with pytest.raises(StepInUse):
            foresee_removed_step(package.progress.get().step, answers())


class TestASession:
    def test_meets_when_it_was_said_and_tells_whom_it_said(self) -> None:
        cohort = cohort_with(options=(1,))
        buy_on_rows(cohort)
        session = ClassSession.objects.select_related("group_class").get()
        at: dict[str, Any] = {"date": session.date + dt.timedelta(1), "start_time": dt.time(9), "end_time": dt.time(10)}

        told = foresee_new_time(session, answers(**at, max_students=3))
        moved = reschedule_session(session_id=session.pk, **at, max_students=3, now=utc_now())

        assert told.sentences == (
            f"{session.group_class} meets {meeting_time(moved)}, instead of {meeting_time(session)}.",
            "Cohorts that meet there: 1. Learners whose bookings move along: 1.",
            f"Seats: 3 instead of 10; {moved.seats_left} are left then.",
        )
        assert told.mails == "Their families are told the new time by mail."
        assert Notification.objects.filter(kind="session_rescheduled").count() == 1
        with pytest.raises(SeatsBelowBookings):
            foresee_new_time(moved, answers(**at, max_students=0))
