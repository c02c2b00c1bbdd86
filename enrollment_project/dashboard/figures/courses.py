"""How full the cohorts are, and what was sold."""

from django.db.models import Count, F

from backoffice.display import admin_url, staff_moment
from cohorts.models import Cohort, StudentPackage

from .figure import Asked, Figure, Level, bars_of

SHOWN = 10


def cohorts(asked: Asked) -> list[Figure]:
    """Return the cohorts that accept enrollments now."""
    offered = asked.mine(Cohort, "instance__workspace").taking_enrollments(now=asked.now)
    fullness = (F("current_enrollment") + F("held_places")) * 1000 / F("max_enrollment")
    rows = list(
        offered.filter(max_enrollment__gt=0)
        .annotate(fullness=fullness)
        .select_related("instance__program", "instance__workspace")
        .order_by("-fullness", "start_date", "pk")
    )
    deadlines = {each.pk: _deadline(each) for each in rows}
    return [
        Figure(
            name="cohorts",
            title="Cohorts filling up",
            help="Cohorts open for enrollment, fullest first. Taken = paid for. Held = kept while somebody pays, or "
            "offered to the next in line. Left = neither.",
            empty="No cohort is open for enrollment.",
            columns=("Course", "Cohort", "Places", "Taken", "Held", "Left", "Deadline"),
            rows=[
                (
                    str(each.instance.program),
                    str(each),
                    str(each.max_enrollment),
                    str(each.current_enrollment),
                    str(each.held_places),
                    str(each.places_left),
                    deadlines[each.pk],
                )
                for each in rows
            ],
            more_url=asked.scope.list_url(Cohort, sale="open"),
            levels=[
                Level(
                    name=f"{each.instance.program}, {each}",
                    url=admin_url(each),
                    firm=each.current_enrollment,
                    pending=each.held_places,
                    left=each.places_left,
                    total=each.max_enrollment,
                    note=f"Until {deadlines[each.pk]}" if deadlines[each.pk] else "",
                )
                for each in rows[:SHOWN]
            ],
            words=("taken", "held"),
            named_by=2,
        )
    ]


def _deadline(cohort: Cohort) -> str:
    return staff_moment(cohort.enrollment_deadline, cohort.timezone) if cohort.enrollment_deadline else ""


def sold(asked: Asked) -> list[Figure]:
    bought = asked.mine(StudentPackage, "program__workspace").live().filter(**asked.period.during("purchased_at"))
    counts = bought.values_list("program", "program__title").annotate(n=Count("pk"))
    found = [
        (title, count, asked.scope.list_url(StudentPackage, program__id__exact=program), "")
        for program, title, count in sorted(counts, key=lambda row: (-row[2], row[1]))
    ]
    return [
        Figure(
            name="sold",
            title="Courses sold",
            help="Packages bought in this period, by course. Revoked ones are not counted.",
            empty="None were sold in this period.",
            columns=("Course", "Packages"),
            rows=[(title, str(count)) for title, count, _, _ in found],
            more_url=asked.scope.list_url(StudentPackage),
            bars=bars_of(found),
        )
    ]
