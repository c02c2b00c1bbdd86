"""Recognize the learner a request is about, or make a new one: never two for one person, however many ask at once."""

from django.db import IntegrityError, transaction
from django.db.models import Q

from core.addresses import canonical_address
from core.ids import is_cuid
from core.rows import insert_unless_present

from .models import Learner, identity_by_external_id


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
) -> tuple[Learner, bool]:
    """The workspace's learner, and whether they are new. Call it inside a transaction: the row is locked until its end,
    so two requests about one learner wait for each other.

    `learner_id` is tried as our CUID, then as the workspace's own id; failing both, a learner known so far by the same
    email and names only takes it as their external id. Without `learner_id` anybody with the same email and names is
    the learner. Phone, grade level and school fill in what was unknown; what is known stays.
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
    )
    asked.derive_identity()
    if asked.external_id is None:
        # One statement for somebody new, which is what most requests are about.
        if insert_unless_present(asked, unless_same=("workspace_id", "person")):
            return asked, True
        return _completed(_find(asked), asked), False
    known = _find(asked)
    if known is None and insert_unless_present(asked):
        return asked, True
    return _completed(known or _find(asked), asked), False


def _find(asked: Learner) -> Learner | None:
    """The best match, locked: by CUID, by external id, then by person (the oldest, should there be several)."""
    matches = Q(person=asked.person)
    if asked.external_id is not None:
        matches &= Q(external_id__isnull=True)
        matches |= Q(external_id=asked.external_id)
        if is_cuid(asked.external_id):
            matches |= Q(cuid=asked.external_id)
    found = Learner.objects.select_for_update().filter(matches, workspace_id=asked.workspace_id).order_by("pk")

    def closeness(learner: Learner) -> tuple[bool, bool]:
        named = asked.external_id is not None
        return not (named and learner.cuid == asked.external_id), not (
            named and learner.external_id == asked.external_id
        )

    return min(found, key=closeness, default=None)


def _completed(known: Learner | None, asked: Learner) -> Learner:
    """The learner we know, with what the request adds about them."""
    assert known is not None, "a learner that stood in the way of an insert is visible to the next statement"
    news = [
        field for field in ("phone", "grade_level", "school") if getattr(asked, field) and not getattr(known, field)
    ]
    for field in news:
        setattr(known, field, getattr(asked, field))
    if news:
        known.save(update_fields=news)
    if asked.external_id is not None and known.external_id is None and known.cuid != asked.external_id:
        return _adopted(known, asked)
    return known


def _adopted(known: Learner, asked: Learner) -> Learner:
    try:
        with transaction.atomic():
            known.external_id = asked.external_id
            known.save(update_fields=["external_id", "identity"])
    except IntegrityError:  # somebody made a learner with this external id a moment ago: that is who is meant
        identity = identity_by_external_id(str(asked.external_id))
        return Learner.objects.select_for_update().get(workspace_id=asked.workspace_id, identity=identity)
    return known
