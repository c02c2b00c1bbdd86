"""What the router is asked, in our own terms; the API's serializers fill these in."""

import datetime as dt
from dataclasses import dataclass
from typing import Any

from core.actors import Actor


@dataclass(frozen=True, slots=True)
class LearnerProfile:
    """Who asks, as the router document describes it; `received` is kept with the decision."""

    email: str
    first_name: str
    last_name: str
    received: dict[str, Any]
    learner_id: str | None = None
    grade_level: str = ""
    school: str = ""

    @property
    def additional_info(self) -> dict[str, Any]:
        """Whatever else was sent, which a new enrollment keeps as its metadata."""
        return dict(self.received.get("additional_info") or {})

    @property
    def facts(self) -> dict[str, Any]:
        """What the request says of the learner, as criteria name it."""
        return {"email": self.email, "gradeLevel": self.grade_level, "school": self.school}


@dataclass(frozen=True, slots=True)
class RoutingContext:
    """Where the request comes from and who may pay; at least one of `tenant_id` and `guardian_id` is given."""

    received: dict[str, Any]
    tenant_id: int | None = None
    guardian_id: str | None = None
    program_instance: str | int | None = None
    voucher: str = ""  # for the parent's side; a district's seat costs nothing


@dataclass(frozen=True, slots=True)
class RoutingRequest:
    """One request to enroll a learner, by whom and when."""

    workspace_id: int
    actor: Actor
    profile: LearnerProfile
    context: RoutingContext
    now: dt.datetime
