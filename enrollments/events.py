"""The events that enrollments publishes; see docs/events.md for the payloads as integrators receive them."""

import datetime as dt
from dataclasses import dataclass, field
from typing import Any, ClassVar

from core.clock import utc_text
from events.event import FOR_REACTIONS, DomainEvent


@dataclass(frozen=True, slots=True, kw_only=True)
class EnrollmentEvent(DomainEvent):
    """Facts about one enrollment. Ids only: consumers that may read learners fetch them."""

    enrollment_cuid: str
    program_instance_cuid: str

    @property
    def aggregate(self) -> str:
        return f"enrollment:{self.enrollment_cuid}"


@dataclass(frozen=True, slots=True, kw_only=True)
class EnrollmentCreated(EnrollmentEvent):
    """A learner or lead now has an enrollment, as a candidate."""

    identification_type: str
    type: ClassVar[str] = "enrollment.created"
    starts_aggregate: ClassVar[bool] = True


@dataclass(frozen=True, slots=True, kw_only=True)
class EnrollmentUpdated(EnrollmentEvent):
    """The enrollment's details changed; `changed` names the fields as the API spells them, but no values."""

    changed: list[str]
    type: ClassVar[str] = "enrollment.updated"


@dataclass(frozen=True, slots=True, kw_only=True)
class EnrollmentStatusChanged(EnrollmentEvent):
    """One facet changed; `number` is the transition's position in the enrollment's history."""

    facet: str
    from_status: str
    to_status: str
    number: int
    reason: str = field(metadata=FOR_REACTIONS)
    # As of the end of the transaction; consumers learn of a change to it from that change's own event.
    payment_status: str = field(metadata=FOR_REACTIONS)
    was_approved: bool = field(default=False, metadata=FOR_REACTIONS)  # before this transaction
    is_answered: bool = field(default=False, metadata=FOR_REACTIONS)
    is_told_by_seller: bool = field(default=False, metadata=FOR_REACTIONS)
    type: ClassVar[str] = "enrollment.status_changed"


@dataclass(frozen=True, slots=True, kw_only=True)
class EnrollmentDeleted(EnrollmentEvent):
    """The enrollment is no longer shown anywhere, and holds nothing."""

    payment_status: str = field(metadata=FOR_REACTIONS)
    type: ClassVar[str] = "enrollment.deleted"


@dataclass(frozen=True, slots=True, kw_only=True)
class ExitPlanned(EnrollmentEvent):
    """The enrollment will end on a later day; an exit planned earlier is replaced."""

    effective_date: dt.date
    planned_exit_id: int = field(metadata=FOR_REACTIONS)
    type: ClassVar[str] = "enrollment.exit_planned"


@dataclass(frozen=True, slots=True, kw_only=True)
class ExitWithdrawn(EnrollmentEvent):
    """The enrollment continues: the exit planned for that day was withdrawn."""

    effective_date: dt.date
    planned_exit_id: int = field(metadata=FOR_REACTIONS)
    type: ClassVar[str] = "enrollment.exit_withdrawn"


@dataclass(frozen=True, slots=True, kw_only=True)
class SeatEvent(DomainEvent):
    """Facts about one seat of a district."""

    seat_id: int
    allocation_id: int
    enrollment_cuid: str

    @property
    def aggregate(self) -> str:
        return f"seat:{self.seat_id}"


@dataclass(frozen=True, slots=True, kw_only=True)
class SeatReserved(SeatEvent):
    """A free seat is now held for an enrollment."""

    type: ClassVar[str] = "seat.reserved"
    starts_aggregate: ClassVar[bool] = True


@dataclass(frozen=True, slots=True, kw_only=True)
class SeatUsed(SeatEvent):
    """The enrollment that holds the seat was approved."""

    type: ClassVar[str] = "seat.used"


@dataclass(frozen=True, slots=True, kw_only=True)
class SeatReleased(SeatEvent):
    """The seat is free again."""

    type: ClassVar[str] = "seat.released"


@dataclass(frozen=True, slots=True, kw_only=True)
class DecisionRecorded(DomainEvent):
    """ENROLLMENT_DECISION as the router document defines it; published when a decision is made and at each change."""

    decision_id: int
    provision_source: str | None
    tenant_id: int | None
    guardian_id: str | None
    learner_email: str
    status: str
    metadata: dict[str, Any]

    type: ClassVar[str] = "ENROLLMENT_DECISION"
    personal: ClassVar[frozenset[str]] = frozenset({"learner_email"})

    @property
    def aggregate(self) -> str:
        return f"decision:{self.decision_id}"

    def payload(self) -> dict[str, Any]:
        return {
            "event_type": self.type,
            "decision_id": self.decision_id,
            "provision_source": self.provision_source,
            "tenant_id": self.tenant_id,
            "guardian_id": self.guardian_id,
            "learner_email": self.learner_email,
            "status": self.status,
            "timestamp": utc_text(self.occurred_at),
            "metadata": self.metadata,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class DecisionMade(DecisionRecorded):
    """The first ENROLLMENT_DECISION of a decision."""

    starts_aggregate: ClassVar[bool] = True
