"""What a rehearsal found, in sentences: who would be new, changed or refused, who would lose their standing, and what
seats, places and money it would take if everybody who is eligible enrolled."""

from django.db.models import F, Sum

from core.money import Money

from ..models import DistrictSeatAllocation, ImportJob
from .batch import ENDING, FAILED, IMPORTED, SKIPPED, UPDATED
from .job import ENDS_AT_MOST, ends_too_many
from .options import Options


def describe(job: ImportJob) -> tuple[str, ...]:
    """One sentence for each thing that would happen."""
    counts = job.counts
    options = Options(**job.options)
    told = [
        f"{counts.get(IMPORTED, 0):,} of {job.total:,} rows would be new candidates.",
        f"{counts.get(UPDATED, 0):,} would change an enrollment.",
        f"{counts.get(SKIPPED, 0):,} would change nothing, as these people are enrolled already.",
        f"{counts.get(FAILED, 0):,} are refused, each with its reason below.",
    ]
    if options.evaluate:
        told.append(
            f"{counts.get('eligible', 0):,} would be eligible, {counts.get('ineligible', 0):,} not eligible, and "
            f"{counts.get('undecided', 0):,} could not be evaluated."
        )
        told += _demand(job)
    if ending := counts.get(ENDING, 0):
        told.append(f"{ending:,} who are candidates or eligible now would become ineligible.")
    if ends_too_many(job):
        told.append(f"That is more than {ENDS_AT_MOST:.0%} of the current enrollments: it needs a second confirmation.")
    return tuple(told)


def _demand(job: ImportJob) -> list[str]:
    """What those who are eligible would take, beside what is there."""
    eligible = job.counts.get("eligible", 0)
    instance = job.instance
    told = []
    seats = DistrictSeatAllocation.objects.filter(instance=instance, is_active=True)
    free = seats.aggregate(free=Sum(F("total_seats") - F("reserved_seats") - F("used_seats")))["free"]
    if free is not None:
        told.append(
            f"If all who are eligible enroll, they take {eligible:,} seats or payments. {free:,} seats are free."
        )
    if instance.capacity is not None:
        told.append(f"The instance takes {instance.capacity:,} enrollments in all.")
    if instance.price is not None:
        money = Money(eligible * instance.price.amount_minor, instance.price.currency)
        told.append(f"Paid by families, that comes to {money}.")
    return told
