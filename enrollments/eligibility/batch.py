"""Evaluating many enrollments of one instance with few queries."""

import datetime as dt
from collections import defaultdict
from collections.abc import Sequence

from ..models import Enrollment
from .facts import Facts, today_of
from .variables import OTHER_ENROLLMENTS
from .verdicts import CriteriaSet, Verdict


def judge_many(enrollments: Sequence[Enrollment], *, criteria: CriteriaSet, now: dt.datetime) -> list[Verdict]:
    """Return the verdicts on these enrollments of one instance, fetched with learner and lead; they may be unsaved."""
    if not enrollments:
        return []
    others = _others(enrollments) if "enrollments" in criteria.reads else None
    shared = {"today": today_of(enrollments[0].instance, now)} if "today" in criteria.reads else None
    return [
        criteria.judge(Facts(enrollment, now=now, received=shared, others=None if others is None else others[position]))
        for position, enrollment in enumerate(enrollments)
    ]


def _others(enrollments: Sequence[Enrollment]) -> list[list[dict[str, str]]]:
    """Return what else each learner or lead is enrolled in, the newest first."""
    by_learner = _named("learner_id", {enrollment.learner_id for enrollment in enrollments})
    by_lead = _named("lead_id", {enrollment.lead_id for enrollment in enrollments if enrollment.learner_id is None})
    found = []
    for enrollment in enrollments:
        theirs = by_lead[enrollment.lead_id] if enrollment.learner_id is None else by_learner[enrollment.learner_id]
        found.append([named for key, named in theirs if key != enrollment.pk][:OTHER_ENROLLMENTS])
    return found


def _named(person: str, ids: set[int | None]) -> dict[int | None, list[tuple[int, dict[str, str]]]]:
    rows = Enrollment.objects.kept().filter(**{f"{person}__in": ids - {None}}).order_by("-id")
    by_person: dict[int | None, list[tuple[int, dict[str, str]]]] = defaultdict(list)
    for owner, key, code, status in rows.values_list(person, "id", "instance__program__code", "eligibility_status"):
        by_person[owner].append((key, {"programCode": code, "status": status}))
    return by_person
