"""What a student has, by the API: packages, choosing and giving back sessions, the calendar of a family."""

import datetime as dt
from typing import Any

import pytest
from pytest_django import Settings

from accounts.tests.factories import LearnerFactory
from cohorts.attendance import mark_attended
from cohorts.booking import Selection, book_sessions
from cohorts.models import ClassSession, CohortSession, StepProgress, StudentPackage
from cohorts.tests.callers import Family, fields, parent_of, problem, student_of
from cohorts.tests.factories import CohortFactory, buy, cohort_with
from enrollments.tests.factories import STAFF
from events.models import OutboxEvent
from sandbox.testing import SandboxProcess

pytestmark = [pytest.mark.django_db, pytest.mark.sqlite]

PACKAGES = "/api/students/me/course-packages"
SESSIONS = "/api/students/me/course-sessions"
START = dt.date(2094, 1, 11)


def bought(stripe: SandboxProcess, **cohort: Any) -> tuple[Family, StudentPackage]:
    """A student who has bought a course that starts in January 2094: Tuesdays, and Wednesdays for second classes."""
    made = cohort_with(**{"options": (1, 2), "start_date": START, **cohort})
    family, learner = student_of(made.instance.workspace, first_name="Jane", last_name="Doe")
    return family, buy(stripe, made, learner)


def session_of(package: StudentPackage, order: int, number: int = 0) -> CohortSession:
    offered = CohortSession.objects.filter(cohort=package.cohort, step__order=order)
    return offered.select_related("class_session").order_by("pk")[number]


def choice(session: CohortSession) -> dict[str, int]:
    return {"courseStepId": session.step_id, "courseStepOptionId": session.option_id}


def state() -> tuple[Any, ...]:
    """What a refusal must leave as it was."""
    return (
        list(StepProgress.objects.order_by("pk").values_list("status", "class_session", "option")),
        list(ClassSession.objects.order_by("pk").values_list("booked_count", flat=True)),
        OutboxEvent.objects.count(),
    )


class TestPackages:
    def test_are_listed_with_their_progress(self, stripe: SandboxProcess) -> None:
        family, package = bought(stripe)

        response = family.get(PACKAGES)

        assert response.status_code == 200
        assert response.json() == [
            {
                "packageId": package.pk,
                "name": f"{package.program.code} - {package.cohort.name}",
                "courseCode": package.program.code,
                "courseTitle": package.program.title,
                "cohortId": package.cohort_id,
                "cohortName": package.cohort.name,
                "learner": {"learnerId": package.learner.cuid, "firstName": "Jane", "lastName": "Doe"},
                "purchasedAt": package.purchased_at.isoformat().replace("+00:00", "Z"),
                "expiresAt": None,
                "progress": 0,
                "completedSteps": 0,
                "totalSteps": 2,
                "unbookedSteps": 1,
                "nextSessionAt": "2094-01-12T23:00:00Z",
            }
        ]

    def test_count_what_was_attended(self, stripe: SandboxProcess) -> None:
        family, package = bought(stripe)
        row = package.progress.get(status="BOOKED")
        assert row.class_session is not None
        mark_attended(progress_id=row.pk, actor=STAFF, now=row.class_session.ends_at)

        item = family.get(PACKAGES).json()[0]

        assert (item["progress"], item["completedSteps"], item["nextSessionAt"]) == (50, 1, None)

    def test_show_the_progress_of_each_step(self, stripe: SandboxProcess) -> None:
        family, package = bought(stripe)
        booked, unbooked = package.progress.order_by("step__order")

        response = family.get(f"{PACKAGES}/{package.pk}")

        assert response.json()["packageId"] == package.pk
        assert response.json()["steps"] == [
            {
                "id": booked.pk,
                "studentPackageId": package.pk,
                "courseStepId": booked.step_id,
                "stepLabel": "Week 1",
                "stepTitle": "Topic 1",
                "stepOrder": 1,
                "required": True,
                "status": "BOOKED",
                "courseStepOptionId": booked.option_id,
                "bookedAt": booked.booked_at.isoformat().replace("+00:00", "Z"),  # type: ignore[union-attr]
                "completedAt": None,
                "session": {
                    "sessionId": booked.class_session_id,
                    "groupClassName": "Week 1 class 1",
                    "teacher": "",
                    "startsAt": "2094-01-12T23:00:00Z",
                    "endsAt": "2094-01-13T00:00:00Z",
                    "timezone": "America/Chicago",
                    "meetingUrl": "",
                    "changeableUntil": "2094-01-11T23:00:00Z",
                    "calendarUrl": f"http://127.0.0.1:8000/my/sessions/{booked.pk}.ics",
                },
            },
            {
                "id": unbooked.pk,
                "studentPackageId": package.pk,
                "courseStepId": unbooked.step_id,
                "stepLabel": "Week 2",
                "stepTitle": "Topic 2",
                "stepOrder": 2,
                "required": True,
                "status": "UNBOOKED",
                "courseStepOptionId": None,
                "bookedAt": None,
                "completedAt": None,
                "session": None,
            },
        ]

    def test_of_all_children_are_their_guardian_s(self, stripe: SandboxProcess) -> None:
        cohort = cohort_with()
        children = LearnerFactory.create_batch(2, workspace=cohort.instance.workspace)
        packages = [buy(stripe, cohort, child) for child in children]
        buy(stripe, cohort)  # somebody else's

        response = parent_of(*children).get(PACKAGES)

        assert [item["packageId"] for item in response.json()] == [packages[1].pk, packages[0].pk]

    def test_take_the_same_number_of_queries_however_many(
        self, stripe: SandboxProcess, django_assert_num_queries: Any
    ) -> None:
        children = []
        for _ in range(3):
            cohort = cohort_with(options=(1, 2))
            child = LearnerFactory(workspace=cohort.instance.workspace, email="parent@home.test")
            children.append(child)
            buy(stripe, cohort, child)
        family = Family("parent@home.test")

        with django_assert_num_queries(5):  # session, user, address; packages, their steps
            response = family.get(PACKAGES)
        with django_assert_num_queries(4):
            family.get(SESSIONS)

        assert len(response.json()) == 3


class TestSomebodyElse:
    @pytest.mark.parametrize(
        ("method", "path", "body"),
        [
            ("get", "", None),
            ("get", "/unbooked-steps", None),
            ("post", "/book-sessions", {"selections": []}),
            ("post", "/steps/{step}/cancel", None),
            ("post", "/steps/{step}/swap", {"courseStepOptionId": 1}),
        ],
    )
    def test_finds_no_package_and_changes_none(self, stripe: SandboxProcess, method: str, path: str, body: Any) -> None:
        _, package = bought(stripe)
        stranger, _ = student_of(package.learner.workspace, email="other@school.test")
        step = package.progress.get(status="BOOKED").step_id
        before = state()
        args = [body] if method == "post" else []

        theirs = getattr(stranger, method)(f"{PACKAGES}/{package.pk}{path}".format(step=step), *args)
        nobodys = getattr(stranger, method)(f"{PACKAGES}/{'9' * 30}{path}".format(step=step), *args)

        assert problem(theirs) == problem(nobodys) == (404, "package_not_found")
        assert theirs.json()["detail"] == nobodys.json()["detail"]
        assert state() == before

    def test_sees_none_of_it_in_lists(self, stripe: SandboxProcess) -> None:
        _, package = bought(stripe)
        stranger, _ = student_of(package.learner.workspace, email="other@school.test")

        assert stranger.get(PACKAGES).json() == stranger.get(SESSIONS).json() == []

    def test_who_only_claims_the_address_sees_none_of_it(self, stripe: SandboxProcess) -> None:
        family, package = bought(stripe)
        family.user.emailaddress_set.update(verified=False)

        answers = [family.get(path) for path in (PACKAGES, SESSIONS, f"{PACKAGES}/{package.pk}")]

        assert [problem(answer) for answer in answers] == [(403, "address_unproven")] * 3


class TestUnbookedSteps:
    def test_offer_their_coming_sessions(self, stripe: SandboxProcess) -> None:
        family, package = bought(stripe, seats=8)
        first, second = session_of(package, 2), session_of(package, 2, 1)
        ClassSession.objects.filter(pk=second.class_session_id).update(booked_count=8)

        response = family.get(f"{PACKAGES}/{package.pk}/unbooked-steps")

        assert response.json() == [
            {
                "stepId": first.step_id,
                "stepLabel": "Week 2",
                "stepTitle": "Topic 2",
                "stepOrder": 2,
                "required": True,
                "options": [
                    {
                        "courseStepOptionId": first.option_id,
                        "groupClassName": "Week 2 class 1",
                        "dayOfWeek": 2,
                        "startTime": "17:00",
                        "endTime": "18:00",
                        "timezone": "America/Chicago",
                        "teacher": "",
                        "availableSeats": 8,
                        "startsAt": "2094-01-19T23:00:00Z",
                        "endsAt": "2094-01-20T00:00:00Z",
                    },
                    {
                        "courseStepOptionId": second.option_id,
                        "groupClassName": "Week 2 class 2",
                        "dayOfWeek": 3,
                        "startTime": "17:00",
                        "endTime": "18:00",
                        "timezone": "America/Chicago",
                        "teacher": "",
                        "availableSeats": 0,
                        "startsAt": "2094-01-20T23:00:00Z",
                        "endsAt": "2094-01-21T00:00:00Z",
                    },
                ],
            }
        ]

    def test_of_a_course_without_choices_are_none_since_all_was_booked(self, stripe: SandboxProcess) -> None:
        family, package = bought(stripe, options=(1, 1))

        response = family.get(f"{PACKAGES}/{package.pk}/unbooked-steps")

        assert response.json() == []
        assert set(package.progress.values_list("status", flat=True)) == {"BOOKED"}

    def test_take_the_same_number_of_queries_however_many(
        self, stripe: SandboxProcess, django_assert_num_queries: Any
    ) -> None:
        family, package = bought(stripe, options=(2, 2, 2, 2))

        with django_assert_num_queries(6):  # session, user, address; package, its steps, the sessions
            response = family.get(f"{PACKAGES}/{package.pk}/unbooked-steps")

        assert len(response.json()) == 4


class TestBooking:
    def url(self, package: StudentPackage) -> str:
        return f"{PACKAGES}/{package.pk}/book-sessions"

    def test_answers_as_documented(self, stripe: SandboxProcess) -> None:
        family, package = bought(stripe)
        chosen = session_of(package, 2, 1)

        response = family.post(self.url(package), {"selections": [choice(chosen)]})

        body = response.json()
        assert response.status_code == 200
        assert (body["autoBooked"], body["manualSelections"]) == ([], [chosen.step_id])
        assert len(body["booked"]) == 1
        row = body["booked"][0]
        assert (row["courseStepId"], row["status"], row["session"]["startsAt"]) == (
            chosen.step_id,
            "BOOKED",
            "2094-01-20T23:00:00Z",
        )
        assert ClassSession.objects.get(pk=chosen.class_session_id).booked_count == 1

    def test_books_what_leaves_no_choice_without_being_asked(self, stripe: SandboxProcess) -> None:
        family, package = bought(stripe)
        only = session_of(package, 1)
        family.post(f"{PACKAGES}/{package.pk}/steps/{only.step_id}/cancel")

        body = family.post(self.url(package), {"selections": []}).json()

        assert (body["autoBooked"], body["manualSelections"]) == ([only.step_id], [])
        assert [row["courseStepId"] for row in body["booked"]] == [only.step_id]

    def test_is_not_kept_back_by_a_full_class_that_leaves_no_choice(self, stripe: SandboxProcess) -> None:
        family, package = bought(stripe, seats=2)
        only, chosen = session_of(package, 1), session_of(package, 2)
        family.post(f"{PACKAGES}/{package.pk}/steps/{only.step_id}/cancel")
        ClassSession.objects.filter(pk=only.class_session_id).update(booked_count=2)

        body = family.post(self.url(package), {"selections": [choice(chosen)]}).json()

        assert (body["autoBooked"], body["manualSelections"]) == ([], [chosen.step_id])

    def test_with_the_same_key_books_once(self, stripe: SandboxProcess) -> None:
        family, package = bought(stripe)
        body = {"selections": [choice(session_of(package, 2))]}
        first = family.post(self.url(package), body, **{"Idempotency-Key": "k1"})

        again = family.post(self.url(package), body, **{"Idempotency-Key": "k1"})
        other = family.post(self.url(package), body, **{"Idempotency-Key": "k2"})

        assert again.json() == first.json()
        assert again["Idempotent-Replayed"] == "true"
        assert problem(other) == (409, "step_already_booked")
        assert other.json()["stepIds"] == [body["selections"][0]["courseStepId"]]

    def test_of_a_full_session_books_none_of_the_request(self, stripe: SandboxProcess) -> None:
        family, package = bought(stripe, options=(2, 2), seats=1)
        free, full = session_of(package, 1), session_of(package, 2)
        ClassSession.objects.filter(pk=full.class_session_id).update(booked_count=1)
        before = state()

        response = family.post(self.url(package), {"selections": [choice(free), choice(full)]})

        assert problem(response) == (409, "session_full")
        assert response.json()["stepIds"] == [full.step_id]
        assert state() == before

    def test_of_a_step_that_was_attended_is_refused(self, stripe: SandboxProcess) -> None:
        family, package = bought(stripe)
        row = package.progress.get(status="BOOKED")
        assert row.class_session is not None
        mark_attended(progress_id=row.pk, actor=STAFF, now=row.class_session.ends_at)
        before = state()

        response = family.post(self.url(package), {"selections": [choice(session_of(package, 1))]})

        assert problem(response) == (409, "step_already_booked")
        assert state() == before

    def test_of_two_sessions_at_once_is_refused(self, stripe: SandboxProcess) -> None:
        family, package = bought(stripe, options=(2, 2))
        first, second = session_of(package, 1), session_of(package, 2)
        times = {"starts_at": first.class_session.starts_at, "ends_at": first.class_session.ends_at}
        ClassSession.objects.filter(pk=second.class_session_id).update(**times)
        before = state()

        response = family.post(self.url(package), {"selections": [choice(first), choice(second)]})

        assert problem(response) == (409, "time_conflict")
        assert state() == before

    def test_of_an_option_that_is_not_of_this_step_and_cohort_is_refused(self, stripe: SandboxProcess) -> None:
        family, package = bought(stripe, options=(2, 2))
        good, other_step = session_of(package, 1), session_of(package, 2)
        other_cohort = CohortFactory(instance=package.cohort.instance)
        foreign = session_of(buy(stripe, cohort_with(options=(2,), start_date=START)), 1)
        before = state()

        answers = [
            family.post(self.url(package), {"selections": [choice(good), wrong]})
            for wrong in (
                {"courseStepId": other_step.step_id, "courseStepOptionId": good.option_id},
                choice(foreign),
                {"courseStepId": 2**63 - 1, "courseStepOptionId": 2**63 - 1},
                choice(good),
            )
        ]

        assert other_cohort.sessions.count() == 0
        assert [problem(answer) for answer in answers] == [(422, "invalid")] * 4
        assert [fields(answer) for answer in answers] == [["selections.1.courseStepOptionId"]] * 4
        assert state() == before

    @pytest.mark.parametrize(
        ("body", "named"),
        [
            ({}, ["selections"]),
            ({"selections": None}, ["selections"]),
            ({"selections": {}}, ["selections"]),
            ({"selections": [{}]}, ["selections.0.courseStepId", "selections.0.courseStepOptionId"]),
            ({"selections": [5]}, ["selections.0"]),
            ({"selections": [{"courseStepId": "1", "courseStepOptionId": 1}]}, ["selections.0.courseStepId"]),
            ({"selections": [{"courseStepId": 1, "courseStepOptionId": 1.5}]}, ["selections.0.courseStepOptionId"]),
            ({"selections": [{"courseStepId": True, "courseStepOptionId": 1}]}, ["selections.0.courseStepId"]),
            ({"selections": [{"courseStepId": 0, "courseStepOptionId": 1}]}, ["selections.0.courseStepId"]),
            ({"selections": [{"courseStepId": 10**30, "courseStepOptionId": 1}]}, ["selections.0.courseStepId"]),
            ({"selections": [{"courseStepId": 1, "courseStepOptionId": 1}] * 101}, ["selections"]),
        ],
    )
    def test_refuses_what_makes_no_sense_by_name(
        self, stripe: SandboxProcess, body: dict[str, Any], named: list[str]
    ) -> None:
        family, package = bought(stripe)
        before = state()

        response = family.post(self.url(package), body)

        assert problem(response) == (422, "invalid")
        assert fields(response) == named
        assert state() == before


class TestChangingABooking:
    def test_gives_the_session_back(self, stripe: SandboxProcess) -> None:
        family, package = bought(stripe)
        only = session_of(package, 1)

        response = family.post(f"{PACKAGES}/{package.pk}/steps/{only.step_id}/cancel")

        row = response.json()
        assert response.status_code == 200
        assert (row["status"], row["session"], row["courseStepOptionId"], row["bookedAt"]) == (
            "UNBOOKED",
            None,
            None,
            None,
        )
        assert ClassSession.objects.get(pk=only.class_session_id).booked_count == 0

    def test_takes_the_other_session_for_it(self, stripe: SandboxProcess) -> None:
        family, package = bought(stripe)
        old, new = session_of(package, 2), session_of(package, 2, 1)
        book_sessions(package_id=package.pk, selections=[Selection(old.step_id, old.option_id)])

        response = family.post(
            f"{PACKAGES}/{package.pk}/steps/{old.step_id}/swap", {"courseStepOptionId": new.option_id}
        )

        assert (response.json()["status"], response.json()["session"]["sessionId"]) == ("BOOKED", new.class_session_id)
        counts = dict(ClassSession.objects.values_list("pk", "booked_count"))
        assert (counts[old.class_session_id], counts[new.class_session_id]) == (0, 1)

    def test_to_a_full_session_keeps_the_old_one(self, stripe: SandboxProcess) -> None:
        family, package = bought(stripe, seats=1)
        old, new = session_of(package, 2), session_of(package, 2, 1)
        book_sessions(package_id=package.pk, selections=[Selection(old.step_id, old.option_id)])
        ClassSession.objects.filter(pk=new.class_session_id).update(booked_count=1)
        before = state()

        response = family.post(
            f"{PACKAGES}/{package.pk}/steps/{old.step_id}/swap", {"courseStepOptionId": new.option_id}
        )

        assert problem(response) == (409, "session_full")
        assert state() == before

    @pytest.mark.parametrize("body", [{}, {"courseStepOptionId": "1"}, {"courseStepOptionId": 2**62}])
    def test_to_what_is_no_option_is_refused(self, stripe: SandboxProcess, body: dict[str, Any]) -> None:
        family, package = bought(stripe)
        step = package.progress.get(status="BOOKED").step_id
        before = state()

        response = family.post(f"{PACKAGES}/{package.pk}/steps/{step}/swap", body)

        assert problem(response) == (422, "invalid")
        assert fields(response) == ["courseStepOptionId"]
        assert state() == before

    @pytest.mark.parametrize("change", ["cancel", "swap"])
    def test_too_late_or_of_a_step_without_a_session_is_refused(
        self, stripe: SandboxProcess, settings: Settings, change: str
    ) -> None:
        family, package = bought(stripe)
        booked, unbooked = (package.progress.get(status=status).step_id for status in ("BOOKED", "UNBOOKED"))
        body = {"courseStepOptionId": session_of(package, 1).option_id} if change == "swap" else None
        before = state()

        nothing = family.post(f"{PACKAGES}/{package.pk}/steps/{unbooked}/{change}", body)
        settings.BOOKING_CHANGE_HOURS = 24 * 365 * 500
        late = family.post(f"{PACKAGES}/{package.pk}/steps/{booked}/{change}", body)
        unknown = family.post(f"{PACKAGES}/{package.pk}/steps/{'9' * 30}/{change}", body)

        assert problem(nothing) == problem(unknown) == (409, "step_not_booked")
        assert problem(late) == (409, "too_late_to_change")
        assert state() == before


class TestSessions:
    def test_are_listed_for_a_calendar(self, stripe: SandboxProcess) -> None:
        family, package = bought(stripe)
        row = package.progress.get(status="BOOKED")

        response = family.get(SESSIONS)

        assert response.json() == [
            {
                "sessionId": row.class_session_id,
                "groupClassName": "Week 1 class 1",
                "teacher": "",
                "startsAt": "2094-01-12T23:00:00Z",
                "endsAt": "2094-01-13T00:00:00Z",
                "timezone": "America/Chicago",
                "meetingUrl": "",
                "changeableUntil": "2094-01-11T23:00:00Z",
                "calendarUrl": f"http://127.0.0.1:8000/my/sessions/{row.pk}.ics",
                "id": row.pk,
                "type": "CLASS",
                "title": f"{package.program.title}: Week 1",
                "status": "BOOKED",
                "packageId": package.pk,
                "courseCode": package.program.code,
                "cohortName": package.cohort.name,
                "courseStepId": row.step_id,
                "stepLabel": "Week 1",
                "stepTitle": "Topic 1",
                "learner": {"learnerId": package.learner.cuid, "firstName": "Jane", "lastName": "Doe"},
            }
        ]

    @pytest.mark.parametrize(
        ("period", "found"),
        [
            ({}, 2),
            ({"fromDate": "2094-01-12", "untilDate": "2094-01-12"}, 1),
            ({"fromDate": "2094-01-13"}, 1),  # the class's own day counts, though in UTC the first ends on the 13th
            ({"untilDate": "2094-01-11"}, 0),
        ],
    )
    def test_are_narrowed_to_days(self, stripe: SandboxProcess, period: dict[str, str], found: int) -> None:
        family, _ = bought(stripe, options=(1, 1))

        response = family.get(SESSIONS, **period)

        assert len(response.json()) == found

    @pytest.mark.parametrize(
        ("period", "named"),
        [
            ({"fromDate": "soon"}, "fromDate"),
            ({"fromDate": "2094-02-30"}, "fromDate"),
            ({"untilDate": ""}, "untilDate"),
            ({"untilDate": "2094-01-11T00:00:00Z"}, "untilDate"),
            ({"fromDate": "2094-01-12", "untilDate": "2094-01-11"}, "untilDate"),
        ],
    )
    def test_refuse_a_period_that_makes_no_sense(self, period: dict[str, str], named: str) -> None:
        response = Family("jane@school.test").get(SESSIONS, **period)

        assert problem(response) == (422, "invalid")
        assert fields(response) == [named]
