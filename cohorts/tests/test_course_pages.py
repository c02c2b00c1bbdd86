"""What the back office's pages of sessions, packages, places, classes, and steps show."""

import datetime as dt

import pytest
from django.urls import reverse

from accounts.models import Workspace
from accounts.tests.factories import LearnerFactory
from backoffice.tests.staff_client import StaffClient, card, listed, said
from cohorts.admin.display import meeting_time, weekly_time
from cohorts.learning.attendance import excuse_step, mark_attended
from cohorts.models import (
    ClassSession,
    Cohort,
    CohortPlace,
    CourseStep,
    GroupClass,
    StudentPackage,
)
from cohorts.sale.waitlist import offer_free_places
from cohorts.tests.factories import GroupClassFactory, buy_on_rows, reserve
from cohorts.tests.staff_pages import ask, begin_now, cohort_in, list_of, press, url_of, wait_for
from core.clock import utc_now
from enrollments.lifecycle import unenroll_enrollment
from enrollments.tests.factories import STAFF

pytestmark = pytest.mark.django_db


class TestTheListOfSessions:
    def test_is_filtered_by_when_they_meet(self, workspace: Workspace, reviewer: StaffClient) -> None:
        cohort = cohort_in(workspace, options=(1, 1, 1, 1, 1))
        packages = [buy_on_rows(cohort), buy_on_rows(cohort)]
        names = ["later", "soon", "running", "unmarked", "marked"]
        starts = [dt.timedelta(days=8), dt.timedelta(days=6), -dt.timedelta(minutes=5), -dt.timedelta(days=2)]
        for name, after, order in zip(names, [*starts, -dt.timedelta(days=1)], range(1, 6), strict=True):
            session = ClassSession.objects.get(cohort_sessions__step__order=order)
            starts_at = utc_now() + after
            ClassSession.objects.filter(pk=session.pk).update(
                starts_at=starts_at, ends_at=starts_at + dt.timedelta(hours=1)
            )
            GroupClass.objects.filter(pk=session.group_class_id).update(name=name)
        for package in packages:
            mark_attended(progress_id=package.progress.get(step__order=5).pk, actor=STAFF, now=utc_now())

        found = {
            when: sorted(row[1] for row in listed(reviewer, f"{list_of('classsession')}?when={when}"))
            for when in ("", "coming", "week", "unmarked")
        }

        assert found == {
            "": sorted(names),
            "coming": ["later", "running", "soon"],
            "week": ["running", "soon"],
            "unmarked": ["unmarked"],
        }

    def test_shows_class_teacher_seats_and_zone(self, workspace: Workspace, reviewer: StaffClient) -> None:
        buy_on_rows(cohort_in(workspace, options=(1, 1)))
        first, second = ClassSession.objects.select_related("group_class").order_by("starts_at")
        GroupClass.objects.filter(pk=first.group_class_id).update(teacher="Ms. Stone")

        rows = listed(reviewer, list_of("classsession"))

        assert rows == [
            [meeting_time(second), second.group_class.name, "—", "1 of 10", "America/Chicago"],
            [meeting_time(first), first.group_class.name, "Ms. Stone", "1 of 10", "America/Chicago"],
        ]


class TestASessionSPage:
    def test_shows_who_has_a_seat_and_which_cohorts_meet_there(
        self, reviewer: StaffClient, package: StudentPackage
    ) -> None:
        row = package.progress.get(step__order=2)
        buy_on_rows(
            package.cohort, LearnerFactory(workspace=package.program.workspace, first_name="Bo", last_name="Ax")
        )
        mark_attended(progress_id=row.pk, actor=STAFF, now=utc_now())
        free = ClassSession.objects.filter(cohort_sessions__step__order=1).first()
        assert free is not None
        page = url_of(row.seat)

        assert card(reviewer, page, "Who has a seat") == [
            ("Bo Ax", "Booked", "Week 2"),
            ("Ana Ruiz", "Completed", "Week 2"),
        ]
        assert card(reviewer, page, "Cohorts that meet here") == [(f"{package.program}, Fall", "", "Week 2")]
        assert card(reviewer, url_of(free), "Who has a seat") == []
        more = f"{list_of('stepprogress')}?class_session__id__exact={row.class_session_id}"
        assert more in reviewer.get(page).content.decode()
        assert len(listed(reviewer, more)) == 2

    def test_warns_of_a_time_that_the_clock_skips(
        self, workspace: Workspace, manager: StaffClient, package: StudentPackage
    ) -> None:
        session = package.progress.get(step__order=2).seat
        form = {"date": "2027-03-14", "start_time": "02:30", "end_time": "03:30", "max_students": 2}

        same = ask(
            manager, session, "reschedule", date=session.date, start_time="17:00", end_time="18:00", max_students=10
        )
        answer = press(manager, session, "reschedule", **form)

        moved = ClassSession.objects.select_related("group_class").get(pk=session.pk)
        assert same == ("It stays as it is.", "No mail is sent.")
        assert said(answer)[1] == f"{moved.group_class} meets {meeting_time(moved)}, 1 seat left."
        assert "2:30" in said(answer)[0]


class TestAPackageSPage:
    def test_shows_its_origin_and_its_steps(self, reviewer: StaffClient, package: StudentPackage) -> None:
        row = package.progress.select_related("class_session__group_class").get(step__order=2)
        payment = package.payment
        assert payment is not None

        origin = card(reviewer, url_of(package), "Origin")
        steps = card(reviewer, url_of(package), "Steps")
        events = card(reviewer, url_of(package), "Latest events")

        assert origin == [
            ("Place", "Taken", ""),
            ("Enrollment", package.enrollment.get_eligibility_status_display(), ""),
            (str(payment), "Paid", ""),
        ]
        assert [(title, badge) for title, badge, _ in steps] == [
            (str(package.progress.get(step__order=1).step), "Not booked"),
            (str(row.step), "Booked"),
        ]
        assert steps[1][2] == f"{row.seat.group_class}, {meeting_time(row.seat)}"
        assert [title.partition(". ")[2] for title, _, _ in events][-1:] == ["package.created"]

    def test_of_a_place_shows_what_came_of_it(self, reviewer: StaffClient, package: StudentPackage) -> None:
        held = reserve(package.cohort, LearnerFactory(workspace=package.program.workspace))
        place = package.place
        before = card(reviewer, url_of(place), "Outcome")
        unenroll_enrollment(enrollment_id=package.enrollment_id, actor=STAFF, reason="Moves", now=utc_now())

        assert before == [(str(package), "", "")]
        assert card(reviewer, url_of(place), "Outcome") == [(str(package), "", "revoked")]
        assert card(reviewer, url_of(held), "Outcome") == []

    def test_of_an_offered_place_shows_the_offer(self, workspace: Workspace, reviewer: StaffClient) -> None:
        cohort = cohort_in(workspace, max_enrollment=1)
        buy_on_rows(cohort)
        entry = wait_for(cohort)
        Cohort.objects.update(max_enrollment=2)
        offer_free_places(cohort_id=cohort.pk, now=utc_now())
        place = CohortPlace.objects.get(learner=entry.learner)

        assert card(reviewer, url_of(place), "Outcome") == [(str(entry), "Offered", "")]
        assert f"{entry.learner}: {cohort.instance.program}, {cohort}" in reviewer.get(url_of(place)).content.decode()

    def test_is_one_of_the_places_that_are_listed(self, reviewer: StaffClient, package: StudentPackage) -> None:
        rows = listed(reviewer, list_of("cohortplace"))

        assert [row[:3] for row in rows] == [["Ana Ruiz", f"{package.program}, Fall", "Taken"]]

    def test_is_listed_with_what_was_attended(self, reviewer: StaffClient, package: StudentPackage) -> None:
        learner = "Ana Ruiz ana@example.test"
        before = listed(reviewer, list_of("studentpackage"))
        excuse_step(progress_id=package.progress.get(step__order=1).pk, reason="Ill", actor=STAFF, now=utc_now())
        mark_attended(progress_id=package.progress.get(step__order=2).pk, actor=STAFF, now=utc_now())

        after = listed(reviewer, list_of("studentpackage"))

        assert [row[:4] for row in before] == [[learner, str(package), "Live", "0 of 2"]]
        assert [row[:4] for row in after] == [[learner, str(package), "Completed", "2 of 2"]]


class TestAClass:
    @pytest.fixture
    def group_class(self, package: StudentPackage) -> GroupClass:
        return package.progress.select_related("class_session__group_class").get(step__order=2).seat.group_class

    @pytest.mark.parametrize(
        ("keeps", "moves", "mails", "answer"),
        [
            ("clock", 1, "Bookings whose families are told the new time by mail: 1.", "1 session moved."),
            ("moment", 0, "No mail is sent.", "0 sessions moved."),
        ],
    )
    def test_in_another_zone_moves_the_sessions_that_keep_their_clock(
        self, manager: StaffClient, group_class: GroupClass, keeps: str, moves: int, mails: str, answer: str
    ) -> None:
        before = ClassSession.objects.get(group_class=group_class)
        form = {"timezone": "America/New_York", "sessions": keeps}

        told = ask(manager, group_class, "change_zone", **form)
        done = press(manager, group_class, "change_zone", **form)

        after = ClassSession.objects.get(group_class=group_class)
        assert told[0] == "Sessions that are scheduled from now on meet at 5:00 PM in America/New_York."
        assert told[1].startswith(f"{group_class}: ") if moves else told[1] == "No session on the calendar moves."
        assert (told[-1], len(told)) == (mails, 3)
        assert said(done) == [f"{group_class} now uses the time zone America/New_York; {answer}"]
        assert before.starts_at - after.starts_at == dt.timedelta(hours=moves)

    def test_is_listed_with_its_week(self, manager: StaffClient, workspace: Workspace) -> None:
        made = GroupClassFactory(workspace=workspace, name="Tuesdays", teacher="Ms. Stone")
        GroupClassFactory()

        rows = listed(manager, list_of("groupclass"))

        assert [row[:4] for row in rows] == [["Tuesdays", weekly_time(made), "Ms. Stone", "10"]]
        assert rows[0][1] == "Tuesdays, 5:00 PM to 6:00 PM, America/Chicago"

    def test_is_saved_on_its_page(self, manager: StaffClient, workspace: Workspace) -> None:
        address = reverse("admin:cohorts_groupclass_add")
        form = {
            "workspace": workspace.pk,
            "name": "Fridays",
            "teacher": "",
            "day_of_week": 4,
            "timezone": "America/Chicago",
            "start_time": "17:00",
            "end_time": "18:00",
            "max_students": 8,
            "meeting_url": "meet.example.test/room",
        }

        manager.post(address, form)

        made = GroupClass.objects.get()
        assert (made.name, made.max_students, made.meeting_url) == ("Fridays", 8, "https://meet.example.test/room")

    def test_shows_the_sessions_to_come_and_its_steps(
        self, reviewer: StaffClient, package: StudentPackage, group_class: GroupClass
    ) -> None:
        session = ClassSession.objects.get(group_class=group_class)
        step = package.progress.get(step__order=2).step

        coming = card(reviewer, url_of(group_class), "Coming sessions")
        begin_now(session)
        over = card(reviewer, url_of(group_class), "Coming sessions")

        assert coming == [(meeting_time(session), "", "1 of 10")]
        assert over == []
        assert card(reviewer, url_of(group_class), "Steps it serves") == [(str(step), "", str(package.program))]


class TestAStepOfACourse:
    def test_is_listed_with_the_classes_that_teach_it(
        self, workspace: Workspace, reviewer: StaffClient, package: StudentPackage
    ) -> None:
        CourseStep.objects.create(program=package.program, order=9, label="Week 9", title="More")

        rows = listed(reviewer, list_of("coursestep"))

        program = str(package.program)
        assert [[*row[:4], row[-1]] for row in rows] == [
            ["Week 1", "Topic 1", program, "1", "Week 1 class 1, Week 1 class 2"],
            ["Week 2", "Topic 2", program, "2", "Week 2 class 1"],
            ["Week 9", "More", program, "9", "None yet"],
        ]

    def test_shows_its_neighbors(self, reviewer: StaffClient, package: StudentPackage) -> None:
        first, second = package.program.steps.order_by("order")

        rows = card(reviewer, url_of(second), f"Steps of {package.program}")

        assert rows == [(str(first), "", ""), (str(second), "", "this one")]

    def test_shows_on_the_program_s_page_how_many_classes_it_can_be_chosen_from(
        self, manager: StaffClient, package: StudentPackage
    ) -> None:
        CourseStep.objects.create(program=package.program, order=9, label="Week 9", title="More")
        address = reverse("admin:enrollments_program_change", args=[package.program_id])

        page = manager.get(address).content.decode()

        for words in ("2 to choose from", "1, booked automatically", "None yet: add one"):
            assert page.count(words) == 1
        assert card(manager, address, "Cohorts")[0][0].startswith("Fall, ")
