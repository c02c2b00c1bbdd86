"""Opening, closing, and enlarging a cohort that people wait for, and moving one of its meetings."""

import datetime as dt

import pytest
from django.db import OperationalError

from accounts.models import Learner
from accounts.tests.factories import LearnerFactory
from billing.checkout import cancel_checkout
from cohorts.course.scheduling import clone_cohort, reschedule_session
from cohorts.errors import SeatsBelowBookings
from cohorts.models import ClassSession, Cohort, StepProgress, WaitlistEntry
from cohorts.sale import opening
from cohorts.sale.opening import change_capacity, close_cohort, open_cohort, serve_waiting_lines, serve_waitlist
from cohorts.sale.waitlist import join_waitlist, offer_free_places
from cohorts.tasks import expire_waitlist_offers
from cohorts.tests.factories import buy, cohort_with, start
from core.clock import utc_now
from core.errors import Invalid
from enrollments.models import Program
from events.models import OutboxEvent
from sandbox.testing import SandboxProcess

pytestmark = pytest.mark.django_db(transaction=True)


def waiting_for(cohort: Cohort) -> Learner:
    learner: Learner = LearnerFactory(workspace=cohort.instance.workspace)
    join_waitlist(learner_id=learner.pk, cohort_id=cohort.pk, now=utc_now())
    return learner


def full_cohort(stripe: SandboxProcess) -> Cohort:
    cohort = cohort_with(max_enrollment=1)
    buy(stripe, cohort)
    return cohort


class TestALine:
    """A line with free places that were put on sale without serving it."""

    def freed_while_off(self, stripe: SandboxProcess) -> tuple[Cohort, Learner]:
        """Return a cohort whose place was freed while its program was switched off, so that nobody was offered it."""
        cohort = cohort_with(max_enrollment=1)
        checkout = start(cohort)
        learner = waiting_for(cohort)
        Program.objects.filter(pk=cohort.instance.program_id).update(active=False)
        cancel_checkout(checkout_id=checkout.pk, now=utc_now())
        assert WaitlistEntry.objects.get(cohort=cohort).status == "waiting"
        return cohort, learner

    def test_is_served_by_the_sweep(self, stripe: SandboxProcess) -> None:
        cohort, learner = self.freed_while_off(stripe)
        Program.objects.update(active=True)

        expire_waitlist_offers()

        cohort.refresh_from_db()
        assert (WaitlistEntry.objects.get().status, cohort.held_places) == ("offered", 1)
        assert buy(stripe, cohort, learner).learner == learner

    def test_of_what_is_not_on_sale_waits_on(self, stripe: SandboxProcess) -> None:
        self.freed_while_off(stripe)

        assert serve_waiting_lines(now=utc_now()) == 0
        assert WaitlistEntry.objects.get().status == "waiting"

    def test_that_makes_trouble_does_not_hold_up_the_others(
        self, stripe: SandboxProcess, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        broken, other = (self.freed_while_off(stripe)[0] for _ in range(2))
        Program.objects.update(active=True)
        offer = offer_free_places

        def offer_but_to(*, cohort_id: int, now: dt.datetime) -> list[WaitlistEntry]:
            if cohort_id == broken.pk:
                raise OperationalError("canceling statement due to lock timeout")
            return offer(cohort_id=cohort_id, now=now)

        monkeypatch.setattr(opening, "offer_free_places", offer_but_to)

        assert serve_waiting_lines(now=utc_now()) == 1
        assert WaitlistEntry.objects.get(status="offered").cohort == other


class TestMorePlaces:
    def test_go_to_those_who_wait_first(self, stripe: SandboxProcess) -> None:
        cohort = full_cohort(stripe)
        first, second = waiting_for(cohort), waiting_for(cohort)

        changed = change_capacity(cohort_id=cohort.pk, max_enrollment=2, now=utc_now())

        assert (changed.max_enrollment, changed.held_places, changed.places_left) == (2, 1, 0)
        status = dict(WaitlistEntry.objects.values_list("learner", "status"))
        assert status == {first.pk: "offered", second.pk: "waiting"}

    def test_of_a_closed_cohort_are_offered_when_it_opens(self, stripe: SandboxProcess) -> None:
        cohort = full_cohort(stripe)
        waiting_for(cohort)
        close_cohort(cohort_id=cohort.pk)
        change_capacity(cohort_id=cohort.pk, max_enrollment=2, now=utc_now())
        assert WaitlistEntry.objects.get().status == "waiting"
        Cohort.objects.update(enrollment_deadline=utc_now() + dt.timedelta(days=7))

        opened = open_cohort(cohort_id=cohort.pk, now=utc_now())

        assert (opened.is_active, opened.held_places) == (True, 1)
        assert WaitlistEntry.objects.get().status == "offered"

    def test_past_the_deadline_are_offered_when_it_is_put_off(self, stripe: SandboxProcess) -> None:
        cohort = full_cohort(stripe)
        waiting_for(cohort)
        Cohort.objects.update(enrollment_deadline=utc_now() - dt.timedelta(days=1))
        change_capacity(cohort_id=cohort.pk, max_enrollment=2, now=utc_now())
        assert WaitlistEntry.objects.get().status == "waiting"
        Cohort.objects.update(enrollment_deadline=utc_now() + dt.timedelta(days=1))

        served = serve_waitlist(cohort_id=cohort.pk, now=utc_now())

        assert served.held_places == 1
        assert WaitlistEntry.objects.get().status == "offered"

    def test_stay_free_when_nobody_waits(self, stripe: SandboxProcess) -> None:
        cohort = full_cohort(stripe)

        changed = change_capacity(cohort_id=cohort.pk, max_enrollment=4, now=utc_now())

        assert (changed.held_places, changed.places_left) == (0, 3)


class TestAMovedMeeting:
    def test_keeps_its_bookings_and_is_told(self, stripe: SandboxProcess) -> None:
        buy(stripe, cohort_with(options=(1,)))
        session = ClassSession.objects.get()
        day = session.date + dt.timedelta(days=1)

        moved = reschedule_session(
            session_id=session.pk,
            date=day,
            start_time=dt.time(9),
            end_time=dt.time(10, 30),
            max_students=4,
            now=utc_now(),
        )

        local = moved.starts_at.astimezone(dt.UTC) - session.starts_at.astimezone(dt.UTC)
        assert local == dt.timedelta(days=1) - dt.timedelta(hours=8)  # was 17:00
        assert moved.ends_at - moved.starts_at == dt.timedelta(minutes=90)
        assert (moved.date, moved.max_students, moved.booked_count) == (day, 4, 1)
        assert StepProgress.objects.get().class_session_id == session.pk
        event = OutboxEvent.objects.get(type="session.rescheduled")
        assert event.payload["classSessionId"] == session.pk

    def test_that_only_gets_more_seats_is_not_told(self) -> None:
        cohort_with(options=(1,))
        session = ClassSession.objects.get()

        changed = reschedule_session(
            session_id=session.pk,
            date=session.date,
            start_time=dt.time(17),
            end_time=dt.time(18),
            max_students=25,
            now=utc_now(),
        )

        assert (changed.max_students, changed.starts_at) == (25, session.starts_at)
        assert not OutboxEvent.objects.filter(type="session.rescheduled").exists()

    def test_never_has_fewer_seats_than_bookings(self, stripe: SandboxProcess) -> None:
        cohort = cohort_with(options=(1,))
        buy(stripe, cohort)
        buy(stripe, cohort)
        session = ClassSession.objects.get()

        with pytest.raises(SeatsBelowBookings, match="Seats booked: 2"):
            reschedule_session(
                session_id=session.pk,
                date=session.date + dt.timedelta(days=1),
                start_time=dt.time(17),
                end_time=dt.time(18),
                max_students=1,
                now=utc_now(),
            )

        assert ClassSession.objects.get().date == session.date
        assert not OutboxEvent.objects.filter(type="session.rescheduled").exists()

    @pytest.mark.parametrize(
        ("days", "start", "end", "field"),
        [(7, dt.time(17), dt.time(18), "date"), (0, dt.time(18), dt.time(18), "end_time")],
    )
    def test_is_refused_where_it_does_not_fit(self, days: int, start: dt.time, end: dt.time, field: str) -> None:
        cohort = cohort_with(options=(1,))
        clone_cohort(cohort_id=cohort.pk, name="Next week", start_date=cohort.start_date + dt.timedelta(days=7))
        session = ClassSession.objects.order_by("date")[0]

        with pytest.raises(Invalid) as refusal:
            reschedule_session(
                session_id=session.pk,
                date=session.date + dt.timedelta(days=days),
                start_time=start,
                end_time=end,
                max_students=10,
                now=utc_now(),
            )

        assert [fault.field for fault in refusal.value.errors] == [field]
        assert ClassSession.objects.get(pk=session.pk).starts_at == session.starts_at


class TestACloneOfACohort:
    def test_needs_a_name_of_its_own(self) -> None:
        cohort = cohort_with()

        with pytest.raises(Invalid) as refusal:
            clone_cohort(cohort_id=cohort.pk, name=cohort.name, start_date=cohort.start_date + dt.timedelta(weeks=20))

        assert [fault.field for fault in refusal.value.errors] == ["name"]
        assert Cohort.objects.count() == 1
