"""Sessions in calendar applications: the secret feed and the single file, read back by a parser."""

import datetime as dt
from typing import Any

import pytest
import time_machine
from django.test import Client
from icalendar import Calendar

from accounts.models import User
from accounts.tests.factories import LearnerFactory, forget_proof, proven_user
from cohorts.course.scheduling import reschedule_session
from cohorts.learning.attendance import excuse_step, mark_missed, withdraw_excuse
from cohorts.learning.booking import Selection, book_sessions, cancel_booking, swap_booking
from cohorts.learning.calendar import CANCELLED_SHOWN
from cohorts.models import CalendarFeed, CohortSession, GroupClass, StudentPackage
from cohorts.tests.callers import Family, parent_of, student_of
from cohorts.tests.factories import buy_on_rows, cohort_with
from core.actors import SYSTEM
from core.clock import utc_now
from enrollments.models import Program

pytestmark = pytest.mark.django_db

FEED = "/api/students/me/calendar-feed"
# A Monday; the clocks in Chicago change on March 14, between the first meeting and the second.
START = dt.date(2094, 3, 8)
LATER = dt.datetime(2093, 6, 1, 12, tzinfo=dt.UTC)


def bought(**cohort: Any) -> tuple[Family, StudentPackage]:
    made = cohort_with(**{"options": (1, 1), "start_date": START, **cohort})
    family, learner = student_of(made.instance.workspace, first_name="Jane", last_name="Doe")
    return family, buy_on_rows(made, learner)


def feed_path(family: Family) -> str:
    return str(family.post(FEED).json()["url"]).removeprefix("http://127.0.0.1:8000")


def events_at(path: str) -> list[Any]:
    """Return what a calendar application, which is not signed in, finds there."""
    return Calendar.from_ical(Client().get(path).content).events


def stamps(event: Any) -> tuple[dt.datetime, int, dt.datetime]:
    """Return when it starts, how often it changed, and when last."""
    assert event["last-modified"].dt == event["dtstamp"].dt
    return event.start, event["sequence"], event["dtstamp"].dt


class TestTheFeed:
    def test_shows_the_sessions_whoever_has_the_address(self) -> None:
        family, package = bought()
        GroupClass.objects.filter(name="Week 1 class 1").update(
            teacher="Ms. Ortega; really", meeting_url="https://meet.test/a,b"
        )
        row = package.progress.order_by("step__order").first()
        assert row is not None

        response = Client().get(feed_path(family))

        calendar = Calendar.from_ical(response.content)
        event = calendar.events[0]
        assert response["Content-Type"] == "text/calendar; charset=utf-8"
        assert response["Cache-Control"] == "private, no-store"
        assert response["X-Robots-Tag"] == "noindex"
        assert (calendar["version"], calendar.calendar_name) == ("2.0", "Courses")
        assert calendar.refresh_interval == dt.timedelta(hours=1)
        assert event["uid"] == f"session-{row.pk}@127.0.0.1"
        assert event["summary"] == f"{package.program.title}: Week 1"
        assert event["description"] == "Topic 1\nWeek 1 class 1\nMs. Ortega; really\nhttps://meet.test/a,b"
        assert (event["location"], event["url"]) == ("https://meet.test/a,b",) * 2

    def test_is_named_in_the_language_of_its_owner(self) -> None:
        family, _ = bought()
        User.objects.filter(pk=family.user.pk).update(language="pl")

        response = Client().get(feed_path(family), headers={"Accept-Language": "es"})

        assert Calendar.from_ical(response.content).calendar_name == "Kursy"

    def test_keeps_the_local_time_over_daylight_saving(self) -> None:
        family, _ = bought()

        starts = [event.start for event in events_at(feed_path(family))]

        assert starts == [
            dt.datetime(2094, 3, 9, 23, tzinfo=dt.UTC),
            dt.datetime(2094, 3, 16, 22, tzinfo=dt.UTC),
        ]

    def test_says_that_a_session_is_cancelled_for_a_while(self) -> None:
        family, package = bought()
        path = feed_path(family)
        first = package.progress.order_by("step__order").first()
        assert first is not None
        before = {event["uid"]: event for event in events_at(path)}

        cancel_booking(package_id=package.pk, step_id=first.step_id, now=LATER)
        with time_machine.travel(LATER, tick=False):
            off = {event["uid"]: event for event in events_at(path)}
        with time_machine.travel(LATER + CANCELLED_SHOWN + dt.timedelta(days=1), tick=False):
            forgotten = {event["uid"] for event in events_at(path)}

        uid = f"session-{first.pk}@127.0.0.1"
        assert {number: event["status"] for number, event in off.items() if number != uid} == dict.fromkeys(
            before.keys() - {uid}, "CONFIRMED"
        )
        assert (off[uid]["status"], off[uid].start) == ("CANCELLED", before[uid].start)
        assert off[uid]["sequence"] > before[uid]["sequence"]
        assert off[uid]["last-modified"].dt == off[uid]["dtstamp"].dt == LATER
        assert forgotten == before.keys() - {uid}

    def test_counts_every_change_of_a_session(self) -> None:
        """There, back, and there again: an application that polled each time has followed."""
        family, _ = bought(options=(1,))
        path = feed_path(family)
        session_id = CohortSession.objects.get().class_session_id
        seen = [stamps(events_at(path)[0])]

        for day, hour in enumerate((9, 17, 9), start=1):
            reschedule_session(
                session_id=session_id,
                date=dt.date(2094, 3, 9),
                start_time=dt.time(hour),
                end_time=dt.time(hour + 1),
                max_students=5,
                now=LATER + dt.timedelta(days=day),
            )
            seen.append(stamps(events_at(path)[0]))

        starts, sequences, changes = zip(*seen, strict=True)
        assert [start.hour for start in starts] == [23, 15, 23, 15]
        assert sequences == (0, 1, 2, 3)
        assert changes[1:] == tuple(LATER + dt.timedelta(days=day) for day in (1, 2, 3))

    def test_counts_on_when_a_step_is_booked_again(self) -> None:
        family, package = bought(options=(2,))
        path = feed_path(family)
        old, new = CohortSession.objects.order_by("pk")
        sequences = []

        book_sessions(package_id=package.pk, selections=[Selection(old.step_id, old.option_id)], now=utc_now())
        sequences.append(events_at(path)[0]["sequence"])
        swap_booking(package_id=package.pk, step_id=old.step_id, option_id=new.option_id, now=utc_now())
        sequences.append(events_at(path)[0]["sequence"])
        cancel_booking(package_id=package.pk, step_id=old.step_id, now=utc_now())
        sequences.append(events_at(path)[0]["sequence"])
        book_sessions(package_id=package.pk, selections=[Selection(old.step_id, old.option_id)], now=utc_now())
        sequences.append(events_at(path)[0]["sequence"])

        assert sequences == sorted(set(sequences))

    @pytest.mark.sqlite
    def test_counts_on_when_a_missed_step_is_excused_and_booked_again(self) -> None:
        family, package = bought(options=(2,))
        path = feed_path(family)
        old, new = CohortSession.objects.order_by("pk")
        row = package.progress.get()
        seen = []

        book_sessions(package_id=package.pk, selections=[Selection(old.step_id, old.option_id)], now=utc_now())
        mark_missed(progress_id=row.pk, actor=SYSTEM, now=utc_now())
        seen.append(events_at(path)[0])
        excuse_step(progress_id=row.pk, reason="Was ill", actor=SYSTEM, now=utc_now())
        seen.append(events_at(path)[0])
        withdraw_excuse(progress_id=row.pk, now=utc_now())
        book_sessions(package_id=package.pk, selections=[Selection(new.step_id, new.option_id)], now=utc_now())
        seen.append(events_at(path)[0])

        assert [event["status"] for event in seen] == ["CONFIRMED", "CANCELLED", "CONFIRMED"]
        assert [event["sequence"] for event in seen] == [0, 1, 2]

    def test_folds_and_escapes_what_is_long_or_special(self) -> None:
        family, package = bought(options=(1,))
        title = "Łódź, Żółw; \\ and so on " * 7
        Program.objects.filter(pk=package.program_id).update(title=title)

        content = Client().get(feed_path(family)).content

        assert all(len(line) <= 75 for line in content.split(b"\r\n"))
        assert Calendar.from_ical(content).events[0]["summary"] == f"{title}: Week 1"

    @pytest.mark.sqlite
    def test_moves_a_session_that_was_swapped_or_moved_under_the_same_uid(self) -> None:
        family, package = bought(options=(2,))
        path = feed_path(family)
        old, new = CohortSession.objects.order_by("pk")
        book_sessions(package_id=package.pk, selections=[Selection(old.step_id, old.option_id)], now=utc_now())
        before = events_at(path)[0]

        swap_booking(package_id=package.pk, step_id=old.step_id, option_id=new.option_id, now=utc_now())
        swapped = events_at(path)[0]
        reschedule_session(
            session_id=new.class_session_id,
            date=dt.date(2094, 3, 12),
            start_time=dt.time(9),
            end_time=dt.time(10),
            max_students=5,
            now=utc_now(),
        )
        moved = events_at(path)[0]

        assert before["uid"] == swapped["uid"] == moved["uid"]
        assert [event.start.isoformat() for event in (before, swapped, moved)] == [
            "2094-03-09T23:00:00+00:00",
            "2094-03-10T23:00:00+00:00",
            "2094-03-12T15:00:00+00:00",
        ]

    def test_names_no_other_learner_and_one_s_own_only_where_there_are_several(self) -> None:
        cohort = cohort_with(options=(1,), start_date=START)
        ann = LearnerFactory(workspace=cohort.instance.workspace, first_name="Ann", last_name="Lee")
        ben = LearnerFactory(workspace=cohort.instance.workspace, first_name="Ben", last_name="Lee")
        buy_on_rows(cohort, LearnerFactory(workspace=cohort.instance.workspace, first_name="Zoe"))
        buy_on_rows(cohort, ann)
        family = parent_of(ann, ben)
        path = feed_path(family)
        alone = [event["summary"] for event in events_at(path)]
        buy_on_rows(cohort, ben)

        together = [event["summary"] for event in events_at(path)]

        title = f"{cohort.instance.program.title}: Week 1"
        assert alone == [title]
        assert together == [f"Ann: {title}", f"Ben: {title}"]
        assert b"Zoe" not in Client().get(path).content

    def test_is_not_sent_again_while_it_is_the_same(self) -> None:
        family, package = bought()
        path = feed_path(family)
        etag = Client().get(path)["ETag"]
        unchanged = Client().get(path, headers={"If-None-Match": etag})
        first = package.progress.order_by("step__order").first()
        assert first is not None

        cancel_booking(package_id=package.pk, step_id=first.step_id, now=utc_now())
        changed = Client().get(path, headers={"If-None-Match": etag})

        assert (unchanged.status_code, changed.status_code) == (304, 200)

    def test_takes_the_same_number_of_queries_however_many_sessions(self, django_assert_num_queries: Any) -> None:
        family, _ = bought(options=(1, 1, 1, 1, 1))
        path = feed_path(family)

        with django_assert_num_queries(4):  # the feed and its owner, the address, the sessions, the canceled ones
            found = events_at(path)

        assert len(found) == 5


class TestTheAddressOfAFeed:
    @pytest.mark.sqlite
    def test_is_there_once_it_was_asked_for(self) -> None:
        family = Family("jane@school.test")
        before = family.get(FEED).json()

        url = family.post(FEED).json()["url"]

        assert before == {"url": None}
        assert url == f"http://127.0.0.1:8000/calendar/{CalendarFeed.objects.get().token}.ics"
        assert family.get(FEED).json() == {"url": url}

    @pytest.mark.sqlite
    def test_that_was_replaced_or_taken_away_answers_nobody(self) -> None:
        family = Family("jane@school.test")
        first = feed_path(family)
        second = feed_path(family)
        answers = [Client().get(path).status_code for path in (first, second)]

        family.delete(FEED)

        assert answers == [404, 200]
        assert Client().get(second).status_code == 404
        assert family.delete(FEED).status_code == 204

    def test_answers_nobody_once_its_owner_left(self) -> None:
        family = Family("left@home.test")
        path = feed_path(family)

        family.user.is_active = False
        family.user.save()

        assert Client().get(path).status_code == 404

    def test_says_what_to_do_while_its_owner_s_address_is_unproven(self) -> None:
        family = Family("lost@home.test")
        path = feed_path(family)

        forget_proof(family.user)
        answer = Client().get(path)
        page = answer.content.decode()
        proven_user(family.user.email)

        assert (answer.status_code, answer["Content-Type"]) == (403, "text/html; charset=utf-8")
        assert "This calendar is on hold" in page
        assert "lost@home.test" not in page
        assert Client().get(path)["Content-Type"] == "text/calendar; charset=utf-8"

    @pytest.mark.parametrize("token", ["x", "a" * 43, "%01"])
    def test_can_not_be_guessed(self, token: str) -> None:
        Family("jane@school.test").post(FEED)

        assert Client().get(f"/calendar/{token}.ics").status_code == 404


class TestOneSession:
    @pytest.mark.sqlite
    def test_is_a_file_for_whom_it_belongs_to(self) -> None:
        family, package = bought()
        row = package.progress.order_by("step__order").first()
        assert row is not None

        response = family.get(f"/my/sessions/{row.pk}.ics")

        assert response["Content-Type"] == "text/calendar; charset=utf-8"
        assert response["Content-Disposition"] == f'attachment; filename="session-{row.pk}.ics"'
        events = Calendar.from_ical(response.content).events
        assert [event["uid"] for event in events] == [f"session-{row.pk}@127.0.0.1"]

    def test_is_nobody_else_s(self) -> None:
        family, package = bought(options=(1, 2))
        booked, unbooked = package.progress.order_by("step__order")
        stranger = Family("other@school.test")

        assert stranger.get(f"/my/sessions/{booked.pk}.ics").status_code == 404
        assert family.get(f"/my/sessions/{unbooked.pk}.ics").status_code == 404
        assert family.get(f"/my/sessions/{'9' * 30}.ics").status_code == 404
        assert Client().get(f"/my/sessions/{booked.pk}.ics").status_code == 302
