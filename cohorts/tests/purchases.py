"""Purchases over the API, and their traces, for the tests of each endpoint."""

import datetime as dt
from typing import Any

from billing.models import Checkout
from cohorts.models import ClassSession, Cohort, CohortPlace, CohortSession, StepProgress, StudentPackage
from cohorts.tests.callers import Family, student_of
from cohorts.tests.factories import buy_on_rows, cohort_with
from core.models import IdempotencyRecord
from enrollments.models import Enrollment
from events.models import OutboxEvent

PACKAGES = "/api/students/me/course-packages"
SESSIONS = "/api/students/me/course-sessions"
START = dt.date(2094, 1, 11)


def bought(**cohort: Any) -> tuple[Family, StudentPackage]:
    """Return a student with a course from January 2094: on Tuesdays, and on Wednesdays for second classes."""
    made = cohort_with(**{"options": (1, 2), "start_date": START, **cohort})
    family, learner = student_of(made.instance.workspace, first_name="Jane", last_name="Doe")
    return family, buy_on_rows(made, learner)


def session_of(package: StudentPackage, order: int, number: int = 0) -> CohortSession:
    offered = CohortSession.objects.filter(cohort=package.cohort, step__order=order)
    return offered.select_related("class_session").order_by("pk")[number]


def choice(session: CohortSession) -> dict[str, int]:
    return {"courseStepId": session.step_id, "courseStepOptionId": session.option_id}


def state() -> tuple[Any, ...]:
    """Return the state that a refusal must leave unchanged."""
    return (
        list(StepProgress.objects.order_by("pk").values_list("status", "class_session", "option")),
        list(ClassSession.objects.order_by("pk").values_list("booked_count", flat=True)),
        OutboxEvent.objects.count(),
    )


def enroll_url(cohort: Cohort) -> str:
    return f"/api/course-programs/{cohort.instance.program.code}/cohorts/{cohort.pk}/enroll"


def nothing_was_written() -> bool:
    written = (Enrollment, CohortPlace, Checkout, StudentPackage, OutboxEvent, IdempotencyRecord)
    unheld = set(Cohort.objects.values_list("current_enrollment", "held_places")) == {(0, 0)}
    return unheld and not any(model.objects.exists() for model in written)
