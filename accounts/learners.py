"""Recognize the learner a request is about, or make a new one: never two for one person, however many ask at once."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

from django.db import IntegrityError, transaction
from django.db.models import Q, QuerySet

from core.addresses import canonical_address
from core.contact import check_phone, check_postal
from core.errors import DomainError, FieldError, NotFound, Unavailable, refuse, require
from core.ids import is_cuid
from core.rows import insert_unless_present, lock_rows

from .models import Learner
from .twins import notice_possible_twins

# How often somebody may merge the learner that is being looked for, between the look and the lock.
ATTEMPTS = 4


Owned = TypeVar("Owned", bound=tuple[Any, ...])


class LearnerMerged(DomainError):
    code = "learner_merged"
    title = "The learner was just merged into another; repeat the request"


def find_or_create_learner(
    *,
    workspace_id: int,
    learner_id: str | None = None,
    email: str,
    first_name: str,
    last_name: str,
    phone: str = "",
    grade_level: str = "",
    school: str = "",
    address: dict[str, str] | None = None,
) -> tuple[Learner, bool]:
    """The workspace's learner, and whether they are new. Call it inside a transaction: the row is locked until its end,
    so two requests about one learner wait for each other.

    `learner_id` is tried as our CUID, then as the workspace's own id; failing both, a learner known so far by the same
    email and names only takes it as their external id. Without `learner_id` anybody with the same email and names is
    the learner. What names a learner who was merged into another names that other one. Phone, grade level, school and
    address fill in what was unknown; what is known stays. Staff are asked about a new learner who may be a known one.
    """
    asked = Learner(
        workspace_id=workspace_id,
        external_id=learner_id,
        email=canonical_address(email),
        first_name=first_name.strip(),
        last_name=last_name.strip(),
        phone=phone,
        grade_level=grade_level,
        school=school,
        address=address or {},
    )
    asked.derive_identity()
    if asked.external_id is None:
        # One statement for somebody new, which is what most requests are about.
        if insert_unless_present(asked, unless_same=("workspace_id", "person")):
            notice_possible_twins(learner=asked)
            return asked, True
        return complete_learner(_find_again(asked), asked), False
    known = _find(asked)
    if known is None and insert_unless_present(asked):
        notice_possible_twins(learner=asked)
        return asked, True
    return complete_learner(known or _find_again(asked), asked), False


def checked_contact(known: Mapping[str, Any]) -> dict[str, Any]:
    """Phone and address in the spelling they are stored in, whatever else is known unchanged. Raises Invalid."""
    faults: list[FieldError] = []
    checked = dict(known)
    if "phone" in known:
        checked["phone"] = check_phone("phone", known["phone"], faults)
    if "address" in known:
        checked["address"] = check_postal("address", known["address"], faults)
    refuse(faults)
    return checked


def lock_live_learner(learner_id: int) -> Learner:
    """The learner's row, locked against a merge and whatever else concerns the whole learner.

    Raises LearnerMerged if it was merged since it was looked up; the same request, made again, finds the one it is now.
    Raises NotFound if it was erased.
    """
    learner = Learner.objects.select_for_update(no_key=True).get(pk=learner_id)
    if learner.merged_into_id is not None:
        raise LearnerMerged
    if learner.erased_at is not None:
        raise NotFound("This learner was erased.")
    return learner


def lock_learner_with_external_id(*, workspace_id: int, external_id: str) -> Learner | None:
    """The workspace's learner whom an integrator knows by this id, or whoever that one was merged into, locked. None if
    there is none. Raises LearnerMerged if they are merged just now."""
    named = Learner.objects.filter(workspace=workspace_id, external_id=external_id)
    found = named.values_list("pk", "merged_into_id").first()
    return None if found is None else lock_live_learner(found[1] or found[0])


def lock_owner_of(rows: QuerySet[Any]) -> None:
    """Lock the learner whom the rows belong to: the one who has them once the lock is there, since a merge that was
    waited for may have given them to another."""
    owned = rows.filter(learner__isnull=False).order_by("learner_id").values_list("learner_id")
    lock_owner_in(lambda: list(owned.all()))


def lock_owner_in(find: Callable[[], Sequence[Owned]]) -> Sequence[Owned]:
    """The same for rows that begin with the learner's id; returns them as they are behind the lock."""
    locked: set[int] = set()
    for _ in range(ATTEMPTS):
        found = find()
        owners = {row[0] for row in found}
        if owners == locked:
            return found
        lock_rows(Learner, *owners)
        locked = owners
    raise Unavailable("The learner is being merged with others; repeat the request.")


def _find(asked: Learner) -> Learner | None:
    """The best match, locked: by CUID, by external id, then by person (the oldest, should there be several).

    It is locked once it is known who it is, since a match may be a learner who was merged into another, and only the
    other one is to be locked; a merge that came in between shows, and the look is repeated.
    """
    for _ in range(ATTEMPTS):
        match = _look_up(asked)
        if match is None:
            return None
        target = match.merged_into_id or match.pk
        learner = Learner.objects.select_for_update(no_key=True).filter(pk=target).first()
        if learner is not None and learner.merged_into_id is None:
            return learner
    raise Unavailable("The learner is being merged with others; repeat the request.")


def _find_again(asked: Learner) -> Learner:
    """The learner who stood in the way of an insert."""
    return require(_find(asked), "what stood in the way of an insert is visible to the next statement")


def _look_up(asked: Learner) -> Learner | None:
    matches = Q(person=asked.person)
    if asked.external_id is not None:
        # Who has an external id is nobody else's namesake, be it by a merge.
        matches &= Q(external_id__isnull=True, merged_into__external_id__isnull=True)
        matches |= Q(external_id=asked.external_id)
        if is_cuid(asked.external_id):
            matches |= Q(cuid=asked.external_id)
    found = Learner.objects.filter(matches, workspace_id=asked.workspace_id).order_by("pk")

    def closeness(learner: Learner) -> tuple[bool, bool]:
        named = asked.external_id is not None
        return not (named and learner.cuid == asked.external_id), not (
            named and learner.external_id == asked.external_id
        )

    return min(found, key=closeness, default=None)


def complete_learner(known: Learner, asked: Learner) -> Learner:
    """The (locked) learner we know, with what a request adds about them."""
    news = [
        field
        for field in ("phone", "grade_level", "school", "address")
        if getattr(asked, field) and not getattr(known, field)
    ]
    for field in news:
        setattr(known, field, getattr(asked, field))
    if news:
        known.save(update_fields=news)
    if asked.external_id is not None and known.external_id is None and not _is_our_id_of(known, asked.external_id):
        return _adopted(known, asked)
    return known


def _is_our_id_of(known: Learner, text: str) -> bool:
    """Whether the text is one of our CUIDs, the learner's own or that of one merged into them, and so no external
    id."""
    if known.cuid == text:
        return True
    return is_cuid(text) and Learner.objects.filter(cuid=text, merged_into=known.pk).exists()


def _adopted(known: Learner, asked: Learner) -> Learner:
    try:
        with transaction.atomic():
            known.external_id = asked.external_id
            known.save(update_fields=["external_id", "external_key", "identity"])
    except IntegrityError:  # somebody made a learner with this external id a moment ago: that is who is meant
        return _find_again(asked)
    return known
