"""What the doctor's "allocation 12" means: a row of a model, and its back-office page."""

import re
from functools import cache

from django.apps import apps
from django.db import models
from django.utils.text import camel_case_to_spaces

from cohorts.models import WaitlistEntry
from enrollments.models import (
    DistrictSeatAllocation,
    EligibilityVerdict,
    EnrollmentLabel,
    EnrollmentTransition,
    Inquiry,
    ProgramInstance,
    SeatAssignment,
)

# For names that are neither the name of the model in code nor what staff call it.
_WORDS: dict[str, type[models.Model]] = {
    "allocation": DistrictSeatAllocation,
    "instance": ProgramInstance,
    "label": EnrollmentLabel,
    "question": Inquiry,
    "seat": SeatAssignment,
    "transition": EnrollmentTransition,
    "verdict": EligibilityVerdict,
    "waiting list entry": WaitlistEntry,
}
_ROW = re.compile(r"(?P<word>[A-Za-z -]+) (?P<pk>\d+)")


def find_subject(row: str) -> tuple[type[models.Model], int] | None:
    """Return the model and primary key that the doctor named; None for anything else, e.g. a series of events."""
    named = _ROW.fullmatch(row)
    model = _models().get(named["word"]) if named else None
    return (model, int(named["pk"])) if named and model else None


@cache
def _models() -> dict[str, type[models.Model]]:
    in_code = {camel_case_to_spaces(model.__name__): model for model in apps.get_models()}
    called = {str(model._meta.verbose_name): model for model in apps.get_models()}
    return {**in_code, **called, **_WORDS}
