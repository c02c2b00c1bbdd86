"""The results of a rehearsal in sentences: who would be new, changed, or refused, who would lose their status, and
which seats, places, and money it would take if everybody eligible enrolled.
"""

import datetime as dt

from django.db.models import Q

from core.money import Money

from ..models import DistrictSeatAllocation, ImportJob, ProgramInstance
from .job import ENDS_AT_MOST, ends_too_many
from .oneroster.enrolling import ENDED, ENDED_BEFORE, EXITS_PLANNED, NOT_MATCHED, STILL_ENROLLED
from .oneroster.rows import TO_BE_DELETED
from .options import Options
from .outcome import ENDING, FAILED, IMPORTED, SKIPPED, UPDATED


def describe(job: ImportJob, *, now: dt.datetime) -> tuple[str, ...]:
    """Return one sentence for each thing that would happen."""
    counts = job.counts
    options = Options(**job.options)
    told = [
        *(_of_roster(job) if job.is_roster else []),
        f"{counts.get(IMPORTED, 0):,} of {job.total:,} rows would be new candidates.",
        f"{counts.get(UPDATED, 0):,} would change an enrollment.",
        f"{counts.get(SKIPPED, 0):,} would change nothing, as these people are enrolled already.",
        f"{counts.get(FAILED, 0):,} would be refused, each with its reason below.",
    ]
    if options.evaluate:
        told.append(
            f"{counts.get('eligible', 0):,} would be eligible, {counts.get('ineligible', 0):,} not eligible, and "
            f"{counts.get('undecided', 0):,} could not be evaluated."
        )
        told += _demand(job.instance, counts.get("eligible", 0), now) if job.instance else []
    if job.is_roster:
        told += _endings(job)
    elif ending := counts.get(ENDING, 0):
        told.append(f"Candidates and eligible learners who would become ineligible: {ending:,}.")
    if ends_too_many(job):
        told.append(f"That is more than {ENDS_AT_MOST:.0%} of the current enrollments: it needs a second confirmation.")
    return tuple(told)


def _of_roster(job: ImportJob) -> list[str]:
    """Return sentences about districts, people, and classes and their outcomes, leaving out zero counts."""
    told = []
    for name, called in (("districts", "Districts"), ("guardians", "Guardians"), ("learners", "Learners")):
        new, changed, unchanged = (job.counts.get(f"{name}_{what}", 0) for what in ("new", "changed", "unchanged"))
        if new or changed or unchanged:
            told.append(f"{called}: {new:,} would be new, {changed:,} would change, {unchanged:,} stay as they are.")
    matched, unmatched = (job.counts.get(f"classes_{what}", 0) for what in ("matched", "unmatched"))
    if matched or unmatched:
        told.append(f"Classes: {matched:,} known as program instances, {unmatched:,} unknown, as told below.")
    if left := job.counts.get(NOT_MATCHED, 0):
        told.append(f"Enrollments in unknown classes, which would be left out: {left:,}.")
    if unknown := job.counts.get("people_unknown", 0):
        told.append(f"Users without a role who are unknown here, and would be left out: {unknown:,}.")
    if staying := job.counts.get(TO_BE_DELETED, 0):
        told.append(f"Districts, people and classes to be deleted, which would stay: {staying:,}.")
    return told


def _endings(job: ImportJob) -> list[str]:
    ended, planned, moved, before = (
        job.counts.get(name, 0) for name in (ENDED, EXITS_PLANNED, STILL_ENROLLED, ENDED_BEFORE)
    )
    if not (ended or planned or moved or before):
        return []
    return [
        f"Enrollments to be deleted: {ended:,} would end today, {planned:,} on the day that the roster names.",
        f"{moved:,} would go on, as another class of theirs is the same instance; {before:,} ended earlier.",
    ]


def _demand(instance: ProgramInstance, eligible: int, now: dt.datetime) -> list[str]:
    """Return what the eligible candidates would take, next to what is available."""
    told = []
    fitting = DistrictSeatAllocation.objects.filter(Q(instance=instance) | Q(instance=None), is_active=True)
    bought = fitting.filter(district__workspace=instance.workspace_id).select_related("district__workspace")
    if seats := [allocation.available_seats for allocation in bought if allocation.is_open(now)]:
        told.append("If all who are eligible enroll, each of them takes a seat or a payment.")
        told.append(f"District seats that are free for it today: {sum(seats):,}.")
    if instance.capacity is not None:
        told.append(f"The instance takes {instance.capacity:,} enrollments in all.")
    if instance.price is not None:
        money = Money(eligible * instance.price.amount_minor, instance.price.currency)
        told.append(f"Paid by families, that comes to {money}.")
    return told
