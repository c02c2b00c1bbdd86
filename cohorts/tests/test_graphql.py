"""Families' courses in GraphQL: what REST shows to the same session."""

from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from cohorts.tests.callers import Family
from cohorts.tests.purchases import PACKAGES, bought
from enrollments.tests.graph import names_of

pytestmark = pytest.mark.django_db


def ask(family: Family, query: str) -> Any:
    answer = family.post("/api/graphql", {"query": query}).json()
    assert "errors" not in answer, answer["errors"]
    return answer["data"]


class TestACourse:
    def test_is_shown_to_a_family_as_rest_shows_it(self) -> None:
        family, package = bought()
        rest = family.get(f"{PACKAGES}/{package.pk}").json()

        shown = ask(family, f"{{ myCoursePackage(packageId: {package.pk}) {{ {names_of(rest)} }} }}")

        assert shown["myCoursePackage"] == rest
        assert [step["session"] is None for step in rest["steps"]] == [False, True]

    def test_is_listed_in_as_many_statements_as_in_rest(self) -> None:
        family, _ = bought()
        with CaptureQueriesContext(connection) as of_rest:
            rest = family.get(PACKAGES).json()

        with CaptureQueriesContext(connection) as of_graph:
            shown = ask(family, f"{{ myCoursePackages {{ {names_of(rest)} steps {{ stepTitle }} }} }}")

        assert [each["packageId"] for each in shown["myCoursePackages"]] == [each["packageId"] for each in rest]
        assert len(of_graph) <= len(of_rest) + 1  # the field itself checks whether the mailbox is proven


BOOK = """mutation($package: Int!, $input: SessionChoices!) {
  bookCourseSessions(packageId: $package, input: $input) {
    manualSelections
    booked { stepLabel status session { teacher } }
  }
}"""


class TestBooking:
    def test_goes_by_the_rules_of_rest(self) -> None:
        family, package = bought()
        step = package.progress.get(status="UNBOOKED").step
        [choice, *_] = family.get(f"{PACKAGES}/{package.pk}/unbooked-steps").json()[0]["options"]
        selections = [{"courseStepId": step.pk, "courseStepOptionId": choice["courseStepOptionId"]}]
        asked = {"query": BOOK, "variables": {"package": package.pk, "input": {"selections": selections}}}

        first = family.post("/api/graphql", asked).json()["data"]["bookCourseSessions"]
        again = family.post("/api/graphql", asked).json()
        numbers = f"packageId: {package.pk}, stepId: {step.pk}"
        given_back = ask(family, f"mutation {{ cancelCourseSession({numbers}) {{ status session {{ teacher }} }} }}")

        assert first["manualSelections"] == [step.pk]
        assert [each["status"] for each in first["booked"]] == ["BOOKED"]
        assert [each["extensions"]["code"] for each in again["errors"]] == ["step_already_booked"]
        assert given_back["cancelCourseSession"] == {"status": "UNBOOKED", "session": None}

    def test_by_a_session_needs_the_csrf_token(self) -> None:
        _, package = bought()
        strict = Family("stranger@home.test", enforce_csrf_checks=True)

        response = strict.post("/api/graphql", {"query": BOOK, "variables": {"package": package.pk, "input": {}}})

        assert response.status_code == 403
        assert response.json()["code"] == "csrf_failed"
