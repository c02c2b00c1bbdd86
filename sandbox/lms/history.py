"""Learners a partner taught before the sandbox existed, as described by the caller. Nobody is notified of them."""

from typing import Any

from django.db import transaction

from sandbox.lms.models import LmsEnrollment, Partner

STATUSES = ("active", "completed", "withdrawn")


class InvalidHistory(ValueError):
    """The described history is impossible; the message says where and why."""


@transaction.atomic
def remember_enrollments(*, slug: str, told: list[dict[str, Any]]) -> int:
    """Create a partner's enrollments; those whose ids are known are replaced. Returns how many.

    Raises InvalidHistory, creating nothing.
    """
    partner, _ = Partner.objects.get_or_create(slug=slug)
    for number, each in enumerate(told):
        try:
            _remember(partner, each)
        except KeyError as error:
            raise InvalidHistory(f"enrollments[{number}]: {error.args[0]} is missing.") from error
        except (TypeError, ValueError) as error:
            raise InvalidHistory(f"enrollments[{number}]: {error}") from error
    return len(told)


def _remember(partner: Partner, told: dict[str, Any]) -> None:
    if told["status"] not in STATUSES:
        raise ValueError(f"the status {told['status']!r} is none of {', '.join(STATUSES)}.")
    if (told["status"] == "completed") != (told["completed"] is not None):
        raise ValueError("completed is the time of a completion, and null without one.")
    values = {
        "partner": partner,
        "reference": str(told["reference"]),
        "course_id": str(told["course_id"]),
        "learner": dict(told["learner"]),
        "status": told["status"],
        "progress": int(told["progress"]),
        "created": int(told["created"]),
        "completed": told["completed"] and int(told["completed"]),
    }
    LmsEnrollment.objects.update_or_create(ref=str(told["id"]), defaults=values)
