"""The enrollments of an instance, newest first, filtered, at a bounded cost however many there are.

Each list is read along one index in the order of the list; the most selective filter chooses the index. The other
filters are applied to the next SCANNED rows of that index until the page is full; a page that is still not full says
where to continue. See docs/decisions/0056.
"""

import datetime as dt
from collections.abc import Collection
from dataclasses import dataclass, field
from functools import reduce
from operator import and_
from typing import Any

from django.db.models import OuterRef, Q, QuerySet, Subquery

from accounts.models import Lead, Learner
from core.addresses import canonical_address
from core.errors import NotFound
from core.http.cursors import REACH, Asked, Found, Position, before, down_to

from .models import Enrollment, EnrollmentLabel, PlannedExit, ProgramInstance
from .states import ExitStatus, LabelKind

SCANNED = 10_000
# This many people may have the address, or a name that begins with the text; beyond that, it is no way to find anybody.
PEOPLE = 5_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Filters:
    """The filters of a list, combined with AND. `search` is the beginning of a last name or of an email address."""

    status: str = ""
    tag: str = ""
    manufacturer_slug: str = ""
    reference_id: str = ""
    email: str = ""
    search: str = ""
    created_from: dt.datetime | None = None
    created_until: dt.datetime | None = None


@dataclass(slots=True)
class _Way:
    """The rows of one index in the list's order, and the conditions left to check on them. `path` leads from them to
    the enrollment, `number` names the enrollment's id. `shown` is the condition for being listed at all.
    """

    rows: QuerySet[Any]
    path: str = ""
    number: str = "id"
    shown: Q = field(default_factory=Q)
    rest: Q = field(default_factory=Q)
    is_short: bool = False  # few enough to look at all of them

    def ordered(self, after: Position | None = None) -> QuerySet[Any]:
        return before(self.rows, after, number=self.number).order_by("-created_at", f"-{self.number}")

    def end(self, after: Position | None = None) -> Position | None:
        """Return the position of the last row to look at; None if all are looked at."""
        if not self.rest or self.is_short:
            return None
        last = list(self.ordered(after).values_list("created_at", self.number)[SCANNED - 1 : SCANNED + 1])
        return Position(*last[0]) if len(last) == 2 else None

    def matching(self, after: Position | None, end: Position | None) -> QuerySet[Any]:
        """Return, in order, the rows that pass the remaining filters."""
        return down_to(self.ordered(after).filter(self.shown, self.rest), end, number=self.number)


def list_enrollments(*, instance: ProgramInstance, filters: Filters, asked: Asked) -> Found:
    """Return one page of the instance's enrollments, each with what its representation shows."""
    way = _find_way(instance, filters)
    end = way.end(asked.after)
    wanted = asked.per_page + 1
    found = way.matching(asked.after, end).values_list("created_at", way.number)
    keys = list(found[asked.offset : asked.offset + wanted])
    following = Position(*keys[asked.per_page - 1]) if len(keys) == wanted else end
    total, is_exact = _count(way, end if asked.after is None else way.end())
    return Found(_load([key for _, key in keys[: asked.per_page]]), following, total, is_exact)


def get_enrollment(*, workspace_id: int, cuid: str) -> Enrollment:
    """Return an enrollment of the workspace with what its representation shows. Raises NotFound."""
    kept = with_representation(Enrollment.objects.kept().filter(workspace=workspace_id))
    enrollment = kept.filter(cuid=cuid).first()
    if enrollment is None:
        raise NotFound("There is no such enrollment in this workspace.")
    return enrollment


def matching_enrollments(*, instance: ProgramInstance, filters: Filters) -> QuerySet[Enrollment]:
    """Return all enrollments that pass the filters, with what their representation shows, for callers that read all."""
    rows = _created_within(Enrollment.objects.kept().filter(instance=instance), filters)
    return with_representation(rows.filter(*_conditions(filters).values()))


def find_enrollments(*, workspace_id: int, cuids: Collection[str]) -> list[Enrollment]:
    """Return the workspace's enrollments with these CUIDs, each with what its representation shows."""
    kept = Enrollment.objects.kept().filter(workspace=workspace_id, cuid__in=cuids)
    return list(with_representation(kept).order_by("pk"))


def with_representation(rows: QuerySet[Enrollment]) -> QuerySet[Enrollment]:
    """Add everything that an enrollment's representation shows; `exit_date` is the day of a planned exit."""
    planned = PlannedExit.objects.filter(enrollment=OuterRef("pk"), status=ExitStatus.PLANNED)
    return rows.select_related("instance", "learner", "lead", "previous").annotate(
        exit_date=Subquery(planned.values("effective_date"))
    )


def _load(ids: list[int]) -> list[Enrollment]:
    rows = with_representation(Enrollment.objects.filter(pk__in=ids))
    return sorted(rows, key=lambda row: ids.index(row.pk))


def _count(way: _Way, end: Position | None) -> tuple[int, bool]:
    """Count the rows down to the end, no further than is cheap; return whether the count is complete."""
    counted = way.matching(None, end)[: REACH + 1].count()
    return min(counted, REACH), counted <= REACH and end is None


def _find_way(instance: ProgramInstance, filters: Filters) -> _Way:
    """Return the most selective way: by the people, or else by the filter that matches the fewest."""
    left = _conditions(filters)
    kept = Enrollment.objects.kept().filter(instance=instance)
    people = _find_people(instance.workspace_id, filters)
    if people is not None:
        used = {"email", "search"}
        way = _Way(_created_within(kept.filter(people), filters), is_short=True)
    else:
        name, way = _fewest(_ways(instance, filters))
        used = {name}
    for name in left.keys() - used:
        way.rest &= _by_way_of(way.path, left[name])
    return way


def _ways(instance: ProgramInstance, filters: Filters) -> dict[str, _Way]:
    """Return the way along each filter that has an index in the order of the list; without any, all rows."""
    kept = Enrollment.objects.kept().filter(instance=instance)
    ways = {}
    if filters.reference_id:
        ways["reference_id"] = _Way(kept.filter(reference_id=filters.reference_id))
    if filters.tag:
        ways["tag"] = _labeled(instance, LabelKind.TAG, filters.tag)
    if filters.manufacturer_slug:
        ways["manufacturer_slug"] = _labeled(instance, LabelKind.MANUFACTURER, filters.manufacturer_slug)
    if filters.status:
        ways["status"] = _Way(kept.filter(eligibility_status=filters.status))
    ways = ways or {"": _Way(kept)}
    for way in ways.values():
        way.rows = _created_within(way.rows, filters)
    return ways


def _fewest(ways: dict[str, _Way]) -> tuple[str, _Way]:
    """Return the shortest way, counting up to SCANNED; the first one if all are longer."""
    if len(ways) == 1:
        return next(iter(ways.items()))
    lengths = {name: way.rows[: SCANNED + 1].count() for name, way in ways.items()}
    name = min(lengths, key=lambda each: lengths[each])
    ways[name].is_short = lengths[name] <= SCANNED
    return name, ways[name]


def _created_within(rows: QuerySet[Any], filters: Filters) -> QuerySet[Any]:
    if filters.created_from is not None:
        rows = rows.filter(created_at__gte=filters.created_from)
    if filters.created_until is not None:
        rows = rows.filter(created_at__lt=filters.created_until)
    return rows


def _labeled(instance: ProgramInstance, kind: LabelKind, value: str) -> _Way:
    rows = EnrollmentLabel.objects.filter(instance=instance, kind=kind, value=value)
    return _Way(rows, path="enrollment__", number="enrollment_id", shown=Q(enrollment__deleted_at=None))


def _conditions(filters: Filters) -> dict[str, Q]:
    """Return each given filter as a condition on an enrollment."""
    found: dict[str, Q] = {}
    if filters.status:
        found["status"] = Q(eligibility_status=filters.status)
    if filters.reference_id:
        found["reference_id"] = Q(reference_id=filters.reference_id)
    if filters.tag:
        found["tag"] = _has_label(LabelKind.TAG, filters.tag)
    if filters.manufacturer_slug:
        found["manufacturer_slug"] = _has_label(LabelKind.MANUFACTURER, filters.manufacturer_slug)
    for name, about in _about_people(filters).items():
        found[name] = _by_way_of("learner__", about) | (Q(learner=None) & _by_way_of("lead__", about))
    return found


def _has_label(kind: LabelKind, value: str) -> Q:
    return Q(pk__in=EnrollmentLabel.objects.filter(kind=kind, value=value).values("enrollment"))


def _about_people(filters: Filters) -> dict[str, Q]:
    """Return the filters about the person as conditions on a learner or a lead."""
    found: dict[str, Q] = {}
    if filters.email:
        found["email"] = Q(email=filters.email)
    if filters.search:
        start = canonical_address(filters.search)
        found["search"] = Q(last_name__istartswith=filters.search) | Q(email__startswith=start.lower())
    return found


def _find_people(workspace_id: int, filters: Filters) -> Q | None:
    """Return the condition for the people whom the filters name; None if they name nobody, or too many."""
    about = _about_people(filters)
    if not about:
        return None
    everything = reduce(and_, about.values())
    learners = _few(Learner.objects.live().filter(everything, workspace=workspace_id))
    leads = _few(Lead.objects.filter(everything, workspace=workspace_id))
    if learners is None or leads is None:
        return None
    return Q(learner__pk__among=learners) | Q(learner=None, lead__pk__among=leads)


def _few(people: QuerySet[Any]) -> list[int] | None:
    ids = list(people.values_list("pk", flat=True)[: PEOPLE + 1])
    return ids if len(ids) <= PEOPLE else None


def _by_way_of(path: str, condition: Q) -> Q:
    """Return a condition on the row at the end of `path`."""
    children: list[Any] = list(condition.children)
    moved = Q(_connector=condition.connector, _negated=condition.negated)
    moved.children = [
        _by_way_of(path, each) if isinstance(each, Q) else (f"{path}{each[0]}", each[1]) for each in children
    ]
    return moved
