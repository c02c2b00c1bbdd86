"""Learners, what they have, and merging two of them, for the tests of merges."""

import datetime as dt
from typing import Any

from accounts.merging import merge_learners
from accounts.models import Learner, LearnerMerge, Workspace
from accounts.tests.factories import (
    LearnerFactory,
)
from cohorts.models import Cohort
from cohorts.tests.factories import buy_on_rows, cohort_with
from core.actors import SYSTEM, Actor
from core.clock import utc_now
from enrollments.tests.factories import route, seats

JANE: dict[str, Any] = {"email": "jane@school.test", "first_name": "Jane", "last_name": "Doe"}


def learner(workspace: Workspace, **fields: Any) -> Learner:
    made: Learner = LearnerFactory(workspace=workspace, **fields)
    return made


def merge(keep: Learner, drop: Learner, *, actor: Actor = SYSTEM, now: dt.datetime | None = None) -> LearnerMerge:
    return merge_learners(
        keep_id=keep.pk, drop_id=drop.pk, actor=actor, reason="The school says so", now=now or utc_now()
    )


def full_cohort(workspace: Workspace) -> Cohort:
    cohort = cohort_with(options=(1,), max_enrollment=1, instance__workspace=workspace)
    buy_on_rows(cohort)
    return cohort


def district(workspace: Workspace, *, total: int) -> Any:
    seats(workspace, total=total)
    return route(workspace)
