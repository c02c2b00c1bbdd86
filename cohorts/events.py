"""What cohorts tells the world, ids only; see docs/events.md."""

import datetime as dt
from dataclasses import dataclass
from typing import Any, ClassVar


@dataclass(frozen=True, slots=True)
class PlaceEvent:
    """Facts about one place in a cohort."""

    workspace_id: int
    place_id: int
    cohort_id: int
    learner_cuid: str

    type: ClassVar[str]
    starts_aggregate: ClassVar[bool] = False

    @property
    def aggregate(self) -> str:
        return f"place:{self.place_id}"

    def payload(self) -> dict[str, Any]:
        return {"placeId": self.place_id, "cohortId": self.cohort_id, "learnerId": self.learner_cuid}


@dataclass(frozen=True, slots=True)
class PlaceHeld(PlaceEvent):
    """A place is held while its checkout is open, or while it is offered from the waiting list."""

    type: ClassVar[str] = "place.held"
    starts_aggregate: ClassVar[bool] = True


@dataclass(frozen=True, slots=True)
class PlaceTaken(PlaceEvent):
    """The place is paid for."""

    type: ClassVar[str] = "place.taken"


@dataclass(frozen=True, slots=True)
class PlaceReleased(PlaceEvent):
    """The place is free again."""

    reason: str = ""
    type: ClassVar[str] = "place.released"

    def payload(self) -> dict[str, Any]:
        return PlaceEvent.payload(self) | {"reason": self.reason}


@dataclass(frozen=True, slots=True)
class PlaceLost(PlaceEvent):
    """Money came for a place that was gone by then; it goes back in full."""

    type: ClassVar[str] = "place.lost"


@dataclass(frozen=True, slots=True)
class PackageEvent:
    """Facts about one bought course."""

    workspace_id: int
    package_id: int
    cohort_id: int
    learner_cuid: str
    enrollment_cuid: str

    type: ClassVar[str]
    starts_aggregate: ClassVar[bool] = False

    @property
    def aggregate(self) -> str:
        return f"package:{self.package_id}"

    def payload(self) -> dict[str, Any]:
        return {
            "packageId": self.package_id,
            "cohortId": self.cohort_id,
            "learnerId": self.learner_cuid,
            "enrollmentId": self.enrollment_cuid,
        }


@dataclass(frozen=True, slots=True)
class PackageCreated(PackageEvent):
    """A learner owns a course."""

    type: ClassVar[str] = "package.created"
    starts_aggregate: ClassVar[bool] = True


@dataclass(frozen=True, slots=True)
class PackageRevoked(PackageEvent):
    """A learner no longer owns it, after a full refund."""

    reason: str = ""
    type: ClassVar[str] = "package.revoked"

    def payload(self) -> dict[str, Any]:
        return PackageEvent.payload(self) | {"reason": self.reason}


@dataclass(frozen=True, slots=True)
class PackageMoved(PackageEvent):
    """Staff moved a learner to another cohort; `cohort_id` is the new one."""

    from_cohort_id: int = 0
    type: ClassVar[str] = "package.moved"

    def payload(self) -> dict[str, Any]:
        return PackageEvent.payload(self) | {"fromCohortId": self.from_cohort_id}


@dataclass(frozen=True, slots=True)
class PackageCompleted(PackageEvent):
    """Every required step was attended or excused; said once, whatever is added to the course later."""

    type: ClassVar[str] = "package.completed"


@dataclass(frozen=True, slots=True)
class StepEvent:
    """Facts about one step of a package."""

    workspace_id: int
    package_id: int
    step_id: int
    class_session_id: int | None

    type: ClassVar[str]
    starts_aggregate: ClassVar[bool] = False

    @property
    def aggregate(self) -> str:
        return f"package:{self.package_id}"

    def payload(self) -> dict[str, Any]:
        return {"packageId": self.package_id, "stepId": self.step_id, "classSessionId": self.class_session_id}


@dataclass(frozen=True, slots=True)
class StepBooked(StepEvent):
    """The learner has a seat in a class session; `with_place` when it came with their place in the cohort."""

    booked_at: dt.datetime | None = None
    with_place: bool = False
    type: ClassVar[str] = "step.booked"


@dataclass(frozen=True, slots=True)
class StepCancelled(StepEvent):
    """The seat was given back; `class_session_id` is where it was."""

    type: ClassVar[str] = "step.cancelled"


@dataclass(frozen=True, slots=True)
class StepCompleted(StepEvent):
    """The learner attended."""

    type: ClassVar[str] = "step.completed"


@dataclass(frozen=True, slots=True)
class StepMissed(StepEvent):
    """The session passed without the learner."""

    type: ClassVar[str] = "step.missed"


@dataclass(frozen=True, slots=True)
class StepExcused(StepEvent):
    """Staff let the step count as attended."""

    type: ClassVar[str] = "step.excused"


@dataclass(frozen=True, slots=True)
class SessionRescheduled:
    """A class meets at another time than was said; its bookings stay."""

    workspace_id: int
    class_session_id: int
    starts_at: dt.datetime
    ends_at: dt.datetime
    with_term: bool = False  # the cohort's dates changed, which is told with all its sessions

    type: ClassVar[str] = "session.rescheduled"
    starts_aggregate: ClassVar[bool] = False

    @property
    def aggregate(self) -> str:
        return f"session:{self.class_session_id}"

    def payload(self) -> dict[str, Any]:
        return {
            "classSessionId": self.class_session_id,
            "startsAt": self.starts_at.isoformat(),
            "endsAt": self.ends_at.isoformat(),
        }


@dataclass(frozen=True, slots=True)
class CohortDatesChanged:
    """A cohort runs at other dates; `session.rescheduled` reports the sessions that follow."""

    workspace_id: int
    cohort_id: int
    start_date: dt.date
    end_date: dt.date
    changed_at: dt.datetime

    type: ClassVar[str] = "cohort.dates_changed"
    starts_aggregate: ClassVar[bool] = False

    @property
    def aggregate(self) -> str:
        return f"cohort:{self.cohort_id}"

    def payload(self) -> dict[str, Any]:
        return {
            "cohortId": self.cohort_id,
            "startDate": self.start_date.isoformat(),
            "endDate": self.end_date.isoformat(),
        }


@dataclass(frozen=True, slots=True)
class MeetingPageChanged:
    """A class meets on another page, from its next session on; its bookings stay."""

    workspace_id: int
    group_class_id: int
    changed_at: dt.datetime

    type: ClassVar[str] = "class.meeting_page_changed"
    starts_aggregate: ClassVar[bool] = False

    @property
    def aggregate(self) -> str:
        return f"class:{self.group_class_id}"

    def payload(self) -> dict[str, Any]:
        return {"groupClassId": self.group_class_id}


@dataclass(frozen=True, slots=True)
class WaitlistEvent:
    """Facts about somebody in line for a full cohort."""

    workspace_id: int
    entry_id: int
    cohort_id: int
    learner_cuid: str

    type: ClassVar[str]
    starts_aggregate: ClassVar[bool] = False

    @property
    def aggregate(self) -> str:
        return f"waitlist:{self.entry_id}"

    def payload(self) -> dict[str, Any]:
        return {"entryId": self.entry_id, "cohortId": self.cohort_id, "learnerId": self.learner_cuid}


@dataclass(frozen=True, slots=True)
class WaitlistJoined(WaitlistEvent):
    """Somebody is in line."""

    type: ClassVar[str] = "waitlist.joined"
    starts_aggregate: ClassVar[bool] = True


@dataclass(frozen=True, slots=True)
class WaitlistOffered(WaitlistEvent):
    """A place is held for them until the offer ends."""

    type: ClassVar[str] = "waitlist.offered"


@dataclass(frozen=True, slots=True)
class WaitlistEnded(WaitlistEvent):
    """They are no longer in line: accepted, declined, expired or left."""

    status: str = ""
    type: ClassVar[str] = "waitlist.ended"

    def payload(self) -> dict[str, Any]:
        return WaitlistEvent.payload(self) | {"status": self.status}
