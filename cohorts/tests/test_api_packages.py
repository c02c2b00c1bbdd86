"""A student's packages over the API, their progress, and the sessions that can still be chosen."""

from typing import Any

import pytest

from accounts.tests.factories import LearnerFactory, forget_proof
from cohorts.learning.attendance import mark_attended
from cohorts.models import ClassSession
from cohorts.tests.callers import Family, parent_of, problem, student_of
from cohorts.tests.factories import buy_on_rows, cohort_with
from cohorts.tests.purchases import PACKAGES, SESSIONS, bought, session_of, state
from enrollments.tests.factories import STAFF

pytestmark = pytest.mark.django_db


class TestPackages:
    def test_are_listed_with_their_progress(self) -> None:
        family, package = bought()

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
                "completedAt": None,
                "progress": 0,
                "completedSteps": 0,
                "totalSteps": 2,
                "unbookedSteps": 1,
                "nextSessionAt": "2094-01-12T23:00:00Z",
            }
        ]

    def test_count_what_was_attended(self) -> None:
        family, package = bought()
        row = package.progress.get(status="BOOKED")
        assert row.class_session is not None
        mark_attended(progress_id=row.pk, actor=STAFF, now=row.class_session.ends_at)

        item = family.get(PACKAGES).json()[0]

        assert (item["progress"], item["completedSteps"], item["nextSessionAt"]) == (50, 1, None)

    def test_show_the_progress_of_each_step(self) -> None:
        family, package = bought()
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
                "bookedAt": booked.booked_at.isoformat().replace("+00:00", "Z"),
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

    def test_of_all_children_are_their_guardian_s(self) -> None:
        cohort = cohort_with()
        children = LearnerFactory.create_batch(2, workspace=cohort.instance.workspace)
        packages = [buy_on_rows(cohort, child) for child in children]
        buy_on_rows(cohort)  # somebody else's

        response = parent_of(*children).get(PACKAGES)

        assert [item["packageId"] for item in response.json()] == [packages[1].pk, packages[0].pk]

    def test_take_the_same_number_of_queries_however_many(self, django_assert_num_queries: Any) -> None:
        children = []
        for _ in range(3):
            cohort = cohort_with(options=(1, 2))
            child = LearnerFactory(workspace=cohort.instance.workspace, email="parent@home.test")
            children.append(child)
            buy_on_rows(cohort, child)
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
    def test_finds_no_package_and_changes_none(self, method: str, path: str, body: Any) -> None:
        _, package = bought()
        stranger, _ = student_of(package.learner.workspace, email="other@school.test")
        step = package.progress.get(status="BOOKED").step_id
        before = state()
        args = [body] if method == "post" else []

        theirs = getattr(stranger, method)(f"{PACKAGES}/{package.pk}{path}".format(step=step), *args)
        nobodys = getattr(stranger, method)(f"{PACKAGES}/{'9' * 18}{path}".format(step=step), *args)

        assert problem(theirs) == problem(nobodys) == (404, "package_not_found")
        assert theirs.json()["detail"] == nobodys.json()["detail"]
        assert state() == before

    def test_sees_none_of_it_in_lists(self) -> None:
        _, package = bought()
        stranger, _ = student_of(package.learner.workspace, email="other@school.test")

        assert stranger.get(PACKAGES).json() == stranger.get(SESSIONS).json() == []

    def test_who_only_claims_the_address_sees_none_of_it(self) -> None:
        family, package = bought()
        forget_proof(family.user)

        answers = [family.get(path) for path in (PACKAGES, SESSIONS, f"{PACKAGES}/{package.pk}")]

        assert [problem(answer) for answer in answers] == [(403, "address_unproven")] * 3


class TestUnbookedSteps:
    def test_offer_their_coming_sessions(self) -> None:
        family, package = bought(seats=8)
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

    def test_of_a_course_without_choices_are_none_since_all_was_booked(self) -> None:
        family, package = bought(options=(1, 1))

        response = family.get(f"{PACKAGES}/{package.pk}/unbooked-steps")

        assert response.json() == []
        assert set(package.progress.values_list("status", flat=True)) == {"BOOKED"}

    def test_take_the_same_number_of_queries_however_many(self, django_assert_num_queries: Any) -> None:
        family, package = bought(options=(2, 2, 2, 2))

        with django_assert_num_queries(6):  # session, user, address; package, its steps, the sessions
            response = family.get(f"{PACKAGES}/{package.pk}/unbooked-steps")

        assert len(response.json()) == 4
