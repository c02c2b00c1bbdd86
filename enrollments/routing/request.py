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


@dataclass(frozen=True, slots=True)
class RoutingContext:
    """Where the request comes from and who may pay; at least one of `tenant_id` and `guardian_id` is given."""

    received: dict[str, Any]
    tenant_id: int | None = None
    guardian_id: str | None = None
    program_instance: str | int | None = None


@dataclass(frozen=True, slots=True)
class RoutingRequest:
    """One request to enroll a learner, by whom and when."""

    workspace_id: int
    actor: Actor
    profile: LearnerProfile
    context: RoutingContext
    now: dt.datetime
