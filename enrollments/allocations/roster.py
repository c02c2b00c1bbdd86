"""Seats for a list of learners: tried first, then assigned, each as one request to the router."""

import csv
import datetime as dt
import io
from collections.abc import Mapping
from dataclasses import dataclass

from django.db import IntegrityError, transaction
from django.db.models import Q

from accounts.models import Learner
from core.actors import Actor
from core.addresses import address_fault, canonical_address
from core.errors import DomainError, invalid_field
from core.ids import is_cuid
from core.text import fit

from ..models import DistrictSeatAllocation, ProgramInstance, SeatAssignment
from ..queries import current_enrollment, find_live_decision
from ..routing.request import LearnerProfile
from ..states import HELD_SEATS
from .holders import enroll_with_seat, profile_of

COLUMNS = ("learner_id", "email", "first_name", "last_name", "grade_level", "school")
MOST_LINES = 500  # these take a few seconds


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a list: the learner, or what is wrong with the line; `decision_id` once a seat was assigned."""

    number: int
    profile: LearnerProfile | None = None
    learner_id: int | None = None
    fault: str = ""
    decision_id: int | None = None

    @property
    def name(self) -> str:
        return f"{self.profile.first_name} {self.profile.last_name}" if self.profile else ""


def try_roster(*, allocation: DistrictSeatAllocation, instance: ProgramInstance, text: str) -> list[Line]:
    """Return the outcome of each line as far as it can be predicted: the program's criteria are evaluated only when the
    seats are assigned. Changes nothing. Raises Invalid if the text is not such a list.
    """
    left = allocation.available_seats
    tried = []
    for line in _read(allocation, text):
        fault = line.fault or _foreseen(line, allocation, instance) or ("" if left > 0 else "No seat is left.")
        left -= not fault
        tried.append(Line(line.number, line.profile, line.learner_id, fault))
    return tried


def assign_roster(*, allocation_id: int, instance_id: int, text: str, actor: Actor, now: dt.datetime) -> list[Line]:
    """Give each learner of the list a seat of the allocation, one by one, each in its own transaction. A line that
    fails gets its reason, and the others continue. Raises Invalid if the text is not such a list.
    """
    allocation = DistrictSeatAllocation.objects.select_related("district__workspace").get(pk=allocation_id)
    instance = ProgramInstance.objects.get(pk=instance_id, workspace=allocation.district.workspace_id)
    done = []
    for line in _read(allocation, text):
        fault = line.fault or _foreseen(line, allocation, instance)
        done.append(
            Line(line.number, line.profile, line.learner_id, fault)
            if fault
            else _give(line, allocation, instance, actor, now)
        )
    return done


def _give(
    line: Line, allocation: DistrictSeatAllocation, instance: ProgramInstance, actor: Actor, now: dt.datetime
) -> Line:
    if line.profile is None:
        return line
    try:
        with transaction.atomic():
            decision = enroll_with_seat(
                allocation=allocation, profile=line.profile, instance_cuid=instance.cuid, actor=actor, now=now
            )
    except DomainError as refusal:
        return Line(line.number, line.profile, line.learner_id, refusal.detail or refusal.title)
    except IntegrityError:  # somebody else enrolled them at the same moment
        return Line(
            line.number, line.profile, line.learner_id, "Somebody else was enrolling them: try this line again."
        )
    return Line(line.number, line.profile, decision.learner_id, "", decision.pk)


def _foreseen(line: Line, allocation: DistrictSeatAllocation, instance: ProgramInstance) -> str:
    """Return why a known learner can't have a seat, regardless of how many are left."""
    if line.learner_id is None:
        return ""
    if SeatAssignment.objects.filter(learner=line.learner_id, allocation=allocation, status__in=HELD_SEATS).exists():
        return "They already hold a seat of this allocation."
    current = current_enrollment(learner_id=line.learner_id, instance_id=instance.pk)
    if current is not None and find_live_decision(enrollment_id=current.pk) is not None:
        return "They are enrolled in this program, or about to pay for it."
    return ""


def _read(allocation: DistrictSeatAllocation, text: str) -> list[Line]:
    """Return the lines, each with its learner if known."""
    reader = csv.reader(io.StringIO(text.strip()), delimiter="\t" if "\t" in text.partition("\n")[0] else ",")
    try:
        rows = [(reader.line_num, [cell.strip() for cell in row]) for row in reader if any(map(str.strip, row))]
    except csv.Error as error:
        raise invalid_field("roster", "invalid", f"Line {reader.line_num} can't be read: {error}.") from error
    names = [name.strip().lower().replace(" ", "_") for name in rows[0][1]] if rows else []
    if not {"email", "learner_id"} & set(names) or set(names) - set(COLUMNS):
        raise invalid_field("roster", "invalid", f"Begin with a line of column names, among {', '.join(COLUMNS)}.")
    if len(rows) > MOST_LINES + 1:
        raise invalid_field("roster", "out_of_range", f"Give at most {MOST_LINES} learners at a time.")
    lines = [_line(allocation, number, dict(zip(names, cells, strict=False))) for number, cells in rows[1:]]
    return _once_each(lines)


def _line(allocation: DistrictSeatAllocation, number: int, told: Mapping[str, str]) -> Line:
    email = told.get("email", "")
    if email and (fault := address_fault(email)):
        return Line(number, fault=fault)
    learners = Learner.objects.live().filter(workspace=allocation.district.workspace_id)
    reference = told.get("learner_id", "")
    if reference:
        by = Q(external_id=reference) | Q(cuid=reference) if is_cuid(reference) else Q(external_id=reference)
    else:
        names = {name: told[name] for name in ("first_name", "last_name") if told.get(name)}
        by = Q(email=canonical_address(email), **names)
    known = list(learners.filter(by).order_by("id")[:2])
    if len(known) == 1:
        return Line(number, profile_of(known[0]), known[0].pk)
    if known:
        return Line(number, fault="Several learners have this address: give the names as well.")
    missing = [name for name in ("email", "first_name", "last_name") if not told.get(name)]
    if missing:
        return Line(
            number, fault=(f"There is no learner with this. For a new learner, also give {', '.join(missing)}.")
        )
    return Line(number, _new_profile(told, canonical_address(email), reference or None))


def _new_profile(told: Mapping[str, str], email: str, reference: str | None) -> LearnerProfile:
    kept = {
        name: fit(Learner, name, told.get(name, "")) for name in ("first_name", "last_name", "grade_level", "school")
    }
    received = {name: value for name, value in told.items() if value}
    return LearnerProfile(email=email, learner_id=reference, received=received, **kept)


def _once_each(lines: list[Line]) -> list[Line]:
    """Return the lines, with a fault on each that repeats somebody from an earlier line."""
    seen: dict[object, int] = {}
    checked = []
    for line in lines:
        profile = line.profile
        person = profile and (profile.email, profile.first_name, profile.last_name, profile.learner_id)
        key = line.learner_id or person
        before = seen.setdefault(key, line.number) if key else line.number
        repeated = Line(line.number, profile, line.learner_id, f"The same as line {before}.")
        checked.append(line if before == line.number else repeated)
    return checked
