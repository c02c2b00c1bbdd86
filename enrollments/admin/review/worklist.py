"""The list of enrollments that wait for a reviewer: columns where they differ, and a link to each case at the desk."""

from collections.abc import Sequence
from typing import Any

from django.http import HttpRequest
from django.urls import reverse
from unfold.decorators import display

from backoffice.scoping import TolerantChangeList

from ...models import Enrollment
from ...review.line import Waiting, tell_waiting
from .addresses import CASE

COLUMNS = ("person", "instance", "grade", "school", "district", "waiting_since", "verdict", "asked", "workspace")


def asks_for_reviews(request: HttpRequest) -> bool:
    """Return whether the list shows only enrollments that wait for a reviewer."""
    return request.GET.get("waiting") == "review"


class ReviewList(TolerantChangeList):
    """Links each row to its case."""

    def url_for_result(self, result: Any) -> str:
        return reverse(f"admin:{CASE}", args=[result.pk])


class ReviewColumns:
    """The columns of that list, for the enrollment admin."""

    def look_up(self, request: HttpRequest, rows: Sequence[Enrollment]) -> None:
        super().look_up(request, rows)  # type: ignore[misc]
        if asks_for_reviews(request):
            for waiting in tell_waiting(rows):
                waiting.enrollment.waiting = waiting  # type: ignore[attr-defined]  # for the columns below

    @display(description="grade")
    def grade(self, enrollment: Enrollment) -> str:
        return enrollment.learner.grade_level if enrollment.learner else ""

    @display(description="school")
    def school(self, enrollment: Enrollment) -> str:
        return enrollment.learner.school if enrollment.learner else ""

    @display(description="district")
    def district(self, enrollment: Enrollment) -> str:
        return _waiting(enrollment).district

    @display(description="verdict")
    def verdict(self, enrollment: Enrollment) -> str:
        return enrollment.eligibility_reason

    @display(description="family asked")
    def asked(self, enrollment: Enrollment) -> str:
        return _waiting(enrollment).mark


def _waiting(enrollment: Enrollment) -> Waiting:
    found: Waiting = enrollment.waiting  # type: ignore[attr-defined]  # the list has looked it up
    return found
