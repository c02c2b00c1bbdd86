"""What a family reads of the criteria: each one that was checked, in the words that staff wrote for it."""

import re
from typing import Any

import pytest
from django.urls import reverse

from accounts.models import StaffTask
from accounts.tests.factories import LearnerFactory
from core.clock import utc_now
from enrollments.eligibility.criteria import CriterionDraft
from enrollments.lifecycle import evaluate_enrollment
from enrollments.models import Enrollment
from enrollments.task_kinds import NOT_EVALUATED

from .criteria import set_criteria
from .factories import STAFF, CandidateFactory
from .test_family import signed_in

pytestmark = pytest.mark.django_db

ADULT = CriterionDraft("Age", "metadata.age >= 18", "Too young", "Old enough")
IN_TOWN = CriterionDraft("Town", "metadata.town == 'Reno'", "From out of town")
GRADE = CriterionDraft("Grade", "metadata.grade > 6", "In too low a grade")
ITEM = re.compile(r"<li><strong>(.*?):</strong> (.*?)</li>")


def candidate(*drafts: CriterionDraft, **metadata: Any) -> Enrollment:
    enrollment = CandidateFactory(metadata=metadata, learner__email="parent@example.test")
    set_criteria(enrollment.instance, *drafts)
    return enrollment


def evaluated(*drafts: CriterionDraft, **metadata: Any) -> Enrollment:
    return evaluate_enrollment(enrollment_id=candidate(*drafts, **metadata).pk, actor=STAFF, now=utc_now())


def page_of(enrollment: Enrollment) -> str:
    answer = signed_in("parent@example.test").get(reverse("my-enrollment", args=[enrollment.cuid]))
    return str(answer.content.decode())


def staff_are_asked() -> bool:
    return StaffTask.objects.filter(kind=NOT_EVALUATED.name, status="open").exists()


class TestTheChecksOfAnEnrollment:
    def test_that_are_met_tell_the_reason_or_else_the_name_and_nothing_that_was_read(self) -> None:
        page = page_of(evaluated(ADULT, IN_TOWN, age=20, town="Reno"))

        assert ITEM.findall(page) == [("Met", "Old enough"), ("Met", "Town")]
        assert [each for each in ("metadata", "Reno", "20)") if each in page] == []

    def test_tell_all_that_is_not_met(self) -> None:
        page = page_of(evaluated(ADULT, IN_TOWN, age=17, town="Elko"))

        assert ITEM.findall(page) == [("Not met", "Too young"), ("Not met", "From out of town")]

    def test_say_that_somebody_looks_at_what_could_not_be_evaluated_as_staff_are_asked(self) -> None:
        page = page_of(evaluated(ADULT, IN_TOWN, town="Elko"))

        assert ITEM.findall(page) == [
            ("Open", "Age could not be checked yet; somebody looks at it"),
            ("Not met", "From out of town"),
        ]
        assert staff_are_asked()

    def test_promise_nobody_s_look_once_another_criterion_has_decided(self) -> None:
        page = page_of(evaluated(IN_TOWN, ADULT, GRADE, town="Elko", grade=7))

        assert ITEM.findall(page) == [
            ("Not met", "From out of town"),
            ("Open", "Age could not be checked"),
            ("Met", "Grade"),
        ]
        assert not staff_are_asked()

    @pytest.mark.parametrize("decide", [True, False])
    def test_are_left_out_before_the_first_evaluation_and_after_a_person_s(self, decide: bool) -> None:
        enrollment = candidate(ADULT)
        if decide:
            evaluate_enrollment(
                enrollment_id=enrollment.pk, actor=STAFF, reason="Too late", is_eligible=False, now=utc_now()
            )

        page = page_of(enrollment)

        assert "Where this enrollment stands" in page
        assert "What was checked" not in page

    def test_are_shown_to_their_family_alone(self) -> None:
        enrollment = evaluated(ADULT, age=17)
        LearnerFactory(email="other@example.test")

        answer = signed_in("other@example.test").get(reverse("my-enrollment", args=[enrollment.cuid]))

        assert answer.status_code == 404
        assert "Too young" not in answer.content.decode()
