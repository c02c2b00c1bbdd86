"""The public catalog: what anybody may see of the courses without signing in."""

from typing import Any

from django.db.models import Prefetch
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from core.clock import utc_now
from core.http.pagination import PageQuery, array_page
from enrollments.models import Program

from ..errors import CohortNotFound
from ..models import CohortSession, CourseStep, CourseStepOption
from ..queries import browse_courses, cohorts_of, get_active_course, sort_courses, with_sessions_left
from .examples import BROWSE, COHORTS
from .serializers.catalog import (
    BrowseQuery,
    CohortSerializer,
    CohortsQuery,
    CourseItemSerializer,
    CoursePageSerializer,
    CourseSerializer,
    SessionStepSerializer,
    WeeklyStepSerializer,
)

TAGS = ["Courses"]


class PublicView(APIView):
    """Open to everybody, with a rate limit by network address."""

    authentication_classes: list[Any] = []
    permission_classes: list[Any] = []


class BrowseView(PublicView):
    """The available courses, a page at a time."""

    @extend_schema(
        tags=TAGS,
        operation_id="browse_courses",
        parameters=[BrowseQuery],
        responses=CoursePageSerializer,
        examples=[BROWSE],
    )
    def get(self, request: Request) -> Response:
        asked = BrowseQuery.read(request)
        courses = browse_courses(now=utc_now(), search=asked["search"].strip(), only_open=asked["openOnly"])
        start = (asked["page"] - 1) * asked["pageSize"]
        ordered = sort_courses(courses, by=asked["sortBy"], descending=asked["sortOrder"] == "desc")
        rows = ordered[start : start + asked["pageSize"]]
        return Response(
            {
                "items": CourseItemSerializer(rows, many=True).data,
                "total": courses.count(),
                "page": asked["page"],
                "pageSize": asked["pageSize"],
            }
        )


class CourseView(PublicView):
    """One course with its steps."""

    @extend_schema(tags=TAGS, operation_id="get_course", responses=CourseSerializer)
    def get(self, request: Request, code: str) -> Response:
        steps = Prefetch("steps", CourseStep.objects.order_by("order"))
        course = browse_courses(now=utc_now()).filter(code=code).prefetch_related(steps).first()
        # A course missing from the catalog is unknown or switched off; this says which.
        return Response(CourseSerializer(course or get_active_course(code=code)).data)


class CohortsView(PublicView):
    """The cohorts of a course, soonest first; full ones only on request."""

    @extend_schema(
        tags=TAGS,
        operation_id="list_cohorts",
        parameters=[CohortsQuery, PageQuery],
        responses=CohortSerializer(many=True),
        examples=[COHORTS],
    )
    def get(self, request: Request, code: str) -> Response:
        query = CohortsQuery.read(request)
        cohorts = cohorts_of(get_active_course(code=code))
        if not query["includeFullCohorts"]:
            cohorts = cohorts.with_room()
        return array_page(request, with_sessions_left(cohorts, now=utc_now()), CohortSerializer)


class CohortSessionsView(PublicView):
    """When and where a cohort can attend each step."""

    @extend_schema(tags=TAGS, operation_id="list_cohort_sessions", responses=SessionStepSerializer(many=True))
    def get(self, request: Request, code: str, cohort_id: int) -> Response:
        if not cohorts_of(get_active_course(code=code)).filter(pk=cohort_id).exists():
            raise CohortNotFound(f"There is no cohort {cohort_id} in this course.")
        return Response(SessionStepSerializer(_by_step(cohort_id), many=True).data)


class CourseSessionsView(PublicView):
    """The weekly classes in which each step can be attended."""

    @extend_schema(tags=TAGS, operation_id="list_course_sessions", responses=WeeklyStepSerializer(many=True))
    def get(self, request: Request, code: str) -> Response:
        return Response(WeeklyStepSerializer(_weekly_steps(get_active_course(code=code)), many=True).data)


def _by_step(cohort_id: int) -> list[dict[str, Any]]:
    rows = CohortSession.objects.filter(cohort=cohort_id).select_related("step", "option__group_class", "class_session")
    sessions: dict[CourseStep, list[CohortSession]] = {}
    for session in rows.order_by("step__order", "class_session__starts_at", "pk"):
        sessions.setdefault(session.step, []).append(session)
    return [step_with(step, options) for step, options in sessions.items()]


def _weekly_steps(course: Program) -> Any:
    options = CourseStepOption.objects.select_related("group_class").order_by("pk")
    return CourseStep.objects.filter(program=course).order_by("order").prefetch_related(Prefetch("options", options))


def step_with(step: CourseStep, options: list[CohortSession]) -> dict[str, Any]:
    """Return a step and the meetings to choose from, as StepSerializer reads them."""
    fields = ("pk", "label", "title", "order", "required")
    return {name: getattr(step, name) for name in fields} | {"options": options}
