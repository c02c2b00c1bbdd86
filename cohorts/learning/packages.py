"""The facts in every event about a package."""

import datetime as dt

from ..events import PackageEvent
from ..models import StudentPackage


def package_event(kind: type[PackageEvent], package: StudentPackage, now: dt.datetime, **more: object) -> PackageEvent:
    """Return an event about a package."""
    return kind(
        workspace_id=package.learner.workspace_id,
        occurred_at=now,
        package_id=package.pk,
        cohort_id=package.cohort_id,
        learner_cuid=package.learner.cuid,
        enrollment_cuid=package.enrollment.cuid,
        **more,
    )
