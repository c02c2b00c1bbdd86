"""The contents of the town of `test_authorization.py`, grouped by what its routes require."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Training:
    """A learner whom a partner did not accept."""

    partner: str
    enrollment: str
    step: str


@dataclass(frozen=True, slots=True)
class Sale:
    """A course that Jane bought, with a step booked."""

    course_code: str
    cohort_id: int
    session_id: str
    package_id: int
    step_id: int
    progress_id: int


@dataclass(frozen=True, slots=True)
class Offer:
    """An instance with a candidate who is being evaluated (Ada, elsewhere), a lead, and an import, by their CUIDs."""

    instance: str
    enrollment: str
    number: int  # of the same enrollment
    learner: str
    lead: str
    job: str
    export: str
    imported: str


@dataclass(frozen=True, slots=True)
class Hook:
    """A webhook endpoint and a delivery to it, by their CUIDs."""

    endpoint: str
    delivery: str
