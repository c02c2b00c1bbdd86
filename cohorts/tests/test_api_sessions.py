"""A family's calendar over the API."""

import pytest

from cohorts.tests.callers import Family, fields, problem
from cohorts.tests.purchases import SESSIONS, bought

pytestmark = pytest.mark.django_db


class TestSessions:
    def test_are_listed_for_a_calendar(self) -> None:
        family, package = bought()
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

    @pytest.mark.sqlite
    @pytest.mark.parametrize(
        ("period", "found"),
        [
            ({}, 2),
            ({"fromDate": "2094-01-12", "untilDate": "2094-01-12"}, 1),
            ({"fromDate": "2094-01-13"}, 1),  # the class's own day counts, though in UTC the first ends on the 13th
            ({"untilDate": "2094-01-11"}, 0),
        ],
    )
    def test_are_narrowed_to_days(self, period: dict[str, str], found: int) -> None:
        family, _ = bought(options=(1, 1))

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
