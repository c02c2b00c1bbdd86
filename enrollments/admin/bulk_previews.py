"""Previews of what a list button is about to do to all selected rows: counts and amounts, from a few queries."""

from collections import Counter
from collections.abc import Sequence

from backoffice.actions import StaffForm
from backoffice.previews import Preview, tell_number, tell_numbers, tell_sums
from core.clock import utc_now
from core.errors import DomainError
from core.money import Money
from core.numbers import counted
from notifications.recipients import addresses_of_families
from notifications.wording import is_switched_off

from ..allocations.holders import why_unsuited
from ..allocations.renewal import RenewalPlan, plan_renewals
from ..consequences import tell_end_of_many
from ..emails import find_hearers
from ..letters import APPROVED, ELIGIBLE, INELIGIBLE, REJECTED, SUBMITTED
from ..models import DistrictSeatAllocation, Enrollment, SeatAssignment
from ..states import HELD_SEATS, UNPAID, EligibilityStatus, ReviewMode


def foresee_approvals(enrollments: Sequence[Enrollment], form: StaffForm) -> Preview:
    """Preview who starts which program, the seats they use, and how many mails are sent."""
    reserved = SeatAssignment.objects.filter(enrollment__in=enrollments, status__in=HELD_SEATS).count()
    sentences = tell_numbers("From now on in", [each.instance for each in enrollments])
    sentences += tell_number("Reserved seats that are used", reserved)
    sentences += tell_number("Leads that become learners", sum(each.learner is None for each in enrollments))
    sentences += tell_number("Not paid for yet", sum(each.payment_status in UNPAID for each in enrollments))
    return Preview(tuple(sentences), mails=_tell_mails(enrollments, APPROVED, EligibilityStatus.APPROVED))


def foresee_rejections(enrollments: Sequence[Enrollment], form: StaffForm) -> Preview:
    """Preview who is rejected where, what is freed and refunded, and how many mails are sent."""
    sentences = tell_numbers("Not accepted in", [each.instance for each in enrollments])
    sentences += tell_end_of_many(enrollments, now=utc_now())
    return Preview(tuple(sentences), mails=_tell_mails(enrollments, REJECTED, EligibilityStatus.REJECTED))


def foresee_submissions(enrollments: Sequence[Enrollment], form: StaffForm) -> Preview:
    """Preview who waits for a reviewer, who is approved at once, and how many mails are sent."""
    at_once = [each for each in enrollments if each.instance.review_mode == ReviewMode.AUTOMATIC and each.is_funded]
    passed = {each.pk for each in at_once}
    waiting = [each for each in enrollments if each.pk not in passed]
    sentences = tell_numbers("Waiting for a reviewer of", [each.instance for each in waiting])
    sentences += tell_numbers("Approved at once in", [each.instance for each in at_once])
    told = [
        *([_tell_mails(waiting, SUBMITTED, EligibilityStatus.SUBMITTED)] if waiting else []),
        *([f"Approved at once. {_tell_mails(at_once, APPROVED, EligibilityStatus.APPROVED)}"] if at_once else []),
    ]
    return Preview(tuple(sentences), mails=" ".join(told))


def foresee_evaluations(enrollments: Sequence[Enrollment], form: StaffForm) -> Preview:
    """Preview how many are evaluated under which criteria, and how many families are mailed either outcome."""
    sentences = tell_numbers("Evaluated by the criteria of", [each.instance for each in enrollments])
    # Who is eligible already is not told so again.
    candidates = [each for each in enrollments if each.eligibility_status == EligibilityStatus.CANDIDATE]
    eligible = _count_mails(candidates, ELIGIBLE, EligibilityStatus.ELIGIBLE)
    ineligible = _count_mails(enrollments, INELIGIBLE, EligibilityStatus.INELIGIBLE)
    told = (
        f"Families who get a mail if the learner is eligible: {eligible} of {len(enrollments)}; if not: {ineligible}."
    )
    return Preview(tuple(sentences), mails=told if eligible or ineligible else "No mail is sent.")


def foresee_transfers(seats: Sequence[SeatAssignment], form: StaffForm) -> Preview:
    """Preview how many seats move to another allocation, how many are left in both, and why some stay."""
    target: DistrictSeatAllocation = form.cleaned_data["allocation"]
    now = utc_now()
    there = set(target.seats.filter(status__in=HELD_SEATS).values_list("learner", flat=True))
    left = target.available_seats
    refused: list[str] = []
    moved: list[SeatAssignment] = []
    for seat in seats:
        unsuited = why_unsuited(seat, target, now, holders=there, left=left - len(moved))
        if unsuited:
            refused.append(unsuited)
        else:
            moved.append(seat)
            there.add(seat.learner_id)
    sentences = [f"{target} has {counted(left - len(moved), 'seat')} left then."]
    sentences += [
        f"{allocation} has {counted(allocation.available_seats + number, 'seat')} left then."
        for allocation, number in Counter(seat.allocation for seat in moved).items()
    ]
    return Preview(tuple(sentences), refused=tuple(refused))


def foresee_renewals(allocations: Sequence[DistrictSeatAllocation], form: StaffForm) -> Preview:
    """Preview how many seats are created in total and what they cost."""
    planned = plan_renewals(allocations=allocations, **form.cleaned_data)
    plans = [plan for plan in planned if isinstance(plan, RenewalPlan)]
    refused = [refusal.detail for refusal in planned if isinstance(refusal, DomainError)]
    costs = [
        Money(plan.total_seats * price.minor, price.currency)
        for plan in plans
        if (price := plan.allocation.seat_price) is not None
    ]
    sentences = [
        *tell_number("Seats to create", sum(plan.total_seats for plan in plans)),
        *tell_sums("Cost for the districts", costs),
    ]
    return Preview(tuple(sentences), refused=tuple(refused))


def _tell_mails(enrollments: Sequence[Enrollment], kind: str, status: EligibilityStatus) -> str:
    """Say how many families are sent a mail."""
    return f"Families who get a mail: {_count_mails(enrollments, kind, status)} of {len(enrollments)}."


def _count_mails(enrollments: Sequence[Enrollment], kind: str, status: EligibilityStatus) -> int:
    hearing = find_hearers(enrollments, status)
    is_off = {key: is_switched_off(kind=kind, workspace_id=key) for key in {each.workspace_id for each in hearing}}
    known = addresses_of_families([each.learner for each in hearing if each.learner is not None])
    return sum(
        not is_off[each.workspace_id] and bool(known.get(each.learner_id) if each.learner_id else each.person.email)
        for each in hearing
    )
