"""The districts' seats: how many are used and left, and how long they will last at the pace of the selected days."""

from django.db.models import Count, F

from backoffice.display import admin_url
from enrollments.allocations.forecast import LEAST_DAYS, LEAST_SEATS, foresee
from enrollments.models import DistrictSeatAllocation, SeatAssignment
from enrollments.states import HELD_SEATS

from .figure import Asked, Figure, Level

SHOWN = 12


def seats(asked: Asked) -> list[Figure]:
    period = asked.period
    rows = asked.mine(DistrictSeatAllocation, "district__workspace").filter(is_active=True, total_seats__gt=0)
    fullest = rows.annotate(fullness=(F("reserved_seats") + F("used_seats")) * 1000 / F("total_seats"))
    allocations = list(
        fullest.select_related("district", "instance__program").order_by("-fullness", "district__name", "pk")
    )
    held = asked.mine(SeatAssignment, "allocation__district__workspace").filter(status__in=HELD_SEATS)
    taken = dict(held.filter(**period.during("reserved_at")).values_list("allocation").annotate(Count("pk")))
    told = {
        each.pk: str(foresee(each, taken=taken.get(each.pk, 0), days=period.passed, today=period.today))
        for each in allocations
    }
    return [
        Figure(
            name="seats",
            title="District seats, fullest first",
            help=(
                "Used = seats of approved enrollments. Reserved = held for enrollments that are not approved "
                "yet. Left = neither. Seats run out on the day when none is left at the average daily rate of "
                f"the days above (column Taken); there is no forecast for fewer than {LEAST_DAYS} days or "
                f"{LEAST_SEATS} seats. Returned seats do not count as taken."
            ),
            empty="No district has seats yet.",
            columns=(
                "District",
                "Program",
                "Term",
                "Total",
                "Used",
                "Reserved",
                "Left",
                "Taken",
                "Outlook",
            ),
            rows=[
                (
                    str(each.district),
                    str(each.instance.program) if each.instance else "All programs",
                    each.term,
                    str(each.total_seats),
                    str(each.used_seats),
                    str(each.reserved_seats),
                    str(each.available_seats),
                    str(taken.get(each.pk, 0)),
                    told[each.pk],
                )
                for each in allocations
            ],
            more_url=asked.scope.list_url(DistrictSeatAllocation),
            levels=[_level(each, told[each.pk]) for each in allocations[:SHOWN]],
            words=("used", "reserved"),
            named_by=3,
        )
    ]


def _level(allocation: DistrictSeatAllocation, outlook: str) -> Level:
    about = [str(allocation.district)]
    about += [str(allocation.instance.program)] if allocation.instance else []
    about += [allocation.term] if allocation.term else []
    return Level(
        name=", ".join(about),
        url=admin_url(allocation),
        firm=allocation.used_seats,
        pending=allocation.reserved_seats,
        left=allocation.available_seats,
        total=allocation.total_seats,
        note=outlook,
    )
