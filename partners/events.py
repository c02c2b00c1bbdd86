"""The events that partners publishes, ids only; see docs/events.md."""

from dataclasses import dataclass
from typing import ClassVar

from events.event import DomainEvent


@dataclass(frozen=True, slots=True, kw_only=True)
class PartnerStepEvent(DomainEvent):
    """Facts about one step of an enrollment at its partners."""

    step_cuid: str
    enrollment_cuid: str
    partner: str  # its slug
    sequence_order: int

    @property
    def aggregate(self) -> str:
        return f"partner_step:{self.step_cuid}"


@dataclass(frozen=True, slots=True, kw_only=True)
class PartnerStepQueued(PartnerStepEvent):
    """The step's turn has come, or it is retried: the partner will be asked to accept the learner."""

    type: ClassVar[str] = "partner.step_queued"


@dataclass(frozen=True, slots=True, kw_only=True)
class PartnerStepStarted(PartnerStepEvent):
    """The partner accepted the learner."""

    type: ClassVar[str] = "partner.step_started"


@dataclass(frozen=True, slots=True, kw_only=True)
class PartnerStepCompleted(PartnerStepEvent):
    """The learner has finished at this partner."""

    type: ClassVar[str] = "partner.step_completed"


@dataclass(frozen=True, slots=True, kw_only=True)
class PartnerStepFailed(PartnerStepEvent):
    """The partner refused or never answered; staff have to act."""

    type: ClassVar[str] = "partner.step_failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class PartnerStepSkipped(PartnerStepEvent):
    """Staff let the step count as done."""

    type: ClassVar[str] = "partner.step_skipped"


@dataclass(frozen=True, slots=True, kw_only=True)
class PartnerStepWithdrawn(PartnerStepEvent):
    """The step is no longer required: the enrollment ended, or enough other steps of its group are done."""

    type: ClassVar[str] = "partner.step_withdrawn"


@dataclass(frozen=True, slots=True, kw_only=True)
class PartnerStepReopened(PartnerStepEvent):
    """Staff took a completion back: the learner continues at the partner."""

    type: ClassVar[str] = "partner.step_reopened"


@dataclass(frozen=True, slots=True, kw_only=True)
class PartnerSequenceChanged(DomainEvent):
    """Staff moved a learner to the newest version of the program's sequence: how many steps carried over, are new, or
    are no longer required.
    """

    enrollment_cuid: str
    version: int
    kept: int
    added: int
    dropped: int
    type: ClassVar[str] = "partner.sequence_changed"

    @property
    def aggregate(self) -> str:
        return f"enrollment:{self.enrollment_cuid}"


@dataclass(frozen=True, slots=True, kw_only=True)
class CertificateEvent(DomainEvent):
    """Facts about one certificate. Anybody who has the serial can look it up."""

    serial: str
    enrollment_cuid: str

    @property
    def aggregate(self) -> str:
        return f"certificate:{self.serial}"


@dataclass(frozen=True, slots=True, kw_only=True)
class CertificateIssued(CertificateEvent):
    """The learner has completed the program, or the certificate replaces the one whose serial is `replaces`."""

    replaces: str | None
    starts_aggregate: ClassVar[bool] = True
    type: ClassVar[str] = "certificate.issued"


@dataclass(frozen=True, slots=True, kw_only=True)
class CertificateRevoked(CertificateEvent):
    """The certificate is no longer valid."""

    revocation: str
    type: ClassVar[str] = "certificate.revoked"
