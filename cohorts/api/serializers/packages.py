"""The shapes of the course API, spelled as the course document spells them."""

import datetime as dt
from typing import Any
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

from django.conf import settings
from django.urls import reverse
from django.utils.http import url_has_allowed_host_and_scheme
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from core.clock import utc_now
from core.http.fields import TextField, WholeNumberField
from core.http.query import QueryDayField, QueryNumberField, QuerySerializer, QueryTextField, QueryTruthField
from core.ids import CUID_PATTERN

from ...models import Cohort, CohortSession, StepProgress, StudentPackage
from ...states import DONE, StepStatus, WaitStatus

MAX_SELECTIONS = 100

# --- What is asked ----------------------------------------------------------------------------------------------------


class BrowseQuery(QuerySerializer):
    page = QueryNumberField(min_value=1, max_value=100_000, default=1)
    pageSize = QueryNumberField(min_value=1, max_value=100, default=20)
    sortBy = serializers.ChoiceField(
        ["title", "code", "stepCount", "priceInCents", "availableCohorts", "nextCohortStartDate"], default="title"
    )
    sortOrder = serializers.ChoiceField(["asc", "desc"], default="asc")
    search = QueryTextField(max_length=100, default="")
    openOnly = QueryTruthField(default=False, help_text="Only courses with a free place.")


class CohortsQuery(QuerySerializer):
    includeFullCohorts = QueryTruthField(default=False)


class PeriodQuery(QuerySerializer):
    fromDate = QueryDayField(required=False, help_text="The first day, in each class's own time zone.")
    untilDate = QueryDayField(required=False, help_text="The last day.")

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if "fromDate" in attrs and "untilDate" in attrs and attrs["untilDate"] < attrs["fromDate"]:
            raise serializers.ValidationError({"untilDate": "Give a day that is not before fromDate."})
        return attrs


class ReturnAddressField(TextField):
    """An address the payment page may send the payer to: on our own host or one of CHECKOUT_RETURN_HOSTS.

    Anywhere else would make our checkout a way to lead people to a stranger's site.
    """

    default_error_messages = {
        "not_allowed": "Give an http(s) address on this site or on a host that is allowed, or leave it out."
    }

    def to_internal_value(self, data: Any) -> str:
        address = super().to_internal_value(data)
        ours = urlsplit(settings.PUBLIC_URL)
        hosts = {ours.netloc, *settings.CHECKOUT_RETURN_HOSTS}
        # A relative address passes Django's check, but Stripe needs to know the host.
        absolute = address.lower().startswith(("http://", "https://"))
        if not absolute or not url_has_allowed_host_and_scheme(address, hosts, require_https=ours.scheme == "https"):
            self.fail("not_allowed")
        return address


class CuidField(serializers.RegexField):
    """A CUID, given as a JSON string."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(f"^{CUID_PATTERN}$", **kwargs)

    def to_internal_value(self, data: Any) -> str:
        if not isinstance(data, str):
            self.fail("invalid")
        return str(super().to_internal_value(data))


class ParticipantBody(serializers.Serializer[Any]):
    learnerId = CuidField(required=False, help_text="A learner you may act for. Left out: yourself.")
    firstName = TextField(max_length=150, required=False, help_text="Your own, if your account has no name yet.")
    lastName = TextField(max_length=150, required=False)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if "learnerId" in attrs and ("firstName" in attrs or "lastName" in attrs):
            raise serializers.ValidationError({"learnerId": "Give either learnerId or your own names."})
        for given, missing in (("firstName", "lastName"), ("lastName", "firstName")):
            if given in attrs and missing not in attrs:
                raise serializers.ValidationError({missing: ["Give both names."]}, code="required")
        return attrs


class LearnerQuery(QuerySerializer):
    learnerId = CuidField(required=False, help_text="Needed if several of your learners are in line.")


class EnrollBody(ParticipantBody):
    successUrl = ReturnAddressField(
        max_length=2000,
        required=False,
        help_text="Where to go after paying; {CHECKOUT_SESSION_ID} in it is filled in.",
    )
    cancelUrl = ReturnAddressField(max_length=2000, required=False)


class SelectionBody(serializers.Serializer[Any]):
    courseStepId = WholeNumberField(min_value=1)
    courseStepOptionId = WholeNumberField(min_value=1)


class BookSessionsBody(serializers.Serializer[Any]):
    selections = serializers.ListField(child=SelectionBody(), max_length=MAX_SELECTIONS)


class SwapBody(serializers.Serializer[Any]):
    courseStepOptionId = WholeNumberField(min_value=1)


# --- The catalog ------------------------------------------------------------------------------------------------------


class CourseItemSerializer(serializers.Serializer[Any]):
    code = serializers.CharField()
    title = serializers.CharField()
    stepCount = serializers.IntegerField(source="step_count")
    priceInCents = serializers.IntegerField(
        source="price_minor", allow_null=True, help_text="The lowest of the open cohorts', in minor units."
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
    steps = StepSerializer(many=True)


class CohortSerializer(serializers.Serializer[Any]):
    id = serializers.IntegerField()
    name = serializers.CharField()
    startDate = serializers.DateField(source="start_date")
    endDate = serializers.DateField(source="end_date")
    timezone = serializers.CharField()
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
        if cohort.is_past_deadline(now) or not cohort.has_sessions_left(now):
            return "closed"
        price = cohort.instance.price
        if price is None or not price.active:
            return "not_for_sale"
        return "open" if cohort.places_left > 0 else "full"


LOCAL_TIME = {"type": "string", "pattern": "^([01][0-9]|2[0-3]):[0-5][0-9]$", "example": "17:00"}


@extend_schema_field(LOCAL_TIME)
class LocalTimeField(serializers.TimeField):
    """Hours and minutes; `time` would have seconds and an offset."""

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


# --- Enrolling --------------------------------------------------------------------------------------------------------


class CheckoutSerializer(serializers.Serializer[Any]):
    sessionId = serializers.CharField()
    url = serializers.URLField()


class BoughtSerializer(serializers.Serializer[Any]):
    packageId = serializers.IntegerField()


class ProcessingSerializer(serializers.Serializer[Any]):
    status = serializers.ChoiceField(["processing"])


class LearnerSerializer(serializers.Serializer[Any]):
    learnerId = serializers.CharField(source="cuid")
    firstName = serializers.CharField(source="first_name")
    lastName = serializers.CharField(source="last_name")


class WaitlistEntrySerializer(serializers.Serializer[Any]):
    cohortId = serializers.IntegerField(source="cohort_id")
    learner = LearnerSerializer()
    status = serializers.ChoiceField(choices=WaitStatus.choices)
    position = serializers.IntegerField(help_text="1 is next.")
    offerExpiresAt = serializers.DateTimeField(
        source="offer_expires_at", allow_null=True, help_text="Until then a place is held: enroll to take it."
    )
    joinedAt = serializers.DateTimeField(source="created_at")


# --- What a student has -----------------------------------------------------------------------------------------------


class ChangeableUntilField(serializers.DateTimeField):
    """Until when a booked session can be canceled or swapped."""

    def to_representation(self, value: Any) -> str | None:  # type: ignore[override]
        if value.status != StepStatus.BOOKED:
            return None
        until = value.class_session.starts_at - dt.timedelta(hours=settings.BOOKING_CHANGE_HOURS)
        return super().to_representation(until)


class BookedSessionSerializer(serializers.Serializer[Any]):
    """The meeting in which a step holds a seat; null for a step that holds none."""

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
    """How far a package is with one step."""

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
    learner = LearnerSerializer()
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
    """A session in somebody's calendar. `id` stays when the session is swapped for another of its step."""

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
    learner = LearnerSerializer(source="package.learner")

    def get_type(self, row: StepProgress) -> str:
        return "CLASS"

    def get_title(self, row: StepProgress) -> str:
        return f"{row.package.program.title}: {row.step.label}"


class CalendarFeedSerializer(serializers.Serializer[Any]):
    url = serializers.URLField(allow_null=True, help_text="Keep it to yourself: it needs no sign-in. Null: none.")
