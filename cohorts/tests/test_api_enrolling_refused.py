"""What enrolling over the API refuses, without leaving a trace."""

import datetime as dt
from typing import Any

import pytest

from billing.models import Checkout
from cohorts.models import Cohort, CohortPlace
from cohorts.tests.callers import fields, problem, student_of
from cohorts.tests.factories import buy_on_rows, cohort_with
from cohorts.tests.purchases import enroll_url, nothing_was_written
from core.clock import utc_now
from enrollments.models import Program
from enrollments.tests.criteria import set_criterion
from sandbox.testing import SandboxProcess

pytestmark = pytest.mark.django_db


class TestARefusal:
    @pytest.mark.parametrize(
        ("obstacle", "status", "code"),
        [
            (lambda c: Program.objects.update(active=False), 403, "course_not_active"),
            (lambda c: Program.objects.update(listed=False), 404, "course_not_found"),
            (lambda c: Cohort.objects.update(is_active=False), 400, "cohort_not_active"),
            (lambda c: Cohort.objects.update(max_enrollment=0), 400, "cohort_full"),
            (
                lambda c: Cohort.objects.update(enrollment_deadline=utc_now() - dt.timedelta(seconds=1)),
                400,
                "deadline_passed",
            ),
            (lambda c: type(c.instance).objects.update(price=None), 400, "not_for_sale"),
        ],
    )
    def test_is_as_documented_and_changes_nothing(
        self, stripe: SandboxProcess, obstacle: Any, status: int, code: str
    ) -> None:
        cohort = cohort_with()
        family, _ = student_of(cohort.instance.workspace)
        obstacle(cohort)

        response = family.post(enroll_url(cohort), **{"Idempotency-Key": "k1"})

        assert problem(response) == (status, code)
        assert nothing_was_written()
        assert stripe.ledger()["sessions"] == []

    def test_of_an_ineligible_learner_changes_nothing(self, stripe: SandboxProcess) -> None:
        cohort = cohort_with()
        family, _ = student_of(cohort.instance.workspace)
        set_criterion(cohort.instance, "false", otherwise="Nobody may take this")

        response = family.post(enroll_url(cohort))

        assert problem(response) == (422, "ineligible")
        assert nothing_was_written()

    def test_of_what_is_owned_already_is_a_conflict(self) -> None:
        cohort = cohort_with()
        family, learner = student_of(cohort.instance.workspace)
        buy_on_rows(cohort, learner)

        response = family.post(enroll_url(cohort))

        assert problem(response) == (409, "already_owned")
        assert Checkout.objects.count() == CohortPlace.objects.count() == 1

    def test_of_what_does_not_exist_is_not_found(self, stripe: SandboxProcess) -> None:
        cohort, other = cohort_with(), cohort_with()
        family, _ = student_of(cohort.instance.workspace)
        base = f"/api/course-programs/{cohort.instance.program.code}/cohorts"

        answers = [family.post(f"{base}/{number}/enroll") for number in (other.pk, "999999", "9" * 18)]

        assert [problem(answer) for answer in answers] == [(404, "cohort_not_found")] * 3
        assert problem(family.post("/api/course-programs/NOPE/cohorts/1/enroll")) == (404, "course_not_found")
        assert nothing_was_written()


class TestBadInput:
    @pytest.mark.parametrize("field", ["successUrl", "cancelUrl"])
    @pytest.mark.parametrize(
        "address",
        [
            "https://evil.test/",
            "//evil.test/",
            "http:///evil.test/",
            "http://127.0.0.1:8000@evil.test/",
            "http://127.0.0.1:8000.evil.test/",
            "http://127.0.0.1:8000\\@evil.test/",
            "http://127.0.0.1/",
            "http://127.0.0.1:8001/",
            "javascript:alert(1)",
            "javascript://127.0.0.1:8000/%0aalert(1)",
            "data:text/html,x",
            "ftp://127.0.0.1:8000/",
            "/relative",
            "relative",
            "http:/127.0.0.1:8000/",
            "\thttp://evil.test/",
            "http://127.0.0.1:8000:80/",
            "http://[",
            "",
            "http://127.0.0.1:8000/" + "x" * 2000,
            5,
            None,
            ["http://127.0.0.1:8000/"],
        ],
    )
    def test_as_an_address_that_is_not_ours_is_refused(self, field: str, address: Any, stripe: SandboxProcess) -> None:
        cohort = cohort_with()
        family, _ = student_of(cohort.instance.workspace)

        response = family.post(enroll_url(cohort), {field: address})

        assert problem(response) == (422, "invalid")
        assert fields(response) == [field]
        assert nothing_was_written()

    @pytest.mark.parametrize(
        ("body", "named"),
        [
            ({"learnerId": 5}, ["learnerId"]),
            ({"learnerId": "x"}, ["learnerId"]),
            ({"learnerId": "c" * 24, "firstName": "A", "lastName": "B"}, ["learnerId"]),
            ({"firstName": "A"}, ["lastName"]),
            ({"lastName": "A"}, ["firstName"]),
            ({"firstName": "", "lastName": "B"}, ["firstName"]),
            ({"firstName": 1, "lastName": "B"}, ["firstName"]),
            ({"firstName": "x" * 151, "lastName": "B"}, ["firstName"]),
            ({"firstName": "\x00", "lastName": "B"}, ["firstName"]),
        ],
    )
    def test_about_the_learner_is_refused_by_name(
        self, body: dict[str, Any], named: list[str], stripe: SandboxProcess
    ) -> None:
        cohort = cohort_with()
        family, _ = student_of(cohort.instance.workspace)

        response = family.post(enroll_url(cohort), body)

        assert problem(response) == (422, "invalid")
        assert fields(response) == named
        assert nothing_was_written()

    @pytest.mark.parametrize(("body", "status"), [(b"{", 400), (b"[]", 422), (b"\xff", 400), (b'{"a": NaN}', 422)])
    def test_that_is_no_object_is_refused(self, body: bytes, status: int, stripe: SandboxProcess) -> None:
        cohort = cohort_with()
        family, _ = student_of(cohort.instance.workspace)

        response = family.post(enroll_url(cohort), body)

        assert response.status_code == status
        assert response["Content-Type"] == "application/problem+json"
        assert nothing_was_written()
