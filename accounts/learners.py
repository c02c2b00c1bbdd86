"""Recognizes the learner a request is about, or creates one: never two for one person, even for concurrent requests."""

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, TypeVar

from django.db import IntegrityError, transaction
from django.db.models import Q, QuerySet
from django.utils.translation import gettext

from core.addresses import canonical_address
from core.contact import check_phone, check_postal
from core.errors import DomainError, FieldError, NotFound, Unavailable, refuse
from core.ids import is_cuid
from core.rows import insert_unless_present, lock_rows

from .models import Learner
from .twins import notice_possible_twins

# How often the learner may be merged between the lookup and the lock before we give up.
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
    """Return the workspace's learner, and whether they are new. Call it inside a transaction: the row stays locked
    until its end, so two requests about one learner wait for each other.

    `learner_id` is tried as our CUID, then as the workspace's own id; failing both, a learner known so far only by the
    same email and names adopts it as their external id. Without `learner_id`, a learner with the same email and names
    matches. Anything that names a merged learner leads to the learner who stayed. Phone, grade level, school, and
    address fill in what was unknown; known values stay. Staff are asked about a new learner who may be a known one.
    Raises NotFound for the CUID of an erased learner.
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
    for _ in range(ATTEMPTS):
        found = _find_or_insert(asked)
        if found is not None:
            return found
    raise _busy()


def _find_or_insert(asked: Learner) -> tuple[Learner, bool] | None:
    """Return None if the learner who stood in the way of an insert is no longer there, or no longer the same person."""
    known = None
    if asked.external_id is None:
        # One statement for a new learner, which most requests are about.
        is_new = insert_unless_present(asked, unless_same=("workspace_id", "person"))
    else:
        known = _find(asked)
        is_new = known is None and insert_unless_present(asked)
    if is_new:
        notice_possible_twins(learner=asked)
        return asked, True
    known = known or _find(asked)
    return None if known is None else (complete_learner(known, asked), False)


def _busy() -> Unavailable:
    return Unavailable(gettext("The learner is being changed by others; repeat the request."))


def checked_contact(known: Mapping[str, Any]) -> dict[str, Any]:
    """Return phone and address as they are stored, and everything else unchanged. Raises Invalid."""
    faults: list[FieldError] = []
    checked = dict(known)
    if "phone" in known:
        checked["phone"] = check_phone("phone", known["phone"], faults)
    if "address" in known:
        checked["address"] = check_postal("address", known["address"], faults)
    refuse(faults)
    return checked


def lock_live_learner(learner_id: int) -> Learner:
    """Return the learner's row, locked against a merge and anything else that concerns the whole learner.

    Raises LearnerMerged if it was merged since it was looked up; a repeated request finds the learner who stayed.
    Raises NotFound if it was erased or, with an import that was undone, removed.
    """
    return _live(Learner.objects.select_for_update(no_key=True).filter(pk=learner_id).first())


def lock_live_learners(learner_ids: Collection[int]) -> dict[int, Learner]:
    """Return several of them by their ids, locked in the order of those with two statements; raise the same errors."""
    lock_rows(Learner, *learner_ids)
    found = Learner.objects.in_bulk(list(learner_ids))
    return {pk: _live(found.get(pk)) for pk in sorted(learner_ids)}


def _live(learner: Learner | None) -> Learner:
    if learner is None:
        raise NotFound("This learner was removed.")
    if learner.merged_into_id is not None:
        raise LearnerMerged
    _refuse_erased(learner)
    return learner


def _refuse_erased(learner: Learner) -> None:
    if learner.erased_at is not None:
        raise NotFound("This learner was erased.")


def lock_learner_with_external_id(*, workspace_id: int, external_id: str) -> Learner | None:
    """Return the workspace's learner with this external id, or the one it was merged into, locked; None if there is
    none. Raises LearnerMerged if it is being merged at the moment."""
    named = Learner.objects.filter(workspace=workspace_id, external_id=external_id)
    found = named.values_list("pk", "merged_into_id").first()
    return None if found is None else lock_live_learner(found[1] or found[0])


def lock_owner_of(rows: QuerySet[Any]) -> None:
    """Lock the learner to whom the rows belong once the lock is held: a merge we waited for may have moved them."""
    owned = rows.filter(learner__isnull=False)
    owners = Learner.objects.filter(pk__in=owned.order_by().values("learner")).order_by("pk")
    to_lock = owners.select_for_update(no_key=True).values_list("pk", flat=True)
    lock_owner_in(lock=lambda: list(to_lock.all()), find=lambda: list(owned.values_list("learner_id")))


def lock_owner_in(*, lock: Callable[[], Collection[int]], find: Callable[[], Sequence[Owned]]) -> Sequence[Owned]:
    """Do the same for rows that begin with the learner's id; return them as they are under the lock. `lock` locks the
    learners to whom they belong at the time, and returns their ids.
    """
    for _ in range(ATTEMPTS):
        locked = set(lock())
        found = find()
        if {row[0] for row in found} == locked:
            return found
    raise Unavailable(gettext("The learner is being merged with others; repeat the request."))


def _find(asked: Learner) -> Learner | None:
    """Return the best match, locked: by CUID, by external id, then by person (the oldest if there are several). Raises
    NotFound if the CUID is of a learner who was erased.

    It is locked only once it is identified, since a match may have been merged into another learner, and only the other
    one is to be locked. If a merge came in between, the lookup is repeated.
    """
    for _ in range(ATTEMPTS):
        match = _look_up(asked)
        if match is None:
            return None
        target = match.merged_into_id or match.pk
        learner = Learner.objects.select_for_update(no_key=True).filter(pk=target).first()
        if learner is not None and learner.merged_into_id is None:
            _refuse_erased(learner)
            return learner
    raise Unavailable(gettext("The learner is being merged with others; repeat the request."))


def _look_up(asked: Learner) -> Learner | None:
    matches = Q(person=asked.person)
    if asked.external_id is not None:
        # A learner who has an external id, even through a merge, is not taken for somebody else with the same name.
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
    """Complete the (locked) known learner with what a request adds about them."""
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
    """Return whether the text is one of our CUIDs, the learner's own or that of a learner merged into them, and so not
    an external id."""
    if known.cuid == text:
        return True
    return is_cuid(text) and Learner.objects.filter(cuid=text, merged_into=known.pk).exists()


def _adopted(known: Learner, asked: Learner) -> Learner:
    try:
        with transaction.atomic():
            known.external_id = asked.external_id
            known.save(update_fields=["external_id", "external_key", "identity"])
    except IntegrityError as error:  # a learner with this external id was created a moment ago: that one is meant
        meant = _find(asked)
        if meant is None:
            raise _busy() from error
        return meant
    return known
