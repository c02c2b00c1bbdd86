"""What a student or guardian has: packages, their steps, booking and canceling sessions, and the calendar."""

from django.db.models import prefetch_related_objects
from drf_spectacular.utils import extend_schema
from rest_framework import status
from rest_framework.request import Request
from rest_framework.response import Response

from core.clock import utc_now
from core.errors import Invalid, invalid_field
from core.http.idempotency import idempotent

from ..learning.booking import book_sessions, cancel_booking, swap_booking
from ..learning.calendar import close_feed, feed_url, find_feed, renew_feed, sessions_of
from ..queries import get_package_for, packages_of, unbooked_steps
from .catalog import step_with
from .examples import BOOK, SWAP, UNBOOKED
from .serializers.catalog import SessionStepSerializer
from .serializers.packages import (
    BookedSerializer,
    BookSessionsBody,
    CalendarFeedSerializer,
    ClassEventSerializer,
    PackageDetailSerializer,
    PackageSerializer,
    PeriodQuery,
    ProgressSerializer,
    SwapBody,
)
from .students import StudentView, user_of

TAGS = ["Students"]


class PackageListView(StudentView):
    """The courses you and your children have, newest first."""

    @extend_schema(tags=TAGS, operation_id="list_course_packages", responses=PackageSerializer(many=True))
    def get(self, request: Request) -> Response:
        return Response(PackageSerializer(packages_of(user_of(request)), many=True).data)


class PackageView(StudentView):
    """One course with the progress of each step."""

    @extend_schema(tags=TAGS, operation_id="get_course_package", responses=PackageDetailSerializer)
    def get(self, request: Request, package_id: int) -> Response:
        package = get_package_for(user=user_of(request), package_id=package_id)
        return Response(PackageDetailSerializer(package).data)


class UnbookedStepsView(StudentView):
    """The steps without a session, each with the coming sessions to choose from."""

    @extend_schema(
        tags=TAGS,
        operation_id="list_unbooked_steps",
        responses=SessionStepSerializer(many=True),
        examples=[UNBOOKED],
    )
    def get(self, request: Request, package_id: int) -> Response:
        package = get_package_for(user=user_of(request), package_id=package_id)
        steps = [step_with(step, options) for step, options in unbooked_steps(package, now=utc_now())]
        return Response(SessionStepSerializer(steps, many=True).data)


class BookSessionsView(StudentView):
    """Book the chosen sessions, and those of steps that leave no choice: all of them or none."""

    @extend_schema(
        tags=TAGS,
        operation_id="book_sessions",
        description="Book the chosen sessions, and those of steps that leave no choice: all of them or none.\n\n"
        "422 for an option of another step or cohort; 409 `session_full`, `step_already_booked`, `time_conflict` with "
        "the `stepIds` to choose again.",
        request=BookSessionsBody,
        responses=BookedSerializer,
        examples=[BOOK],
    )
    @idempotent
    def post(self, request: Request, package_id: int) -> Response:
        body = BookSessionsBody(data=request.data)
        body.is_valid(raise_exception=True)
        package = get_package_for(user=user_of(request), package_id=package_id)
        booked = book_sessions(package_id=package.pk, selections=body.chosen(), now=utc_now())
        prefetch_related_objects(booked.booked, "step", "class_session__group_class")
        return Response(BookedSerializer(booked).data)


class CancelStepView(StudentView):
    """Cancel a booked session, so that another can be chosen later."""

    @extend_schema(tags=TAGS, operation_id="cancel_session", request=None, responses=ProgressSerializer)
    @idempotent
    def post(self, request: Request, package_id: int, step_id: int) -> Response:
        package = get_package_for(user=user_of(request), package_id=package_id)
        return Response(ProgressSerializer(cancel_booking(package_id=package.pk, step_id=step_id, now=utc_now())).data)


class SwapStepView(StudentView):
    """Exchange a booked session for another of the same step; the old seat is kept if the new one is not available."""

    @extend_schema(
        tags=TAGS,
        operation_id="swap_session",
        request=SwapBody,
        responses=ProgressSerializer,
        examples=[SWAP],
    )
    @idempotent
    def post(self, request: Request, package_id: int, step_id: int) -> Response:
        body = SwapBody(data=request.data)
        body.is_valid(raise_exception=True)
        package = get_package_for(user=user_of(request), package_id=package_id)
        option_id = body.validated_data["courseStepOptionId"]
        try:
            row = swap_booking(package_id=package.pk, step_id=step_id, option_id=option_id, now=utc_now())
        except Invalid as error:  # it refers to the first selection, which is the whole body here
            raise invalid_field("courseStepOptionId", error.errors[0].code, error.errors[0].detail) from error
        return Response(ProgressSerializer(row).data)


class SessionListView(StudentView):
    """The booked and attended sessions of you and your children, soonest first."""

    @extend_schema(
        tags=TAGS,
        operation_id="list_course_sessions_of_student",
        parameters=[PeriodQuery],
        responses=ClassEventSerializer(many=True),
    )
    def get(self, request: Request) -> Response:
        period = PeriodQuery.read(request)
        sessions = sessions_of(user_of(request))
        if first := period.get("fromDate"):
            sessions = sessions.filter(class_session__date__gte=first)
        if last := period.get("untilDate"):
            sessions = sessions.filter(class_session__date__lte=last)
        return Response(ClassEventSerializer(sessions, many=True).data)


class CalendarFeedView(StudentView):
    """The secret URL at which a calendar application reads your sessions."""

    @extend_schema(tags=TAGS, operation_id="get_calendar_feed", responses=CalendarFeedSerializer)
    def get(self, request: Request) -> Response:
        """Return your feed's URL; null if you have none."""
        feed = find_feed(user=user_of(request))
        return Response({"url": feed_url(feed) if feed else None})

    @extend_schema(tags=TAGS, operation_id="renew_calendar_feed", request=None, responses=CalendarFeedSerializer)
    @idempotent
    def post(self, request: Request) -> Response:
        """Create a new URL; the previous one, if any, stops working."""
        return Response({"url": feed_url(renew_feed(user=user_of(request), now=utc_now()))})

    @extend_schema(tags=TAGS, operation_id="close_calendar_feed", responses={204: None})
    def delete(self, request: Request) -> Response:
        """Delete the feed."""
        close_feed(user=user_of(request))
        return Response(status=status.HTTP_204_NO_CONTENT)
