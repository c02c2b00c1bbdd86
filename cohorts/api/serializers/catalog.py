"""The course API's shapes: courses, cohorts, and their sessions."""

import datetime as dt
from typing import Any
from zoneinfo import ZoneInfo

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from core.clock import utc_now
from core.http.query import QueryNumberField, QuerySerializer, QueryTextField, QueryTruthField
from enrollments.models import Program

from ...models import Cohort, CohortSession
from ...queries import SORTS


class BrowseQuery(QuerySerializer):
    page = QueryNumberField(min_value=1, max_value=100_000, default=1)
    pageSize = QueryNumberField(min_value=1, max_value=100, default=20)
    sortBy = serializers.ChoiceField(list(SORTS), default="title")
    sortOrder = serializers.ChoiceField(["asc", "desc"], default="asc")
    search = QueryTextField(max_length=100, default="")
    openOnly = QueryTruthField(default=False, help_text="Only courses with a free place.")


class CohortsQuery(QuerySerializer):
    includeFullCohorts = QueryTruthField(default=False)


class CourseItemSerializer(serializers.Serializer[Any]):
    code = serializers.CharField()
    title = serializers.CharField()
    stepCount = serializers.IntegerField(source="step_count")
    priceInCents = serializers.IntegerField(
        source="price_minor", allow_null=True, help_text="The lowest price of the open cohorts, in minor units."
    )
    currency = serializers.CharField(allow_null=True)
    availableCohorts = serializers.IntegerField(source="available_cohorts", help_text="Open, with a free place.")
    nextCohortStartDate = serializers.DateField(source="next_start", allow_null=True)


class CoursePageSerializer(serializers.Serializer[Any]):
    items = CourseItemSerializer(many=True)
    total = serializers.IntegerField()
    page = serializers.IntegerField()
    pageSize = serializers.IntegerField()


class StepSerializer(serializers.Serializer[Any]):
    stepId = serializers.IntegerField(source="pk")
    stepLabel = serializers.CharField(source="label")
    stepTitle = serializers.CharField(source="title")
    stepOrder = serializers.IntegerField(source="order")
    required = serializers.BooleanField()  # type: ignore[assignment]


class CourseSerializer(CourseItemSerializer):
    description = serializers.CharField()
    provider = serializers.SerializerMethodField(help_text="Who teaches it; the workspace, if nobody else is named.")
    audience = serializers.CharField(help_text="The ages or grades it is for, in words; may be empty.")
    steps = StepSerializer(many=True)

    def get_provider(self, course: Program) -> str:
        return course.taught_by


class CohortSerializer(serializers.Serializer[Any]):
    id = serializers.IntegerField()
    name = serializers.CharField()
    startDate = serializers.DateField(source="start_date")
    endDate = serializers.DateField(source="end_date")
    timezone = serializers.CharField()
    location = serializers.CharField(help_text="Where it meets, in words; may be empty.")
    enrollmentDeadline = serializers.DateTimeField(source="enrollment_deadline", allow_null=True)
    maxEnrollment = serializers.IntegerField(source="max_enrollment")
    currentEnrollment = serializers.IntegerField(source="current_enrollment")
    availablePlaces = serializers.IntegerField(source="places_left", help_text="Neither taken nor held by a checkout.")
    priceInCents = serializers.IntegerField(source="instance.price.amount_minor", default=None, allow_null=True)
    currency = serializers.CharField(source="instance.price.currency", default=None, allow_null=True)
    status = serializers.SerializerMethodField()

    def get_status(self, cohort: Cohort) -> str:
        """open | full | closed | not_for_sale"""
        now = utc_now()
        if not cohort.takes_enrollments(now):
            return "closed"
        if cohort.price_asked is None:
            return "not_for_sale"
        return "open" if cohort.has_room else "full"


LOCAL_TIME = {"type": "string", "pattern": "^([01][0-9]|2[0-3]):[0-5][0-9]$", "example": "17:00"}


@extend_schema_field(LOCAL_TIME)
class LocalTimeField(serializers.TimeField):
    """Hours and minutes; `time` would include seconds and an offset."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(format="%H:%M", **kwargs)


class WeeklyOptionSerializer(serializers.Serializer[Any]):
    """A class that meets every week at this local time."""

    courseStepOptionId = serializers.IntegerField(source="pk")
    groupClassName = serializers.CharField(source="group_class.name")
    dayOfWeek = serializers.IntegerField(source="group_class.day_of_week", help_text="0 is Sunday.")
    startTime = LocalTimeField(source="group_class.start_time")
    endTime = LocalTimeField(source="group_class.end_time")
    timezone = serializers.CharField(source="group_class.timezone")
    teacher = serializers.CharField(source="group_class.teacher")
    maxStudents = serializers.IntegerField(source="group_class.max_students")


class WeeklyStepSerializer(StepSerializer):
    options = WeeklyOptionSerializer(many=True)


class SessionOptionSerializer(serializers.Serializer[Any]):
    """One meeting to choose. Day and times are those of this meeting, which may differ from the class's usual ones."""

    courseStepOptionId = serializers.IntegerField(source="option_id")
    groupClassName = serializers.CharField(source="option.group_class.name")
    dayOfWeek = serializers.SerializerMethodField(help_text="0 is Sunday.")
    startTime = serializers.SerializerMethodField()
    endTime = serializers.SerializerMethodField()
    timezone = serializers.CharField(source="option.group_class.timezone")
    teacher = serializers.CharField(source="option.group_class.teacher")
    availableSeats = serializers.IntegerField(source="class_session.seats_left")
    startsAt = serializers.DateTimeField(source="class_session.starts_at")
    endsAt = serializers.DateTimeField(source="class_session.ends_at")

    def get_dayOfWeek(self, session: CohortSession) -> int:
        return self._local(session, session.class_session.starts_at).isoweekday() % 7

    @extend_schema_field(LOCAL_TIME)
    def get_startTime(self, session: CohortSession) -> str:
        return f"{self._local(session, session.class_session.starts_at):%H:%M}"

    @extend_schema_field(LOCAL_TIME)
    def get_endTime(self, session: CohortSession) -> str:
        return f"{self._local(session, session.class_session.ends_at):%H:%M}"

    def _local(self, session: CohortSession, moment: dt.datetime) -> dt.datetime:
        return moment.astimezone(ZoneInfo(session.option.group_class.timezone))


class SessionStepSerializer(StepSerializer):
    options = SessionOptionSerializer(many=True)
