"""What enrollments tells the world; see docs/events.md for the payloads as integrators see them."""

import datetime as dt
from dataclasses import dataclass
from typing import Any, ClassVar


@dataclass(frozen=True, slots=True)
class EnrollmentEvent:
    """Facts about one enrollment. Ids only: consumers that may read learners fetch them."""

    workspace_id: int
    enrollment_cuid: str
    program_instance_cuid: str

    type: ClassVar[str]
    starts_aggregate: ClassVar[bool] = False

    @property
    def aggregate(self) -> str:
        return f"enrollment:{self.enrollment_cuid}"

    def payload(self) -> dict[str, Any]:
        return {"enrollmentId": self.enrollment_cuid, "programInstanceId": self.program_instance_cuid}


@dataclass(frozen=True, slots=True)
class EnrollmentCreated(EnrollmentEvent):
    """A learner or lead now has an enrollment, as a candidate."""

    identification_type: str = ""
    type: ClassVar[str] = "enrollment.created"
    starts_aggregate: ClassVar[bool] = True

    def payload(self) -> dict[str, Any]:
        return EnrollmentEvent.payload(self) | {"identificationType": self.identification_type}


@dataclass(frozen=True, slots=True)
class EnrollmentStatusChanged(EnrollmentEvent):
    """One facet moved; `number` is the transition's place in the enrollment's history."""

    facet: str = ""
    from_status: str = ""
    to_status: str = ""
    reason: str = ""
    number: int = 0
    payment_status: str = ""  # by the end of the transaction; for reactions, consumers have its own change
    type: ClassVar[str] = "enrollment.status_changed"

    def payload(self) -> dict[str, Any]:
        return EnrollmentEvent.payload(self) | {
            "facet": self.facet,
            "from": self.from_status,
            "to": self.to_status,
            "reason": self.reason,
            "number": self.number,
        }


@dataclass(frozen=True, slots=True)
class SeatEvent:
    """Facts about one seat of a district."""

    workspace_id: int
    seat_id: int
    allocation_id: int
    enrollment_cuid: str

    type: ClassVar[str]
    starts_aggregate: ClassVar[bool] = False

    @property
    def aggregate(self) -> str:
        return f"seat:{self.seat_id}"

    def payload(self) -> dict[str, Any]:
        return {
            "seat_id": self.seat_id,
            "allocation_id": self.allocation_id,
            "enrollment_id": self.enrollment_cuid,
        }


@dataclass(frozen=True, slots=True)
class SeatReserved(SeatEvent):
    """A free seat is now held for an enrollment."""

    type: ClassVar[str] = "seat.reserved"
    starts_aggregate: ClassVar[bool] = True


@dataclass(frozen=True, slots=True)
class SeatUsed(SeatEvent):
    """The enrollment that holds the seat was approved."""

    type: ClassVar[str] = "seat.used"


@dataclass(frozen=True, slots=True)
class SeatReleased(SeatEvent):
    """The seat is free again."""

    reason: str = ""
    type: ClassVar[str] = "seat.released"

    def payload(self) -> dict[str, Any]:
        return SeatEvent.payload(self) | {"reason": self.reason}


@dataclass(frozen=True, slots=True)
class DecisionRecorded:
    """ENROLLMENT_DECISION as the router document gives it; published when a decision is made and at each change."""

    workspace_id: int
    decision_id: int
    provision_source: str | None
    tenant_id: int | None
    guardian_id: str | None
    learner_email: str
    status: str
    timestamp: dt.datetime
    metadata: dict[str, Any]

    type: ClassVar[str] = "ENROLLMENT_DECISION"
    starts_aggregate: ClassVar[bool] = False

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
            "timestamp": self.timestamp.isoformat().replace("+00:00", "Z"),
            "metadata": self.metadata,
        }


@dataclass(frozen=True, slots=True)
class DecisionMade(DecisionRecorded):
    """The first ENROLLMENT_DECISION of a decision."""

    starts_aggregate: ClassVar[bool] = True
