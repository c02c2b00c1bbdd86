"""How guardians get access: the workspace invites an address, and the reader of its mail accepts.

The link alone shows nothing about children: it may have been mailed to the wrong address, or forwarded. It asks for a
code, mailed to the invited address. Entering the code shows the children's first names, and accepting makes the address
the guardian's.
"""

import datetime as dt
from dataclasses import dataclass

import structlog
from django.conf import settings
from django.db import transaction
from django.db.models import F, Q, QuerySet
from django.urls import reverse
from django.utils import translation

from core.addresses import canonical_address
from core.errors import DomainError, NotFound
from core.rows import lock_rows

from .guardians import (
    end_search,
    has_proven_address,
    link_guardian,
    lock_guardian,
    set_guardian_address,
    unite_guardians,
)
from .invitation_links import (
    OPEN,
    AlreadyInvited,
    find_invitation,
    give_link,
    lock_pending,
    mail_link,
    renew_invitation,
)
from .languages import language_of_address
from .learners import lock_owner_of
from .models import Guardian, GuardianInvitation, Guardianship, Learner, User
from .sign_in import proven_address
from .staff_tasks import raise_staff_task, settle_staff_task
from .task_kinds import UNANSWERED

log = structlog.get_logger(__name__)

MAILS_FROM_WORKSPACE = 2_000  # a day: enough for a district's families, not a flood
BITE = 500


class GuardianHasAddress(DomainError):
    """The guardian signs in with another address, proven by a code: an invitation must not take that away."""

    code = "guardian_has_address"
    title = "This guardian already has another address"


class InvitedByAnotherAddress(DomainError):
    status = 403
    code = "invited_by_another_address"
    title = "This invitation is for another address"


@dataclass(frozen=True, slots=True)
class Acceptance:
    """The guardian an accepted invitation created; `has_joined` is true if the address already belonged to another
    guardian of the workspace, to whom the children were then added."""

    guardian: Guardian
    learners: list[Learner]
    has_joined: bool


@transaction.atomic
def invite_guardian(
    *, guardian_id: int, email: str, invited_by: User | None, now: dt.datetime
) -> tuple[GuardianInvitation, str]:
    """Record an invitation and return it with the secret of its link, which can't be retrieved again; pass it to
    `mail_guardian_invitation`. Raises NotFound, GuardianHasAddress, AlreadyInvited while another one is open.
    """
    guardian = lock_guardian(guardian_id)
    address = canonical_address(email)
    _refuse_replacing_proven(guardian, address)
    waiting = guardian.invitations.filter(OPEN).first()
    if waiting is not None:
        raise AlreadyInvited(
            f"The guardian has an open invitation by {waiting.email}: send it again, or revoke it first."
        )
    invitation = GuardianInvitation(
        workspace_id=guardian.workspace_id, guardian=guardian, email=address, invited_by=invited_by, created_at=now
    )
    token = give_link(invitation, now=now)
    invitation.save()
    log.info("guardian_invited", guardian=guardian.pk, invitation=invitation.pk)
    return invitation, token


@transaction.atomic
def invite_or_renew(
    *, guardian_id: int, email: str, invited_by: User | None, now: dt.datetime
) -> tuple[GuardianInvitation, str]:
    """Invite, or give an open invitation to this address a new link. Raises the same errors as `invite_guardian`."""
    guardian = lock_guardian(guardian_id)
    waiting = guardian.invitations.filter(OPEN, email=canonical_address(email)).first()
    if waiting is not None:
        return renew_invitation(GuardianInvitation, invitation_id=waiting.pk, now=now)
    return invite_guardian(guardian_id=guardian_id, email=email, invited_by=invited_by, now=now)


@transaction.atomic
def accept_guardian_invitation(*, token: str, user: User, now: dt.datetime) -> Acceptance:
    """Give the guardian the address that the invitation was mailed to and that this person has proven.

    If another guardian of the workspace has the address, both are one person: the two rows become one if the other is
    known by the address alone; otherwise the children are linked to the other. Raises NotFound, InvitationOver,
    InvitedByAnotherAddress, GuardianHasAddress.
    """
    found = find_invitation(GuardianInvitation, token=token)
    if found is None:
        raise NotFound("There is no such invitation.")
    if proven_address(user=user) != found.email:
        raise InvitedByAnotherAddress("Sign in with the code that is mailed to the invited address.")
    _lock_family(found, user)
    invitation = lock_pending(GuardianInvitation, token=token, now=now)
    guardian = lock_guardian(invitation.guardian_id)
    _refuse_replacing_proven(guardian, invitation.email)
    other = Guardian.objects.filter(workspace_id=guardian.workspace_id, email=invitation.email).first()
    has_joined = other is not None and other != guardian
    if other is None or other == guardian:
        reached = _give_address(guardian, invitation.email, now)
    elif other.external_id is None:
        unite_guardians(keep=guardian, gone=other, now=now)
        reached = _give_address(guardian, invitation.email, now)
    else:
        for learner_id in guardian.learners.order_by("pk").values_list("pk", flat=True):
            link_guardian(guardian_id=other.pk, learner_id=learner_id)
        reached = other
        end_search(guardian_id=guardian.pk, resolution=f"The children are linked to guardian {other.pk}.", now=now)
    learners = list(guardian.learners.order_by("first_name", "pk"))
    invitation.accepted_at = now
    invitation.accepted_by = user
    invitation.save(update_fields=["accepted_at", "accepted_by"])
    log.info("guardian_invitation_accepted", invitation=invitation.pk, guardian=reached.pk)
    return Acceptance(reached, learners, has_joined)


def report_unanswered_invitations(*, now: dt.datetime) -> int:
    """Tell staff once about each invitation that expired unaccepted; return how many there were."""
    told = 0
    for invitation in unanswered_invitations(now=now).order_by("pk")[:BITE]:
        with transaction.atomic():
            if not unanswered_invitations(now=now).filter(pk=invitation.pk).update(unanswered_at=now):
                continue  # accepted, sent again, or reported by another process a moment ago
            raise_staff_task(
                workspace_id=invitation.workspace_id,
                kind=UNANSWERED,
                subject=f"guardian:{invitation.guardian_id}",
                summary="Nobody accepted the guardian's invitation. "
                "Ask the family for their address, then send it again or invite another one.",
            )
            told += 1
    return told


def unanswered_invitations(*, now: dt.datetime) -> QuerySet[GuardianInvitation]:
    """Return expired invitations that staff have not been told about."""
    untold = Q(unanswered_at=None) | Q(unanswered_at__lt=F("expires_at"))
    return GuardianInvitation.objects.filter(OPEN, untold, expires_at__lte=now)


def children_of(invitation: GuardianInvitation) -> list[str]:
    """Return the first names to show to a person who has proven the invited address, and to nobody else."""
    names = Learner.objects.filter(guardians=invitation.guardian_id).order_by("first_name", "pk")
    return list(names.values_list("first_name", flat=True))


def mail_guardian_invitation(*, invitation: GuardianInvitation, token: str) -> None:
    """Mail the link, which names no child. Raises TooManyInvitations, and Unavailable if the mail server does not
    accept it; the invitation stays open."""
    settle_staff_task(
        kind=UNANSWERED,
        subject=f"guardian:{invitation.guardian_id}",
        resolution="The guardian was invited again.",
        now=invitation.sent_at,
    )
    language = language_of_address(invitation.email, workspace_id=invitation.workspace_id)
    with translation.override(language):
        mail_link(
            template="account/email/guardian_invitation",
            to=invitation.email,
            workspace_id=invitation.workspace_id,
            sender="invitations:guardians",
            mails_from_workspace=MAILS_FROM_WORKSPACE,
            context={
                "workspace": invitation.workspace,
                "url": settings.PUBLIC_URL + reverse("guardian-invitation", args=[token]),
            },
        )


def _refuse_replacing_proven(guardian: Guardian, address: str) -> None:
    if guardian.email != address and has_proven_address(guardian):
        raise GuardianHasAddress(
            "The guardian signs in by another address, which a code has proven. If it is wrong, change it first."
        )


def _lock_family(invitation: GuardianInvitation, user: User) -> None:
    """Lock the children, the account, then the rows that may be this guardian's. The lock on the account makes all
    invitations of one address wait for each other: two ids of one person must not both get it."""
    guardians = Guardian.objects.filter(workspace_id=invitation.workspace_id)
    theirs = guardians.filter(Q(pk=invitation.guardian_id) | Q(email=invitation.email)).order_by("pk")
    lock_owner_of(Guardianship.objects.filter(guardian__in=theirs.order_by()))
    lock_rows(User, user.pk)
    list(theirs.select_for_update(of=("self",)))


def _give_address(guardian: Guardian, address: str, now: dt.datetime) -> Guardian:
    return set_guardian_address(guardian_id=guardian.pk, email=address, now=now)
