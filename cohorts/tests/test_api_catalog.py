"""The public catalog's HTTP contract."""

import datetime as dt
from typing import Any

import pytest
from django.test import Client

from cohorts.models import ClassSession, Cohort, CohortSession, CourseStepOption
from cohorts.tests.callers import fields, problem
from cohorts.tests.factories import CohortFactory, CourseFactory, cohort_with
from core.clock import utc_now
from enrollments.models import Program
from enrollments.tests.factories import ProgramFactory

pytestmark = pytest.mark.django_db

BROWSE = "/api/course-programs/browse"


def get(path: str, **params: Any) -> Any:
    return Client().get(path, params)


def course_of(cohort: Cohort, **changes: Any) -> Program:
    program = cohort.instance.program
    Program.objects.filter(pk=program.pk).update(**changes)
    return Program.objects.get(pk=program.pk)


def codes(response: Any) -> list[str]:
    return [item["code"] for item in response.json()["items"]]


class TestBrowsing:
    def test_shows_each_course_as_documented(self) -> None:
        cohort = cohort_with(options=(1, 2, 1))
        course = course_of(cohort, code="ALGEBRA", title="Algebra I")

        response = get(BROWSE)

        assert response.status_code == 200
        assert response.json() == {
            "items": [
                {
                    "code": course.code,
                    "title": "Algebra I",
                    "stepCount": 3,
                    "priceInCents": 4900,
                    "currency": "usd",
                    "availableCohorts": 1,
                    "nextCohortStartDate": cohort.start_date.isoformat(),
                }
            ],
            "total": 1,
            "page": 1,
            "pageSize": 20,
        }

    def test_answers_with_a_trailing_slash_too(self) -> None:
        assert get(f"{BROWSE}/").status_code == 200

    def test_leaves_out_what_is_not_for_the_public(self) -> None:
        course_of(cohort_with(), listed=False)
        course_of(cohort_with(), active=False)
        CourseFactory()  # no steps yet

        assert get(BROWSE).json()["items"] == []

    def test_counts_open_cohorts_with_a_free_place_only(self) -> None:
        cohort = cohort_with()
        past = utc_now() - dt.timedelta(days=1)
        CohortFactory(instance=cohort.instance, max_enrollment=0)
        CohortFactory(instance=cohort.instance, is_active=False)
        CohortFactory(instance=cohort.instance, enrollment_deadline=past)

        item = get(BROWSE).json()["items"][0]

        assert item["availableCohorts"] == 1

    def test_shows_a_course_without_cohorts_as_not_to_be_had(self) -> None:
        cohort = cohort_with()
        Cohort.objects.update(is_active=False)

        item = get(BROWSE).json()["items"][0]

        assert item["code"] == cohort.instance.program.code
        assert (item["availableCohorts"], item["priceInCents"], item["nextCohortStartDate"]) == (0, None, None)

    @pytest.mark.sqlite
    @pytest.mark.parametrize(
        ("params", "found"),
        [
            ({}, ["A", "B", "C"]),
            ({"sortBy": "title", "sortOrder": "desc"}, ["C", "B", "A"]),
            ({"sortBy": "stepCount"}, ["B", "A", "C"]),
            ({"sortBy": "priceInCents"}, ["C", "A", "B"]),
            ({"sortBy": "priceInCents", "sortOrder": "desc"}, ["A", "C", "B"]),
            ({"sortBy": "nextCohortStartDate", "sortOrder": "desc"}, ["A", "C", "B"]),
            ({"sortBy": "availableCohorts"}, ["B", "A", "C"]),
            ({"page": 2, "pageSize": 2}, ["C"]),
            ({"page": 9}, []),
            ({"search": "tle B"}, ["B"]),
            ({"search": "100%"}, []),
            ({"openOnly": "true"}, ["A", "C"]),
        ],
    )
    def test_sorts_pages_and_narrows(self, params: dict[str, Any], found: list[str]) -> None:
        start = utc_now().date() + dt.timedelta(days=30)
        first = cohort_with(options=(1, 1), start_date=start)
        second = cohort_with(options=(1,))
        third = cohort_with(options=(1, 1, 1))
        for cohort, letter in ((first, "A"), (second, "B"), (third, "C")):
            course_of(cohort, code=letter, title=f"Title {letter}")
        third.instance.price.amount_minor = 100
        third.instance.price.save()
        Cohort.objects.filter(pk=second.pk).update(is_active=False)

        response = get(BROWSE, **params)

        assert codes(response) == found

    @pytest.mark.parametrize(
        ("name", "value"),
        [("page", "0"), ("page", "-1"), ("page", "x"), ("page", "1.5"), ("page", "9" * 30), ("pageSize", "0"),
         ("pageSize", "101"), ("pageSize", ""), ("sortBy", "password"), ("sortBy", ""), ("sortOrder", "up"),
         ("openOnly", "maybe"), ("search", "x" * 101), ("search", "\x00")],
    )  # fmt: skip
    def test_refuses_a_parameter_that_makes_no_sense(self, name: str, value: str) -> None:
        response = get(BROWSE, **{name: value})

        assert problem(response) == (422, "invalid")
        assert fields(response) == [name]

    def test_takes_the_same_number_of_queries_however_many_courses(self, django_assert_num_queries: Any) -> None:
        for _ in range(7):
            cohort_with(options=(1, 2))

        with django_assert_num_queries(2):  # the page, the total
            response = get(BROWSE)

        assert len(response.json()["items"]) == 7


class TestACourse:
    @pytest.mark.sqlite
    def test_is_shown_with_its_steps(self) -> None:
        cohort = cohort_with(options=(1, 2))
        course = course_of(cohort, description="Letters for numbers.", audience="Ages 8 to 11")
        first, second = course.steps.order_by("order")

        response = get(f"/api/course-programs/{course.code}")

        assert response.json() == {
            "code": course.code,
            "title": course.title,
            "stepCount": 2,
            "priceInCents": 4900,
            "currency": "usd",
            "availableCohorts": 1,
            "nextCohortStartDate": cohort.start_date.isoformat(),
            "description": "Letters for numbers.",
            "provider": course.workspace.name,
            "audience": "Ages 8 to 11",
            "steps": [
                {
                    "stepId": first.pk,
                    "stepLabel": "Week 1",
                    "stepTitle": "Topic 1",
                    "stepOrder": 1,
                    "required": True,
                },
                {
                    "stepId": second.pk,
                    "stepLabel": "Week 2",
                    "stepTitle": "Topic 2",
                    "stepOrder": 2,
                    "required": True,
                },
            ],
        }

    @pytest.mark.parametrize("path", ["", "/cohorts", "/sessions", "/cohorts/1/sessions"])
    def test_that_does_not_exist_or_is_not_listed_is_not_found(self, path: str) -> None:
        ProgramFactory(code="HIDDEN")

        answers = [get(f"/api/course-programs/{code}{path}") for code in ("NOPE", "HIDDEN", "%ff", "a b")]

        assert [problem(answer) for answer in answers] == [(404, "course_not_found")] * 4

    @pytest.mark.parametrize("path", ["", "/cohorts", "/sessions", "/cohorts/1/sessions"])
    def test_that_is_switched_off_is_forbidden(self, path: str) -> None:
        course = course_of(cohort_with(), active=False)

        response = get(f"/api/course-programs/{course.code}{path}")

        assert problem(response) == (403, "course_not_active")


class TestCohorts:
    @pytest.mark.sqlite
    def test_are_shown_as_documented(self) -> None:
        deadline = utc_now().replace(microsecond=0) + dt.timedelta(days=7)
        cohort = cohort_with(max_enrollment=12, enrollment_deadline=deadline)
        Cohort.objects.update(current_enrollment=3, held_places=2)

        response = get(f"/api/course-programs/{cohort.instance.program.code}/cohorts")

        assert response.json() == [
            {
                "id": cohort.pk,
                "name": cohort.name,
                "startDate": cohort.start_date.isoformat(),
                "endDate": cohort.end_date.isoformat(),
                "timezone": "America/Chicago",
                "location": "",
                "enrollmentDeadline": deadline.isoformat().replace("+00:00", "Z"),
                "maxEnrollment": 12,
                "currentEnrollment": 3,
                "availablePlaces": 7,
                "priceInCents": 4900,
                "currency": "usd",
                "status": "open",
            }
        ]

    @pytest.mark.sqlite
    @pytest.mark.parametrize(("asked", "count"), [({}, 1), ({"includeFullCohorts": "true"}, 2)])
    def test_that_are_full_are_shown_only_if_asked_for(self, asked: dict[str, str], count: int) -> None:
        cohort = cohort_with()
        full = CohortFactory(instance=cohort.instance, max_enrollment=0)
        CohortFactory(instance=cohort.instance, is_active=False)

        response = get(f"/api/course-programs/{cohort.instance.program.code}/cohorts", **asked)

        statuses = {row["id"]: row["status"] for row in response.json()}
        assert len(statuses) == count
        assert statuses.get(full.pk) in (None, "full")

    def test_say_that_they_are_closed_or_not_for_sale(self) -> None:
        cohort = cohort_with(enrollment_deadline=utc_now() - dt.timedelta(days=1), max_enrollment=1)
        url = f"/api/course-programs/{cohort.instance.program.code}/cohorts"

        closed = get(url).json()[0]["status"]
        Cohort.objects.update(enrollment_deadline=None)
        cohort.instance.price = None
        cohort.instance.save()
        unsold = get(url).json()[0]

        assert closed == "closed"
        assert (unsold["status"], unsold["priceInCents"], unsold["currency"]) == ("not_for_sale", None, None)

    def test_refuse_a_flag_that_makes_no_sense(self) -> None:
        cohort = cohort_with()

        response = get(f"/api/course-programs/{cohort.instance.program.code}/cohorts", includeFullCohorts="maybe")

        assert problem(response) == (422, "invalid")
        assert fields(response) == ["includeFullCohorts"]

    @pytest.mark.sqlite
    def test_come_a_page_at_a_time(self) -> None:
        cohort = cohort_with()
        CohortFactory.create_batch(104, instance=cohort.instance)
        url = f"/api/course-programs/{cohort.instance.program.code}/cohorts"

        first, rest, few = get(url), get(url, offset=100), get(url, limit=3, offset=1)

        assert [len(answer.json()) for answer in (first, rest, few)] == [100, 5, 3]
        assert len({row["id"] for answer in (first, rest) for row in answer.json()}) == 105
        assert {answer.headers["X-Total-Count"] for answer in (first, rest, few)} == {"105"}

    @pytest.mark.parametrize(("name", "value"), [("limit", "0"), ("limit", "501"), ("offset", "-1"), ("offset", "x")])
    def test_refuse_a_page_that_makes_no_sense(self, name: str, value: str) -> None:
        cohort = cohort_with()

        response = get(f"/api/course-programs/{cohort.instance.program.code}/cohorts", **{name: value})

        assert problem(response) == (422, "invalid")
        assert fields(response) == [name]

    @pytest.mark.parametrize("count", [20, 200])
    def test_take_the_same_number_of_queries_however_many(self, django_assert_num_queries: Any, count: int) -> None:
        cohort = cohort_with()
        CohortFactory.create_batch(count - 1, instance=cohort.instance)

        with django_assert_num_queries(3):  # the course, the cohorts, the total
            response = get(f"/api/course-programs/{cohort.instance.program.code}/cohorts")

        assert len(response.json()) == min(count, 100)


class TestSessions:
    @pytest.mark.sqlite
    def test_of_a_cohort_are_dated_and_tell_the_seats_left(self) -> None:
        cohort = cohort_with(options=(1,), start_date=dt.date(2094, 1, 11), seats=8)
        ClassSession.objects.update(booked_count=3)
        row = CohortSession.objects.select_related("step").get()

        response = get(f"/api/course-programs/{cohort.instance.program.code}/cohorts/{cohort.pk}/sessions")

        assert response.json() == [
            {
                "stepId": row.step_id,
                "stepLabel": "Week 1",
                "stepTitle": "Topic 1",
                "stepOrder": 1,
                "required": True,
                "options": [
                    {
                        "courseStepOptionId": row.option_id,
                        "groupClassName": "Week 1 class 1",
                        "dayOfWeek": 2,
                        "startTime": "17:00",
                        "endTime": "18:00",
                        "timezone": "America/Chicago",
                        "teacher": "",
                        "availableSeats": 5,
                        "startsAt": "2094-01-12T23:00:00Z",
                        "endsAt": "2094-01-13T00:00:00Z",
                    }
                ],
            }
        ]

    def test_keep_their_local_time_over_daylight_saving(self) -> None:
        cohort = cohort_with(options=(1, 1), start_date=dt.date(2094, 3, 8))  # clocks change on March 14

        response = get(f"/api/course-programs/{cohort.instance.program.code}/cohorts/{cohort.pk}/sessions")

        options = [step["options"][0] for step in response.json()]
        assert [option["startTime"] for option in options] == ["17:00", "17:00"]
        assert [option["startsAt"] for option in options] == ["2094-03-09T23:00:00Z", "2094-03-16T22:00:00Z"]

    def test_that_were_moved_tell_their_own_day_and_time(self) -> None:
        cohort = cohort_with(options=(1,), start_date=dt.date(2094, 1, 11))
        moved = dt.datetime(2094, 1, 14, 1, 30, tzinfo=dt.UTC)  # Wednesday 19:30 in Chicago
        ClassSession.objects.update(starts_at=moved, ends_at=moved + dt.timedelta(hours=2))

        response = get(f"/api/course-programs/{cohort.instance.program.code}/cohorts/{cohort.pk}/sessions")

        option = response.json()[0]["options"][0]
        assert (option["dayOfWeek"], option["startTime"], option["endTime"]) == (3, "19:30", "21:30")

    @pytest.mark.parametrize(
        ("cohort_id", "code"),
        [("999999", "cohort_not_found"), ("9" * 30, "not_found"), ("0{pk}", "not_found"), ("-1", "not_found")],
    )
    def test_of_a_cohort_that_does_not_exist_are_not_found(self, cohort_id: str, code: str) -> None:
        cohort = cohort_with()
        course = f"/api/course-programs/{cohort.instance.program.code}"

        response = get(f"{course}/cohorts/{cohort_id.format(pk=cohort.pk)}/sessions")

        assert problem(response) == (404, code)

    def test_of_another_course_s_or_an_inactive_cohort_are_not_found(self) -> None:
        ours, theirs = cohort_with(), cohort_with()
        draft = CohortFactory(instance=ours.instance, is_active=False)

        url = f"/api/course-programs/{ours.instance.program.code}/cohorts"
        answers = [get(f"{url}/{cohort.pk}/sessions") for cohort in (theirs, draft)]

        assert [problem(answer) for answer in answers] == [(404, "cohort_not_found")] * 2

    @pytest.mark.sqlite
    def test_of_a_course_are_its_weekly_classes(self) -> None:
        cohort = cohort_with(options=(2,), seats=8)
        first, second = CourseStepOption.objects.order_by("pk")

        response = get(f"/api/course-programs/{cohort.instance.program.code}/sessions")

        step = response.json()[0]
        assert (step["stepLabel"], step["stepOrder"]) == ("Week 1", 1)
        assert step["options"] == [
            {
                "courseStepOptionId": option.pk,
                "groupClassName": f"Week 1 class {number}",
                "dayOfWeek": 1 + number,
                "startTime": "17:00",
                "endTime": "18:00",
                "timezone": "America/Chicago",
                "teacher": "",
                "maxStudents": 8,
            }
            for number, option in ((1, first), (2, second))
        ]

    def test_never_tell_the_public_where_to_join(self) -> None:
        cohort = cohort_with(options=(1,))
        option = CourseStepOption.objects.get()
        option.group_class.meeting_url = "https://meet.test/secret"
        option.group_class.save()
        url = f"/api/course-programs/{cohort.instance.program.code}"

        answers = [get(f"{url}/sessions"), get(f"{url}/cohorts/{cohort.pk}/sessions"), get(url)]

        assert [b"meet.test" in answer.content for answer in answers] == [False] * 3

    def test_take_the_same_number_of_queries_however_many(self, django_assert_num_queries: Any) -> None:
        cohort = cohort_with(options=(3, 3, 3, 3))
        url = f"/api/course-programs/{cohort.instance.program.code}"

        with django_assert_num_queries(3):  # the course, its cohort, the sessions
            get(f"{url}/cohorts/{cohort.pk}/sessions")
        with django_assert_num_queries(3):  # the course, its steps, their classes
            get(f"{url}/sessions")
