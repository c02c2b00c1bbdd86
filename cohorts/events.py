"""The events that cohorts publishes, with nothing but ids for consumers; see docs/events.md."""

import datetime as dt
from dataclasses import dataclass, field
from typing import ClassVar

from accounts.models import Learner
from events.event import FOR_REACTIONS, DomainEvent


@dataclass(frozen=True, slots=True, kw_only=True)
class PlaceEvent(DomainEvent):
    """Facts about one place in a cohort."""

    place_id: int
    cohort_id: int
    learner_cuid: str

    @property
    def aggregate(self) -> str:
        return f"place:{self.place_id}"


@dataclass(frozen=True, slots=True, kw_only=True)
class PlaceHeld(PlaceEvent):
    """A place is held while its checkout is open, or while the waiting list offers it."""

    type: ClassVar[str] = "place.held"
    starts_aggregate: ClassVar[bool] = True


@dataclass(frozen=True, slots=True, kw_only=True)
class PlaceTaken(PlaceEvent):
    """The place is paid for."""

    type: ClassVar[str] = "place.taken"


@dataclass(frozen=True, slots=True, kw_only=True)
class PlaceReleased(PlaceEvent):
    """The place is free again."""

    type: ClassVar[str] = "place.released"


@dataclass(frozen=True, slots=True, kw_only=True)
class PlaceLost(PlaceEvent):
    """Money arrived for a place that was already gone; it is refunded in full."""

    type: ClassVar[str] = "place.lost"


@dataclass(frozen=True, slots=True, kw_only=True)
class PackageEvent(DomainEvent):
    """Facts about one bought course."""

    package_id: int
    cohort_id: int
    learner_cuid: str
    enrollment_cuid: str

    @property
    def aggregate(self) -> str:
        return f"package:{self.package_id}"


@dataclass(frozen=True, slots=True, kw_only=True)
class PackageCreated(PackageEvent):
    """The `learner` owns a course."""

    learner: Learner = field(metadata=FOR_REACTIONS)
    type: ClassVar[str] = "package.created"
    starts_aggregate: ClassVar[bool] = True


@dataclass(frozen=True, slots=True, kw_only=True)
class PackageRevoked(PackageEvent):
    """A learner no longer owns it, after a full refund."""

    type: ClassVar[str] = "package.revoked"


@dataclass(frozen=True, slots=True, kw_only=True)
class PackageMoved(PackageEvent):
    """Staff moved a learner to another cohort; `cohort_id` is the new one."""

    from_cohort_id: int
    type: ClassVar[str] = "package.moved"


@dataclass(frozen=True, slots=True, kw_only=True)
class PackageCompleted(PackageEvent):
    """Every required step was attended or excused; published once, whatever is added to the course later."""

    type: ClassVar[str] = "package.completed"


@dataclass(frozen=True, slots=True, kw_only=True)
class StepEvent(DomainEvent):
    """Facts about one step of a package."""

    package_id: int
    step_id: int
    class_session_id: int | None

    @property
    def aggregate(self) -> str:
        return f"package:{self.package_id}"


@dataclass(frozen=True, slots=True, kw_only=True)
class StepBooked(StepEvent):
    """The `learner` has a seat in a class session; `with_place` if it came with their place in the cohort."""

    learner: Learner = field(metadata=FOR_REACTIONS)
    with_place: bool = field(metadata=FOR_REACTIONS)
    type: ClassVar[str] = "step.booked"


@dataclass(frozen=True, slots=True, kw_only=True)
class StepCancelled(StepEvent):
    """The seat was given back; `class_session_id` is where it was. `with_place` if the place in the cohort went too."""

    with_place: bool = field(default=False, metadata=FOR_REACTIONS)
    type: ClassVar[str] = "step.cancelled"


@dataclass(frozen=True, slots=True, kw_only=True)
class StepCompleted(StepEvent):
    """The learner attended."""

    type: ClassVar[str] = "step.completed"


@dataclass(frozen=True, slots=True, kw_only=True)
class StepMissed(StepEvent):
    """The session passed without the learner."""

    type: ClassVar[str] = "step.missed"


@dataclass(frozen=True, slots=True, kw_only=True)
class StepExcused(StepEvent):
    """Staff let the step count as attended."""

    type: ClassVar[str] = "step.excused"


@dataclass(frozen=True, slots=True, kw_only=True)
class StepExcuseWithdrawn(StepEvent):
    """Staff require the step to be attended after all."""

    type: ClassVar[str] = "step.excuse_withdrawn"


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionRescheduled(DomainEvent):
    """A class meets at a different time than announced; its bookings stay."""

    class_session_id: int
    starts_at: dt.datetime
    ends_at: dt.datetime
    # The cohort's dates changed, and one mail covers that with all its sessions.
    with_term: bool = field(metadata=FOR_REACTIONS)

    type: ClassVar[str] = "session.rescheduled"

    @property
    def aggregate(self) -> str:
        return f"session:{self.class_session_id}"


@dataclass(frozen=True, slots=True, kw_only=True)
class CohortDatesChanged(DomainEvent):
    """A cohort's dates changed; `session.rescheduled` reports the sessions that move."""

    cohort_id: int
    start_date: dt.date
    end_date: dt.date

    type: ClassVar[str] = "cohort.dates_changed"

    @property
    def aggregate(self) -> str:
        return f"cohort:{self.cohort_id}"


@dataclass(frozen=True, slots=True, kw_only=True)
class MeetingPageChanged(DomainEvent):
    """A class has a new meeting page, from its next session on; its bookings stay."""

    group_class_id: int

    type: ClassVar[str] = "class.meeting_page_changed"

    @property
    def aggregate(self) -> str:
        return f"class:{self.group_class_id}"


@dataclass(frozen=True, slots=True, kw_only=True)
class WaitlistEvent(DomainEvent):
    """Facts about a learner in line for a full cohort."""

    entry_id: int
    cohort_id: int
    learner_cuid: str

    @property
    def aggregate(self) -> str:
        return f"waitlist:{self.entry_id}"


@dataclass(frozen=True, slots=True, kw_only=True)
class WaitlistJoined(WaitlistEvent):
    """A learner is in line."""

    type: ClassVar[str] = "waitlist.joined"
    starts_aggregate: ClassVar[bool] = True


@dataclass(frozen=True, slots=True, kw_only=True)
class WaitlistOffered(WaitlistEvent):
    """A place is held for the learner until the offer expires."""

    type: ClassVar[str] = "waitlist.offered"


@dataclass(frozen=True, slots=True, kw_only=True)
class WaitlistEnded(WaitlistEvent):
    """The learner is no longer in line: accepted, declined, expired, or left."""

    status: str
    type: ClassVar[str] = "waitlist.ended"
