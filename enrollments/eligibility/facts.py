"""What is known about a person who wants to enroll, under the names that criteria use."""

import datetime as dt
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from core.local_time import local_date

from ..models import Enrollment, ProgramInstance
from .variables import OTHER_ENROLLMENTS, VARIABLES


class Facts(Mapping[str, Any]):
    """The facts of one enrollment, each looked up when a criterion reads it.

    What the person gave with the enrollment takes precedence over their record. `received` is what the current request
    says about them, under the same names. `others` are the learner's other enrollments, if the caller has already read
    them.
    """

    def __init__(
        self,
        enrollment: Enrollment,
        *,
        now: dt.datetime,
        received: Mapping[str, Any] | None = None,
        others: list[dict[str, str]] | None = None,
    ) -> None:
        self.enrollment = enrollment
        self.person = enrollment.learner or enrollment.lead
        self.now = now
        self._found: dict[str, Any] = {name: value for name, value in (received or {}).items() if value}
        if others is not None:
            self._found["enrollments"] = others

    def __getitem__(self, name: str) -> Any:
        if name not in self._found:
            self._found[name] = _READ[name](self)
        return self._found[name]

    def __iter__(self) -> Iterator[str]:
        return iter(VARIABLES)

    def __len__(self) -> int:
        return len(VARIABLES)


def describe_instance(instance: ProgramInstance) -> dict[str, str]:
    """Return the variable programInstance. A date that is not set is left out."""
    dates = {"startDate": instance.start_date, "endDate": instance.end_date}
    return {
        "id": instance.cuid,
        "programCode": instance.program.code,
        "name": instance.name,
        **{name: date.isoformat() for name, date in dates.items() if date is not None},
    }


def today_of(instance: ProgramInstance, now: dt.datetime) -> str:
    """Return the variable today."""
    return local_date(now, instance.zone).isoformat()


def list_others(enrollment: Enrollment) -> list[dict[str, str]]:
    """Return the variable enrollments: what else the same learner, or the same lead, is or was enrolled in."""
    if enrollment.learner_id is not None:
        theirs = Enrollment.objects.kept().filter(learner=enrollment.learner_id)
    else:
        theirs = Enrollment.objects.kept().filter(lead=enrollment.lead_id)
    rows = theirs.exclude(pk=enrollment.pk).order_by("-id")
    named = rows.values_list("instance__program__code", "eligibility_status")[:OTHER_ENROLLMENTS]
    return [{"programCode": code, "status": status} for code, status in named]


def _of_person(name: str) -> Callable[[Facts], Any]:
    return lambda facts: getattr(facts.person, name, "")


_READ: dict[str, Callable[[Facts], Any]] = {
    "address": lambda facts: facts.enrollment.address or getattr(facts.person, "address", {}),
    "phone": lambda facts: facts.enrollment.phone or getattr(facts.person, "phone", ""),
    "email": _of_person("email"),
    "gradeLevel": _of_person("grade_level"),
    "school": _of_person("school"),
    "manufacturerSlugs": lambda facts: facts.enrollment.manufacturer_slugs,
    "serialNumber": lambda facts: facts.enrollment.serial_number,
    "tags": lambda facts: facts.enrollment.tags,
    "metadata": lambda facts: facts.enrollment.metadata,
    "today": lambda facts: today_of(facts.enrollment.instance, facts.now),
    "programInstance": lambda facts: describe_instance(facts.enrollment.instance),
    "enrollments": lambda facts: list_others(facts.enrollment),
}
