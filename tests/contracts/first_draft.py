"""Selling and booking courses as a first draft did it, without the guards: controls replace our code with it."""

import datetime as dt
from collections.abc import Sequence

from cohorts.learning.booking import Booked, Selection
from cohorts.models import CohortPlace, CohortSession, StepProgress, StudentPackage
from core.clock import utc_now


def create_package(place: CohortPlace) -> StudentPackage:
    """Create a package with its steps, none of them booked: the wizard is supposed to do that."""
    package = StudentPackage.objects.create(
        learner=place.learner,
        program=place.cohort.instance.program,
        enrollment=place.enrollment,
        cohort=place.cohort,
        place=place,
        name="X",
        purchased_at=utc_now(),
    )
    StepProgress.objects.bulk_create(StepProgress(package=package, step=step) for step in package.program.steps.all())
    return package


def book_sessions(*, package_id: int, selections: Sequence[Selection], now: dt.datetime) -> Booked:
    """Book what is requested, and every step with one option, regardless of its state and without counting seats."""
    package = StudentPackage.objects.get(pk=package_id)
    asked = {selection.step_id: selection.option_id for selection in selections}
    booked = Booked(auto_booked=[], manual_selections=[], booked=[])
    for row in package.progress.order_by("pk"):
        options = CohortSession.objects.filter(cohort=package.cohort, step=row.step).values_list("option", flat=True)
        if len(options) == 1:
            row.option_id = options[0]
            booked.auto_booked.append(row.step_id)
        elif row.step_id in asked:
            row.option_id = asked[row.step_id]
            booked.manual_selections.append(row.step_id)
        else:
            continue
        row.class_session = CohortSession.objects.get(option=row.option_id).class_session
        row.status, row.booked_at = "BOOKED", utc_now()
        row.save()
        booked.booked.append(row)
    return booked
