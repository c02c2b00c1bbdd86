"""The list of those who wait for a reviewer: by what they differ, and each leads to its case at the desk."""

from typing import Any

from django.http import HttpRequest
from django.urls import reverse
from unfold.decorators import display

from backoffice.display import moment
from backoffice.scoping import TolerantChangeList

from ...models import Enrollment
from ...review.line import Waiting, tell_waiting
from .addresses import CASE

COLUMNS = ("person", "instance", "grade", "school", "district", "waiting_since", "verdict", "asked", "workspace")


def asks_for_reviews(request: HttpRequest) -> bool:
    """Whether the list shows those who wait for a reviewer and nobody else."""
    return request.GET.get("waiting") == "review"


class ReviewList(TolerantChangeList):
    """Looks up for the rows of the page what the columns tell of them."""

    def get_results(self, request: HttpRequest) -> None:
        super().get_results(request)
        self.result_list = list(self.result_list)
        for waiting in tell_waiting(self.result_list):
            waiting.enrollment.waiting = waiting  # type: ignore[attr-defined]  # for the columns below

    def url_for_result(self, result: Any) -> str:
        return reverse(f"admin:{CASE}", args=[result.pk])


class ReviewColumns:
    """The columns of that list, for the admin page of enrollments."""

    @display(description="grade")
    def grade(self, enrollment: Enrollment) -> str:
        return enrollment.learner.grade_level if enrollment.learner else ""

    @display(description="school")
    def school(self, enrollment: Enrollment) -> str:
        return enrollment.learner.school if enrollment.learner else ""

    @display(description="district")
    def district(self, enrollment: Enrollment) -> str:
        return _waiting(enrollment).district

    @display(description="waiting since")
    def waiting_since(self, enrollment: Enrollment) -> str:
        return moment(_waiting(enrollment).since)

    @display(description="verdict")
    def verdict(self, enrollment: Enrollment) -> str:
        return enrollment.eligibility_reason

    @display(description="family asked")
    def asked(self, enrollment: Enrollment) -> str:
        return _waiting(enrollment).mark


def _waiting(enrollment: Enrollment) -> Waiting:
    found: Waiting = enrollment.waiting  # type: ignore[attr-defined]  # the list has looked it up
    return found
