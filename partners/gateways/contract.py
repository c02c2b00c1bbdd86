"""What we ask of a partner's system, in our words, and how it may fail."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from core.errors import DomainError, Unavailable


class PartnerDown(Unavailable):
    """The partner does not answer, or not now. What came of the call is unknown, unless it was not even asked."""

    code = "partner_down"
    title = "The partner does not answer"

    def __init__(
        self, detail: str, *, wait_seconds: float = 0.0, was_asked: bool = True, is_busy: bool = False
    ) -> None:
        self.wait_seconds = wait_seconds  # how long to leave it alone at least
        self.was_asked = was_asked
        self.is_busy = is_busy  # it is up, and asks us to slow down
        super().__init__(detail)


class PartnerRefuses(DomainError):
    """The partner has understood and does not take the learner: asking again would be answered alike."""

    code = "partner_refuses"
    title = "The partner refuses"


@dataclass(frozen=True, slots=True)
class EnrollmentRequest:
    """Whom the partner is to teach what. `reference` is our step, and names the call as well."""

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
    """How far a learner is, as the partner tells when it is asked."""

    status: str  # active, completed or withdrawn; another word means nothing to us
    progress: int  # percent
    completed_at: str
    certificate: Mapping[str, str]  # by the names that the webhook has for them; empty without one


class PartnerGateway(Protocol):
    """One partner's system. Every call raises PartnerDown or PartnerRefuses."""

    def enroll(self, request: EnrollmentRequest) -> PartnerEnrollment:
        """Have the learner taken; the same reference is taken once if the partner knows idempotency."""

    def find(self, reference: str) -> PartnerEnrollment | None:
        """What came of an earlier call under this reference, if anything did and it has not ended since."""

    def read(self, external_id: str) -> PartnerNews | None:
        """How far the learner is whom the partner knows by this id; None if it knows nobody by it."""

    def end(self, external_id: str) -> None:
        """Let the learner go whom the partner knows by this id; nothing happens if it knows nobody by it."""
