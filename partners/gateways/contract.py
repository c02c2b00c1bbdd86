"""What we ask of a partner's system, in our words, and how it may fail."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from core.errors import DomainError, Unavailable


class PartnerDown(Unavailable):
    """The partner does not answer, or not now. The result of the call is unknown, unless the call was never made."""

    code = "partner_down"
    title = "The partner does not answer"

    def __init__(
        self, detail: str, *, wait_seconds: float = 0.0, was_asked: bool = True, is_busy: bool = False
    ) -> None:
        self.wait_seconds = wait_seconds  # the minimum time to leave it alone
        self.was_asked = was_asked
        self.is_busy = is_busy  # it is up, but asks us to slow down
        super().__init__(detail)


class PartnerRefuses(DomainError):
    """The partner understood and does not accept the learner: another request would get the same answer."""

    code = "partner_refuses"
    title = "The partner refuses"


@dataclass(frozen=True, slots=True)
class EnrollmentRequest:
    """Whom the partner is to teach, and what. `reference` is our step, and the idempotency key."""

    reference: str
    course_id: str
    learner_cuid: str
    email: str
    first_name: str
    last_name: str


@dataclass(frozen=True, slots=True)
class PartnerEnrollment:
    """The learner as the partner knows them."""

    id: str
    launch_url: str


@dataclass(frozen=True, slots=True)
class PartnerNews:
    """A learner's progress, as the partner reports it on request."""

    status: str  # active, completed, or withdrawn; any other word is ignored
    progress: int  # percent
    completed_at: str
    certificate: Mapping[str, str]  # under the webhook's names; empty without one


class PartnerGateway(Protocol):
    """One partner's system. Every call raises PartnerDown or PartnerRefuses."""

    def enroll(self, request: EnrollmentRequest) -> PartnerEnrollment:
        """Enroll the learner; a partner with idempotency does so once per reference."""

    def find(self, reference: str) -> PartnerEnrollment | None:
        """Return the result of an earlier call under this reference, if there is one that has not ended since."""

    def read(self, external_id: str) -> PartnerNews | None:
        """Return the progress of the learner with this id; None if the partner does not know it."""

    def end(self, external_id: str) -> None:
        """Let go of the learner with this id; nothing happens if the partner does not know it."""
