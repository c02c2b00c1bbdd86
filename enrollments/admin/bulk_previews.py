"""What a button on a list of enrollments is about to do to all that were selected, by how many; in a few queries."""

from collections import Counter
from collections.abc import Sequence

from backoffice.actions import StaffForm
from backoffice.previews import Preview
from notifications.recipients import addresses_of_families
from notifications.wording import is_switched_off

from ..emails import find_hearers
from ..letters import APPROVED, REJECTED
from ..models import Enrollment, SeatAssignment
from ..states import HELD_SEATS, PAID, UNPAID, EligibilityStatus


def foresee_approvals(enrollments: Sequence[Enrollment], form: StaffForm) -> Preview:
    """Who takes part in what from now on, with which seats, and how many mails go out."""
    sentences = [f"In {instance} from now on: {number}." for instance, number in _by_instance(enrollments)]
    sentences += _told_if(_reserved_seats(enrollments), "Reserved seats that are used")
    sentences += _told_if(sum(each.learner is None for each in enrollments), "Leads that become learners")
    sentences += _told_if(sum(each.payment_status in UNPAID for each in enrollments), "Not paid for yet")
    return Preview(tuple(sentences), mails=_tell_mails(enrollments, APPROVED, EligibilityStatus.APPROVED))


def foresee_rejections(enrollments: Sequence[Enrollment], form: StaffForm) -> Preview:
    """Who is refused where, what goes back, and how many mails go out."""
    sentences = [f"Not accepted in {instance}: {number}." for instance, number in _by_instance(enrollments)]
    sentences += _told_if(_reserved_seats(enrollments), "Reserved seats that are free again")
    sentences += _told_if(sum(each.payment_status in PAID for each in enrollments), "Payments that go back in full")
    return Preview(tuple(sentences), mails=_tell_mails(enrollments, REJECTED, EligibilityStatus.REJECTED))


def _by_instance(enrollments: Sequence[Enrollment]) -> list[tuple[str, int]]:
    return Counter(str(enrollment.instance) for enrollment in enrollments).most_common()


def _reserved_seats(enrollments: Sequence[Enrollment]) -> int:
    return SeatAssignment.objects.filter(enrollment__in=enrollments, status__in=HELD_SEATS).count()


def _told_if(number: int, what: str) -> list[str]:
    return [f"{what}: {number}."] if number else []


def _tell_mails(enrollments: Sequence[Enrollment], kind: str, status: EligibilityStatus) -> str:
    """How many families are written to."""
    hearing = find_hearers(enrollments, status)
    is_off = {key: is_switched_off(kind=kind, workspace_id=key) for key in {each.workspace_id for each in hearing}}
    known = addresses_of_families([each.learner for each in hearing if each.learner is not None])
    reached = sum(
        not is_off[each.workspace_id] and bool(known.get(each.learner_id) if each.learner_id else each.person.email)
        for each in hearing
    )
    return f"Families that get a mail: {reached} of {len(enrollments)}."
