"""The booking wizard, the dashboard, and the waiting list, as families use them."""

import datetime as dt
import re
from typing import Any

import pytest
from django.db import connection
from django.db.models import F
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from pytest_django import DjangoAssertNumQueries

from billing.models import Checkout
from billing.refunds import request_refund, submit_refund
from billing.states import RefundReason
from cohorts.learning.attendance import excuse_step, mark_attended, mark_missed
from cohorts.learning.booking import Selection, book_sessions, cancel_booking
from cohorts.models import ClassSession, Cohort, StepProgress, StudentPackage, WaitlistEntry
from cohorts.sale.opening import change_capacity
from cohorts.sale.waitlist import join_waitlist
from cohorts.tests.browsing import child_of, course_url, home, page_of, signed_in, text
from cohorts.tests.factories import buy, buy_on_rows, cohort_with, pay, start
from core.actors import SYSTEM
from core.clock import utc_now
from core.time_words import term
from sandbox.testing import SandboxProcess

pytestmark = pytest.mark.django_db(transaction=True)


class TestTheWizard:
    def bought(self, **cohort: Any) -> tuple[Client, StudentPackage, list[StepProgress]]:
        made = cohort_with(**cohort)
        package = buy_on_rows(made, child_of(made))
        return signed_in()[0], package, list(package.progress.select_related("step").order_by("step__order"))

    def options(self, row: StepProgress) -> list[int]:
        return list(row.step.options.order_by("pk").values_list("pk", flat=True))

    def test_books_what_was_chosen(self) -> None:
        client, package, rows = self.bought(options=(1, 2, 2))
        choice = {f"step-{row.step_id}": self.options(row)[1] for row in rows[1:]}

        answer = client.post(reverse("course-book", args=[package.pk]), choice, follow=True)

        assert "Your 2 sessions are booked." in text(answer)
        assert [row.status for row in package.progress.order_by("step__order")] == ["BOOKED"] * 3
        assert [row.option_id for row in package.progress.order_by("step__order")][1:] == [*choice.values()]

    def test_books_some_and_leaves_the_rest_for_later(self) -> None:
        client, package, rows = self.bought(options=(2, 2))

        client.post(reverse("course-book", args=[package.pk]), {f"step-{rows[0].step_id}": self.options(rows[0])[0]})

        assert [row.status for row in package.progress.order_by("step__order")] == ["BOOKED", "UNBOOKED"]

    def test_explains_a_class_that_just_filled_up_and_keeps_the_other_choice(self) -> None:
        client, package, rows = self.bought(options=(2, 2))
        chosen = [self.options(row)[0] for row in rows]
        ClassSession.objects.filter(cohort_sessions__option=chosen[0]).update(booked_count=F("max_students"))

        answer = client.post(
            reverse("course-book", args=[package.pk]),
            {f"step-{row.step_id}": option for row, option in zip(rows, chosen, strict=True)},
        )

        page = text(answer)
        assert answer.status_code == 409
        assert "Nothing was booked yet." in page
        assert f'name="step-{rows[0].step_id}" value="{chosen[0]}" disabled' in page
        assert f'name="step-{rows[1].step_id}" value="{chosen[1]}" checked' in page
        assert [row.status for row in package.progress.order_by("step__order")] == ["UNBOOKED", "UNBOOKED"]

    def test_explains_two_classes_at_the_same_time(self) -> None:
        client, package, rows = self.bought(options=(2, 2))
        chosen = [self.options(row)[0] for row in rows]
        first = ClassSession.objects.get(cohort_sessions__option=chosen[0])
        ClassSession.objects.filter(cohort_sessions__option=chosen[1]).update(
            starts_at=first.starts_at, ends_at=first.ends_at
        )

        answer = client.post(
            reverse("course-book", args=[package.pk]),
            {f"step-{row.step_id}": option for row, option in zip(rows, chosen, strict=True)},
        )

        assert answer.status_code == 409
        assert text(answer).count("Two of these sessions overlap.") == 3
        assert [row.status for row in package.progress.order_by("step__order")] == ["UNBOOKED", "UNBOOKED"]

    def test_has_the_only_class_of_a_step_chosen_already(self) -> None:
        client, package, rows = self.bought(options=(1,))
        cancel_booking(package_id=package.pk, step_id=rows[0].step_id, now=utc_now())

        page = text(client.get(reverse("course-book", args=[package.pk])))

        assert f'value="{self.options(rows[0])[0]}" checked' in page

    @pytest.mark.parametrize("value", ["", "x", "-1", "9" * 30, "999999"])
    def test_refuses_a_choice_that_is_none(self, value: str) -> None:
        client, package, rows = self.bought(options=(2,))

        answer = client.post(reverse("course-book", args=[package.pk]), {f"step-{rows[0].step_id}": value})

        assert answer.status_code == 422
        assert package.progress.get().status == "UNBOOKED"

    def test_confirmed_twice_says_that_it_is_booked(self) -> None:
        client, package, rows = self.bought(options=(2,))
        choice = {f"step-{rows[0].step_id}": self.options(rows[0])[0]}
        client.post(reverse("course-book", args=[package.pk]), choice)

        answer = client.post(reverse("course-book", args=[package.pk]), choice)

        assert answer.status_code == 409
        assert "Every session is booked" in text(answer)
        assert package.progress.get().class_session is not None

    def test_calls_nothing_booked_that_was_missed_or_excused(self) -> None:
        client, package, rows = self.bought(options=(1, 1, 2))
        url = reverse("course-book", args=[package.pk])
        excuse_step(progress_id=rows[2].pk, reason="Was ill", actor=SYSTEM, now=utc_now())
        mark_missed(progress_id=rows[0].pk, actor=SYSTEM, now=utc_now())

        page = text(client.get(url))
        course = page_of(client, package)
        mark_attended(progress_id=rows[0].pk, actor=SYSTEM, now=utc_now())
        made_up = page_of(client, package)

        assert "<strong>Week 1</strong>" not in page
        assert "<strong>Week 2</strong>" in page
        assert "Every session is booked" not in page
        assert "There is nothing left to choose." in page
        assert "A required step was missed. Ask the program how to make up for it." in course
        assert "was missed" not in made_up

    def test_is_not_for_another_family(self) -> None:
        _, package, rows = self.bought(options=(2,))
        stranger, _ = signed_in("stranger@families.test")
        choice = {f"step-{rows[0].step_id}": self.options(rows[0])[0]}

        answer = stranger.post(reverse("course-book", args=[package.pk]), choice)

        assert answer.status_code == 404
        assert package.progress.get().status == "UNBOOKED"


class TestTheListOfEnrollments:
    def test_says_that_a_course_is_to_be_paid_and_then_that_the_family_paid(self, stripe: SandboxProcess) -> None:
        cohort = cohort_with()
        checkout = start(cohort, child_of(cohort))
        client, _ = signed_in()

        unpaid = home(client)
        package = pay(stripe, checkout)
        assert package is not None
        paid = page_of(client, package)

        assert "Waiting for your payment" in unpaid
        assert "<dt>Paid by</dt><dd>Family</dd>" in paid
        assert "badge tone-good" in paid


class TestTheDashboard:
    def test_shows_courses_next_session_and_what_waits_to_be_booked(self) -> None:
        cohort = cohort_with(options=(1, 2))
        package = buy_on_rows(cohort, child_of(cohort))
        client, _ = signed_in()

        short, page = home(client), page_of(client, package)

        assert "Next session: <time" in short
        assert short.index("Action needed") < short.index("1 session is not booked yet.") < short.index("Next session")
        assert reverse("my-enrollment", args=[package.enrollment.cuid]) in short
        assert "Jane Doe" in page
        assert "Next session" in page
        assert "0 of 2 steps attended" in page
        assert "Book 1 session<" in page

    def test_offers_only_sessions_to_come_for_the_calendar(self) -> None:
        cohort = cohort_with(options=(1, 1))
        package = buy_on_rows(cohort, child_of(cohort))
        past, coming = package.progress.order_by("step__order")
        over = utc_now() - dt.timedelta(hours=1)
        ClassSession.objects.filter(pk=past.class_session_id).update(
            starts_at=over - dt.timedelta(hours=1), ends_at=over
        )
        client, _ = signed_in()

        page = page_of(client, package)

        assert reverse("session-ics", args=[coming.pk]) in page
        assert reverse("session-ics", args=[past.pk]) not in page

    def test_keeps_what_was_refunded_with_its_invoices(self, stripe: SandboxProcess) -> None:
        cohort = cohort_with(options=(1,))
        package = buy(stripe, cohort, child_of(cohort))
        client, _ = signed_in()
        assert package.payment is not None
        refund = request_refund(
            payment_id=package.payment.pk, amount_minor=None, reason=RefundReason.REQUESTED, actor=SYSTEM, now=utc_now()
        )
        submit_refund(refund_id=refund.pk, now=utc_now())

        page = page_of(client, package)

        assert "1 that is over" in home(client)
        assert "Jane's enrollment ended on" in page
        assert "Refunded" in page
        assert re.findall(r">(Invoice|Correction) [C0-9-]+ \(PDF\)<", page) == ["Correction", "Invoice"]
        about = f"{cohort.instance.workspace.name}, for Jane, {term(cohort.start_date, cohort.end_date)}<"
        assert page.count(about) == 2
        assert "Next session" not in page

    def test_is_friendly_when_empty_and_shows_nothing_of_another(self) -> None:
        cohort = cohort_with()
        buy_on_rows(cohort, child_of(cohort))
        client, _ = signed_in("stranger@families.test")

        page = home(client)

        assert "No enrollments yet" in page
        assert "Jane" not in page
        assert "Jane" in home(signed_in()[0])

    def test_asks_the_database_as_often_for_eight_children(
        self, django_assert_num_queries: DjangoAssertNumQueries
    ) -> None:
        cohort = cohort_with(options=(1, 2), max_enrollment=20)
        buy_on_rows(cohort, child_of(cohort, "Jane"))
        client, _ = signed_in()
        with CaptureQueriesContext(connection) as one:
            client.get(reverse("my-enrollments"))
        for number in range(7):
            buy_on_rows(cohort, child_of(cohort, f"Child {number}"))

        with django_assert_num_queries(len(one)):
            page = home(client)

        assert page.count("Next session") == 8

    def test_changes_a_session_for_another(self) -> None:
        cohort = cohort_with(options=(2,))
        package = buy_on_rows(cohort, child_of(cohort))
        row = package.progress.get()
        first, second = row.step.options.order_by("pk").values_list("pk", flat=True)
        client, _ = signed_in()
        book_sessions(package_id=package.pk, selections=[Selection(row.step_id, first)], now=utc_now())
        url = reverse("course-change", args=[package.pk, row.step_id])

        offered = text(client.get(url))
        answer = client.post(url, {f"step-{row.step_id}": second}, follow=True)

        assert offered.count('type="radio"') == 1
        assert "Your session was changed." in text(answer)
        assert package.progress.get().option_id == second

    def test_keeps_the_session_when_the_other_is_full(self) -> None:
        cohort = cohort_with(options=(2,), seats=1)
        package = buy_on_rows(cohort, child_of(cohort))
        row = package.progress.get()
        first, second = row.step.options.order_by("pk").values_list("pk", flat=True)
        book_sessions(package_id=package.pk, selections=[Selection(row.step_id, first)], now=utc_now())
        ClassSession.objects.filter(cohort_sessions__option=second).update(booked_count=1)
        client, _ = signed_in()

        answer = client.post(reverse("course-change", args=[package.pk, row.step_id]), {f"step-{row.step_id}": second})

        assert answer.status_code == 409
        assert "Your session stays as it was." in text(answer)
        assert package.progress.get().option_id == first

    def test_gives_a_session_back(self) -> None:
        cohort = cohort_with(options=(1,))
        package = buy_on_rows(cohort, child_of(cohort))
        client, _ = signed_in()

        answer = client.post(reverse("course-cancel", args=[package.pk, package.progress.get().step_id]), follow=True)

        assert "Your session was given back." in text(answer)
        assert package.progress.get().status == "UNBOOKED"

    def test_offers_no_change_shortly_before_a_session(self) -> None:
        cohort = cohort_with(options=(1,))
        package = buy_on_rows(cohort, child_of(cohort))
        step = package.progress.get().step_id
        soon = utc_now() + dt.timedelta(hours=2)
        ClassSession.objects.update(starts_at=soon, ends_at=soon + dt.timedelta(hours=1))
        client, _ = signed_in()

        course = page_of(client, package)
        page = text(client.get(reverse("course-change", args=[package.pk, step])))
        answer = client.post(reverse("course-cancel", args=[package.pk, step]), follow=True)

        assert "Change or cancel" not in course
        assert "It is too late to change this session" in page
        assert "Sessions can be changed until 24 hours before they start." in text(answer)
        assert package.progress.get().status == "BOOKED"

    @pytest.mark.parametrize("name", ["course-change", "course-cancel"])
    @pytest.mark.parametrize("step", [999_999, 10**30])
    def test_knows_no_step_of_another_course(self, name: str, step: int) -> None:
        cohort = cohort_with(options=(1,))
        package = buy_on_rows(cohort, child_of(cohort))
        client, _ = signed_in()
        address = reverse(name, args=[package.pk, 0]).replace("/steps/0", f"/steps/{step}")

        assert client.post(address, {f"step-{step}": "1"}).status_code == 404

    def test_gives_the_calendar_an_address_and_then_a_new_one(self) -> None:
        cohort = cohort_with(options=(1,))
        buy_on_rows(cohort, child_of(cohort))
        client, _ = signed_in()

        first = text(client.post(reverse("share-calendar"), follow=True))
        second = text(client.post(reverse("share-calendar"), follow=True))

        addresses = [re.search(r'value="([^"]+\.ics)"', page)[1] for page in (first, second)]
        assert addresses[0] != addresses[1]


class TestTheWaitingList:
    def full(self) -> tuple[Cohort, StudentPackage]:
        cohort = cohort_with(max_enrollment=1)
        return cohort, buy_on_rows(cohort)

    def test_is_joined_and_left(self) -> None:
        cohort, _ = self.full()
        client, _ = signed_in()

        joined = client.post(course_url("course-wait", cohort), {"learner": child_of(cohort).cuid}, follow=True)
        entry = WaitlistEntry.objects.get()
        left = client.post(reverse("waitlist-leave", args=[entry.pk]), follow=True)

        assert "Jane is next in line." in text(joined)
        assert "is no longer on the waiting list" in text(left)
        assert WaitlistEntry.objects.get().status == "left"

    def test_leads_to_enrolling_when_a_place_is_free(self) -> None:
        cohort = cohort_with()
        client, _ = signed_in()

        answer = client.post(course_url("course-wait", cohort), {"learner": child_of(cohort).cuid})

        assert (answer.status_code, answer["Location"]) == (302, course_url("course-enroll", cohort))
        assert WaitlistEntry.objects.count() == 0

    @pytest.mark.usefixtures("stripe")
    def test_offers_a_place_that_can_be_accepted(self) -> None:
        cohort, _ = self.full()
        child = child_of(cohort)
        join_waitlist(learner_id=child.pk, cohort_id=cohort.pk, now=utc_now())
        change_capacity(cohort_id=cohort.pk, max_enrollment=2, now=utc_now())
        client, _ = signed_in()

        page = home(client)
        answer = client.post(course_url("course-enroll", cohort), {"learner": child.cuid})

        assert "The place is kept for Jane until" in page
        assert "Accept and pay" in page
        assert answer["Location"] == Checkout.objects.latest("pk").url
        assert "Accept and pay" not in home(client)

    def test_offers_a_place_that_can_be_declined(self) -> None:
        cohort, _ = self.full()
        join_waitlist(learner_id=child_of(cohort).pk, cohort_id=cohort.pk, now=utc_now())
        change_capacity(cohort_id=cohort.pk, max_enrollment=2, now=utc_now())
        client, _ = signed_in()

        client.post(reverse("waitlist-leave", args=[WaitlistEntry.objects.get().pk]))

        assert WaitlistEntry.objects.get().status == "declined"
        assert Cohort.objects.get().held_places == 0

    def test_can_not_be_left_for_somebody_else(self) -> None:
        cohort, _ = self.full()
        entry = join_waitlist(learner_id=child_of(cohort).pk, cohort_id=cohort.pk, now=utc_now())
        client, _ = signed_in("stranger@families.test")

        client.post(reverse("waitlist-leave", args=[entry.pk]))

        assert WaitlistEntry.objects.get().status == "waiting"
