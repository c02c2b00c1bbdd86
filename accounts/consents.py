"""What families agree to: versioned texts, shown on application and purchase, and consents that can be withdrawn.

See docs/decisions/0148-consents.md for the reasons.
"""

import datetime as dt
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

import structlog
from django.db import transaction
from django.db.models import Q, QuerySet
from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop

from core.actors import Actor
from core.addresses import canonical_address
from core.errors import DomainError, NotFound, invalid_field
from core.logs import after_commit
from core.rows import insert_unless_present

from .learner_records import get_learner
from .learners import lock_live_learner
from .models import Consent, ConsentText, Learner
from .staff_tasks import raise_staff_task
from .states import ConsentEnd, ConsentWay
from .task_kinds import CONSENT_WITHDRAWN

log = structlog.get_logger(__name__)


class ConsentMissing(DomainError):
    code = "consent_missing"
    title = gettext_noop("The program needs your consent first")


class ConsentTextFollowed(DomainError):
    code = "consent_text_followed"
    title = "Somebody published another version just now"


class ConsentOver(DomainError):
    code = "consent_over"
    title = gettext_noop("This consent has ended already")


class ConsentWithdrawnSince(DomainError):
    code = "consent_withdrawn_since"
    title = "This person withdrew their consent after they signed this one"


@dataclass(frozen=True, slots=True)
class Signature:
    """When somebody agreed in another system, and where that system keeps the proof."""

    signed_at: dt.datetime
    evidence: str


@dataclass(frozen=True, slots=True)
class Withdrawal:
    """When somebody withdrew their consent in another system, and where that system keeps the proof."""

    withdrawn_at: dt.datetime
    evidence: str


@transaction.atomic
def publish_text(
    *,
    workspace_id: int,
    purpose: str,
    title: str,
    text: str,
    is_required: bool,
    from_at: dt.datetime,
    actor: Actor,
    now: dt.datetime,
) -> ConsentText:
    """Publish the next version of what families agree to for the purpose. Raises Invalid if it would take effect in the
    past or before the version it follows; ConsentTextFollowed if somebody publishes the same version concurrently."""
    last = ConsentText.objects.filter(workspace=workspace_id, purpose=purpose).order_by("-version").first()
    if from_at < now or (last is not None and from_at <= last.from_at):
        raise invalid_field("from_at", "too_early", "Choose a time to come, after the version before.")
    published = ConsentText(
        workspace_id=workspace_id,
        purpose=purpose,
        version=last.version + 1 if last else 1,
        title=title,
        text=text,
        is_required=is_required,
        from_at=from_at,
        published_by=str(actor),
        published_at=now,
    )
    if not insert_unless_present(published):
        raise ConsentTextFollowed
    after_commit(log.info, "consent_text_published", text=published.pk, workspace=workspace_id, actor=str(actor))
    return published


def stop_asking(*, text_id: int, now: dt.datetime) -> None:
    """Stop asking for this; existing consents stay. Raises ConsentOver."""
    if not ConsentText.objects.filter(pk=text_id, stopped_at=None).update(stopped_at=now):
        raise ConsentOver


def list_asked(*, workspace_id: int, now: dt.datetime) -> list[ConsentText]:
    """Return what families are asked to agree to now: each purpose's newest version in force, required ones first."""
    in_force: dict[str, ConsentText] = {}
    for text in ConsentText.objects.filter(workspace=workspace_id, from_at__lte=now).order_by("version"):
        in_force[text.purpose] = text
    asked = (text for text in in_force.values() if text.stopped_at is None)
    return sorted(asked, key=lambda text: (not text.is_required, text.pk))


def check_given(
    *, workspace_id: int, given: Collection[int], learner_id: int | None = None, address: str = "", now: dt.datetime
) -> None:
    """Raise ConsentMissing unless each required text is among those `given` now, or the same address has already agreed
    to it for the learner."""
    required = [text for text in list_asked(workspace_id=workspace_id, now=now) if text.is_required]
    missing = [text for text in required if text.pk not in given]
    if missing and learner_id is not None:
        live = Consent.objects.filter(learner=learner_id, address=canonical_address(address), ended_at=None)
        held = set(live.values_list("text", flat=True))
        missing = [text for text in missing if text.pk not in held]
    if missing:
        named = ", ".join(text.title for text in missing)
        raise ConsentMissing(_("Check the box to agree: %(texts)s") % {"texts": named})


@transaction.atomic
def give_consents(
    *,
    learner_id: int,
    address: str,
    text_ids: Iterable[int],
    way: ConsentWay,
    signature: Signature | None = None,
    actor: Actor,
    now: dt.datetime,
) -> list[Consent]:
    """Record what the reader of the address agreed to about the learner; return what is new. Live consents stay;
    consent to an earlier version ends. A consent that was `reported` brings its `signature`. Raises LearnerMerged,
    NotFound for a text of another workspace, ConsentWithdrawnSince."""
    wanted = sorted(set(text_ids))
    if not wanted:
        return []
    learner = lock_live_learner(learner_id)
    texts = list(ConsentText.objects.filter(workspace=learner.workspace_id, pk__in=wanted).order_by("pk"))
    if len(texts) != len(wanted):
        raise NotFound("There is no such text.")
    held = _read_held(learner, address)
    given = []
    for text in texts:
        before = held.get(text.purpose)
        if before is not None and before.text.version >= text.version:
            continue
        if signature is not None and _was_withdrawn_since(learner, address, text.purpose, signature.signed_at):
            raise ConsentWithdrawnSince
        if before is not None:
            _end([before.pk], ConsentEnd.REPLACED, actor, now)
        held[text.purpose] = Consent.objects.create(
            workspace_id=learner.workspace_id,
            learner=learner,
            text=text,
            purpose=text.purpose,
            address=address,
            way=way,
            evidence=signature.evidence if signature else "",
            given_at=signature.signed_at if signature else now,
            reported_at=now if signature else None,
            recorded_by=str(actor),
        )
        given.append(held[text.purpose])
    if given:
        after_commit(log.info, "consents_given", learner=learner.pk, texts=[each.text_id for each in given])
    return given


@transaction.atomic
def report_consent(
    *,
    workspace_id: int,
    learner_cuid: str,
    purpose: str,
    version: int,
    address: str,
    signature: Signature,
    actor: Actor,
    now: dt.datetime,
) -> tuple[Consent, bool]:
    """Record that the address agreed to this version in another system; return the consent that holds, and whether it
    is new. A consent to this version or a newer one stays as it is.

    Raises NotFound for the learner, Invalid for a version that doesn't exist or was not in force at the signature, or
    for a signature in the future, and what `give_consents` raises.
    """
    learner = get_learner(workspace_id=workspace_id, cuid=learner_cuid)
    text = ConsentText.objects.filter(workspace=workspace_id, purpose=purpose, version=version).first()
    if text is None:
        raise invalid_field("version", "unknown", "There is no such version of a text for this purpose.")
    if signature.signed_at > now:
        raise invalid_field("signedAt", "in_future", "Send the moment of the signature, which can't be in the future.")
    if signature.signed_at < text.from_at:
        raise invalid_field("signedAt", "too_early", "This version of the text was not yet in force at that moment.")
    given = give_consents(
        learner_id=learner.pk,
        address=address,
        text_ids=[text.pk],
        way=ConsentWay.REPORTED,
        signature=signature,
        actor=actor,
        now=now,
    )
    return (given[0], True) if given else (_read_held(learner, address)[purpose], False)


@transaction.atomic
def withdraw_consent(*, consent_id: int, withdrawal: Withdrawal | None = None, actor: Actor, now: dt.datetime) -> None:
    """End a consent, since the moment of the `withdrawal` if another system reported it. Staff are asked what follows
    if the program requires it. Raises ConsentOver."""
    if not _end([consent_id], ConsentEnd.WITHDRAWN, actor, now, withdrawal):
        raise ConsentOver
    consent = Consent.objects.select_related("text").get(pk=consent_id)
    if consent.text.is_required:
        raise_staff_task(
            workspace_id=consent.workspace_id,
            kind=CONSENT_WITHDRAWN,
            subject=f"consent:{consent.pk}",
            summary=f"A consent that is required was withdrawn: {consent.purpose}.",
        )
    after_commit(log.info, "consent_withdrawn", consent=consent.pk, learner=consent.learner_id, actor=str(actor))


@transaction.atomic
def report_withdrawal(
    *, workspace_id: int, learner_cuid: str, consent_id: int, withdrawal: Withdrawal, actor: Actor, now: dt.datetime
) -> Consent:
    """Record that somebody withdrew this consent in another system; return it. One that was withdrawn before stays as
    it is.

    Raises NotFound, Invalid for a withdrawal in the future or from before the consent was given, and ConsentOver if
    another version has replaced the consent.
    """
    theirs = list_consents(workspace_id=workspace_id, learner_cuid=learner_cuid).filter(pk=consent_id)
    consent = theirs.first()
    if consent is None:
        raise NotFound("There is no such consent about this learner.")
    if withdrawal.withdrawn_at > now:
        raise invalid_field(
            "withdrawnAt", "in_future", "Send the moment of the withdrawal, which can't be in the future."
        )
    if withdrawal.withdrawn_at < consent.given_at:
        raise invalid_field("withdrawnAt", "too_early", "This consent was given after that moment, so it still holds.")
    try:
        withdraw_consent(consent_id=consent.pk, withdrawal=withdrawal, actor=actor, now=now)
    except ConsentOver:
        if not theirs.filter(end=ConsentEnd.WITHDRAWN).exists():
            raise
    return theirs.get()


def list_consents(*, workspace_id: int, learner_cuid: str) -> QuerySet[Consent]:
    """Return what anybody agreed to about the learner, with what has ended. Raises NotFound."""
    learner = get_learner(workspace_id=workspace_id, cuid=learner_cuid)
    return Consent.objects.filter(learner=learner).select_related("text")


def list_live(*, learner_ids: Sequence[int], address: str) -> dict[int, list[Consent]]:
    """Return what the holder of a proven address agreed to, by learner, oldest first."""
    by_learner: dict[int, list[Consent]] = {learner_id: [] for learner_id in learner_ids}
    theirs = Q(address=canonical_address(address), learner__in=learner_ids, ended_at=None)
    for consent in Consent.objects.filter(theirs).select_related("text").order_by("pk"):
        by_learner[consent.learner_id].append(consent)
    return by_learner


def _read_held(learner: Learner, address: str) -> dict[str, Consent]:
    """Return what the address agreed to about the (locked) learner, by purpose."""
    live = Consent.objects.filter(learner=learner, address=canonical_address(address), ended_at=None)
    return {consent.purpose: consent for consent in live.select_related("text")}


def _was_withdrawn_since(learner: Learner, address: str, purpose: str, moment: dt.datetime) -> bool:
    """Return whether the address withdrew its consent about the (locked) learner after the moment."""
    theirs = Consent.objects.filter(learner=learner, address=canonical_address(address), purpose=purpose)
    return theirs.filter(end=ConsentEnd.WITHDRAWN, ended_at__gte=moment).exists()


def _end(
    consent_ids: Sequence[int], end: ConsentEnd, actor: Actor, now: dt.datetime, withdrawal: Withdrawal | None = None
) -> int:
    live = Consent.objects.filter(pk__in=consent_ids, ended_at=None)
    if withdrawal is None:
        return live.update(ended_at=now, end=end, ended_by=str(actor))
    return live.update(
        ended_at=withdrawal.withdrawn_at,
        end=end,
        ended_by=str(actor),
        end_evidence=withdrawal.evidence,
        end_reported_at=now,
    )
