"""The course API's shapes: what a student has and books."""

import datetime as dt
from typing import Any

from django.conf import settings
from django.urls import reverse
from rest_framework import serializers

from core.clock import utc_now
from core.http.fields import WholeNumberField
from core.http.query import QueryDayField, QuerySerializer

from ...learning.booking import Selection
from ...models import StepProgress, StudentPackage
from ...states import DONE, StepStatus
from .enrolling import CourseLearnerSerializer

MAX_SELECTIONS = 100


class PeriodQuery(QuerySerializer):
    fromDate = QueryDayField(required=False, help_text="The first day, in each class's own time zone.")
    untilDate = QueryDayField(required=False, help_text="The last day.")

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if "fromDate" in attrs and "untilDate" in attrs and attrs["untilDate"] < attrs["fromDate"]:
            raise serializers.ValidationError({"untilDate": "Give a day that is not before fromDate."})
        return attrs


class SelectionBody(serializers.Serializer[Any]):
    courseStepId = WholeNumberField(min_value=1)
    courseStepOptionId = WholeNumberField(min_value=1)


class BookSessionsBody(serializers.Serializer[Any]):
    selections = serializers.ListField(child=SelectionBody(), max_length=MAX_SELECTIONS)

    def chosen(self) -> list[Selection]:
        """Return what was chosen for each step."""
        return [
            Selection(step_id=each["courseStepId"], option_id=each["courseStepOptionId"])
            for each in self.validated_data["selections"]
        ]


class SwapBody(serializers.Serializer[Any]):
    courseStepOptionId = WholeNumberField(min_value=1)


class ChangeableUntilField(serializers.DateTimeField):
    """How long a booked session can be canceled or swapped."""

    def to_representation(self, value: Any) -> str | None:  # type: ignore[override]
        if value.status != StepStatus.BOOKED:
            return None
        until = value.class_session.starts_at - dt.timedelta(hours=settings.BOOKING_CHANGE_HOURS)
        return super().to_representation(until)


class BookedSessionSerializer(serializers.Serializer[Any]):
    """The meeting in which a step holds a seat; null for a step without a seat."""

    sessionId = serializers.IntegerField(source="class_session_id")
    groupClassName = serializers.CharField(source="class_session.group_class.name")
    teacher = serializers.CharField(source="class_session.group_class.teacher")
    startsAt = serializers.DateTimeField(source="class_session.starts_at")
    endsAt = serializers.DateTimeField(source="class_session.ends_at")
    timezone = serializers.CharField(source="class_session.group_class.timezone")
    meetingUrl = serializers.CharField(source="class_session.group_class.meeting_url")
    changeableUntil = ChangeableUntilField(
        source="*", allow_null=True, help_text="Until then it can be canceled or swapped."
    )
    calendarUrl = serializers.SerializerMethodField()

    def to_representation(self, instance: StepProgress) -> Any:
        return super().to_representation(instance) if instance.class_session_id else None

    def get_calendarUrl(self, row: StepProgress) -> str:
        return f"{settings.PUBLIC_URL}{reverse('session-ics', args=[row.pk])}"


class ProgressSerializer(serializers.Serializer[Any]):
    """The progress of a package with one step."""

    id = serializers.IntegerField()
    studentPackageId = serializers.IntegerField(source="package_id")
    courseStepId = serializers.IntegerField(source="step_id")
    stepLabel = serializers.CharField(source="step.label")
    stepTitle = serializers.CharField(source="step.title")
    stepOrder = serializers.IntegerField(source="step.order")
    required = serializers.BooleanField(source="step.required")  # type: ignore[assignment]
    status = serializers.ChoiceField(choices=StepStatus.choices)
    courseStepOptionId = serializers.IntegerField(source="option_id", allow_null=True)
    bookedAt = serializers.DateTimeField(source="booked_at", allow_null=True)
    completedAt = serializers.DateTimeField(source="completed_at", allow_null=True)
    session = BookedSessionSerializer(source="*", allow_null=True)


class BookedSerializer(serializers.Serializer[Any]):
    autoBooked = serializers.ListField(
        child=serializers.IntegerField(), source="auto_booked", help_text="Steps that left no choice."
    )
    manualSelections = serializers.ListField(child=serializers.IntegerField(), source="manual_selections")
    booked = ProgressSerializer(many=True)


class NextSessionField(serializers.DateTimeField):
    """When the next booked session starts."""

    def to_representation(self, value: Any) -> str | None:  # type: ignore[override]
        now = utc_now()
        booked = [row.class_session for row in value.progress.all() if row.status == StepStatus.BOOKED]
        soonest = min((session.starts_at for session in booked if session.starts_at > now), default=None)
        return super().to_representation(soonest) if soonest else None


class PackageSerializer(serializers.Serializer[Any]):
    packageId = serializers.IntegerField(source="pk")
    name = serializers.CharField()
    courseCode = serializers.CharField(source="program.code")
    courseTitle = serializers.CharField(source="program.title")
    cohortId = serializers.IntegerField(source="cohort_id")
    cohortName = serializers.CharField(source="cohort.name")
    learner = CourseLearnerSerializer()
    purchasedAt = serializers.DateTimeField(source="purchased_at")
    expiresAt = serializers.DateTimeField(source="expires_at", allow_null=True)
    completedAt = serializers.DateTimeField(
        source="completed_at", allow_null=True, help_text="When the last required step was done; it stays completed."
    )
    progress = serializers.SerializerMethodField(help_text="Completed steps in percent of all.")
    completedSteps = serializers.SerializerMethodField()
    totalSteps = serializers.SerializerMethodField()
    unbookedSteps = serializers.SerializerMethodField(
        help_text="Steps without a session. Those that can be booked now are listed by `unbooked-steps`; for the "
        "others the program offers a session or excuses the step."
    )
    nextSessionAt = NextSessionField(source="*", allow_null=True)

    def get_progress(self, package: StudentPackage) -> int:
        total = self.get_totalSteps(package)
        return 100 * self.get_completedSteps(package) // total if total else 0

    def get_completedSteps(self, package: StudentPackage) -> int:
        return self._count(package, *DONE)

    def get_totalSteps(self, package: StudentPackage) -> int:
        return len(package.progress.all())

    def get_unbookedSteps(self, package: StudentPackage) -> int:
        return self._count(package, StepStatus.UNBOOKED)

    def _count(self, package: StudentPackage, *statuses: StepStatus) -> int:
        return sum(row.status in statuses for row in package.progress.all())


class PackageDetailSerializer(PackageSerializer):
    steps = ProgressSerializer(many=True, source="progress.all")


class ClassEventSerializer(BookedSessionSerializer):
    """A session in a calendar. `id` stays the same when the session is swapped for another one of its step."""

    id = serializers.IntegerField(source="pk")
    type = serializers.SerializerMethodField()
    title = serializers.SerializerMethodField()
    status = serializers.ChoiceField(choices=StepStatus.choices)
    packageId = serializers.IntegerField(source="package_id")
    courseCode = serializers.CharField(source="package.program.code")
    cohortName = serializers.CharField(source="package.cohort.name")
    courseStepId = serializers.IntegerField(source="step_id")
    stepLabel = serializers.CharField(source="step.label")
    stepTitle = serializers.CharField(source="step.title")
    learner = CourseLearnerSerializer(source="package.learner")

    def get_type(self, row: StepProgress) -> str:
        return "CLASS"

    def get_title(self, row: StepProgress) -> str:
        return f"{row.package.program.title}: {row.step.label}"


class CalendarFeedSerializer(serializers.Serializer[Any]):
    url = serializers.URLField(
        allow_null=True, help_text="Keep it to yourself: it needs no sign-in. Null if there is none."
    )
