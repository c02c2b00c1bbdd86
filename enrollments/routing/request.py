"""A request to the router in our own terms; the API's serializers fill these in."""

import datetime as dt
from dataclasses import dataclass
from typing import Any

from core.actors import Actor


@dataclass(frozen=True, slots=True)
class LearnerProfile:
    """The learner who asks, as the router document describes them; `received` is stored with the decision."""

    email: str
    first_name: str
    last_name: str
    received: dict[str, Any]
    learner_id: str | None = None
    grade_level: str = ""
    school: str = ""

    @property
    def additional_info(self) -> dict[str, Any]:
        """Return everything else that was sent, which a new enrollment stores as its metadata."""
        return dict(self.received.get("additional_info") or {})

    @property
    def facts(self) -> dict[str, Any]:
        """Return what the request says about the learner, under the names that criteria use."""
        return {"email": self.email, "gradeLevel": self.grade_level, "school": self.school}


@dataclass(frozen=True, slots=True)
class RoutingContext:
    """Where the request comes from and who may pay; at least one of `tenant_id` and `guardian_id` is given."""

    received: dict[str, Any]
    tenant_id: int | None = None
    guardian_id: str | None = None
    program_instance: str | int | None = None
    voucher: str = ""  # for a payment by the parent; a district's seat costs nothing


@dataclass(frozen=True, slots=True)
class RoutingRequest:
    """One request to enroll a learner, with its actor and time."""

    workspace_id: int
    actor: Actor
    profile: LearnerProfile
    context: RoutingContext
    now: dt.datetime
