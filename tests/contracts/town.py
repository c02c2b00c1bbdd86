"""The contents of the town of `test_authorization.py`, grouped by what its routes require."""

import datetime as dt
from dataclasses import dataclass

from accounts.consents import give_consents
from accounts.models import Learner
from accounts.states import ConsentWay
from accounts.tests.factories import ConsentTextFactory
from core.actors import SYSTEM

AGREED_AT = dt.datetime(2026, 1, 5, 12, tzinfo=dt.UTC)


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


def consent_about(learner: Learner) -> int:
    """Return the id of a consent that a parent gave at `AGREED_AT`."""
    text = ConsentTextFactory(workspace=learner.workspace, is_required=False, from_at=AGREED_AT)
    [consent] = give_consents(
        learner_id=learner.pk,
        address="parent@home.test",
        text_ids=[text.pk],
        way=ConsentWay.PAPER,
        actor=SYSTEM,
        now=AGREED_AT,
    )
    return consent.pk
